#include <algorithm>

#include "commands/worker/observed.h"
#include "commands/worker/state.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/worker_events.h"

namespace muster::worker {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
// No rental lasts so long; a clock that jumped by more must not cost a loop over the centuries.
constexpr absl::Duration kSpanByDayMax = absl::Hours(24 * 366);

std::int64_t UnixDay(absl::Time time) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  return (seconds >= 0 ? seconds : seconds - kDaySeconds + 1) / kDaySeconds;
}

// Calls `add(day, amount)` for each UTC day that renting from `from` to `to` touches.
template <class Add>
void ForEachDay(MicroUsdPerHour price, absl::Time from, absl::Time to, Add add) {
  if (price.micros == 0 || from == absl::InfinitePast() || to == absl::InfiniteFuture()) return;
  if (to - from > kSpanByDayMax) {
    add(UnixDay(from), Cost(price, to - kSpanByDayMax - from));
    from = to - kSpanByDayMax;
  }
  while (from < to) {
    const std::int64_t day = UnixDay(from);
    const absl::Time until = std::min(to, absl::FromUnixSeconds((day + 1) * kDaySeconds));
    add(day, Cost(price, until - from));
    from = until;
  }
}

// Counts what was spent up to `at`. A clock that stepped back charges nothing for the step, and
// time runs on from there: rather counted twice than never.
void Accrue(State& state, absl::Time at) {
  ForEachDay(state.price, state.priced_since, at, [&](std::int64_t day, MicroUsd amount) {
    state.spent_before += amount;
    for (auto& [known, sum] : state.spent_days) {
      if (known == day) {
        sum += amount;
        return;
      }
    }
    state.spent_days.emplace_back(day, amount);
  });
  state.priced_since = at;
}

void SetPrice(State& state, MicroUsdPerHour price, absl::Time at) {
  Accrue(state, at);
  state.price = price;
}

Offered ToOffered(const eventpb::OfferTaken& taken) {
  return {OfferId(taken.offer()), MachineId(taken.machine()),  GpuName(taken.gpu()),
          PriceOf(taken),         taken.expected_rate_per_s(), taken.disk_gb()};
}

Live NewLive(const InstanceId& instance, const Stamp& recorded) {
  Live live;
  live.instance = instance;
  live.accepted = recorded;
  live.health_since = recorded;
  live.seen.phase_since = recorded;
  live.seen.watched_since = recorded;
  live.seen.coming_since = recorded;
  return live;
}

// A clock that was set back would stop all clocks that run against a worker until the old time
// comes again. They start anew from where the clock stands now: nobody is judged by a time that
// nobody knows, and none is spared for hours.
void SetBack(Stamp& since, absl::Time at) {
  if (since.seen() && since.at > at) since.at = at;
}
void SetBack(State& state, absl::Time at) {
  SetBack(state.identity.begun, at);
  auto* live = std::get_if<Live>(&state.phase);
  if (live == nullptr) return;
  Observed& seen = live->seen;
  for (Stamp* since : {&live->accepted, &live->health_since, &live->last_start, &seen.status_since,
                       &seen.watched_since, &seen.coming_since, &seen.phase_since, &seen.progress,
                       &seen.error_since, &seen.broken_since, &seen.log_failing_since,
                       &seen.instance_failing_since}) {
    SetBack(*since, at);
  }
}

// Follows one event from one phase; the visitor of (phase, event).
struct Folder {
  State& state;
  const Stamp& recorded;

  void Begin(const eventpb::LaunchRequested& e) {
    if (state.exists()) return;
    Identity& me = state.identity;
    me.id = WorkerId(e.token());
    me.fleet = FleetName(e.fleet());
    me.provider = ProviderName(e.provider());
    me.fleet_version = e.fleet_version();
    me.index = e.index();
    me.label = e.label();
    me.offered = ToOffered(e.offer());
    me.upload_interval_s = e.upload_interval_s();
    me.replaces = WorkerId(e.replaces());
    me.upgrade_trial = e.upgrade_trial();
    me.credit_probe = e.credit_probe();
    me.begun = recorded;
    state.phase = Launching{};
  }

