#include <cmath>
#include <nlohmann/json.hpp>

#include "services/simulate/render.h"

namespace muster::simulate {
namespace {

using Json = nlohmann::json;

// Infinity is no JSON: "never" is null.
Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json Seconds(absl::Duration span) { return Number(absl::ToDoubleSeconds(span)); }

Json HoursOf(const Report& run) {
  Json hours = Json::array();
  for (const Report::Hour& hour : run.hours) {
    hours.push_back({{"working", hour.working},
                     {"rented", hour.rented},
                     {"spent_usd", hour.spent.usd()},
                     {"units", hour.units},
                     {"at_target_s", Seconds(hour.at_target)},
                     {"length_s", Seconds(hour.length)}});
  }
  return hours;
}

Json RunOf(const Report& run) {
  Json out;
  for (const Quantity& quantity : Quantities()) out[quantity.key] = Number(quantity.of(run));
  Json waits = Json::object();
  for (const auto& [kind, wait] : run.waits) {
    waits[kind] = {{"total_s", Seconds(wait.total)}, {"detail", wait.detail}};
  }
  out["seed"] = run.seed;
  out["digest"] = run.digest;
  out["events"] = run.events;
  out["charged_usd"] = run.charged.usd();
  out["burn_max_usd_per_hour"] = run.burn_max.usd();
  out["lost_share"] = run.LostShare();
  out["refused_by_reason"] = run.refused;
  out["replaced_by_rule"] = run.replaced;
  out["given_up_by_rule"] = run.ended;
  out["strikes"] = run.strikes;
  out["credit_waits"] = run.credit_waits;
  out["waits"] = std::move(waits);
  out["worst_hour"] = run.worst_hour < 0 ? Json(nullptr) : Json(run.worst_hour);
  out["hours"] = HoursOf(run);
  return out;
}

}  // namespace

std::string ToJson(const Request& request, const Study& study) {
  Json out;
  const Report& first = study.runs.front();
  out["fleet"] = first.fleet;
  out["work_unit"] = first.work_unit;
  out["wanted"] = first.wanted;
  out["start"] = FormatUtc(first.start);
  out["span_s"] = Seconds(first.span);
  out["market"] = request.market == nullptr ? "drawn" : "recorded";
  out["digest"] = study.digest;
  out["assumptions"] = study.assumptions;
  for (const Report& run : study.runs) out["runs"].push_back(RunOf(run));
  for (const Quantity& quantity : Quantities()) {
    std::vector<double> values;
    values.reserve(study.runs.size());
    for (const Report& run : study.runs) values.push_back(quantity.of(run));
    const Spread spread = SpreadOf(std::move(values));
    out["spread"][quantity.key] = {{"p10", Number(spread.p10)},
                                   {"median", Number(spread.median)},
                                   {"p90", Number(spread.p90)}};
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace muster::simulate
