#include "queries/timeline/describe.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "eventstore/events/evidence.h"
#include "eventstore/events/shadow_events.h"
#include "queries/timeline/describe_server.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

std::string Price(std::int64_t micro_usd_per_hour) {
  return FormatUsdPerHour(MicroUsdPerHour(micro_usd_per_hour));
}
std::string Amount(std::int64_t micro_usd) { return FormatUsd(MicroUsd(micro_usd)); }
std::string Seconds(std::int64_t s) { return ShortSpan(absl::Seconds(s)); }
std::string Number(double v) { return absl::StrFormat("%.4g", v); }
std::string Clock(std::int64_t us) { return FormatClock(absl::FromUnixMicros(us)); }
std::string Expiry(std::int64_t us) {
  return us == 0 ? "for ever" : Cat("until ", FormatUtc(absl::FromUnixSeconds(us / 1'000'000)));
}
// ": text" or "".
std::string Tail(const std::string& text) {
  return text.empty() ? "" : Cat(": ", WithoutPage(text));
}

std::string Rule(const eventpb::Evidence& e) {
  return e.rule().empty() ? "" : Cat("rule ", e.rule(), Tail(e.summary()));
}
// Of a longer summary the first clause, which says why; the rest says what, as the line does.
std::string Because(const eventpb::Evidence& e) {
  const std::string why = e.summary().substr(0, e.summary().find("; "));
  return e.rule().empty() ? "" : Cat(" (", e.rule(), Tail(why), ")");
}
std::string Plural(std::int64_t n, std::string_view one) {
  return Cat(n, " ", one, n == 1 ? "" : "s");
}

std::string Counters(const eventpb::LogObserved& e) {
  std::string text;
  const auto add = [&](const std::string& part) { text += Cat(text.empty() ? "" : ", ", part); };
  const bool repeated = e.agreeing_polls() > 1 && e.first_seen_us() > 0;
  if (e.counter() >= 0) {
    add(repeated ? Cat("batch still ", e.counter(), ", as at ", Clock(e.first_seen_us()))
                 : Cat("batch ", e.counter()));
  }
  if (e.rate_per_s() >= 0) add(Cat(Number(e.rate_per_s()), "/s"));
  if (e.total() >= 0) add(Cat("total ", e.total()));
  if (e.step() >= 0) add(Cat("step ", e.step()));
  if (text.empty()) {
    add(e.phase().empty() ? "nothing known yet" : Cat("in ", e.phase()));
    if (repeated) add(Cat("as at ", Clock(e.first_seen_us())));
  }
  if (e.busy()) add("busy");
  return text;
}

struct Describer : ServerDescriber {
  using ServerDescriber::operator();
  std::string operator()(const eventpb::InstallationCreated& e) {
    return Cat("installation ", e.id(), " created");
  }
  std::string operator()(const eventpb::ClockStepped& e) {
    const absl::Duration by = absl::Microseconds(e.by_us());
    return Cat("the wall clock was set ", by < absl::ZeroDuration() ? "back" : "forward", " by ",
               FormatSpan(absl::AbsDuration(by)));
  }

  // fleet
  std::string operator()(const eventpb::FleetApplied& e) {
    std::string text = Cat("fleet applied, version ", e.fleet_version(), ": ",
                           Plural(e.spec().workers(), "worker"));
    const std::int64_t most = e.spec().market().price_max_micro_usd_per_hour();
    return most > 0 ? Cat(text, ", at most ", Price(most)) : text;
  }
  std::string operator()(const eventpb::FleetScaled& e) {
    return Cat("scaled from ", e.workers_before(), " to ", Plural(e.workers(), "worker"));
  }
  std::string operator()(const eventpb::FleetDownRequested& e) {
    return Cat("down requested", Tail(e.reason()));
  }
  std::string operator()(const eventpb::FleetEnded&) {
    return "fleet ended: every worker is confirmed gone";
  }
  std::string operator()(const eventpb::FleetWaitChanged& e) {
    if (e.waits().empty()) return "waits for nothing any more";
    std::string text;
    for (const auto& wait : e.waits()) {
      text +=
          Cat(text.empty() ? "waits for " : "; for ", WaitWord(wait.kind()), Tail(wait.detail()));
    }
    return text;
  }
  std::string operator()(const eventpb::PreflightChecked& e) {
    using P = eventpb::PreflightChecked;
    const std::string_view result = e.result() == P::PASSED    ? "passed"
                                    : e.result() == P::MISSING ? "missing"
                                                               : "could not be checked";
    return Cat("preflight ", e.name(), ": ", result, e.detail().empty() ? "" : ", ", e.detail());
  }
  std::string operator()(const eventpb::QuotaIntervalChanged& e) {
    std::string text =
        Cat("upload interval ", Seconds(e.interval_before_s()), " -> ", Seconds(e.interval_s()),
            ": ", Plural(e.workers_sharing(), "worker"), " on quota ", e.quota());
    return e.workers_on_old() > 0 ? Cat(text, ", ", e.workers_on_old(), " still on the old one")
                                  : text;
  }
  std::string operator()(const eventpb::StrikesSuspended& e) {
    return Cat("strikes suspended: ", Plural(e.machines(), "machine"), " failed alike (", e.cause(),
               ")");
  }
  std::string operator()(const eventpb::StrikesResumed&) { return "strikes count again"; }
  std::string operator()(const eventpb::FleetHealthChanged& e) {
    return Cat(e.healthy(), " of ", e.wanted(), " healthy, ", e.have(), " present");
  }

