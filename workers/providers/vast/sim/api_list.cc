// Lists and single instances.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr std::int64_t kPageRowsMax = 25;
constexpr std::int64_t kPageRowsForNonsense = 5;

// A place in the order: the sort column's value, then the id.
using Key = std::pair<Json, std::int64_t>;

struct Listing {
  std::vector<Key> keys;  // of all matches, in order
  Json label_counts = Json::object();
  bool descending = false;
};

bool HiddenByLag(World& world, const Contract& contract) {
  const Fault* lag = world.Fire(Trap::kListLag, world.call_endpoint, contract.id);
  return lag != nullptr &&
         world.now() - contract.created < absl::Seconds(lag->value == 0 ? 30 : lag->value);
}

StatusOr<bool> Matches(const Json& columns, const Json& filters) {
  for (const auto& [field, condition] : filters.items()) {
    const auto column = columns.find(field);
    if (column == columns.end()) return InvalidArgument(Cat("cannot filter by ", field));
    if (!condition.is_object()) return InvalidArgument(Cat("bad filter for ", field));
    for (const auto& [op, wanted] : condition.items()) {
      MUSTER_ASSIGN_OR_RETURN(const bool met, Meets(*column, op, wanted));
      if (!met) return false;
    }
  }
  return true;
}

StatusOr<Json> QueryJson(const Call& call, const char* name, Json otherwise) {
  const auto it = call.query.find(name);
  if (it == call.query.end() || it->second.empty()) return otherwise;
  Json value = Json::parse(it->second, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return InvalidArgument(Cat(name, " is not JSON"));
  return value;
}

StatusOr<Listing> Gather(World& world, const Call& call) {
  MUSTER_ASSIGN_OR_RETURN(const Json filters, QueryJson(call, "select_filters", Json::object()));
  MUSTER_ASSIGN_OR_RETURN(const Json order, QueryJson(call, "order_by", Json::array()));
  if (!filters.is_object() || !order.is_array()) return InvalidArgument("bad filter or order");
  std::string column = "id";
  Listing listing;
  if (!order.empty()) {
    column = TextOr(order[0], "col", "");
    listing.descending = TextOr(order[0], "dir", "asc") == "desc";
  }
  const bool plain = filters.empty() && column == "id";
  const bool lags = std::any_of(world.faults.begin(), world.faults.end(),
                                [](const Fault& fault) { return fault.trap == Trap::kListLag; });
  std::map<std::string, int> labels;
  for (const auto& [id, contract] : world.living) {
    if (plain) {  // the usual one; thousands are asked for page by page
      if (lags && HiddenByLag(world, contract)) continue;
      listing.keys.emplace_back(id, id);
    } else {
      const Json columns = StoredColumns(world, contract);
      if (!columns.contains(column)) return InvalidArgument(Cat("cannot order by ", column));
      MUSTER_ASSIGN_OR_RETURN(const bool met, Matches(columns, filters));
      if (!met || (lags && HiddenByLag(world, contract))) continue;
      listing.keys.emplace_back(columns[column], id);
    }
    ++labels[contract.order.label.value_or("")];
  }
  listing.label_counts = labels;
  if (!plain) std::sort(listing.keys.begin(), listing.keys.end());
  if (listing.descending) std::reverse(listing.keys.begin(), listing.keys.end());
  return listing;
}

std::string WriteToken(const Key& key) {
  return absl::WebSafeBase64Escape(Json::array({key.first, key.second}).dump());
}

std::optional<Key> ReadToken(const std::string& token) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_array() || value.size() != 2 || !value[1].is_number_integer()) return std::nullopt;
  return Key(value[0], value[1].get<std::int64_t>());
}

// Rows that were destroyed but, by a trap, are shown a little longer.
void AddGhosts(World& world, std::vector<std::string>& rows) {
  for (const auto& [id, contract] : world.past) {
    if (contract.listed_until > world.now()) rows.push_back(InstanceText(world, contract));
  }
}

std::string SelectColumns(const std::string& text, const Json& columns) {
  if (!columns.is_array() || columns.empty() || columns[0] == "*") return text;
  const Json row = Json::parse(text);
  Json few = Json::object();
  for (const Json& column : columns) {
    if (column.is_string() && row.contains(column.get<std::string>())) {
      few[column.get<std::string>()] = row[column.get<std::string>()];
    }
  }
  return few.dump();
}

