// What the pollers saw, and whether it is worth an event. A failed observation is not bad news,
// and absence is a fact only when it was confirmed.
#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <vector>

#include "commands/worker/assess.h"
#include "commands/worker/decide.h"
#include "eventstore/base/canary.h"
#include "eventstore/events/worker_events.h"

namespace muster::worker {
namespace {

// Status texts of a loading container change with every list ("Pulling layer 7 of 12").
constexpr absl::Duration kChatterEvery = absl::Minutes(1);
// An instance that is not well is seen more often, so that the policy's clocks find fresh facts.
constexpr absl::Duration kUnwellEvery = absl::Minutes(1);
absl::Duration UnwellEvery(const specpb::Timers& timers) {
  return std::min(kUnwellEvery, ClocksOf(timers).offline / 2);
}
// A new rental may be missing from lists for a while: then its absence says nothing.
constexpr absl::Duration kListLag = absl::Minutes(2);

constexpr char kBlankRow[] = "its row in the list tells nothing";

// A call takes its time between two looks.
constexpr absl::Duration kCallSlack = absl::Seconds(15);

// What the event is to say of the time before a look, in microseconds. `last` is the look before it
// in the log.
std::int64_t Unwatched(const std::optional<absl::Duration>& known, const Stamp& last, absl::Time at,
                       absl::Duration interval) {
  const absl::Duration span = known.has_value() ? *known : at - last.at - VouchedFor(interval);
  return std::max<std::int64_t>(0, absl::ToInt64Microseconds(span));
}

const Observed* SeenOf(const State& state) {
  if (const auto* live = std::get_if<Live>(&state.phase)) return &live->seen;
  if (const auto* destroying = std::get_if<Destroying>(&state.phase)) return &destroying->seen;
  return nullptr;
}

bool Unwell(ActualStatus status) {
  switch (status) {
    case ActualStatus::kNone:
    case ActualStatus::kCreated:
    case ActualStatus::kLoading:
    case ActualStatus::kRunning:
      return false;
    case ActualStatus::kExited:
    case ActualStatus::kStopped:
    case ActualStatus::kFrozen:
    case ActualStatus::kTransient:
    case ActualStatus::kUnknown:
    case ActualStatus::kOffline:
    case ActualStatus::kOther:
      return true;
  }
  return true;
}

// When the clocks that judge a worker by lists run out (see assess.h).
absl::Time DeadlineOfList(const Observed& seen, const specpb::Timers& timers) {
  const Clocks clocks = ClocksOf(timers);
  switch (seen.actual) {
    case ActualStatus::kNone:
    case ActualStatus::kCreated:
    case ActualStatus::kLoading:
      return seen.phase == Observed::Phase::kBoot
                 ? seen.coming_since.at + clocks.boot
                 : seen.status_since.at + std::max(clocks.offline, clocks.boot);
    case ActualStatus::kExited:
    case ActualStatus::kStopped:
    case ActualStatus::kFrozen:
    case ActualStatus::kUnknown:
    case ActualStatus::kOffline:
      return seen.status_since.at + std::max(clocks.offline, 2 * clocks.list_poll);
    case ActualStatus::kRunning:
    case ActualStatus::kTransient:
    case ActualStatus::kOther:
      return absl::InfiniteFuture();
  }
  return absl::InfiniteFuture();
}

// `counted` is the price that money is counted by now.
bool WorthWriting(const Observed& seen, MicroUsdPerHour counted, const ObserveInstance& command,
                  const eventpb::InstanceObserved& facts) {
  const absl::Time at = command.at;
  if (facts.unwatched_us() > 0) return true;
  if (!seen.instance.seen() || seen.absent.seen() || seen.instance_failures > 0) return true;
  if (ActualStatusFromName(facts.actual_status()) != seen.actual) return true;
  if (facts.intended_raw() != seen.intended_raw) return true;
  if (facts.price_known() && (!seen.price_known || PriceOf(facts) != counted)) return true;
  if (facts.ssh_host() != seen.ssh_host || facts.ssh_port() != seen.ssh_port) return true;
  if (facts.status_message() != seen.status_message && Due(seen.instance, at, kChatterEvery)) {
    return true;
  }
  const absl::Time deadline = DeadlineOfList(seen, command.timers);
  if (seen.instance.at < deadline && deadline <= at) return true;
  return Due(seen.instance, at, Unwell(seen.actual) ? UnwellEvery(command.timers) : kRefresh);
}

// Whether two states of knowledge from the log text differ in a fact; the times do not count.
bool SameFacts(const Observed& a, const Observed& b) {
  const auto facts = [](const Observed& o) {
    return std::tie(o.phase, o.counter, o.total, o.step, o.busy, o.error, o.error_rule,
                    o.error_fault, o.broken, o.no_container, o.container_id);
  };
  return facts(a) == facts(b);
}

// Whether two polls bear each other out. An error may word itself differently each time, and an
// upload may begin or end between them: it is the same news.
bool Agree(const Observed& a, const Observed& b) {
  const auto news = [](const Observed& o) {
    return std::tuple(o.phase, o.counter, o.total, o.step, o.error.empty(), o.broken,
                      o.no_container, o.container_id);
  };
  return news(a) == news(b);
}

// When the clocks that judge a worker run out (see assess.h); those that do not run are left out.
std::vector<absl::Time> Deadlines(const Observed& seen, const specpb::Timers& timers) {
  const Clocks clocks = ClocksOf(timers);
  std::vector<absl::Time> deadlines;
  const auto add = [&](const Stamp& since, absl::Duration span) {
    if (since.seen()) deadlines.push_back(since.at + span);
  };
  const auto add_with_busy = [&](const Stamp& since, absl::Duration span) {
    add(since, span);
    if (seen.busy) add(since, span * kBusyFactor);
  };
  switch (seen.phase) {
    case Observed::Phase::kBoot:
      add(seen.phase_since, clocks.boot);
      break;
    case Observed::Phase::kSetup:
      add(seen.phase_since, clocks.setup);
      break;
    case Observed::Phase::kStarted:
      add_with_busy(seen.phase_since, clocks.warmup);
      break;
    case Observed::Phase::kProducing:
      add_with_busy(seen.progress_clock(), clocks.no_progress);
      break;
  }
  if (!seen.error.empty()) add(seen.error_since, clocks.error_grace);
  if (seen.broken) add(seen.broken_since, clocks.error_grace);
  return deadlines;
}

bool WorthWriting(const Observed& seen, const Observed& after, const ObserveLog& command) {
  if (!seen.log.seen() || seen.log_failures > 0 || !SameFacts(seen, after)) return true;
  if (command.facts.unwatched_us() > 0 || Due(seen.log, command.at, kRefresh)) return true;
  const std::vector<absl::Time> deadlines = Deadlines(seen, command.timers);
  const bool run_out = std::any_of(deadlines.begin(), deadlines.end(),
                                   [&](absl::Time deadline) { return deadline <= command.at; });
  const bool newly = std::any_of(deadlines.begin(), deadlines.end(), [&](absl::Time deadline) {
    return seen.log.at < deadline && deadline <= command.at;
  });
  // One bad poll is not enough for the policy: it is to see that a second one agrees.
  const bool bad = run_out || after.broken || !after.error.empty() || after.no_container;
  return newly || (bad && seen.agreeing_polls < 2 && after.agreeing_polls >= 2);
}

double FiniteRate(double rate) { return std::isfinite(rate) && rate >= 0 ? rate : -1; }

eventpb::LogObserved Storable(eventpb::LogObserved facts) {
  facts.set_error(StoredText(facts.error(), 160));
  facts.set_line(StoredText(facts.line(), 160));
  facts.set_container_id(StoredText(facts.container_id(), 64));
  facts.set_rate_per_s(FiniteRate(facts.rate_per_s()));
  return facts;
}

}  // namespace

bool TellsNothing(const Instance& instance) {
  return instance.actual == ActualStatus::kNone && instance.actual_raw.empty() &&
         instance.intended_raw.empty() && !instance.price_known;
}

absl::Duration VouchedFor(absl::Duration interval) { return 2 * interval + kCallSlack; }

bool SameFacts(const eventpb::LogObserved& a, const eventpb::LogObserved& b) {
  return a.phase() == b.phase() && a.counter() == b.counter() && a.total() == b.total() &&
         a.step() == b.step() && a.busy() == b.busy() && a.error() == b.error() &&
         a.error_rule() == b.error_rule() && a.error_fault() == b.error_fault() &&
         a.broken() == b.broken() && a.no_container() == b.no_container() &&
         a.container_id() == b.container_id();
}

StatusOr<Events> Observe(const State& state, const ObserveInstance& command,
                         const DecideContext& context) {
  if (state.ended()) return Events{};  // of a list that was asked for before the end
  const Observed* seen = SeenOf(state);
  if (seen == nullptr) return Refusal(state, "it has no instance yet");
  if (command.instance.id != state.instance) {
    return InvalidArgument(Cat("instance ", command.instance.id.str(), " is not that of worker ",
                               state.identity.id.str()));
  }
  const bool doubted = seen->absent.seen() || std::holds_alternative<Destroying>(state.phase);
  if (command.blank > 0 && !doubted) {
    return Observe(state, ObserveFailure{"instance", kBlankRow, command.at, command.blank},
                   context);
  }
  eventpb::InstanceObserved facts = MakeInstanceObserved(command.instance);
  const Stamp& last = seen->instance.seen() ? seen->instance : seen->watched_since;
  facts.set_unwatched_us(
      Unwatched(command.unwatched, last, command.at, ClocksOf(command.timers).list_poll));
  if (!WorthWriting(*seen, state.price, command, facts)) return Events{};
  return Events{Wrap(facts)};
}

StatusOr<Events> Observe(const State& state, const ObserveAbsence& command, const DecideContext&) {
  if (state.ended()) return Events{};
  const Observed* seen = SeenOf(state);
  if (seen == nullptr) return Refusal(state, "it has no instance yet");
  const Live* live = state.live();
  if (live != nullptr && !seen->instance.seen() && command.at < live->accepted.at + kListLag) {
    return Events{};
  }
  eventpb::InstanceAbsent absent;
  absent.set_complete_lists(seen->absent_lists + (command.definite ? 0 : 1));
  absent.set_definite(command.definite);
  Events events{Wrap(absent)};
  if (command.definite || absent.complete_lists() >= 2 || MUSTER_CANARY("absent-by-one-list")) {
    const auto how =
        live != nullptr ? eventpb::WorkerEnded::VANISHED : eventpb::WorkerEnded::DESTROYED;
    events.push_back(EndOf(state, how,
                           command.definite ? std::string("single lookup")
                                            : Cat(absent.complete_lists(), " complete lists"),
                           command.at));
  }
  return events;
}

StatusOr<Events> Observe(const State& state, const ObserveLog& command, const DecideContext&) {
  if (state.ended() || std::holds_alternative<Destroying>(state.phase)) return Events{};
  const Live* live = state.live();
  if (live == nullptr) return Refusal(state, "it has no instance yet");
  const Observed& seen = live->seen;
  ObserveLog poll = command;
  poll.facts = Storable(command.facts);
  poll.facts.set_unwatched_us(Unwatched(command.unwatched,
                                        seen.log.seen() ? seen.log : live->accepted, command.at,
                                        ClocksOf(command.timers).log_poll));
  const Stamp now{1, command.at};
  Observed after = seen;
  ApplyLog(after, poll.facts, now);
  const bool agrees = seen.log.seen() && seen.log_failures == 0 && Agree(seen, after);
  const int known = agrees ? seen.agreeing_polls + 1 : 1;
  after.agreeing_polls = std::max(known, command.agreeing);
  if (!WorthWriting(seen, after, poll)) return Events{};
  poll.facts.set_agreeing_polls(after.agreeing_polls);
  poll.facts.set_first_seen_us(ToStoredTime(agrees ? seen.facts_since : command.at));
  return Events{Wrap(poll.facts)};
}

StatusOr<Events> Observe(const State& state, const ObserveFailure& command, const DecideContext&) {
  if (command.what != "log" && command.what != "instance") {
    return InvalidArgument(Cat("nothing called \"", command.what, "\" is observed"));
  }
  if (state.ended() || std::holds_alternative<Destroying>(state.phase)) return Events{};
  const Live* live = state.live();
  if (live == nullptr) return Refusal(state, "it has no instance yet");
  const Observed& seen = live->seen;
  const bool log = command.what == "log";
  const int known = log ? seen.log_failures : seen.instance_failures;
  const Stamp& since = log ? seen.log_failing_since : seen.instance_failing_since;
  const Stamp& written = log ? seen.log_failed : seen.instance_failed;
  const int count = std::max(command.count, known + 1);
  if (command.count == 1 && known == 0) return Events{};
  if (known > 0 && !Due(written, command.at, kRefresh)) return Events{};
  eventpb::ObservationFailed failed;
  failed.set_what(command.what);
  failed.set_detail(StoredText(command.detail));
  failed.set_count(count);
  failed.set_since_us(ToStoredTime(since.seen() ? since.at : command.at));
  return Events{Wrap(failed)};
}

}  // namespace muster::worker
