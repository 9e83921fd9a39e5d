#include "commands/worker/assess.h"

#include <algorithm>

#include "commands/rules.h"
#include "commands/worker/status_text.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/check.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/base/strings.h"

namespace muster::worker {
namespace {

using H = eventpb::WorkerHealthChanged;

// What is seen anew is written at the latest after this; older means that nobody looks any more.
constexpr absl::Duration kWrittenEvery = absl::Minutes(5);
constexpr absl::Duration kSlack = absl::Seconds(30);
constexpr int kAgreeingPollsMin = 2;

absl::Duration Or(std::int64_t seconds, absl::Duration otherwise) {
  return seconds > 0 ? absl::Seconds(seconds) : otherwise;
}

eventpb::Measure SpanMeasure(std::string_view name, absl::Duration value, absl::Duration limit) {
  eventpb::Measure measure;
  measure.set_name(std::string(name));
  measure.set_value(absl::ToDoubleSeconds(value));
  measure.set_threshold(absl::ToDoubleSeconds(limit));
  measure.set_unit("s");
  return measure;
}

// One judgement of one live worker. Rules are asked in order; the first that speaks decides.
class Judge {
 public:
  Judge(const Live& live, const Surroundings& around, absl::Time now)
      : live_(live),
        seen_(live.seen),
        around_(around),
        clocks_(ClocksOf(around.spec->timers())),
        now_(now) {}

  Assessment Run() {
    log_good_ = seen_.log.seen() && seen_.log_failures == 0 &&
                FreshUntil(seen_.log, kWrittenEvery + 2 * clocks_.log_poll);
    list_good_ = seen_.instance.seen() && seen_.instance_failures == 0 &&
                 !around_.account_trouble &&
                 FreshUntil(seen_.instance, kWrittenEvery + 2 * clocks_.list_poll);
    if (Held() || Missing() || OverCost() || Stopped() || Offline() || Unreadable() || Broken() ||
        FatalError() || PhaseClock()) {
      return std::move(out_);
    }
    Say(H::HEALTHY, seen_.busy ? "busy" : "producing", {&seen_.progress});
    return std::move(out_);
  }

 private:
  using Phase = Observed::Phase;

  bool FreshUntil(const Stamp& fact, absl::Duration age_max) {
    const absl::Time stale = OverAt(fact.at, age_max + kSlack, now_);
    if (now_ > stale) return false;
    Due(stale + absl::Microseconds(1));
    return true;
  }
  void Due(absl::Time at) {
    if (at > now_) out_.next_due = std::min(out_.next_due, at);
  }

  void Say(Health health, std::string detail, std::initializer_list<const Stamp*> facts) {
    out_.health = health;
    out_.evidence.set_summary(detail);
    out_.evidence.set_policy_version(around_.policy_version);
    out_.detail = std::move(detail);
    Cite(out_.evidence, facts);
  }
  // The clock that runs against the worker, for those who show it.
  void Running(std::string_view name, absl::Duration span, absl::Duration limit) {
    *out_.evidence.add_measures() = SpanMeasure(name, span, limit);
  }
  static void Cite(eventpb::Evidence& evidence, std::initializer_list<const Stamp*> facts) {
    for (const Stamp* fact : facts) {
      const auto& known = evidence.positions();
      if (fact->seen() && std::find(known.begin(), known.end(), fact->position) == known.end()) {
        evidence.add_positions(fact->position);
      }
    }
  }

  // Nothing is destroyed while the account lacks credit, and nothing on the word of a provider
  // that is down.
  bool MayCondemn() const {
    if (MUSTER_CANARY("stopped-for-credit-destroyed")) return true;
    return !around_.credit_wait && !around_.account_trouble;
  }

  specpb::Fault Judged(specpb::Fault fault) const {
    if (fault != specpb::FAULT_UNSPECIFIED) return fault;
    return around_.program_proven ? specpb::MACHINE : specpb::OURS;
  }

