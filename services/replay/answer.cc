// The report in the words of the API.
#include <algorithm>
#include <set>

#include "services/files/spec_check.h"
#include "services/replay/run.h"

namespace muster {
namespace {

void SetTime(absl::Time at, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(at);
  std::int64_t seconds = micros / 1'000'000, rest = micros % 1'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000;
  }
  to.set_seconds(seconds);
  to.set_nanos(static_cast<std::int32_t>(rest * 1000));
}

void Fill(const replay::Act& act, apipb::ReplayAct& to) {
  to.set_rule(act.rule);
  to.set_text(act.text);
  to.set_why(act.evidence.summary());
  to.set_worker(act.worker.str());
  to.set_offer(act.offer.str());
  to.set_price_micro_usd_per_hour(act.price.micros);
}

void Fill(const replay::Sided& sided, apipb::ReplayAct& to) {
  Fill(sided.act, to);
  to.set_replayed(sided.replayed);
  to.set_position(sided.position);
  SetTime(sided.at, *to.mutable_time());
}

void Fill(const replay::SideSum& sum, apipb::ReplayResponse::Side& to) {
  to.set_spent_micro_usd(sum.spent.micros);
  to.set_launches(sum.tally.launches);
  to.set_ended(sum.tally.ended);
  to.set_worker_hours(absl::ToDoubleHours(sum.tally.rented));
  to.set_work(sum.tally.work);
  to.set_running_at_end(sum.running);
  to.set_burn_at_end_micro_usd_per_hour(sum.burn.micros);
}

void FillRules(const replay::Report& report, apipb::ReplayResponse& to) {
  std::set<std::string> rules;
  for (const auto* side : {&report.live.by_rule, &report.replayed.by_rule}) {
    for (const auto& [rule, count] : *side) rules.insert(rule);
  }
  const auto count = [](const std::map<std::string, std::int64_t>& side, const std::string& rule) {
    const auto found = side.find(rule);
    return found == side.end() ? 0 : found->second;
  };
  for (const std::string& rule : rules) {
    apipb::ReplayResponse::RuleCount& line = *to.add_rules();
    line.set_rule(rule);
    line.set_live(count(report.live.by_rule, rule));
    line.set_replayed(count(report.replayed.by_rule, rule));
  }
}

void FillDivergence(const replay::Report& report, apipb::ReplayResponse& to) {
  const absl::Duration span = report.to - report.from;
  if (!report.first.has_value()) {
    to.set_exact_spent_micro_usd(report.live.spent.micros);
    to.set_exact_share(1);
    return;
  }
  const replay::Divergence& first = *report.first;
  to.set_diverged(true);
  to.mutable_first()->set_position(first.position);
  SetTime(first.at, *to.mutable_first()->mutable_time());
  const auto fill = [&](const std::vector<replay::Act>& acts, bool replayed, auto* list) {
    for (const replay::Act& act : acts) {
      apipb::ReplayAct& shown = *list->Add();
      Fill(act, shown);
      shown.set_replayed(replayed);
      shown.set_position(act.position > 0 ? act.position : first.position);
      SetTime(first.at, *shown.mutable_time());
    }
  };
  fill(first.live, false, to.mutable_first_live());
  fill(first.replayed, true, to.mutable_first_replayed());
  to.set_exact_spent_micro_usd(first.spent.micros);
  const double exact = absl::ToDoubleSeconds(first.at - report.from);
  const double whole = absl::ToDoubleSeconds(span);
  to.set_exact_share(whole > 0 ? std::clamp(exact / whole, 0.0, 1.0) : 1);
}

}  // namespace

apipb::ReplayResponse ToResponse(const replay::Report& report, const std::string& fleet,
                                 const specpb::FleetSpec* live, const specpb::FleetSpec* trial) {
  apipb::ReplayResponse to;
  to.set_fleet(fleet);
  to.mutable_from()->set_position(report.first_position);
  SetTime(report.from, *to.mutable_from()->mutable_time());
  to.mutable_to()->set_position(report.last_position);
  SetTime(report.to, *to.mutable_to()->mutable_time());
  to.set_events(report.events);
  to.set_moments(report.moments);
  to.set_decisions(report.decisions);
  to.set_reproduced(report.reproduced);
  to.set_same_numbers(report.same_numbers);
  for (const replay::Sided& one : report.unreproduced) Fill(one, *to.add_unreproduced());
  to.set_digest(report.digest);
  to.set_digest_replayed(report.digest_replayed);
  FillDivergence(report, to);
  to.set_decided_by_both(report.both);
  to.set_live_only(report.live_only);
  to.set_replayed_only(report.replayed_only);
  for (const replay::Sided& one : report.differences) Fill(one, *to.add_differences());
  FillRules(report, to);
  Fill(report.live, *to.mutable_live());
  Fill(report.replayed, *to.mutable_replayed());
  to.set_difference_micro_usd(report.replayed.spent.micros - report.live.spent.micros);
  for (const std::string& line : report.model) to.add_model(line);
  for (const std::string& line : report.unknown) to.add_unknown(line);
  if (live != nullptr && trial != nullptr) {
    for (const std::string& change : DiffSpecs(*live, *trial)) to.add_policy_changes(change);
  }
  const std::set<std::string> units(report.work_units.begin(), report.work_units.end());
  if (units.size() == 1) to.set_work_unit(*units.begin());
  return to;
}

}  // namespace muster
