#include <algorithm>

#include "commands/fleet/plan/board.h"
#include "commands/shadow/state.h"
#include "eventstore/events/shadow_events.h"
#include "eventstore/events/values.h"

namespace muster::shadow {
namespace {

using Kind = eventpb::ShadowDisagreed;

constexpr std::size_t kExamplesMax = 3;

void Begin(State& state, const eventpb::ShadowStarted& e, const Stamp& recorded) {
  const std::uint64_t version = state.version, position = state.last_position;
  const FleetName fleet = state.fleet;
  state = {};
  state.fleet = fleet;
  state.version = version;
  state.last_position = position;
  state.candidate = e.candidate();
  state.candidate_digest = e.candidate_digest();
  state.running = true;
  state.started = recorded;
  state.live_spent_before = MicroUsd(e.live_spent_micro_usd());
  state.counted_to = recorded.at;
}

void Count(State& state, const eventpb::ShadowDisagreed& e, absl::Time at, const Stamp& recorded) {
  ++state.disagreements;
  if (at - state.hour_began >= absl::Hours(1) || at < state.hour_began) {
    state.hour_began = at;
    state.in_hour = 0;
  }
  ++state.in_hour;
  RuleCount& count = state.by_rule[e.rule()];
  ++count.count;
  Example example{.number = e.number(), .at = recorded, .text = TellDisagreement(e)};
  if (const eventpb::Evidence* evidence = EvidenceOf(e)) {
    example.evidence.assign(evidence->positions().begin(), evidence->positions().end());
  }
  count.newest.insert(count.newest.begin(), std::move(example));
  if (count.newest.size() > kExamplesMax) count.newest.pop_back();
}

void Disagree(State& state, const eventpb::ShadowDisagreed& e, const Stamp& recorded) {
  if (!state.running) return;
  Entry entry;
  entry.what = e;
  entry.at = FromStoredTime(e.at_us(), recorded.at);
  entry.live_open = e.kind() != Kind::WOULD_RENT;
  entry.modelled = e.has_would_launch();
  Count(state, e, entry.at, recorded);
  if (e.would_launch().upgrade_trial()) state.last_upgrade = {e.as_of(), entry.at};
  state.open[e.number()] = std::move(entry);
}

void Resolve(State& state, const eventpb::ShadowResolved& e, const Stamp& recorded) {
  const auto found = state.open.find(e.number());
  if (found == state.open.end()) return;
  const bool live = e.side() == eventpb::ShadowResolved::LIVE;
  const std::int64_t day = fleet::UnixDay(FromStoredTime(e.at_us(), recorded.at));
  if (day != state.day) {
    state.day = day;
    state.difference_today = {};
  }
  const MicroUsd spent(e.spent_micro_usd()), today(e.spent_today_micro_usd());
  if (live) {
    state.difference -= spent;
    state.difference_today -= today;
    found->second.live_open = false;
  } else {
    state.difference += spent;
    state.difference_today += today;
    found->second.modelled = false;
  }
  if (!found->second.live_open && !found->second.modelled) state.open.erase(found);
}

void Sum(State& state, const eventpb::ShadowCounted& e) {
  state.moments += e.moments();
  state.agreements += e.agreements();
  state.unrecorded += e.unrecorded();
  state.live_counted += MicroUsd(e.live_micro_usd());
  state.would_be_counted += MicroUsd(e.would_be_micro_usd());
  state.counted_to = FromStoredTime(e.to_us(), state.counted_to);
}

}  // namespace

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  // The kinds of other streams are ignored, as everything that makes no sense here.
  if (body.has_shadow_started()) Begin(state, body.shadow_started(), recorded);
  if (body.has_shadow_disagreed()) Disagree(state, body.shadow_disagreed(), recorded);
  if (body.has_shadow_resolved()) Resolve(state, body.shadow_resolved(), recorded);
  if (body.has_shadow_counted()) Sum(state, body.shadow_counted());
  if (body.has_shadow_ended()) {
    state.running = false;
    state.ended = body.shadow_ended().how();
    state.ended_why = body.shadow_ended().reason();
    state.ended_at = recorded;
  }
}

}  // namespace muster::shadow
