#include "commands/worker/observed.h"

#include <algorithm>
#include <array>

#include "eventstore/base/canary.h"
#include "eventstore/events/worker_events.h"

namespace muster::worker {
namespace {

Observed::Phase LogPhaseFromName(std::string_view name) {
  if (name == "producing") return Observed::Phase::kProducing;
  if (name == "started") return Observed::Phase::kStarted;
  if (name == "setup") return Observed::Phase::kSetup;
  return Observed::Phase::kBoot;
}

enum class Movement { kNone, kProgress, kNewBaseline };

// What the counters say against those known. A counter that fell was started anew.
Movement Compare(const Observed& seen, const eventpb::LogObserved& facts) {
  const std::array<std::int64_t, 3> before = {seen.counter, seen.total, seen.step};
  const std::array<std::int64_t, 3> after = {facts.counter(), facts.total(), facts.step()};
  const bool first = std::all_of(before.begin(), before.end(), [](auto v) { return v < 0; });
  // The batch counter decides when it is there, else the total; the model's step may be set back
  // by training.
  const std::size_t judge = before[0] >= 0 && after[0] >= 0 ? 0 : 1;
  if (before[judge] >= 0 && after[judge] >= 0 && after[judge] < before[judge]) {
    return Movement::kNewBaseline;
  }
  Movement movement = Movement::kNone;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (after[i] < 0) continue;
    if (first || (before[i] >= 0 && after[i] > before[i])) movement = Movement::kProgress;
  }
  return movement;
}

void TakeCounters(Observed& seen, const eventpb::LogObserved& facts) {
  if (facts.counter() >= 0) seen.counter = facts.counter();
  if (facts.total() >= 0) seen.total = facts.total();
  if (facts.step() >= 0) seen.step = facts.step();
  if (facts.rate_per_s() >= 0) seen.rate_per_s = facts.rate_per_s();
}

void NoteProgress(Observed& seen, const eventpb::LogObserved& facts, const Stamp& recorded) {
  seen.progress = recorded;
  if (!seen.first_progress.seen()) seen.first_progress = recorded;
  if (facts.rate_per_s() > 0) {
    ++seen.rate_samples;
    seen.rate_mean_per_s += (facts.rate_per_s() - seen.rate_mean_per_s) / seen.rate_samples;
  }
}

// A phase only goes forward: marks scroll out of the text. Back only for a container started
// anew, which shows as another container id, or as set-up lines where counters were.
void TakePhase(Observed& seen, Observed::Phase phase, bool restarted, const Stamp& recorded) {
  if (!restarted && phase <= seen.phase) return;
  if (restarted || phase != seen.phase) seen.phase_since = recorded;
  if (restarted) seen.coming_since = recorded;
  seen.phase = phase;
}

bool RestartedByText(const Observed& seen, const eventpb::LogObserved& facts,
                     Observed::Phase phase) {
  return seen.phase == Observed::Phase::kProducing && facts.counter() < 0 && facts.total() < 0 &&
         (phase == Observed::Phase::kSetup || phase == Observed::Phase::kStarted) &&
         facts.error().empty();
}

void TakeTroubles(Observed& seen, const eventpb::LogObserved& facts, bool progress, bool restarted,
                  const Stamp& recorded) {
  if (facts.error().empty() && MUSTER_CANARY("error-never-cleared")) return;
  // Progress since the last poll means the error line is a new one: its grace starts again.
  if (!facts.error().empty() && (seen.error.empty() || progress)) seen.error_since = recorded;
  if (facts.error().empty()) seen.error_since = {};
  seen.error = facts.error();
  seen.error_rule = facts.error_rule();
  seen.error_fault = facts.error_fault();
  if (facts.broken() && !seen.broken) seen.broken_since = recorded;
  // A log that is cut short or old does not show it, and the launch is still the one that cannot
  // work: only another one, or work, says otherwise.
  if (!facts.broken() && (progress || restarted)) seen.broken_since = {};
  seen.broken = facts.broken();
  seen.busy = facts.busy();
  seen.no_container = facts.no_container();
}

bool StandsStill(ActualStatus status) {
  return status == ActualStatus::kStopped || status == ActualStatus::kExited;
}

// `span` does not count against the worker: its clocks go on where they were.
void Excuse(Observed& seen, absl::Duration span, const Stamp& recorded) {
  if (span <= absl::ZeroDuration()) return;
  const Stamp clock = seen.progress_clock();
  seen.phase_since = {recorded.position, clock.at};
  for (Stamp* since : {&seen.phase_since, &seen.error_since, &seen.broken_since}) {
    Later(*since, span, recorded);
  }
}

}  // namespace

