#include "services/grpc/shadow_convert.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "commands/shadow/money.h"
#include "commands/shadow/view.h"
#include "eventstore/base/units.h"
#include "services/files/spec_check.h"
#include "services/grpc/convert.h"

namespace muster::grpc_api {
namespace {

int OpenOf(const World& world, const FleetName& fleet) {
  const auto open = world.open_by_fleet.find(fleet);
  return open == world.open_by_fleet.end() ? 0 : static_cast<int>(open->second.size());
}

api::Shadow::State StateOf(const shadow::State& shadow) {
  if (shadow.running) return api::Shadow::RUNNING;
  switch (shadow.ended) {
    case eventpb::ShadowEnded::PROMOTED:
      return api::Shadow::PROMOTED;
    case eventpb::ShadowEnded::FLEET_GONE:
      return api::Shadow::FLEET_GONE;
    default:
      return api::Shadow::STOPPED;
  }
}

void FillRules(const shadow::State& shadow, api::Shadow& out) {
  std::map<std::string, int> open;
  for (const auto& [number, entry] : shadow.open) ++open[entry.what.rule()];
  std::vector<std::pair<std::int64_t, std::string>> order;  // most first
  for (const auto& [rule, counted] : shadow.by_rule) order.emplace_back(-counted.count, rule);
  std::sort(order.begin(), order.end());
  for (const auto& [less, rule] : order) {
    const shadow::RuleCount& counted = shadow.by_rule.at(rule);
    api::ShadowRule& row = *out.add_rules();
    row.set_rule(rule);
    row.set_disagreements(counted.count);
    row.set_open(open[rule]);
    for (const shadow::Example& example : counted.newest) {
      api::ShadowExample& shown = *row.add_examples();
      shown.set_number(example.number);
      shown.set_position(example.at.position);
      *shown.mutable_at() = ToTimestamp(example.at.at);
      shown.set_text(example.text);
      for (const std::uint64_t position : example.evidence) shown.add_evidence(position);
      shown.set_open(shadow.open.contains(example.number));
    }
  }
}

void FillMoney(const World& world, const shadow::State& shadow, absl::Time now, api::Shadow& out) {
  if (!shadow.running) {
    out.set_live_spent_micro_usd(shadow.live_counted.micros);
    out.set_would_be_spent_micro_usd(shadow.would_be_counted.micros);
    return;
  }
  const MicroUsd live =
      shadow::SpentByFleet(world, shadow.fleet, now).total - shadow.live_spent_before;
  const MicroUsd would_be = live + shadow::Difference(world, shadow, now).total;
  out.set_live_spent_micro_usd(live.micros);
  out.set_would_be_spent_micro_usd(would_be.micros);
  out.set_live_micro_usd_per_hour(shadow::BurnOf(world, shadow.fleet).micros);
  out.set_live_workers(OpenOf(world, shadow.fleet));
  if (world.FindFleet(shadow.fleet) == nullptr) return;
  const World view = shadow::CandidateWorld(world, shadow, now);
  out.set_would_be_micro_usd_per_hour(shadow::BurnOf(view, shadow.fleet).micros);
  out.set_would_be_workers(OpenOf(view, shadow.fleet));
  for (const auto& [number, entry] : shadow.open) {
    if (entry.modelled) out.set_modelled_workers(out.modelled_workers() + 1);
  }
}

// What is known and what is supposed, so that nobody takes the second for the first.
void FillLimits(api::Shadow& out) {
  out.add_exact(
      "both decide by the same code on the same facts, offers and prices, at each look "
      "of the live policy at the fleet");
  out.add_exact(
      "what the live fleet has spent, and which of its workers the candidate would not "
      "have paid for any more");
  const auto suppose = [&](std::string text) { out.add_modelled(std::move(text)); };
  suppose(Cat("a would-be worker is always granted at its offer's price, boots for ",
              FormatSpan(shadow::kModelledBoot),
              ", then works at the rate expected of that offer, and never fails"));
  suppose("a worker that only the candidate ends is gone at once, and its machine not struck");
  suppose(
      "a worker that only the live policy ends runs on at its last price when nothing was "
      "wrong with it; one that failed is gone for both");
  suppose(
      "as soon as the live fleet rents an offer that the candidate takes too for a would-be "
      "worker's place, that one stands for it");
  suppose(
      "the market is what the live fleets search; offers that only the candidate would search "
      "for are not seen");
  suppose(
      "the candidate's image, script and log rules never run: workers behave as the live "
      "ones do, and its preflight checks pass");
}

}  // namespace

api::Shadow ToShadow(const World& world, const shadow::State& shadow, absl::Time now) {
  api::Shadow out;
  out.set_fleet(shadow.fleet.str());
  out.set_state(StateOf(shadow));
  *out.mutable_since() = ToTimestamp(shadow.started.at);
  if (!shadow.running) {
    *out.mutable_until() = ToTimestamp(shadow.ended_at.at);
    out.set_reason(shadow.ended_why);
  }
  out.set_position(shadow.started.position);
  out.set_moments(shadow.moments);
  out.set_agreements(shadow.agreements);
  out.set_disagreements(shadow.disagreements);
  out.set_open(shadow.running ? static_cast<std::int64_t>(shadow.open.size()) : 0);
  out.set_unrecorded(shadow.unrecorded);
  FillRules(shadow, out);
  FillMoney(world, shadow, now, out);
  const fleet::State* fleet = world.FindFleet(shadow.fleet);
  if (fleet != nullptr) {
    for (std::string& line : DiffSpecs(fleet->spec, shadow.candidate)) {
      out.add_differences(std::move(line));
    }
  }
  FillLimits(out);
  *out.mutable_now() = ToTimestamp(now);
  return out;
}

}  // namespace muster::grpc_api
