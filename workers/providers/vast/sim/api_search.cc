// Search offers, in its three spellings, and the GPU catalogue.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr std::size_t kRowsMax = 64;  // whatever limit says
constexpr double kStorageGbDefault = 8;

bool IsOption(const std::string& key) {
  return key == "order" || key == "limit" || key == "type" || key == "allocated_storage" ||
         key == "sort_option" || key == "select_cols" || key == "q" || key == "api_key" ||
         key == "disable_bundling" || key == "owner" || key == "resource_type" ||
         key == "client_id";
}

// An offer under consideration. The row is written when somebody needs more than a quick field.
struct Candidate {
  const OfferRow* offer = nullptr;
  const Machine* machine = nullptr;
  OfferPrice price;
  absl::Duration remaining;  // until the machine is no longer on offer
  std::vector<Json> sort_keys;
};

using QuickField = Json (*)(const Candidate&);

// The fields that most searches name, without writing the row; nullptr for any other.
QuickField FindQuickField(const std::string& key) {
  static const auto* const kFields = new std::map<std::string, QuickField>{
      {"id", [](const Candidate& c) { return Json(c.offer->id); }},
      {"ask_contract_id", [](const Candidate& c) { return Json(c.offer->id); }},
      {"machine_id", [](const Candidate& c) { return Json(c.machine->id); }},
      {"gpu_name", [](const Candidate& c) { return Json(c.machine->gpu.name); }},
      {"num_gpus", [](const Candidate& c) { return Json(c.offer->gpus); }},
      {"dph_total", [](const Candidate& c) { return Json(c.price.total); }},
      {"dph_base", [](const Candidate& c) { return Json(c.price.base); }},
      {"reliability", [](const Candidate& c) { return Json(c.machine->reliability); }},
      {"reliability2", [](const Candidate& c) { return Json(c.machine->reliability); }},
      {"cuda_max_good", [](const Candidate& c) { return Json(c.machine->cuda); }},
      {"inet_down", [](const Candidate& c) { return Json(c.machine->inet_down_mbps); }},
      {"inet_up", [](const Candidate& c) { return Json(c.machine->inet_up_mbps); }},
      {"disk_space", [](const Candidate& c) { return Json(c.machine->disk_gb); }},
      {"duration", [](const Candidate& c) { return Json(absl::ToDoubleSeconds(c.remaining)); }},
      {"geolocation", [](const Candidate& c) { return Json(c.machine->country); }},
      {"verified", [](const Candidate& c) { return Json(c.machine->verified); }},
      {"rentable", [](const Candidate&) { return Json(true); }},
      {"rented", [](const Candidate&) { return Json(false); }},
      {"external", [](const Candidate&) { return Json(false); }},
  };
  const auto it = kFields->find(key);
  return it == kFields->end() ? nullptr : it->second;
}

struct Condition {
  std::string key;
  QuickField quick = nullptr;
  std::string op;
  Json wanted;
};

StatusOr<std::vector<Condition>> ReadConditions(const Json& query) {
  std::vector<Condition> conditions;
  for (const auto& [key, condition] : query.items()) {
    if (IsOption(key)) continue;
    if (!condition.is_object()) return InvalidArgument(Cat("bad condition for ", key));
    for (const auto& [op, wanted] : condition.items()) {
      conditions.push_back({key, FindQuickField(key), op, wanted});
    }
  }
  // The quick ones first: they spare the rows of most offers.
  std::partition(conditions.begin(), conditions.end(),
                 [](const Condition& condition) { return condition.quick != nullptr; });
  return conditions;
}

// One search under way.
class Searching {
 public:
  Searching(World& world, double storage_gb, bool bid)
      : world_(world), storage_gb_(storage_gb), bid_(bid) {}

  Candidate Consider(const OfferRow& offer) const {
    const Machine& machine = world_.market.machine(offer.machine);
    return {&offer,
            &machine,
            PriceOf(offer, machine, storage_gb_, bid_),
            machine.offered_until - world_.now(),
            {}};
  }

  std::string Text(const Candidate& c) const {
    return OfferText(*c.offer, *c.machine, c.price, bid_, world_.now());
  }

  StatusOr<bool> MeetsAll(const Candidate& c, const std::vector<Condition>& conditions,
                          bool ignore_numbers) const {
    Json row;
    for (const Condition& condition : conditions) {
      if (condition.quick == nullptr && row.is_null()) row = Json::parse(Text(c));
      const Json value = condition.quick != nullptr ? condition.quick(c) : row[condition.key];
      const StatusOr<bool> met = Meets(value, condition.op, condition.wanted);
      if (!met.ok()) {
        return InvalidArgument(Cat("ask_contract_offers.", condition.key, " ", condition.op,
                                   " None: ", Message(met.status())));
      }
      // An offer is not found by `id`, only by `ask_contract_id`.
      if (condition.key == "id") return false;
      if (!*met && !(ignore_numbers && value.is_number())) return false;
    }
    return true;
  }

