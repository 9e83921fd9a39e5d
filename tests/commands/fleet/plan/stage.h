// Stage: a World to plan in, built from events as the log would hold them.
//
//   Stage stage;
//   stage.Apply(stage.Spec(4));
//   stage.Market({...});
//   EXPECT_EQ(stage.PlanAndCarry(), "replenish x4");
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/plan.h"
#include "commands/fleet/plan/preview.h"
#include "commands/snapshot.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/account_events.h"
#include "eventstore/events/fleet_events.h"
#include "eventstore/events/worker_events.h"
#include "tests/commands/given.h"

namespace muster::fleet {

inline const ProviderName kVast("vast");
inline const FleetName kZeb("zeb");

class Stage {
 public:
  Stage() {
    eventpb::InstallationCreated created;
    created.set_id("m7k2");
    Fold(InstallationStream(), Wrap(created));
  }

  static specpb::FleetSpec Spec(int workers, std::string_view name = "zeb") {
    specpb::FleetSpec spec;
    spec.set_name(std::string(name));
    spec.set_provider("vast");
    spec.set_workers(workers);
    spec.set_work_unit("games");
    spec.mutable_market()->set_price_max_micro_usd_per_hour(90'000);
    for (auto [gpu, rate] : {std::pair{"RTX 3070", 2.0}, {"RTX 4070", 3.0}, {"RTX 3060", 0.0}}) {
      auto* row = spec.mutable_market()->add_gpus();
      row->set_name(gpu);
      row->set_rate_per_s(rate);
    }
    spec.mutable_market()->set_rate_default_per_s(1.5);
    spec.mutable_launch()->set_image("pytorch");
    spec.mutable_launch()->set_disk_gb(15);
    spec.mutable_launch()->set_label("{fleet}-worker-vast-{index}");
    *spec.mutable_timers() = TestTimers();
    spec.mutable_timers()->set_offline_s(600);
    spec.mutable_strikes()->set_limit(3);
    spec.mutable_strikes()->set_common_cause_min(3);
    spec.mutable_strikes()->set_common_cause_window_s(1800);
    return spec;
  }

  static Offer MakeOffer(std::string_view id, std::string_view gpu, std::int64_t micros) {
    Offer offer;
    offer.id = OfferId(id);
    offer.machine = MachineId(Cat("m", id));
    offer.gpu = GpuName(gpu);
    offer.price = MicroUsdPerHour(micros);
    offer.reliability = 0.99;
    offer.cuda = 12.6;
    offer.inet_down_mbps = 500;
    offer.inet_up_mbps = 300;
    offer.disk_free_gb = 100;
    offer.remaining = absl::Hours(240);
    offer.location = "Sweden, SE";
    return offer;
  }
  // `count` offers of 3070s at rising prices from $0.05/h on.
  static std::vector<Offer> Plenty(int count) {
    std::vector<Offer> offers;
    offers.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      offers.push_back(MakeOffer(Cat("o", i), "RTX 3070", 50'000 + 100 * i));
    }
    return offers;
  }

  void Fold(const StreamId& stream, const eventpb::EventBody& body) {
    Evolve(world, stream, body, Stamp{world.head + 1, now});
    touched.push_back(stream);
  }
  void FoldAll(const StreamId& stream, const StatusOr<Events>& events) {
    ASSERT_TRUE(events.ok()) << events.status().ToString();
    for (const eventpb::EventBody& body : *events) Fold(stream, body);
  }
  void OnWorker(const WorkerId& id, const worker::Command& command) {
    const worker::State* state = world.FindWorker(id);
    FoldAll(WorkerStream(id),
            worker::Decide(state == nullptr ? worker::State{} : *state, command, {now}));
  }
  void OnFleet(const Command& command, const FleetName& name = kZeb) {
    const State* state = world.FindFleet(name);
    FoldAll(FleetStream(name), Decide(state == nullptr ? State{} : *state, command, {now}));
  }
  void OnAccount(const account::Command& command) {
    account::State none;
    none.provider = kVast;
    const account::State* state = world.FindAccount(kVast);
    FoldAll(AccountStream(kVast),
            account::Decide(state == nullptr ? none : *state, command, {now}));
  }

  void Apply(specpb::FleetSpec spec) {
    const FleetName name(spec.name());
    OnFleet(fleet::Apply{std::move(spec)}, name);
  }
  // A complete list and a fresh search.
  void Market(std::vector<Offer> offers) {
    OnAccount(account::ObserveList{});
    const int found = static_cast<int>(offers.size());
    OnAccount(account::ObserveOffers{std::move(offers), found, "q"});
  }

  // A live worker that was accepted `age` ago; nothing was observed of it yet.
  WorkerId AddLive(int index, absl::Duration age = absl::Minutes(30),
                   std::string_view fleet = "zeb", std::int64_t micros = 60'000) {
    const WorkerId id(Cat("w", fleet == "zeb" ? "" : fleet, next_++));
    const absl::Time kept = std::exchange(now, now - age);
    eventpb::LaunchRequested intent = Intent(id.str());
    intent.set_fleet(std::string(fleet));
    intent.set_index(index);
    intent.set_fleet_version(1);
    intent.mutable_offer()->set_offer(Cat("offer-", id.str()));
    intent.mutable_offer()->set_machine(Cat("machine-", id.str()));
    intent.mutable_offer()->set_gpu("RTX 3070");
    intent.mutable_offer()->set_expected_rate_per_s(2.0);
    intent.mutable_offer()->set_price_micro_usd_per_hour(micros);
    Fold(WorkerStream(id), Wrap(intent));
    Accept(id);
    now = kept;
    return id;
  }
  void Accept(const WorkerId& id) { Fold(WorkerStream(id), muster::Accepted(Cat("i-", id.str()))); }
  // What a good list says of it now.
  void See(const WorkerId& id, ActualStatus actual = ActualStatus::kRunning,
           std::int64_t micros = 60'000) {
    Instance instance = Running();
    instance.id = InstanceId(Cat("i-", id.str()));
    instance.actual = actual;
    instance.intended_raw = actual == ActualStatus::kStopped ? "stopped" : "running";
    instance.price = MicroUsdPerHour(micros);
    Fold(WorkerStream(id), Wrap(MakeInstanceObserved(instance)));
  }
  // What good log polls that agree say of it now.
  void Log(const WorkerId& id, eventpb::LogObserved facts, int agreeing = 2) {
    facts.set_agreeing_polls(agreeing);
    facts.set_first_seen_us(absl::ToUnixMicros(now));
    Fold(WorkerStream(id), Wrap(facts));
  }
  // A worker that is seen running and whose counter has just grown.
  void Produce(const WorkerId& id, double rate = 2.0, std::int64_t micros = 60'000) {
    See(id, ActualStatus::kRunning, micros);
    for (int i = 0; i < 2; ++i) {
      eventpb::LogObserved facts = LogFacts("producing", ++counters_[id]);
      facts.set_rate_per_s(rate);
      Log(id, facts);
    }
  }
  WorkerId AddHealthy(int index, double rate = 2.0, std::int64_t micros = 60'000,
                      absl::Duration age = absl::Minutes(30), std::string_view fleet = "zeb") {
    const WorkerId id = AddLive(index, age, fleet, micros);
    Produce(id, rate, micros);
    return id;
  }
  void DestroyAccepted(const WorkerId& id) {
    Fold(WorkerStream(id), DestroyAnsweredWith(eventpb::DestroyAnswered::ACCEPTED));
  }
  void Gone(const WorkerId& id, eventpb::WorkerEnded::How how = eventpb::WorkerEnded::DESTROYED) {
    eventpb::WorkerEnded e;
    e.set_how(how);
    Fold(WorkerStream(id), Wrap(e));
  }
  void Reject(const WorkerId& id, eventpb::LaunchRejected::Reason reason) {
    OnWorker(id, worker::LaunchRefused{reason, "as the test says"});
  }
  void Strike(std::string_view machine, int times, absl::Duration lasts = absl::Hours(24)) {
    eventpb::StrikesImported imported;
    imported.set_file("bad-hosts.txt");
    imported.set_strikes(times);
    imported.set_expires_us(absl::ToUnixMicros(now + lasts));
    Fold(HostStream(kVast, MachineId(machine)), Wrap(imported));
  }

  PlanResult Decisions() const { return Plan(world, options, now); }
  // "no-progress replenish x2", without what is only written down; "nothing".
  static std::string Rules(const PlanResult& plan) {
    std::string text;
    std::vector<std::pair<std::string, int>> runs;
    for (const Decision& decision : plan.decisions) {
      if (decision.rule == kRuleHealth || decision.rule == kRuleWaits ||
          decision.rule == kRuleRollUp) {
        continue;
      }
      if (runs.empty() || runs.back().first != decision.rule) runs.emplace_back(decision.rule, 0);
      ++runs.back().second;
    }
    for (const auto& [rule, count] : runs) {
      text += Cat(text.empty() ? "" : " ", rule, count > 1 ? Cat(" x", count) : "");
    }
    return text.empty() ? "nothing" : text;
  }
  std::string Rules() const { return Rules(Decisions()); }
  // Folds what was decided, with made-up tokens.
  void Carry(const PlanResult& plan) {
    for (const Decision& decision : plan.decisions) CarryOne(decision);
  }
  std::string PlanAndCarry() {
    const PlanResult plan = Decisions();
    Carry(plan);
    return Rules(plan);
  }
  std::vector<eventpb::LaunchRequested> Launches(const PlanResult& plan) const {
    std::vector<eventpb::LaunchRequested> launches;
    for (const Decision& decision : plan.decisions) {
      if (const auto* launch = std::get_if<Launch>(&decision.act)) {
        launches.push_back(launch->intent);
      }
    }
    return launches;
  }
  // Who is condemned, and by which verdict.
  std::map<WorkerId, eventpb::WorkerCondemned> Condemned(const PlanResult& plan) const {
    std::map<WorkerId, eventpb::WorkerCondemned> condemned;
    for (const Decision& decision : plan.decisions) {
      const auto* act = std::get_if<ForWorker>(&decision.act);
      if (act == nullptr) continue;
      if (const auto* one = std::get_if<worker::Condemn>(&act->command)) {
        condemned[act->worker] = one->verdict;
      }
    }
    return condemned;
  }
  // "CREDIT BUDGET": what the fleet would be said to wait for; "unchanged".
  std::string Waits(const FleetName& name = kZeb) const {
    const PlanResult plan = Decisions();
    for (const Decision& decision : plan.decisions) {
      const auto* act = std::get_if<ForFleet>(&decision.act);
      if (act == nullptr || act->fleet != name) continue;
      if (const auto* changed = std::get_if<ChangeWaits>(&act->command)) {
        std::string text;
        for (const eventpb::Wait& wait : changed->waits) {
          text += Cat(text.empty() ? "" : " ", eventpb::Wait::Kind_Name(wait.kind()));
        }
        return text;
      }
    }
    return "unchanged";
  }
  std::vector<WorkerId> Launching() const {
    std::vector<WorkerId> ids;
    for (const auto& [id, state] : world.workers) {
      if (std::holds_alternative<worker::Launching>(state->phase)) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  World world;
  PlanOptions options;
  absl::Time now = At(0);
  std::vector<StreamId> touched;  // by folding, for incremental boards

 private:
  void CarryOne(const Decision& decision) {
    std::visit(
        Overloaded{[&](const Launch& act) {
                     eventpb::LaunchRequested intent = act.intent;
                     const WorkerId id = MakeWorkerId(world, Cat("abc", next_++));
                     intent.set_token(id.str());
                     intent.set_label(LabelFor(world.FindFleet(FleetName(intent.fleet()))->spec,
                                               intent.index(), id));
                     OnWorker(id, worker::RequestLaunch{intent});
                   },
                   [&](const TakeIn& act) {
                     const WorkerId id = MakeWorkerId(world, Cat("abc", next_++));
                     OnWorker(id, worker::Adopt{act.adoption});
                     if (act.condemn) OnWorker(id, worker::Condemn{*act.condemn});
                     OnAccount(account::ResolveOrphan{InstanceId(act.adoption.instance()),
                                                      eventpb::OrphanResolved::ADOPTED, id});
                   },
                   [&](const ForWorker& act) { OnWorker(act.worker, act.command); },
                   [&](const ForFleet& act) { OnFleet(act.command, act.fleet); },
                   [&](const ForAccount& act) { OnAccount(act.command); }},
        decision.act);
  }

  int next_ = 0;
  std::map<WorkerId, std::int64_t> counters_;
};

}  // namespace muster::fleet