void Later(Stamp& since, absl::Duration span, const Stamp& recorded) {
  if (since.seen() && span > absl::ZeroDuration()) {
    since.at = std::min(since.at + span, std::max(since.at, recorded.at));
  }
}

void ApplyFailure(Observed& seen, const eventpb::ObservationFailed& failure,
                  const Stamp& recorded) {
  if (failure.what() == "instance" && MUSTER_CANARY("status-overwritten")) {
    if (seen.actual != ActualStatus::kOffline) seen.status_since = recorded;
    seen.actual = ActualStatus::kOffline;
    seen.instance = recorded;
  } else if (failure.what() == "instance") {
    if (seen.instance_failures == 0) seen.instance_failing_since = recorded;
    seen.instance_failures = std::max(failure.count(), 1);
    seen.instance_failed = recorded;
  } else {
    if (seen.log_failures == 0) seen.log_failing_since = recorded;
    seen.log_failures = std::max(failure.count(), 1);
    seen.log_failed = recorded;
  }
}

void ApplyInstance(Observed& seen, const eventpb::InstanceObserved& facts, const Stamp& recorded) {
  const ActualStatus actual = ActualStatusFromName(facts.actual_status());
  const bool news =
      !seen.instance.seen() || actual != seen.actual || facts.intended_raw() != seen.intended_raw;
  const auto unwatched = absl::Microseconds(facts.unwatched_us());
  if (news && StandsStill(seen.actual)) {
    const absl::Duration stood = recorded.at - seen.status_since.at;
    Excuse(seen, stood, recorded);
    Later(seen.coming_since, stood, recorded);
  } else {
    Later(seen.coming_since, unwatched, recorded);
  }
  Later(seen.watched_since, unwatched, recorded);
  Later(seen.status_since, unwatched, recorded);
  if (news) seen.status_since = recorded;
  seen.actual = actual;
  seen.intended_raw = facts.intended_raw();
  seen.status_message = facts.status_message();
  if (facts.price_known()) {
    seen.price = PriceOf(facts);
    seen.price_known = true;
  }
  seen.ssh_host = facts.ssh_host();
  seen.ssh_port = facts.ssh_port();
  seen.instance = recorded;
  seen.absent = {};
  seen.absent_lists = 0;
  seen.absent_definite = false;
  seen.instance_failures = 0;
  seen.instance_failing_since = {};
}

void ApplyLog(Observed& seen, const eventpb::LogObserved& facts, const Stamp& recorded) {
  const Observed::Phase phase = LogPhaseFromName(facts.phase());
  Excuse(seen, absl::Microseconds(facts.unwatched_us()), recorded);
  const bool other_container = !facts.container_id().empty() && !seen.container_id.empty() &&
                               facts.container_id() != seen.container_id;
  const bool restarted = other_container || RestartedByText(seen, facts, phase);
  Movement movement = Compare(seen, facts);
  if (other_container) {
    // Counters of the new container: where they stand now is the baseline to grow from.
    movement = Movement::kNewBaseline;
  }
  if (restarted) seen.counter = seen.total = seen.step = -1;
  TakeCounters(seen, facts);
  TakePhase(seen, phase, restarted, recorded);
  if (movement == Movement::kNewBaseline) seen.phase_since = recorded;
  if (movement == Movement::kProgress) {
    NoteProgress(seen, facts, recorded);
    TakePhase(seen, Observed::Phase::kProducing, false, recorded);
  }
  TakeTroubles(seen, facts, movement == Movement::kProgress, restarted, recorded);
  if (!facts.container_id().empty()) seen.container_id = facts.container_id();
  seen.agreeing_polls = facts.agreeing_polls();
  seen.facts_since = FromStoredTime(facts.first_seen_us(), recorded.at);
  seen.log = recorded;
  seen.log_failures = 0;
  seen.log_failing_since = {};
}

std::string_view LogPhaseName(Observed::Phase phase) {
  switch (phase) {
    case Observed::Phase::kBoot:
      return "boot";
    case Observed::Phase::kSetup:
      return "setup";
    case Observed::Phase::kStarted:
      return "started";
    case Observed::Phase::kProducing:
      return "producing";
  }
  return "";
}

}  // namespace muster::worker