  // Every row has the same fields: one tells whether all conditions name existing ones.
  Status CheckKeys(const std::vector<Condition>& conditions) const {
    const auto& offers = world_.market.offers();
    if (offers.empty()) return {};
    Json row;
    for (const Condition& condition : conditions) {
      if (condition.quick != nullptr) continue;
      if (row.is_null()) row = Json::parse(Text(Consider(offers.begin()->second)));
      if (!row.contains(condition.key)) {
        return InvalidArgument(Cat(condition.key, " is not a valid search key"));
      }
    }
    return {};
  }

  // [["dph_total","asc"], ...]: the first key decides, equals keep the order of their ids.
  void Sort(std::vector<Candidate>& found, const Json& order) const {
    std::vector<bool> descending;
    for (const Json& key : order.is_array() ? order : Json::array()) {
      if (!key.is_array() || key.empty() || !key[0].is_string()) continue;
      const std::string field = key[0];
      const QuickField quick = FindQuickField(field);
      descending.push_back(key.size() > 1 && key[1] == "desc");
      for (Candidate& c : found) {
        c.sort_keys.push_back(quick != nullptr ? quick(c)
                                               : Json::parse(Text(c)).value(field, Json()));
      }
    }
    std::sort(found.begin(), found.end(), [&](const Candidate& a, const Candidate& b) {
      for (std::size_t i = 0; i < descending.size(); ++i) {
        const Json &ka = a.sort_keys[i], &kb = b.sort_keys[i];
        if (ka != kb) return descending[i] ? kb < ka : ka < kb;
      }
      return a.offer->id < b.offer->id;
    });
  }

 private:
  World& world_;
  double storage_gb_;
  bool bid_;
};

std::string Distorted(World& world, std::string text) {
  const bool nulls = world.Fire(Trap::kSearchNullFields) != nullptr;
  const bool fewer = world.Fire(Trap::kSearchFewerFields) != nullptr;
  const bool wrong = world.Fire(Trap::kSearchWrongTypes) != nullptr;
  const bool blank = world.Fire(Trap::kGpuNameBlank) != nullptr;
  if (nulls || fewer || wrong || blank) {
    Json row = Json::parse(text);
    if (nulls) {
      for (const char* f : {"dph_total", "reliability2", "machine_id"}) row[f] = nullptr;
    }
    if (fewer) {
      Json few;
      for (const char* f : {"id", "machine_id", "gpu_name", "num_gpus", "dph_total"}) {
        few[f] = row[f];
      }
      row = std::move(few);
    }
    if (wrong) {
      for (const char* f : {"dph_total", "reliability2", "machine_id", "num_gpus"}) {
        if (row.contains(f)) row[f] = row[f].dump();
      }
      if (row.contains("geolocation")) row["geolocation"] = 46;
    }
    if (blank) row["gpu_name"] = TextOr(row, "gpu_name", "") + " ";
    text = row.dump();
  }
  return world.Fire(Trap::kIdsAsFloats) ? WithIdsAsFloats(text) : text;
}

bool IsBid(const std::string& type) { return type == "bid" || type == "interruptible"; }

SimReply SearchQuery(World& world, const Json& query) {
  const std::string type = TextOr(query, "type", "on-demand");
  if (type != "on-demand" && type != "ondemand" && type != "ask" && type != "reserved" &&
      !IsBid(type)) {
    return ErrorReply(400, "invalid_args", Cat("error 400/3467: Invalid args: type ", type));
  }
  const StatusOr<std::vector<Condition>> conditions = ReadConditions(query);
  if (!conditions.ok()) return ErrorReply(400, "invalid_args", Message(conditions.status()));
  const Searching searching(world, NumberOr(query, "allocated_storage", kStorageGbDefault),
                            IsBid(type));
  const Status keys = searching.CheckKeys(*conditions);
  if (!keys.ok()) return ErrorReply(400, "invalid_args", Message(keys));
  const bool ignore_numbers = world.Fire(Trap::kSearchIgnoresPrice) != nullptr;
  std::vector<Candidate> found;
  if (!world.Fire(Trap::kSearchEmpty)) {
    for (const auto& [id, offer] : world.market.offers()) {
      Candidate candidate = searching.Consider(offer);
      const StatusOr<bool> met = searching.MeetsAll(candidate, *conditions, ignore_numbers);
      if (!met.ok()) return ErrorReply(400, "invalid_args", Message(met.status()));
      if (*met) found.push_back(std::move(candidate));
    }
  }
  searching.Sort(found, query.value("order", Json()));
  const double limit = std::max(0.0, NumberOr(query, "limit", kRowsMax));
  if (limit < static_cast<double>(found.size())) found.resize(static_cast<std::size_t>(limit));
  if (found.size() > kRowsMax) found.resize(kRowsMax);
  std::vector<std::string> rows;
  rows.reserve(found.size());
  for (const Candidate& candidate : found) {
    rows.push_back(Distorted(world, searching.Text(candidate)));
  }
  return RowsReply({{"success", true}}, "offers", rows);
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
