#include "workers/pollers/log_poller.h"

#include <algorithm>
#include <utility>

#include "commands/worker/assess.h"
#include "workers/pollers/tail_keeper.h"

namespace muster {
namespace {

constexpr double kJitter = 0.1;
// A worker whose log told of its set-up or its work, and suddenly tells nothing, is not believed
// before it has been so for so long: a host that errs gets over it. Nor is one that the list shows
// running and that told nothing yet.
constexpr absl::Duration kSilenceDoubt = absl::Minutes(10);
// Nor before this, while no other worker's log could be read either: then it is the provider's
// logs that fail, not the machines.
constexpr absl::Duration kSilenceDoubtOfAll = absl::Hours(1);
constexpr int kPollsOfTheOthers = 3;

absl::Duration SecondsOr(std::int64_t seconds, absl::Duration otherwise) {
  return seconds > 0 ? absl::Seconds(seconds) : otherwise;
}

// Whether the answer tells nothing of the program: no container, nothing printed, the host's own
// log, or the middle of one endless line.
bool IsSilent(const LogTail& tail, const eventpb::LogObserved& facts) {
  if (facts.no_container() || tail.state != LogTail::State::kText) return true;
  const std::string_view text = Trim(tail.text);
  return text.empty() || (tail.cut && text.find('\n') == std::string_view::npos);
}

// Whether the newest list shows that the container does not run yet.
bool IsListedAsComingUp(const worker::Observed& seen) {
  return seen.instance.seen() && seen.instance_failures == 0 && worker::IsComingUp(seen.actual);
}

}  // namespace

// What a poller remembers between its polls; facts live in the log.
struct LogPollers::Memory {
  int failures = 0;
  int agreeing = 0;
  eventpb::LogObserved facts;
  Looks looks;
  // By the steady clock: since when it tells nothing, and the newest poll that did not fail.
  absl::Time silent_since = absl::InfiniteFuture();
  absl::Time answered_at = absl::InfinitePast();
};

bool LogPollers::IsDoubtful(bool silent, const worker::Observed& known, absl::Time at,
                            absl::Duration interval, Memory& memory) {
  const bool ran = known.phase >= worker::Observed::Phase::kSetup;
  if (!silent) {
    memory.silent_since = absl::InfiniteFuture();
    if (ran) spoke_at_ = at;
    return false;
  }
  if (!ran && IsListedAsComingUp(known)) return false;  // nobody expects it to talk
  // Two silent answers with an outage between them are no silence of that length.
  const bool gap = at - memory.answered_at > kPollsOfTheOthers * interval;
  memory.silent_since = gap ? at : std::min(memory.silent_since, at);
  const bool others_speak = at - spoke_at_ <= kPollsOfTheOthers * interval;
  return at - memory.silent_since < (others_speak ? kSilenceDoubt : kSilenceDoubtOfAll);
}

const worker::State* LogPollers::LiveWorker(const WorkerId& worker) const {
  const worker::State* state = context_.world().FindWorker(worker);
  return state != nullptr && state->live() != nullptr ? state : nullptr;
}

StatusOr<std::shared_ptr<const LogRules>> LogPollers::RulesOf(const FleetName& name) {
  const fleet::State* fleet = context_.world().FindFleet(name);
  static const specpb::FleetSpec kNone;
  const specpb::FleetSpec& spec = fleet != nullptr ? fleet->spec : kNone;
  const std::int64_t version = fleet != nullptr ? fleet->fleet_version : 0;
  Rules& rules = rules_[name];
  if (rules.fleet_version != version) {
    rules.rules = LogRules::Make(spec);
    rules.fleet_version = version;
  }
  return rules.rules;
}

void LogPollers::Begin(const WorkerId& worker, absl::Duration spread) {
  if (context_.log_group.stopping() || !polled_.insert(worker).second) return;
  const absl::Duration first_wait = spread * context_.link.rt.rng().Unit();
  context_.log_group.Spawn("log", Poll(worker, first_wait, context_.owner.lock()));
}

Task<void> LogPollers::Poll(WorkerId worker, absl::Duration first_wait,
                            std::shared_ptr<const void> /*alive*/) {
  Memory memory;
  bool going = co_await context_.log_group.Sleep(first_wait);
  while (going) {
    const worker::State* state = LiveWorker(worker);
    if (state == nullptr) break;
    const InstanceId instance = state->instance;
    co_await PollOnce(worker, instance, memory);
    if (context_.log_group.stopping()) break;
    state = LiveWorker(worker);
    if (state == nullptr) break;
    const fleet::State* fleet = context_.world().FindFleet(state->identity.fleet);
    const std::int64_t asked = fleet != nullptr ? fleet->spec.timers().log_poll_s() : 0;
    const double factor = context_.link.rt.rng().Between(1 - kJitter, 1 + kJitter);
    const absl::Duration interval = SecondsOr(asked, context_.options.log_poll) * factor;
    going = co_await context_.log_group.Sleep(interval);
  }
  polled_.erase(worker);
}

Task<void> LogPollers::PollOnce(WorkerId worker, InstanceId instance, Memory& memory) {
  const worker::State* state = LiveWorker(worker);
  const FleetName fleet_name = state->identity.fleet;
  const fleet::State* fleet = context_.world().FindFleet(fleet_name);
  const specpb::Timers timers = fleet != nullptr ? fleet->spec.timers() : specpb::Timers();
  const absl::Duration timeout = SecondsOr(timers.log_timeout_s(), context_.options.log_timeout);
  const int lines = timers.log_tail_lines() > 0 ? static_cast<int>(timers.log_tail_lines())
                                                : context_.options.log_tail_lines;
  const absl::Time deadline = context_.Now() + timeout;
  Task<StatusOr<LogTail>> call = context_.link.provider.FetchLog(instance, lines, deadline);
  StatusOr<LogTail> tail = co_await context_.log_group.Away(std::move(call));
  if (context_.log_group.stopping()) co_return;
  const absl::Time at = context_.Now();
  const StatusOr<std::shared_ptr<const LogRules>> rules = RulesOf(fleet_name);
  const Status failed = !tail.ok() ? tail.status() : rules.status();
  const Trouble trouble = TroubleOf(tail.status());
  // A text that the host does not bring says nothing of the provider.
  if (trouble != Trouble::kUnavailable && trouble != Trouble::kMalformed) {
    context_.reporter.Report("log", tail.status());
  }
  if (!failed.ok()) {
    memory.agreeing = 0;  // polls agree that follow one another
    worker::ObserveFailure failure{"log", std::string(Message(failed)), at, ++memory.failures};
    co_await Tell(worker, std::move(failure));
    co_return;
  }
  state = LiveWorker(worker);
  if (state == nullptr) co_return;
  const worker::Observed& known = state->live()->seen;
  eventpb::LogObserved facts = (*rules)->Read(*tail, known.phase);
  const bool silent = IsSilent(*tail, facts);
  const absl::Duration interval = SecondsOr(timers.log_poll_s(), context_.options.log_poll);
  const absl::Time steady = context_.Steady();
  const bool doubtful = IsDoubtful(silent, known, steady, interval, memory);
  memory.answered_at = steady;
  context_.link.tails.Keep(worker, *std::move(tail));
  if (doubtful) {
    memory.agreeing = 0;
    worker::ObserveFailure failure{"log", Cat("the log tells nothing: ", facts.line()), at,
                                   ++memory.failures};
    co_await Tell(worker, std::move(failure));
    co_return;
  }
  memory.failures = 0;
  const bool agrees = memory.agreeing > 0 && worker::SameFacts(facts, memory.facts);
  memory.agreeing = agrees ? memory.agreeing + 1 : 1;
  memory.facts = facts;
  worker::ObserveLog observed{std::move(facts), at, timers, memory.agreeing,
                              memory.looks.Unwatched(steady, interval)};
  memory.looks.Looked(steady);
  co_await Tell(worker, std::move(observed));
}

Task<void> LogPollers::Tell(WorkerId worker, worker::Command command) {
  Origin origin{.actor = "poller:log"};
  const StatusOr<Outcome> outcome = co_await context_.link.handler.Worker(
      std::move(worker), std::move(command), std::move(origin));
  // Refused (the worker moved on) or not stored (everything stands still): nothing to do here.
  (void)outcome.ok();
}

}  // namespace muster
