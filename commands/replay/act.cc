#include "commands/replay/act.h"

#include <algorithm>
#include <cmath>

#include "eventstore/base/overloaded.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/units.h"
#include "eventstore/events/values.h"

namespace muster::replay {
namespace {

// Sums of money are kept in micro-dollars and rounded on the way: the last digit says nothing.
constexpr double kMicro = 2.5e-6;

FleetName FleetOf(const World& world, const WorkerId& worker) {
  const worker::State* state = world.FindWorker(worker);
  return state == nullptr ? FleetName() : state->identity.fleet;
}

Act Rent(const eventpb::LaunchRequested& e) {
  Act act;
  act.is_launch = true;
  act.fleet = FleetName(e.fleet());
  act.offer = OfferId(e.offer().offer());
  act.price = PriceOf(e.offer());
  act.rule = e.evidence().rule();
  act.evidence = e.evidence();
  act.line =
      Cat("rent fleet/", e.fleet(), " place ", e.index(), " offer ", ShownId(e.offer().offer()),
          " ", act.price.micros, " ", act.rule, e.replaces().empty() ? "" : " for ", e.replaces(),
          e.upgrade_trial() ? " trial" : "", e.credit_probe() ? " probe" : "");
  act.text = Cat("rent ", e.offer().gpu(), ", offer ", e.offer().offer(), " at ",
                 FormatUsdPerHour(act.price), ", for place ", e.index());
  return act;
}

Act TakeIn(const eventpb::WorkerAdopted& e) {
  Act act;
  act.fleet = FleetName(e.fleet());
  act.price = PriceOf(e.offer());
  act.rule = "orphan";
  act.line =
      Cat("take-in fleet/", e.fleet(), " place ", e.index(), " instance ", ShownId(e.instance()));
  act.text = e.index() < 0 ? Cat("take in stray ", e.instance(), ", to destroy it")
                           : Cat("adopt stray ", e.instance(), " into place ", e.index());
  return act;
}

Act End(const WorkerId& worker, const FleetName& fleet, const eventpb::WorkerCondemned& e) {
  Act act;
  act.ends_worker = true;
  act.fleet = fleet;
  act.worker = worker;
  act.rule = e.evidence().rule();
  act.evidence = e.evidence();
  act.line = Cat("end worker/", worker.str(), " ", act.rule, " fault ", static_cast<int>(e.fault()),
                 e.replace() ? " replace" : "", " strike ", std::llround(e.strike_weight() * 1000));
  act.text = Cat("destroy worker ", worker.str(), e.replace() ? " and replace it" : "",
                 e.strike_weight() > 0 ? ", with a strike" : "");
  return act;
}

Act Start(const WorkerId& worker, const FleetName& fleet, const eventpb::Evidence& evidence) {
  Act act;
  act.fleet = fleet;
  act.worker = worker;
  act.rule = evidence.rule();
  act.evidence = evidence;
  act.line = Cat("start worker/", worker.str());
  act.text = Cat("start worker ", worker.str());
  return act;
}

Act OfFleet(const FleetName& fleet, std::string_view what, std::string rule,
            const eventpb::Evidence& evidence, std::string text) {
  Act act;
  act.fleet = fleet;
  act.rule = std::move(rule);
  act.evidence = evidence;
  act.line = Cat(what, " fleet/", fleet.str(), " ", act.rule);
  act.text = std::move(text);
  return act;
}

Act OfAccount(const ProviderName& provider, std::string_view what, std::string rule,
              const eventpb::Evidence& evidence, std::string text) {
  Act act;
  act.provider = provider;
  act.rule = std::move(rule);
  act.evidence = evidence;
  act.line = Cat(what, " account/", provider.str());
  act.text = std::move(text);
  return act;
}

Act Interval(const FleetName& fleet, const eventpb::QuotaIntervalChanged& e) {
  Act act =
      OfFleet(fleet, "interval", "quota-interval", {},
              Cat("upload every ", e.interval_s(), "s instead of ", e.interval_before_s(), "s"));
  act.line = Cat(act.line, " ", e.interval_s());
  return act;
}
Act Suspend(const FleetName& fleet, const eventpb::StrikesSuspended& e) {
  Act act = OfFleet(fleet, "suspend-strikes", e.evidence().rule(), e.evidence(),
                    Cat("suspend strikes for ", e.cause()));
  act.line = Cat(act.line, " ", e.cause());
  return act;
}
Act Resume(const FleetName& fleet) {
  return OfFleet(fleet, "resume-strikes", "common-cause", {}, "count strikes again");
}
Act EndFleet(const FleetName& fleet) {
  return OfFleet(fleet, "end", "end", {}, Cat("end fleet ", fleet.str()));
}
Act BeginWait(const ProviderName& provider, const eventpb::Evidence& evidence) {
  return OfAccount(provider, "credit-wait", evidence.rule(), evidence, "wait for credit");
}
Act Probed(const ProviderName& provider, bool credit) {
  Act act = OfAccount(provider, "credit-probed", "credit-probe", {},
                      credit ? "note that the probe was accepted" : "note that credit lacks yet");
  act.line = Cat(act.line, credit ? " credit" : " none");
  return act;
}
Act EndWait(const ProviderName& provider, const eventpb::Evidence& evidence) {
  return OfAccount(provider, "credit-back", evidence.rule(), evidence, "end the wait for credit");
}

std::optional<Act> OfCommand(const WorkerId& id, const worker::Command& command,
                             const World& world) {
  const FleetName fleet = FleetOf(world, id);
  if (const auto* condemn = std::get_if<worker::Condemn>(&command)) {
    return End(id, fleet, condemn->verdict);
  }
  if (const auto* start = std::get_if<worker::RequestStart>(&command)) {
    return Start(id, fleet, start->evidence);
  }
  return std::nullopt;
}
std::optional<Act> OfCommand(const FleetName& fleet, const fleet::Command& command) {
  if (const auto* change = std::get_if<fleet::ChangeQuotaInterval>(&command)) {
    return Interval(fleet, change->change);
  }
  if (const auto* suspend = std::get_if<fleet::SuspendStrikes>(&command)) {
    return Suspend(fleet, suspend->suspension);
  }
  if (std::holds_alternative<fleet::ResumeStrikes>(command)) return Resume(fleet);
  if (std::holds_alternative<fleet::End>(command)) return EndFleet(fleet);
  return std::nullopt;
}
std::optional<Act> OfCommand(const ProviderName& provider, const account::Command& command) {
  if (const auto* begin = std::get_if<account::BeginCreditWait>(&command)) {
    return BeginWait(provider, begin->evidence);
  }
  if (const auto* probe = std::get_if<account::RecordProbe>(&command)) {
    return Probed(provider, probe->credit);
  }
  if (const auto* end = std::get_if<account::EndCreditWait>(&command)) {
    return EndWait(provider, end->evidence);
  }
  return std::nullopt;
}

bool IsNumber(std::string_view id) {
  return !id.empty() && id.size() <= 20 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string ShownId(std::string_view id) {
  if (id.empty() || IsNumber(id)) return std::string(id);
  return Cat("x", Sha256Hex(id).substr(0, 10));
}

std::optional<Act> ActOf(const Recorded& recorded, const World& world) {
  if (!recorded.by_policy) return std::nullopt;
  const eventpb::EventBody& body = recorded.body;
  const WorkerId worker(NameIn(recorded.stream, "worker"));
  const FleetName fleet(NameIn(recorded.stream, "fleet"));
  const ProviderName provider(NameIn(recorded.stream, "account"));
  std::optional<Act> act;
  if (body.has_launch_requested()) {
    act = Rent(body.launch_requested());
  } else if (body.has_worker_adopted()) {
    act = TakeIn(body.worker_adopted());
  } else if (body.has_worker_condemned()) {
    const worker::State* state = world.FindWorker(worker);
    // Taken in to be destroyed: one decision.
    if (state != nullptr && state->identity.adopted && state->identity.index < 0) return {};
    act = End(worker, FleetOf(world, worker), body.worker_condemned());
  } else if (body.has_start_requested()) {
    act = Start(worker, FleetOf(world, worker), body.start_requested().evidence());
  } else if (body.has_quota_interval_changed()) {
    act = Interval(fleet, body.quota_interval_changed());
  } else if (body.has_strikes_suspended()) {
    act = Suspend(fleet, body.strikes_suspended());
  } else if (body.has_strikes_resumed()) {
    act = Resume(fleet);
  } else if (body.has_fleet_ended()) {
    act = EndFleet(fleet);
  } else if (body.has_credit_wait_began()) {
    act = BeginWait(provider, body.credit_wait_began().evidence());
  } else if (body.has_credit_probed()) {
    act = Probed(provider, body.credit_probed().credit());
  } else if (body.has_credit_wait_ended()) {
    act = EndWait(provider, body.credit_wait_ended().evidence());
  }
  if (!act.has_value()) return std::nullopt;
  act->position = recorded.position;
  if (act->is_launch || body.has_worker_adopted()) act->worker = worker;
  return act;
}

std::optional<Act> ActOf(const fleet::Decision& decision, const World& world) {
  return std::visit(
      Overloaded{[](const fleet::Launch& d) -> std::optional<Act> { return Rent(d.intent); },
                 [](const fleet::TakeIn& d) -> std::optional<Act> { return TakeIn(d.adoption); },
                 [&](const fleet::ForWorker& d) -> std::optional<Act> {
                   std::optional<Act> act = OfCommand(d.worker, d.command, world);
                   const worker::State* state = world.FindWorker(d.worker);
                   const bool stray =
                       state != nullptr && state->identity.adopted && state->identity.index < 0;
                   return stray ? std::nullopt : act;
                 },
                 [](const fleet::ForFleet& d) { return OfCommand(d.fleet, d.command); },
                 [](const fleet::ForAccount& d) { return OfCommand(d.provider, d.command); }},
      decision.act);
}

bool SameEvidence(const Act& a, const Act& b) {
  const auto& x = a.evidence;
  const auto& y = b.evidence;
  return std::equal(x.positions().begin(), x.positions().end(), y.positions().begin(),
                    y.positions().end()) &&
         std::equal(x.measures().begin(), x.measures().end(), y.measures().begin(),
                    y.measures().end(), [](const auto& m, const auto& n) {
                      const double slack = m.unit().starts_with("usd") ? kMicro : 0;
                      return std::fabs(m.value() - n.value()) <= slack &&
                             m.threshold() == n.threshold();
                    });
}

void ActDigest::Add(std::uint64_t moment, const Act& act) {
  ++count_;
  state_ = Sha256Hex(Cat(state_, "\n", moment, " ", act.line));
}

std::string ActDigest::Hex() const {
  return (state_.empty() ? Sha256Hex("") : state_).substr(0, 16);
}

}  // namespace muster::replay