  void Condemn(std::string_view rule, specpb::Fault fault, std::string summary,
               const eventpb::Measure& measure, std::initializer_list<const Stamp*> facts) {
    out_.evidence.set_rule(std::string(rule));
    if (!MayCondemn()) return;
    Verdict verdict;
    verdict.rule = std::string(rule);
    verdict.fault = Judged(fault);
    verdict.strike_weight = verdict.fault == specpb::MACHINE ? 1 : 0;
    verdict.evidence.set_rule(verdict.rule);
    verdict.evidence.set_summary(std::move(summary));
    *verdict.evidence.add_measures() = measure;
    verdict.evidence.set_policy_version(around_.policy_version);
    Cite(verdict.evidence, facts);
    out_.verdict = std::move(verdict);
  }

  // What the provider says of a container that does not run; once it ran, old words mean nothing.
  StatusText Told() const {
    return seen_.actual == ActualStatus::kRunning ? StatusText{}
                                                  : JudgeStatusText(seen_.status_message);
  }
  // The fault of not running: as the provider tells it, else `otherwise`.
  specpb::Fault Blamed(specpb::Fault otherwise) const {
    const StatusText told = Told();
    return told.fault == specpb::FAULT_UNSPECIFIED ? otherwise : told.fault;
  }
  // "loading for 10m0s >= 10m0s; manifest unknown: Error response from ..."
  std::string WithWords(std::string text) const {
    const StatusText told = Told();
    if (told.words.empty()) return text;
    return Cat(text, "; ", told.words, ": ", Ellipsize(seen_.status_message, 160));
  }

  static std::string Compared(absl::Duration span, absl::Duration limit) {
    return Cat(FormatSpan(span), " >= ", FormatSpan(limit));
  }

  // Stopped while there is no credit: the provider did it, and gives it back after a top-up.
  bool Held() {
    const bool stopped =
        seen_.actual == ActualStatus::kStopped || seen_.actual == ActualStatus::kExited;
    if (!around_.credit_wait || !stopped || MUSTER_CANARY("stopped-for-credit-destroyed")) {
      return false;
    }
    Say(H::HELD, "stopped for lack of credit", {&seen_.status_since});
    Cite(out_.evidence, {&seen_.instance});
    if (around_.account_position > 0) out_.evidence.add_positions(around_.account_position);
    return true;
  }

  // One list without it proves nothing; the second ends it (see Decide).
  bool Missing() {
    if (!seen_.absent.seen()) return false;
    const std::string_view lists = seen_.absent_lists == 1 ? " complete list" : " complete lists";
    Say(H::UNKNOWN, Cat("absent from ", seen_.absent_lists, lists), {&seen_.absent});
    return true;
  }

  bool OverCost() {
    const MicroUsdPerHour limit(around_.spec->market().price_max_micro_usd_per_hour());
    if (!seen_.price_known || limit.micros <= 0 || seen_.price <= limit || !list_good_) {
      return false;
    }
    Say(H::FAILING, Cat(FormatUsdPerHour(seen_.price), " is over ", FormatUsdPerHour(limit)),
        {&seen_.instance});
    eventpb::Measure measure;
    measure.set_name("price");
    measure.set_value(MicroUsd(seen_.price.micros).usd());
    measure.set_threshold(MicroUsd(limit.micros).usd());
    measure.set_unit("usd_per_hour");
    Condemn(rules::kOverCost, specpb::NOBODY,
            Cat(FormatUsdPerHour(seen_.price), " > ", FormatUsdPerHour(limit)), measure,
            {&seen_.instance});
    return true;
  }

  // Stopped with credit there: ask it to start; its time runs from our first sight of that. One
  // that was held is asked at once: an earlier start may have failed for the credit alone, before
  // anybody knew that there is none.
  bool Stopped() {
    if (seen_.actual != ActualStatus::kStopped) return false;
    const bool known = live_.health == H::OFFLINE;
    out_.ask_to_start = list_good_ && MayCondemn() && !live_.start_requested.seen() &&
                        (live_.health == H::HELD || now_ - live_.last_start.at >= StartAgain());
    Due(live_.last_start.at + StartAgain());
    const Stamp& since = known && live_.health_since.at > seen_.status_since.at
                             ? live_.health_since
                             : seen_.status_since;
    return Down(live_.health == H::HELD ? Stamp{0, seen_.instance.at} : since, clocks_.offline,
                specpb::NOBODY);
  }