std::int64_t PageRows(const Call& call) {
  const auto it = call.query.find("limit");
  std::int64_t limit = kPageRowsMax;
  if (it != call.query.end() && !absl::SimpleAtoi(it->second, &limit)) return kPageRowsMax;
  return limit <= 0 ? kPageRowsForNonsense : std::min(limit, kPageRowsMax);
}

SimReply Gone410() {
  return JsonReply(410,
                   {{"success", false},
                    {"error", "deprecated_endpoint"},
                    {"msg", "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead."}});
}

}  // namespace

SimReply ListV1(World& world, const Call& call, const Json&) {
  if (world.Fire(Trap::kInstancesNull)) return JsonReply(200, {{"instances", nullptr}});
  const StatusOr<Listing> listing = Gather(world, call);
  if (!listing.ok()) {
    return JsonReply(400, {{"error", "invalid_request"}, {"msg", Message(listing.status())}});
  }
  const std::vector<Key>& keys = listing->keys;
  std::size_t first = 0;
  const auto after = call.query.find("after_token");
  if (after != call.query.end() && !after->second.empty()) {
    const std::optional<Key> key = ReadToken(after->second);
    if (!key.has_value() || world.Fire(Trap::kListTokenInvalid)) {
      return JsonReply(400, {{"error", "invalid_token"}, {"msg", "after_token is not valid"}});
    }
    while (first < keys.size() &&
           (listing->descending ? !(keys[first] < *key) : !(*key < keys[first]))) {
      ++first;
    }
  }
  const std::size_t end = std::min(keys.size(), first + static_cast<std::size_t>(PageRows(call)));
  const StatusOr<Json> columns = QueryJson(call, "select_cols", Json::array());
  std::vector<std::string> rows;
  for (std::size_t i = first; i < end; ++i) {
    std::string row = InstanceText(world, world.living.at(keys[i].second));
    rows.push_back(columns.ok() ? SelectColumns(row, *columns) : std::move(row));
  }
  const bool last = end >= keys.size();
  if (last) AddGhosts(world, rows);
  const std::size_t ghosts = rows.size() - (end - first);
  std::int64_t total = static_cast<std::int64_t>(keys.size() + ghosts);
  if (!rows.empty() && world.Fire(Trap::kListDropsRow)) rows.pop_back();
  if (const Fault* fault = world.Fire(Trap::kListTotalMismatch)) {
    total += fault->value == 0 ? 1 : static_cast<std::int64_t>(fault->value);
  }
  Json answer = {{"success", true},
                 {"instances_found", rows.size()},
                 {"total_instances", total},
                 {"label_counts", listing->label_counts},
                 {"next_token", nullptr}};
  if (!last) answer["next_token"] = WriteToken(keys[end - 1]);
  return RowsReply(answer, "instances", rows);
}

SimReply ListV0(World& world, const Call&, const Json&) {
  if (!world.options.v0_list && !world.Fire(Trap::kListV0Serves)) return Gone410();
  if (world.Fire(Trap::kInstancesNull)) return JsonReply(200, {{"instances", nullptr}});
  std::vector<std::string> rows;
  for (const auto& [id, contract] : world.living) {
    if (!HiddenByLag(world, contract)) rows.push_back(InstanceText(world, contract));
  }
  AddGhosts(world, rows);
  return RowsReply({{"success", true}}, "instances", rows);
}

SimReply ListFilters(World& world, const Call&, const Json&) {
  Json filters = Json::array();
  for (auto& [id, contract] : world.living) {
    const Json columns = StoredColumns(world, contract);
    Json one = {{"actual_status", columns["actual_status"]},
                {"gpu_name", columns["gpu_name"]},
                {"verification", columns["verification"]}};
    if (std::find(filters.begin(), filters.end(), one) == filters.end()) {
      filters.push_back(std::move(one));
    }
  }
  return JsonReply(200, {{"success", true}, {"filters", std::move(filters)}});
}

SimReply Show(World& world, const Call& call, const Json&) {
  Contract* contract = world.Find(call.id);
  const Fault* lag = contract == nullptr ? nullptr : world.Fire(Trap::kShowLag);
  const bool hidden = lag != nullptr && world.now() - contract->created <
                                            absl::Seconds(lag->value == 0 ? 30 : lag->value);
  if (contract == nullptr || hidden || world.Fire(Trap::kInstancesNull)) {
    return JsonReply(200, {{"instances", nullptr}});
  }
  return Reply(200, Cat("{\"instances\":", InstanceText(world, *contract), "}"),
               "application/json");
}

}  // namespace muster::vastsim