  void Begin(const eventpb::WorkerAdopted& e) {
    if (state.exists()) return;
    Identity& me = state.identity;
    me.fleet = FleetName(e.fleet());
    me.provider = ProviderName(e.provider());
    me.fleet_version = e.fleet_version();
    me.index = e.index();
    me.label = e.label();
    me.offered = ToOffered(e.offer());
    me.adopted = true;
    me.orphan = e.orphan();
    me.begun = recorded;
    EnterLive(InstanceId(e.instance()), recorded.at);
  }

  void EnterLive(const InstanceId& instance, absl::Time billed_since) {
    state.instance = instance;
    state.phase = NewLive(instance, recorded);
    state.priced_since = std::min(billed_since, recorded.at);
    state.price = state.identity.offered.price;
  }

  void Accept(const eventpb::LaunchAccepted& e) {
    if (!std::holds_alternative<Launching>(state.phase)) return;
    // Found afterwards: it may have been running since it was asked for, however long ago.
    const bool found = e.how() == eventpb::LaunchAccepted::LOOKUP;
    EnterLive(InstanceId(e.instance()), found ? state.identity.begun.at : recorded.at);
  }
  void Reject(const eventpb::LaunchRejected& e) {
    if (auto* launching = std::get_if<Launching>(&state.phase)) {
      launching->rejected = e.reason();
      launching->rejected_detail = e.detail();
    }
  }
  void Unclear(const eventpb::LaunchUnclear& e) {
    auto* launching = std::get_if<Launching>(&state.phase);
    if (launching == nullptr) return;
    launching->unclear = std::max(launching->unclear + 1, e.attempt());
    launching->last_unclear = recorded;
  }

  Observed* seen() {
    if (auto* live = std::get_if<Live>(&state.phase)) return &live->seen;
    if (auto* destroying = std::get_if<Destroying>(&state.phase)) return &destroying->seen;
    return nullptr;
  }

  void See(const eventpb::InstanceObserved& e) {
    Observed* observed = seen();
    if (observed == nullptr) return;
    ApplyInstance(*observed, e, recorded);
    if (auto* live = std::get_if<Live>(&state.phase)) {
      Later(live->health_since, absl::Microseconds(e.unwatched_us()), recorded);
    }
    if (e.price_known()) SetPrice(state, PriceOf(e), recorded.at);
    Offered& offered = state.identity.offered;
    if (offered.machine.empty()) offered.machine = MachineId(e.machine());
    if (offered.gpu.empty()) offered.gpu = GpuName(e.gpu());
    if (auto* destroying = std::get_if<Destroying>(&state.phase)) {
      destroying->absent_lists = 0;
      destroying->absent_definite = false;
    }
  }
  void Miss(const eventpb::InstanceAbsent& e) {
    Observed* observed = seen();
    if (observed == nullptr) return;
    observed->absent = recorded;
    observed->absent_lists = e.complete_lists();
    observed->absent_definite = observed->absent_definite || e.definite();
    if (auto* destroying = std::get_if<Destroying>(&state.phase)) {
      destroying->absent_lists = observed->absent_lists;
      destroying->absent_definite = observed->absent_definite;
    }
  }
  void Read(const eventpb::LogObserved& e) {
    if (auto* live = std::get_if<Live>(&state.phase)) ApplyLog(live->seen, e, recorded);
  }
  void Fail(const eventpb::ObservationFailed& e) {
    if (auto* live = std::get_if<Live>(&state.phase)) ApplyFailure(live->seen, e, recorded);
  }
  void ChangeHealth(const eventpb::WorkerHealthChanged& e) {
    auto* live = std::get_if<Live>(&state.phase);
    if (live == nullptr) return;
    live->health = e.health();
    live->health_since = recorded;
  }
  void Start(bool requested) {
    auto* live = std::get_if<Live>(&state.phase);
    if (live == nullptr) return;
    live->start_requested = requested ? recorded : Stamp{};
    if (!requested) return;
    live->last_start = recorded;
    // The time it stood still, for lack of credit or outbid, is not held against it.
    live->seen.phase_since = recorded;
    live->seen.coming_since = recorded;
  }