  // worker
  std::string operator()(const eventpb::LaunchRequested& e) {
    const auto& offer = e.offer();
    std::string text = Cat("decision: rent ", offer.gpu(), ", offer ", offer.offer(), " at ",
                           Price(offer.price_micro_usd_per_hour()), ", for slot ", e.index());
    if (!e.replaces().empty()) text += Cat(", in place of worker/", e.replaces());
    if (e.credit_probe()) text += ", as a probe for credit";
    if (e.upgrade_trial()) text += ", as an upgrade on trial";
    return Cat(text, Because(e.evidence()));
  }
  std::string operator()(const eventpb::LaunchAccepted& e) {
    const bool lookup = e.how() == eventpb::LaunchAccepted::LOOKUP;
    return Cat("rented: instance ", e.instance(), lookup ? ", found by its label" : "");
  }
  std::string operator()(const eventpb::LaunchRejected& e) {
    return Cat("launch refused: ", LaunchRejectWord(e.reason()), Tail(e.detail()));
  }
  std::string operator()(const eventpb::LaunchUnclear& e) {
    return Cat("launch unclear, looked up before any retry", Tail(e.detail()));
  }
  std::string operator()(const eventpb::LaunchNotFound& e) {
    return Cat("launch came to nothing: absent from ", Plural(e.lookups(), "look-up"), " over ",
               Seconds(e.waited_s()));
  }
  std::string operator()(const eventpb::WorkerAdopted& e) {
    return Cat(e.orphan() ? "orphan adopted: instance " : "adopted: instance ", e.instance(), " (",
               e.label(), ")");
  }
  std::string operator()(const eventpb::InstanceObserved& e) {
    std::string text =
        Cat("instance ", e.actual_status().empty() ? e.actual_raw() : e.actual_status());
    if (e.price_known()) text += Cat(", ", Price(e.price_micro_usd_per_hour()));
    return Cat(text, Tail(e.status_message()));
  }
  std::string operator()(const eventpb::InstanceAbsent& e) {
    if (e.definite()) return "absent: the provider says so of this one instance";
    return Cat("absent from ", Plural(e.complete_lists(), "complete list"));
  }
  std::string operator()(const eventpb::LogObserved& e) {
    if (!e.error().empty()) return Cat("log poll: error ", e.error_rule(), Tail(e.error()));
    if (e.broken()) return Cat("log poll: the launch itself cannot work", Tail(e.line()));
    if (e.no_container()) return "log poll: no container yet";
    return Cat("log poll: ", Counters(e));
  }
  std::string operator()(const eventpb::ObservationFailed& e) {
    std::string text = Cat(e.what(), " not observed");
    if (e.count() > 1) text += Cat(", ", e.count(), " times since ", Clock(e.since_us()));
    return Cat(text, Tail(e.detail()));
  }
  std::string operator()(const eventpb::WorkerHealthChanged& e) {
    const std::string& why = e.detail().empty() ? e.evidence().summary() : e.detail();
    return Cat("health ", HealthWord(e.health()), Tail(why));
  }
  std::string operator()(const eventpb::WorkerCondemned& e) { return Rule(e.evidence()); }
  std::string operator()(const eventpb::DestroyRequested& e) {
    return e.attempt() > 1 ? Cat("destroy requested again, attempt ", e.attempt())
                           : "destroy requested";
  }
  std::string operator()(const eventpb::DestroyAnswered& e) {
    if (e.detail().empty()) return Cat("DELETE -> ", DestroyAnswerWord(e.answer()));
    // Errors name the call that they are of, which stands here already.
    const std::size_t call = e.detail().starts_with("DELETE ") ? e.detail().find(": ") : 0;
    const std::string answer =
        call == e.detail().npos || call == 0 ? e.detail() : e.detail().substr(call + 2);
    return Cat("DELETE -> ", WithoutPage(answer));
  }
  std::string operator()(const eventpb::WorkerEnded& e) {
    std::string text = Cat("ended: ", EndedWord(e.how()));
    if (e.spent_micro_usd() > 0) text += Cat(", spent ", Amount(e.spent_micro_usd()));
    return text;
  }
  std::string operator()(const eventpb::StartRequested& e) {
    return Cat("decision: start it again", Because(e.evidence()));
  }
  std::string operator()(const eventpb::StartAnswered& e) {
    return Cat(e.accepted() ? "start accepted" : "start refused", Tail(e.detail()));
  }