  bool Offline() {
    switch (seen_.actual) {
      case ActualStatus::kOffline:
      case ActualStatus::kUnknown:
      case ActualStatus::kFrozen:
        return Down(seen_.status_since, clocks_.offline, specpb::MACHINE);
      case ActualStatus::kExited:
        return Down(seen_.status_since, clocks_.offline, specpb::FAULT_UNSPECIFIED);
      case ActualStatus::kNone:
      case ActualStatus::kCreated:
      case ActualStatus::kLoading:
        return seen_.phase != Phase::kBoot && seen_.instance.seen() && FellBack();
      case ActualStatus::kRunning:
      case ActualStatus::kStopped:
      case ActualStatus::kTransient:
      case ActualStatus::kOther:
        return false;
    }
    return false;
  }

  // Coming up again after it had run. A log that came to a phase since the list first said so is
  // ahead of a list that lags: the phase has a clock of its own.
  bool FellBack() {
    const bool ahead = LogIsAhead(seen_);
    if (ahead && log_good_) return false;
    return Down(ahead ? seen_.phase_since : seen_.status_since,
                std::max(clocks_.offline, clocks_.boot), specpb::MACHINE);
  }

  bool Down(const Stamp& shown, absl::Duration limit, specpb::Fault fault) {
    limit = std::max(limit, 2 * clocks_.list_poll);  // two sights at least
    // The program goes on: two observations that disagree are no ground for anything. A text that
    // was read late may say so of a container that stands still, so that word wears out.
    const bool went_on = seen_.progress.seen() && seen_.progress.at > shown.at;
    if (log_good_ && went_on && now_ - seen_.progress.at < ProgressLimit()) return false;
    // And what it did until its log fell silent still counts for it.
    const Stamp& since = went_on ? seen_.progress : shown;
    if (!list_good_) {
      Say(H::UNKNOWN, "no instance list lately", {&seen_.instance});
      return true;
    }
    const absl::Duration span = Listed(since);
    Say(H::OFFLINE,
        Cat("OFFLINE (", ActualStatusName(seen_.actual), ") ", FormatSpan(now_ - since.at), " of ",
            FormatSpan(limit)),
        {&since, &seen_.instance});
    Running("offline", now_ - since.at, limit);
    if (span < limit) return true;
    Condemn(rules::kOffline, Blamed(fault),
            WithWords(Cat(ActualStatusName(seen_.actual), " for ", Compared(span, limit))),
            SpanMeasure("offline", span, limit), {&since, &seen_.instance});
    return true;
  }

  // Without a good log only a list can speak, and only of a machine that has not come up yet.
  bool Unreadable() {
    if (log_good_ || MUSTER_CANARY("silence-is-judged")) return false;
    if (seen_.phase == Phase::kBoot && Booting()) return true;
    if (!seen_.log.seen() && seen_.log_failures == 0 && now_ - live_.accepted.at < clocks_.boot) {
      Due(live_.accepted.at + clocks_.boot);
      Say(H::BOOT, "BOOT, nothing heard yet", {&live_.accepted});
      return true;
    }
    const bool failing = seen_.log_failures > 0;
    Say(H::UNKNOWN,
        failing ? Cat("its log cannot be read, ", seen_.log_failures, " polls in a row")
                : std::string("no observation lately"),
        {failing ? &seen_.log_failing_since : &seen_.log});
    if (failing && list_good_ && seen_.actual == ActualStatus::kRunning && MayCondemn()) {
      out_.unheard_since = seen_.log.seen() ? seen_.log.at : live_.accepted.at;
      Running("unobserved", now_ - out_.unheard_since, kUnheardMax);
      Due(out_.unheard_since + kUnheardMax);
    }
    return true;
  }

