// Search offers, in its three spellings, and the GPU catalogue.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr std::size_t kRowsMax = 64;          // whatever limit says
constexpr double kStorageGbDefault = 8;

bool IsOption(const std::string& key) {
  return key == "order" || key == "limit" || key == "type" || key == "allocated_storage" ||
         key == "sort_option" || key == "select_cols" || key == "q" || key == "api_key" ||
         key == "disable_bundling" || key == "owner" || key == "resource_type" ||
         key == "client_id";
}

// The row's value for a search key; nullptr = no such key.
const Json* FieldOf(const Json& row, const std::string& key, Json& scratch) {
  if (key == "verified") {
    scratch = row["verification"] == "verified";
    return &scratch;
  }
  if (key == "id") {  // matches nothing: an offer is found by ask_contract_id
    scratch = nullptr;
    return &scratch;
  }
  const auto it = row.find(key);
  return it == row.end() ? nullptr : &*it;
}

StatusOr<bool> MeetsAll(const Json& row, const Json& query, bool ignore_numbers) {
  for (const auto& [key, condition] : query.items()) {
    if (IsOption(key)) continue;
    Json scratch;
    const Json* value = FieldOf(row, key, scratch);
    if (value == nullptr) return InvalidArgument(Cat(key, " is not a valid search key"));
    if (!condition.is_object()) return InvalidArgument(Cat("bad condition for ", key));
    for (const auto& [op, wanted] : condition.items()) {
      const StatusOr<bool> met = Meets(*value, op, wanted);
      if (!met.ok()) {
        return InvalidArgument(
            Cat("ask_contract_offers.", key, " ", op, " None: ", Message(met.status())));
      }
      if (ignore_numbers && value->is_number()) continue;
      if (!*met) return false;
    }
  }
  return true;
}

// [["dph_total","asc"], ...]: the first key decides, equals keep the order of their ids.
void Sort(std::vector<Json>& rows, const Json& order) {
  std::vector<std::pair<std::string, bool>> keys;  // field, descending
  for (const Json& key : order.is_array() ? order : Json::array()) {
    if (!key.is_array() || key.empty() || !key[0].is_string()) continue;
    keys.emplace_back(key[0].get<std::string>(), key.size() > 1 && key[1] == "desc");
  }
  keys.emplace_back("id", false);
  std::sort(rows.begin(), rows.end(), [&](const Json& a, const Json& b) {
    for (const auto& [field, descending] : keys) {
      const Json va = a.value(field, Json()), vb = b.value(field, Json());
      if (va != vb) return descending ? vb < va : va < vb;
    }
    return false;
  });
}

void Distort(World& world, Json& row) {
  if (world.Fire(Trap::kSearchNullFields)) {
    for (const char* f : {"dph_total", "reliability2", "machine_id"}) row[f] = nullptr;
  }
  if (world.Fire(Trap::kSearchFewerFields)) {
    Json few;
    for (const char* f : {"id", "machine_id", "gpu_name", "num_gpus", "dph_total"}) {
      few[f] = row[f];
    }
    row = std::move(few);
  }
  if (world.Fire(Trap::kSearchWrongTypes)) {
    for (const char* f : {"dph_total", "reliability2", "machine_id", "num_gpus"}) {
      if (row.contains(f)) row[f] = row[f].dump();
    }
    if (row.contains("geolocation")) row["geolocation"] = 46;
  }
  if (world.Fire(Trap::kGpuNameBlank)) row["gpu_name"] = TextOr(row, "gpu_name", "") + " ";
  if (world.Fire(Trap::kIdsAsFloats)) WriteIdsAsFloats(row);
}

SimReply SearchQuery(World& world, const Json& query) {
  const std::string type = TextOr(query, "type", "on-demand");
  if (type != "on-demand" && type != "ondemand" && type != "ask" && type != "bid" &&
      type != "interruptible" && type != "reserved") {
    return ErrorReply(400, "invalid_args", Cat("error 400/3467: Invalid args: type ", type));
  }
  const bool bid = type == "bid" || type == "interruptible";
  const double storage_gb = NumberOr(query, "allocated_storage", kStorageGbDefault);
  const bool ignore_numbers = world.Fire(Trap::kSearchIgnoresPrice) != nullptr;
  std::vector<Json> rows;
  if (!world.Fire(Trap::kSearchEmpty)) {
    for (const auto& [id, offer] : world.market.offers()) {
      const Machine& machine = world.market.machine(offer.machine);
      Json row = OfferJson(offer, machine, storage_gb, bid, world.now());
      const StatusOr<bool> met = MeetsAll(row, query, ignore_numbers);
      if (!met.ok()) return ErrorReply(400, "invalid_args", Message(met.status()));
      if (*met) rows.push_back(std::move(row));
    }
  }
  Sort(rows, query.value("order", Json()));
  const double limit = NumberOr(query, "limit", kRowsMax);
  const std::size_t count =
      std::min({rows.size(), kRowsMax, static_cast<std::size_t>(std::max(0.0, limit))});
  Json offers = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    Distort(world, rows[i]);
    offers.push_back(std::move(rows[i]));
  }
  return JsonReply(200, {{"success", true}, {"offers", std::move(offers)}});
}

}  // namespace

SimReply Search(World& world, const Call&, const Json& body) {
  const auto inner = body.find("q");
  return SearchQuery(world, inner != body.end() && inner->is_object() ? *inner : body);
}

SimReply SearchByGet(World& world, const Call& call, const Json&) {
  const auto q = call.query.find("q");
  if (q == call.query.end()) return SearchQuery(world, Json::object());
  const Json query = Json::parse(q->second, nullptr, /*allow_exceptions=*/false);
  if (!query.is_object()) return ErrorReply(400, "invalid_args", "q is not a JSON object");
  return SearchQuery(world, query);
}

SimReply GpuNames(World& world, const Call&, const Json&) {
  Json names = Json::array();
  for (const GpuKind& kind : world.options.gpus) names.push_back(kind.name);
  return JsonReply(200, {{"gpu_names", std::move(names)}});
}

SimReply GpuTypes(World& world, const Call&, const Json&) {
  Json types = Json::array();
  for (const GpuKind& kind : world.options.gpus) {
    types.push_back({{"gpu_name", kind.name},
                     {"gpu_ram", kind.ram_mb},
                     {"compute_cap", kind.compute_cap},
                     {"gpu_arch", "nvidia"}});
  }
  return JsonReply(200, {{"success", true}, {"gpu_types", std::move(types)}});
}

}  // namespace muster::vastsim