  // A stopped one costs its disk alone. Started it costs what was offered, and may end before a
  // list says so.
  void AnswerStart(const eventpb::StartAnswered& e) {
    Start(false);
    if (!e.accepted() || seen() == nullptr) return;
    SetPrice(state, std::max(state.price, state.identity.offered.price), recorded.at);
  }

  void BeginDestroying(const eventpb::Evidence& evidence) {
    const auto* live = std::get_if<Live>(&state.phase);
    if (live == nullptr) return;
    Destroying destroying;
    destroying.instance = live->instance;
    destroying.requested = recorded;
    destroying.rule = evidence.rule();
    destroying.summary = evidence.summary();
    destroying.in_flight = false;
    destroying.absent_lists = live->seen.absent_lists;
    destroying.absent_definite = live->seen.absent_definite;
    destroying.seen = live->seen;
    state.phase = std::move(destroying);
  }
  void Condemn(const eventpb::WorkerCondemned& e) {
    if (!std::holds_alternative<Live>(state.phase)) return;
    BeginDestroying(e.evidence());
    auto& destroying = std::get<Destroying>(state.phase);
    destroying.replace = e.replace();
    destroying.strike_weight = e.strike_weight();
    destroying.fault = e.fault();
  }
  void AskDestroy(const eventpb::DestroyRequested& e) {
    BeginDestroying(e.evidence());
    auto* destroying = std::get_if<Destroying>(&state.phase);
    if (destroying == nullptr) return;
    if (destroying->attempts == 0) destroying->requested = recorded;
    destroying->in_flight = true;
  }
  void AnswerDestroy(const eventpb::DestroyAnswered& e) {
    auto* destroying = std::get_if<Destroying>(&state.phase);
    if (destroying == nullptr) return;
    destroying->in_flight = false;
    ++destroying->attempts;
    destroying->last_answer = recorded;
    destroying->answer = e.answer();
  }

  void End(const eventpb::WorkerEnded& e) {
    if (!state.open()) return;
    Ended ended{.how = e.how(), .at = recorded};
    if (const auto* destroying = std::get_if<Destroying>(&state.phase)) {
      ended.rule = destroying->rule;
      ended.replace = destroying->replace;
      ended.strike_weight = destroying->strike_weight;
      ended.detail = destroying->summary;
      ended.fault = destroying->fault;
    } else if (const auto* launching = std::get_if<Launching>(&state.phase)) {
      ended.rejected = launching->rejected;
      ended.detail = launching->rejected_detail;
    }
    Accrue(state, recorded.at);
    state.price = {};
    state.phase = std::move(ended);
  }
};

}  // namespace

MicroUsd State::SpentAt(absl::Time now) const {
  MicroUsd spent = spent_before;
  ForEachDay(price, priced_since, now, [&](std::int64_t, MicroUsd amount) { spent += amount; });
  return spent;
}

MicroUsd State::SpentOnDay(std::int64_t unix_day, absl::Time now) const {
  MicroUsd spent;
  const auto add = [&](std::int64_t day, MicroUsd amount) {
    if (day == unix_day) spent += amount;
  };
  for (const auto& [day, amount] : spent_days) add(day, amount);
  ForEachDay(price, priced_since, now, add);
  return spent;
}