  bool Booting() {
    if (!list_good_ || !IsComingUp(seen_.actual)) return false;
    const Stamp& since = seen_.coming_since;
    const absl::Duration span = Listed(since);
    Say(H::BOOT,
        Cat("BOOT (", ActualStatusName(seen_.actual), ") ", FormatSpan(now_ - since.at), " of ",
            FormatSpan(clocks_.boot)),
        {&since, &seen_.instance});
    Running("boot", now_ - since.at, clocks_.boot);
    if (span < clocks_.boot) return true;
    Condemn(rules::kStuckBoot, Blamed(specpb::MACHINE),
            WithWords(Cat(ActualStatusName(seen_.actual), " for ", Compared(span, clocks_.boot))),
            SpanMeasure("boot", span, clocks_.boot), {&since, &seen_.instance});
    return true;
  }

  // All clocks compare what the newest good list or poll showed, not what time it is now: a clock
  // that ran out since then condemns nobody before the next look has confirmed it.
  absl::Duration Listed(const Stamp& since) const { return seen_.instance.at - since.at; }
  absl::Duration Shown(const Stamp& since) const {
    return (MUSTER_CANARY("silence-is-judged") ? now_ : seen_.log.at) - since.at;
  }
  bool Agreed() const { return seen_.agreeing_polls >= kAgreeingPollsMin; }
  absl::Duration ProgressLimit() const {
    return clocks_.no_progress * (seen_.busy ? kBusyFactor : 1);
  }

  bool Broken() {
    if (!seen_.broken) return false;
    // An error beside it has a fault of its own, which says nothing of the launch.
    const bool machines = seen_.error.empty() && seen_.error_fault == specpb::MACHINE;
    return Failing(rules::kBrokenLaunch, seen_.broken_since,
                   machines ? specpb::MACHINE : specpb::OURS, "the launch itself cannot work");
  }
  bool FatalError() {
    if (seen_.error.empty()) return false;
    return Failing(rules::kFatalError, seen_.error_since, seen_.error_fault,
                   Ellipsize(seen_.error, 120));
  }
  bool Failing(std::string_view rule, const Stamp& since, specpb::Fault fault,
               std::string_view what) {
    const absl::Duration span = Shown(since);
    Say(H::FAILING,
        Cat(what, "; ", FormatSpan(now_ - since.at), " of ", FormatSpan(clocks_.error_grace)),
        {&since, &seen_.log});
    Running("since_error", now_ - since.at, clocks_.error_grace);
    if (span < clocks_.error_grace || !Agreed()) return true;
    Condemn(rule, fault, Cat(what, ", ", Compared(span, clocks_.error_grace)),
            SpanMeasure("since_error", span, clocks_.error_grace), {&since, &seen_.log});
    return true;
  }

  bool PhaseClock() {
    switch (seen_.phase) {
      case Phase::kBoot:
        return Clock(rules::kStuckBoot, H::BOOT, "BOOT", seen_.phase_since, clocks_.boot,
                     Blamed(specpb::MACHINE));
      case Phase::kSetup:
        // A start script of ours that is broken looks the same until one of them has worked.
        return Clock(rules::kStuckSetup, H::SETUP, "SETUP", seen_.phase_since, clocks_.setup,
                     OfStart());
      case Phase::kStarted:
        return Clock(rules::kStuckWarmup, H::WARMUP, "WARMUP", seen_.phase_since,
                     clocks_.warmup * (seen_.busy ? kBusyFactor : 1), OfStart());
      case Phase::kProducing:
        return NoProgress();
    }
    return false;
  }
  // One whose launch was once seen to be broken is ours, though its log does not show it just now.
  specpb::Fault OfStart() const {
    const bool broken = seen_.broken_since.seen() && !seen_.first_progress.seen();
    return broken ? specpb::OURS : specpb::FAULT_UNSPECIFIED;
  }
  bool Clock(std::string_view rule, Health health, std::string_view name, const Stamp& since,
             absl::Duration limit, specpb::Fault fault) {
    const absl::Duration span = Shown(since);
    Say(health, Cat(name, " ", FormatSpan(now_ - since.at), " of ", FormatSpan(limit)),
        {&since, &seen_.log});
    Running(name, now_ - since.at, limit);
    if (span < limit || !Agreed()) return true;
    Condemn(rule, fault, WithWords(Cat(name, " for ", Compared(span, limit))),
            SpanMeasure(name, span, limit), {&since, &seen_.log});
    return true;
  }
  bool NoProgress() {
    const Stamp since = seen_.progress_clock();
    const absl::Duration limit = ProgressLimit();
    const absl::Duration span = Shown(since);
    Due(since.at + limit / 2);
    if (now_ - since.at < limit / 2) return false;
    Say(H::STALLED, Cat("no progress for ", FormatSpan(now_ - since.at), " of ", FormatSpan(limit)),
        {&since, &seen_.log});
    Running("since_progress", now_ - since.at, limit);
    if (span < limit || !Agreed()) return true;
    Condemn(rules::kNoProgress, specpb::MACHINE, Cat("no progress for ", Compared(span, limit)),
            SpanMeasure("since_progress", span, limit), {&since, &seen_.log});
    return true;
  }

