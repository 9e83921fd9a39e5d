// A log and a market that can be made not to fit together, and who of the storm's invariants
// reports it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "eventstore/events/codec.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/commands/given.h"
#include "tests/storm/invariants.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::storm {

using Names = std::set<std::string>;

inline constexpr char kSecret[] = "hf_planted_canary_secret";
inline const ProviderName kVast("vast");

inline vastsim::VastSimOptions Market() {
  vastsim::VastSimOptions options;
  options.churn_interval = absl::ZeroDuration();
  options.rate_limits = false;
  return options;
}

class Planted : public testing::Test {
 protected:
  Planted() : sim(Market(), rt.Now()) { sim.SetOrigin("http://market.internal"); }
  ~Planted() override { rt.DestroyTasks(); }

  // ---- what the log says --------------------------------------------------------------------

  void Write(const StreamId& stream, const eventpb::EventBody& body,
             const std::string& actor = "policy:zeb@v1") {
    NewEvent event;
    event.id = EventId(Cat("e", ++events));
    event.type = std::string(TypeName(body.kind_case()));
    event.payload = EncodeEvent(body);
    event.actor = actor;
    event.occurred_at = rt.Now();
    std::vector<NewEvent> batch;
    batch.push_back(std::move(event));
    const Expect expect = Expect::At(store.StreamVersion(stream));
    const auto written = rt.Run(store.Append(stream, expect, std::move(batch), rt.Now()));
    ASSERT_TRUE(written.ok());
  }
  template <class Event>
  void OnWorker(const std::string& token, const Event& event) {
    Write(WorkerStream(WorkerId(token)), Wrap(event));
  }
  void Fleet(int workers, const specpb::Budget& budget = {}) {
    eventpb::FleetApplied applied;
    applied.set_fleet_version(++version);
    applied.mutable_spec()->set_name("zeb");
    applied.mutable_spec()->set_provider("vast");
    applied.mutable_spec()->set_workers(workers);
    applied.mutable_spec()->mutable_market()->set_price_max_micro_usd_per_hour(100'000);
    *applied.mutable_spec()->mutable_budget() = budget;
    Write(FleetStream(FleetName("zeb")), Wrap(applied), "operator:ann");
  }
  eventpb::Evidence Citing(const std::string& rule, Position position = 1) {
    return MakeEvidence(rule, "planted", {}, {position});
  }
  static std::string Label(const std::string& token) { return Cat("zeb-worker-vast-0.", token); }
  void Intend(const std::string& token, bool trial = false, bool searched = true) {
    if (searched) {
      eventpb::OffersObserved search;
      search.add_offers()->set_offer(Cat("o-", token));
      search.mutable_offers(0)->set_price_micro_usd_per_hour(60'000);
      search.mutable_offers(0)->set_gpu("RTX 3070");
      Write(AccountStream(kVast), Wrap(search));
    }
    eventpb::LaunchRequested intent = ::muster::Intent(token);
    intent.set_label(Label(token));
    intent.set_upgrade_trial(trial);
    intent.mutable_offer()->set_offer(Cat("o-", token));
    intent.mutable_offer()->set_price_micro_usd_per_hour(60'000);
    *intent.mutable_evidence() = Citing("replenish");
    OnWorker(token, intent);
  }
  // Asked for, rented, accepted, and works from the first minute.
  std::int64_t Worker(const std::string& token, bool trial = false) {
    Intend(token, trial);
    const std::int64_t id = Rent(Label(token));
    Write(WorkerStream(WorkerId(token)), Accepted(Cat(id)));
    return id;
  }
  void Health(const std::string& token, worker::Health health) {
    eventpb::WorkerHealthChanged change;
    change.set_health(health);
    OnWorker(token, change);
  }
  void Condemn(const std::string& token, std::int64_t id, const std::string& rule,
               worker::Health health = eventpb::WorkerHealthChanged::STALLED) {
    Health(token, health);
    eventpb::WorkerCondemned verdict;
    *verdict.mutable_evidence() = Citing(rule, store.Head());
    OnWorker(token, verdict);
    eventpb::DestroyRequested destroy;
    destroy.set_instance(Cat(id));
    *destroy.mutable_evidence() = verdict.evidence();
    OnWorker(token, destroy);
  }
  void Ended(const std::string& token, double spent,
             eventpb::WorkerEnded::How how = eventpb::WorkerEnded::DESTROYED) {
    eventpb::WorkerEnded end;
    end.set_how(how);
    end.set_spent_micro_usd(static_cast<std::int64_t>(spent * 1e6));
    OnWorker(token, end);
  }

  // ---- what is so -----------------------------------------------------------------------------

  std::int64_t Rent(const std::string& label) {
    sim.Advance(rt.Now());
    return sim.AddForeign({.label = label, .usd_per_hour = 0.06, .age = absl::ZeroDuration()});
  }
  void Destroy(std::int64_t id) {
    HttpRequest request;
    request.method = "DELETE";
    request.url = Cat("http://market.internal/api/v0/instances/", id, "/");
    request.headers.emplace_back("Authorization", "Bearer sim-key");
    EXPECT_EQ(sim.Handle(request, rt.Now()).response.status, 200);
  }
  void Pass(absl::Duration span) {
    rt.RunFor(span);
    sim.Advance(rt.Now());
  }

  // ---- who reports it -------------------------------------------------------------------------

  Names Broken(std::initializer_list<const std::vector<Invariant>*> lists, const Program* program) {
    EXPECT_TRUE(book.ReadOn(store).ok());
    sim.Advance(rt.Now());
    const Ground ground(sim);
    days.Look(ground, rt.Now());
    Names names;
    for (const auto* list : lists) {
      for (const Invariant& each : *list) {
        const std::string broken =
            each.broken({weather, sim, ground, book, deeds, days, rt.Now(), program});
        if (!broken.empty()) names.insert(each.name);
        told += broken.empty() ? "" : Cat(each.name, ": ", broken, "\n");
      }
    }
    return names;
  }
  Names Broken() { return Broken({&WhenRented(), &Always()}, nullptr); }
  Names BrokenAfterCalm() { return Broken({&WhenRented(), &Always(), &AfterCalm()}, nullptr); }

  VirtualRuntime rt{1};
  MemoryEventStore store{rt};
  vastsim::VastSim sim;
  LogBook book{{kSecret}};
  Deeds deeds;
  DayBook days;
  Weather weather;
  std::string told;
  int events = 0;
  int version = 0;
};

}  // namespace muster::storm