  // host
  std::string operator()(const eventpb::HostStruck& e) {
    return Cat("machine struck for ", e.cause(), ", weight ", Number(e.weight()), ", ",
               Expiry(e.expires_us()), Tail(e.evidence().summary()));
  }
  std::string operator()(const eventpb::HostPardoned& e) {
    return Cat("pardoned, ", Plural(e.strikes_cleared(), "strike"), " cleared", Tail(e.reason()));
  }
  std::string operator()(const eventpb::StrikesImported& e) {
    return Cat(Plural(e.strikes(), "strike"), " imported from ", e.file(), ", ",
               Expiry(e.expires_us()));
  }
  std::string operator()(const eventpb::HostMeasured& e) {
    std::string text = e.booted() ? Cat("measured: booted in ", Seconds(e.boot_s()))
                                  : std::string("measured: never came up");
    if (e.producing_s() > 0) {
      text += Cat(", ", Number(e.rate_per_s()), "/s over ", Seconds(e.producing_s()));
    }
    return text;
  }

  // account
  std::string operator()(const eventpb::CreditObserved& e) {
    return Cat("credit ", Amount(e.credit_micro_usd()));
  }
  std::string operator()(const eventpb::CreditWaitBegan& e) {
    return Cat("no credit: nothing is launched or destroyed for lack of it", Tail(e.detail()));
  }
  std::string operator()(const eventpb::CreditProbed& e) {
    return Cat("probe: ", e.credit() ? "there is credit" : "no credit yet", Tail(e.detail()));
  }
  std::string operator()(const eventpb::CreditWaitEnded&) { return "credit is back"; }
  std::string operator()(const eventpb::AccountTroubleBegan& e) {
    return Cat("trouble began: ", TroubleWord(e.kind()), e.endpoint().empty() ? "" : " at ",
               e.endpoint(), Tail(e.detail()));
  }
  std::string operator()(const eventpb::AccountTroubleEnded& e) {
    return Cat("trouble ended: ", TroubleWord(e.kind()), e.endpoint().empty() ? "" : " at ",
               e.endpoint());
  }
  std::string operator()(const eventpb::OffersObserved& e) {
    std::string text = Cat("market: ", Plural(e.found(), "offer"));
    if (e.offers().empty()) return text;
    const auto& first = e.offers(0);
    return Cat(text, ", cheapest ", first.gpu(), " at ", Price(first.price_micro_usd_per_hour()));
  }
  std::string operator()(const eventpb::OrphanFound& e) {
    return Cat("orphan: instance ", e.instance(), " (", e.label(), ") at ",
               Price(e.price_micro_usd_per_hour()), Tail(e.why()));
  }
  std::string operator()(const eventpb::OrphanResolved& e) {
    using O = eventpb::OrphanResolved;
    const std::string_view how = e.how() == O::ADOPTED     ? "adopted"
                                 : e.how() == O::DESTROYED ? "destroyed"
                                                           : "gone";
    return Cat("orphan ", e.instance(), " ", how);
  }
  std::string operator()(const eventpb::InstanceListObserved& e) {
    std::string text = Cat("complete list: ", Plural(e.instances(), "instance"));
    for (const auto& id : e.added()) text += Cat(" +", id);
    for (const auto& id : e.removed()) text += Cat(" -", id);
    return Ellipsize(text, 200);
  }
  std::string operator()(const eventpb::CommandAccepted& e) {
    return Cat("request ", e.request_id(), " accepted: ", e.method());
  }

  // audit
  std::string operator()(const eventpb::HeadSigned& e) {
    return Cat("head signed: the log up to ", e.position());
  }
  std::string operator()(const eventpb::HeadDelivered& e) {
    return Cat("head ", e.position(), " delivered to ", e.place());
  }
  std::string operator()(const eventpb::PayloadRedacted& e) {
    std::string text = Cat("text taken out of event ", e.position());
    for (const auto& field : e.fields()) text += Cat(" ", field);
    return Cat(text, Tail(e.reason()));
  }

