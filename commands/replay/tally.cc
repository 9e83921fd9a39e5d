#include "commands/replay/tally.h"

#include <algorithm>

#include "commands/replay/recorded.h"
#include "commands/worker/state.h"

namespace muster::replay {
namespace {

const worker::Observed* SeenOf(const worker::State& state) {
  if (const worker::Live* live = state.live()) return &live->seen;
  const auto* leaving = std::get_if<worker::Destroying>(&state.phase);
  return leaving == nullptr ? nullptr : &leaving->seen;
}

}  // namespace

void Counter::Close(Tally& tally, const worker::State& state, absl::Time at) const {
  const worker::Observed* seen = SeenOf(state);
  if (seen == nullptr) return;
  // What nobody watched is rented all the same: since it was accepted.
  const worker::Live* live = state.live();
  const absl::Time accepted = live != nullptr ? live->accepted.at : state.identity.begun.at;
  tally.rented += std::max(absl::ZeroDuration(), at - std::max(accepted, from_));
  if (!seen->first_progress.seen()) return;
  const double rate = seen->rate_samples > 0 && seen->rate_mean_per_s > 0
                          ? seen->rate_mean_per_s
                          : state.identity.offered.expected_rate_per_s;
  const absl::Duration worked = seen->progress.at - std::max(seen->first_progress.at, from_);
  tally.work += rate * std::max(0.0, absl::ToDoubleSeconds(worked));
}

void Counter::Before(const World& world, const StreamId& stream, const eventpb::EventBody& body,
                     absl::Time at) {
  const WorkerId id(NameIn(stream, "worker"));
  if (id.empty()) return;
  if (body.has_launch_requested()) {
    if (Counts(FleetName(body.launch_requested().fleet()))) ++tally_.launches;
    return;
  }
  const worker::State* state = world.FindWorker(id);
  if (state == nullptr || !Counts(state->identity.fleet)) return;
  if (body.has_worker_condemned() && state->live() != nullptr) ++tally_.ended;
  if (body.has_worker_ended() && state->open()) Close(tally_, *state, at);
}

Tally Counter::Until(const World& world, absl::Time end) const {
  Tally tally = tally_;
  for (const auto& [id, state] : world.WorkersInOrder()) {
    if (state->open() && Counts(state->identity.fleet)) Close(tally, *state, end);
  }
  return tally;
}

}  // namespace muster::replay