std::string_view PhaseName(const Phase& phase) {
  return std::visit(
      Overloaded{[](const NonExistent&) { return "NonExistent"; },
                 [](const Launching&) { return "Launching"; }, [](const Live&) { return "Live"; },
                 [](const Destroying&) { return "Destroying"; },
                 [](const Ended&) { return "Ended"; }},
      phase);
}

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  SetBack(state, recorded.at);
  Folder folder{state, recorded};
  using B = eventpb::EventBody;
  switch (body.kind_case()) {
    case B::kLaunchRequested:
      return folder.Begin(body.launch_requested());
    case B::kWorkerAdopted:
      return folder.Begin(body.worker_adopted());
    case B::kLaunchAccepted:
      return folder.Accept(body.launch_accepted());
    case B::kLaunchRejected:
      return folder.Reject(body.launch_rejected());
    case B::kLaunchUnclear:
      return folder.Unclear(body.launch_unclear());
    case B::kLaunchNotFound:
      return;  // WorkerEnded follows at once
    case B::kInstanceObserved:
      return folder.See(body.instance_observed());
    case B::kInstanceAbsent:
      return folder.Miss(body.instance_absent());
    case B::kLogObserved:
      return folder.Read(body.log_observed());
    case B::kObservationFailed:
      return folder.Fail(body.observation_failed());
    case B::kWorkerHealthChanged:
      return folder.ChangeHealth(body.worker_health_changed());
    case B::kWorkerCondemned:
      return folder.Condemn(body.worker_condemned());
    case B::kDestroyRequested:
      return folder.AskDestroy(body.destroy_requested());
    case B::kDestroyAnswered:
      return folder.AnswerDestroy(body.destroy_answered());
    case B::kWorkerEnded:
      return folder.End(body.worker_ended());
    case B::kStartRequested:
      return folder.Start(true);
    case B::kStartAnswered:
      return folder.AnswerStart(body.start_answered());
    // Of other streams.
    case B::kInstallationCreated:
    case B::kClockStepped:  // of all streams at once: see World
    case B::kFleetApplied:
    case B::kFleetScaled:
    case B::kFleetDownRequested:
    case B::kFleetEnded:
    case B::kFleetWaitChanged:
    case B::kPreflightChecked:
    case B::kQuotaIntervalChanged:
    case B::kStrikesSuspended:
    case B::kStrikesResumed:
    case B::kFleetHealthChanged:
    case B::kHostStruck:
    case B::kHostPardoned:
    case B::kStrikesImported:
    case B::kHostMeasured:
    case B::kCreditObserved:
    case B::kCreditWaitBegan:
    case B::kCreditProbed:
    case B::kCreditWaitEnded:
    case B::kAccountTroubleBegan:
    case B::kAccountTroubleEnded:
    case B::kOffersObserved:
    case B::kOrphanFound:
    case B::kOrphanResolved:
    case B::kInstanceListObserved:
    case B::kCommandAccepted:
    case B::kHeadSigned:
    case B::kHeadDelivered:
    case B::kPayloadRedacted:
    case B::kShadowStarted:
    case B::kShadowDisagreed:
    case B::kShadowResolved:
    case B::kShadowCounted:
    case B::kShadowEnded:
    case B::kAlertRaised:
    case B::kAlertEnded:
    case B::kNoticesServed:
    case B::kServerPlanned:
    case B::kServerOrderRequested:
    case B::kServerOrderAccepted:
    case B::kServerOrderRefused:
    case B::kServerOrderUnclear:
    case B::kServerOrderNotFound:
    case B::kServerDelivered:
    case B::kServerOverdue:
    case B::kServerStepRequested:
    case B::kServerResetRequested:
    case B::kServerBuildRequested:
    case B::kServerStepDone:
    case B::kServerStepFailed:
    case B::kServerObserved:
    case B::kBuilderObserved:
    case B::kServerCancelRequested:
    case B::kServerCancelSet:
    case B::kServerCancelFailed:
    case B::kServerRevokeRequested:
    case B::kServerRevoked:
    case B::kServerEnded:
    case B::kStrayServerFound:
    case B::KIND_NOT_SET:
      return;
  }
}

}  // namespace muster::worker