  // shadow
  std::string operator()(const eventpb::ShadowStarted& e) {
    std::string text = Cat("shadow started: a candidate is asked beside version ",
                           e.fleet_version(), ": ", Plural(e.candidate().workers(), "worker"));
    const std::int64_t most = e.candidate().market().price_max_micro_usd_per_hour();
    return most > 0 ? Cat(text, ", at most ", Price(most)) : text;
  }
  std::string operator()(const eventpb::ShadowDisagreed& e) {
    return Cat("shadow disagrees, ", e.number(), ": ", TellDisagreement(e));
  }
  std::string operator()(const eventpb::ShadowResolved& e) {
    const bool live = e.side() == eventpb::ShadowResolved::LIVE;
    std::string text = Cat("shadow disagreement ", e.number(), " over for ",
                           live ? "the live fleet" : "the candidate", Tail(e.how()));
    return e.spent_micro_usd() == 0 ? text : Cat(text, ", ", Amount(e.spent_micro_usd()));
  }
  std::string operator()(const eventpb::ShadowCounted& e) {
    return Cat("shadow since ", Clock(e.from_us()), ": ", Plural(e.moments(), "moment"),
               " compared, live spent ", Amount(e.live_micro_usd()), ", candidate would have ",
               Amount(e.would_be_micro_usd()));
  }
  std::string operator()(const eventpb::ShadowEnded& e) {
    using S = eventpb::ShadowEnded;
    const std::string_view how = e.how() == S::PROMOTED     ? "promoted: the candidate was applied"
                                 : e.how() == S::FLEET_GONE ? "ended with its fleet"
                                                            : "stopped";
    return Cat("shadow ", how, Tail(e.reason()));
  }

  // alerts and notices
  std::string operator()(const eventpb::AlertRaised& e) {
    return Cat("alert ", e.evidence().rule(), " for ", e.subject(), Tail(e.evidence().summary()));
  }
  std::string operator()(const eventpb::AlertEnded& e) {
    return Cat("alert ", e.kind(), " for ", e.subject(), " is over", Tail(e.detail()));
  }
  std::string operator()(const eventpb::NoticesServed& e) {
    if (e.dropped()) return Cat("refused for good: ", e.message(), "; told up to ", e.position());
    if (e.digest_until() > 0) {
      return Cat("to be told in one message: what happened up to ", e.digest_until());
    }
    return Cat("told up to ", e.position(), e.message().empty() ? "" : ", by message ",
               e.message());
  }
};

}  // namespace

std::string Describe(const eventpb::EventBody& body) {
  std::string text;
  VisitEvent(body, [&](const auto& e) { text = Describer()(e); });
  return OneLine(text);
}

const eventpb::Evidence* EvidenceOf(const eventpb::EventBody& body) {
  return body.has_shadow_disagreed() ? muster::EvidenceOf(body.shadow_disagreed())
                                     : EvidenceIn(body);
}

std::string Remark(const eventpb::EventBody& body) {
  std::string text;
  if (const eventpb::Evidence* evidence = EvidenceOf(body);
      evidence != nullptr && !evidence->policy_version().empty()) {
    const std::string& version = evidence->policy_version();
    text = Cat("policy ", version.substr(version.find('@') + 1));  // npos + 1 = the whole
  }
  const Overloaded fold{[&](const eventpb::LogObserved& e) {
                          if (e.agreeing_polls() > 1)
                            text = Cat(e.agreeing_polls(), " polls agree");
                        },
                        [&](const eventpb::InstanceAbsent& e) {
                          if (e.definite() || e.complete_lists() >= 2) text = "confirmed";
                        },
                        [&](const eventpb::WorkerEnded& e) {
                          if (!e.confirmed_by().empty()) text = Cat("by ", e.confirmed_by());
                        },
                        [&](const eventpb::LaunchRequested& e) {
                          if (e.offer().expected_rate_per_s() <= 0) return;
                          text = Cat(Number(e.offer().expected_rate_per_s()), "/s expected",
                                     e.offer().expected_from().empty() ? "" : ", ",
                                     e.offer().expected_from());
                        },
                        [&](const eventpb::HostStruck& e) {
                          if (!e.worker().empty()) text = Cat("worker/", e.worker());
                        },
                        [&](const eventpb::HostMeasured& e) {
                          if (!e.worker().empty()) text = Cat("worker/", e.worker());
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
  return text.empty() ? "" : Cat("(", OneLine(text), ")");
}

}  // namespace muster::queries