  // Often enough that a stopped machine is asked twice before it is given up.
  absl::Duration StartAgain() const { return std::min(absl::Minutes(2), clocks_.offline / 3); }

  const Live& live_;
  const Observed& seen_;
  const Surroundings& around_;
  const Clocks clocks_;
  const absl::Time now_;
  bool log_good_ = false;
  bool list_good_ = false;
  Assessment out_;
};

Assessment Plain(Health health, std::string detail) {
  Assessment out;
  out.health = health;
  out.evidence.set_summary(detail);
  out.detail = std::move(detail);
  return out;
}

}  // namespace

Clocks ClocksOf(const specpb::Timers& timers) {
  return {.boot = Or(timers.boot_s(), absl::Minutes(10)),
          .setup = Or(timers.setup_s(), absl::Minutes(10)),
          .warmup = Or(timers.warmup_s(), absl::Minutes(15)),
          .no_progress = Or(timers.no_progress_s(), absl::Minutes(15)),
          .error_grace = Or(timers.error_grace_s(), absl::Minutes(5)),
          .offline = Or(timers.offline_s(), absl::Minutes(10)),
          .log_poll = Or(timers.log_poll_s(), absl::Seconds(45)),
          .list_poll = Or(timers.list_poll_s(), absl::Seconds(30)),
          .market_poll = Or(timers.market_poll_s(), absl::Seconds(60)),
          .account_poll = Or(timers.account_poll_s(), absl::Seconds(60)),
          .credit_probe = Or(timers.credit_probe_s(), absl::Minutes(5)),
          .check = Or(timers.check_s(), absl::Seconds(60)),
          .launch_backoff = Or(timers.launch_backoff_s(), absl::Minutes(2)),
          .launch_backoff_max = Or(timers.launch_backoff_s_max(), absl::Minutes(30))};
}

Assessment Assess(const State& state, const Surroundings& around, absl::Time now) {
  MUSTER_CHECK(around.spec != nullptr);
  return std::visit(Overloaded{[](const NonExistent&) { return Plain(H::HEALTH_UNSPECIFIED, ""); },
                               [](const Launching& launching) {
                                 return Plain(H::LAUNCHING,
                                              launching.unclear > 0
                                                  ? "the launch ended unclearly; looking it up"
                                                  : "asked for");
                               },
                               [&](const Live& live) { return Judge(live, around, now).Run(); },
                               [](const Destroying& destroying) {
                                 return Plain(H::DESTROYING, Cat("condemned: ", destroying.rule));
                               },
                               [](const Ended& ended) { return Plain(H::GONE, ended.rule); }},
                    state.phase);
}

bool IsComingUp(ActualStatus status) {
  return status == ActualStatus::kNone || status == ActualStatus::kCreated ||
         status == ActualStatus::kLoading;
}

bool LogIsAhead(const Observed& seen) { return seen.phase_since.at > seen.status_since.at; }

std::string_view HealthName(Health health) {
  const std::string& name = H::Health_Name(health);
  return name;
}

}  // namespace muster::worker
