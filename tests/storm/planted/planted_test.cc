// Planted bugs: for each invariant a log and a market that do not fit together, as a muster with
// that bug would have left them; it must be reported, by that invariant, and by nobody else but
// those who have a reason.
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
namespace {

using Names = std::set<std::string>;
using vastsim::Failure;

constexpr char kSecret[] = "hf_planted_canary_secret";
const ProviderName kVast("vast");

vastsim::VastSimOptions Market() {
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

TEST_F(Planted, AFleetThatWorksBreaksNothing) {
  Fleet(1);
  Worker("a1");
  Pass(absl::Hours(2));
  EXPECT_EQ(BrokenAfterCalm(), Names{}) << told;
}

TEST_F(Planted, AContractThatNobodyIntended) {
  Fleet(1);
  Rent(Label("a1"));
  EXPECT_EQ(Broken(), Names{"NoContractWithoutIntent"}) << told;
}

TEST_F(Planted, TwoContractsForOneToken) {
  Fleet(1);
  Worker("a1");
  Rent(Label("a1"));
  EXPECT_EQ(Broken(), Names{"NeverTwoLivingForOneToken"}) << told;
  deeds.rented_twice[Label("a1")] = 1;
  EXPECT_EQ(Broken(), Names{}) << told;  // the provider did it, this once
  Rent(Label("a1"));
  EXPECT_EQ(Broken(), Names{"NeverTwoLivingForOneToken"}) << told;
}

TEST_F(Planted, ASecondWorkerWhereOneIsWanted) {
  Fleet(1);
  Worker("a1");
  Worker("a2");
  EXPECT_EQ(Broken(), Names{"NoMoreIsRentedThanWanted"}) << told;
}

TEST_F(Planted, AnOfferThatNoSearchShowed) {
  Fleet(1);
  Intend("a1", /*trial=*/false, /*searched=*/false);
  EXPECT_EQ(Broken(), Names{"OffersAreFreshWhenTaken"}) << told;
}

TEST_F(Planted, AnOfferThatGrewOld) {
  Fleet(2);
  Intend("a1");
  Pass(absl::Minutes(11));
  eventpb::LaunchRequested again = ::muster::Intent("a2");
  again.mutable_offer()->set_offer("o-a1");
  again.mutable_offer()->set_price_micro_usd_per_hour(60'000);
  *again.mutable_evidence() = Citing("replenish");
  OnWorker("a2", again);
  EXPECT_EQ(Broken(), Names{"OffersAreFreshWhenTaken"}) << told;
}

TEST_F(Planted, TwoUpgradesWithinTenMinutes) {
  Fleet(1);
  Worker("a1");
  Worker("a2", /*trial=*/true);
  EXPECT_EQ(Broken(), Names{}) << told;
  Pass(absl::Minutes(10));
  Worker("a3", /*trial=*/true);
  EXPECT_EQ(Broken(), Names{"UpgradesKeepTheirPace"}) << told;
}

TEST_F(Planted, AWorkerThatEndedAndIsStillThere) {
  Fleet(1);
  Worker("a1");
  Pass(absl::Minutes(10));
  Ended("a1", 0.01);
  EXPECT_EQ(Broken(), Names{"WhoEndedIsGone"}) << told;
}

TEST_F(Planted, AStrangerThatWasDestroyed) {
  const std::int64_t stranger = Rent("somebody-else");
  deeds.strangers.insert(stranger);
  EXPECT_EQ(Broken(), Names{}) << told;
  Destroy(stranger);
  EXPECT_EQ(Broken(), (Names{"EveryDestroyWasDecided", "StrangersAreLeftAlone"})) << told;
}

TEST_F(Planted, ADestroyThatNoEventAskedFor) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Destroy(id);
  EXPECT_EQ(Broken(), Names{"EveryDestroyWasDecided"}) << told;
}

TEST_F(Planted, AProducingWorkerDestroyedForStandingStill) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(1));
  Condemn("a1", id, "no-progress");
  Destroy(id);
  EXPECT_EQ(Broken(), Names{"NobodyProducingIsDestroyedWithoutAReason"}) << told;
}

TEST_F(Planted, AWorkerDestroyedForAnotherFailureThanItHad) {
  Fleet(2);
  const std::int64_t a = Worker("a1"), b = Worker("a2");
  Pass(absl::Hours(1));
  for (const std::int64_t id : {a, b}) ASSERT_TRUE(sim.FailWorker(id, Failure::kStall).ok());
  Pass(absl::Minutes(20));
  Condemn("a1", a, "no-progress");
  Destroy(a);
  EXPECT_EQ(Broken(), Names{}) << told;
  Condemn("a2", b, "broken-launch");
  Destroy(b);
  EXPECT_EQ(Broken(), Names{"NobodyProducingIsDestroyedWithoutAReason"}) << told;
}

TEST_F(Planted, AVerdictOnAnOutageThatWasOverAndOnOneThatNeverEnds) {
  Fleet(2);
  const std::int64_t a = Worker("a1"), b = Worker("a2");
  Pass(absl::Hours(1));
  ASSERT_TRUE(sim.FailWorker(a, {.how = Failure::kOffline, .span = absl::InfiniteDuration()}).ok());
  ASSERT_TRUE(sim.FailWorker(b, {.how = Failure::kOffline, .span = absl::Minutes(5)}).ok());
  Pass(absl::Hours(3));
  Condemn("a1", a, "offline", eventpb::WorkerHealthChanged::OFFLINE);
  Destroy(a);
  EXPECT_EQ(Broken(), Names{}) << told;
  Condemn("a2", b, "offline", eventpb::WorkerHealthChanged::OFFLINE);
  Destroy(b);
  EXPECT_EQ(Broken(), Names{"NobodyProducingIsDestroyedWithoutAReason"}) << told;
}

TEST_F(Planted, ADownscaleOfAFleetThatHasNoneToSpare) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(1));
  Condemn("a1", id, "downscale");
  Destroy(id);
  EXPECT_EQ(Broken(), Names{"NobodyProducingIsDestroyedWithoutAReason"}) << told;
}

TEST_F(Planted, AWorkerDestroyedInAnOperatorsNameThatNobodyNamed) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(1));
  Condemn("a1", id, "operator");
  Destroy(id);
  EXPECT_EQ(Broken(), Names{"NobodyProducingIsDestroyedWithoutAReason"}) << told;
  deeds.workers_named["a1"].push_back({rt.Now(), false});
  EXPECT_EQ(Broken(), Names{}) << told;
}

TEST_F(Planted, AVerdictOnAWorkerThatNobodyCouldSee) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  ASSERT_TRUE(sim.FailWorker(id, Failure::kStall).ok());
  Pass(absl::Minutes(20));
  Condemn("a1", id, "no-progress", eventpb::WorkerHealthChanged::UNKNOWN);
  EXPECT_EQ(Broken(), Names{"NobodyIsCondemnedUnseen"}) << told;
}

TEST_F(Planted, AVerdictAfterFailedLooks) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  ASSERT_TRUE(sim.FailWorker(id, Failure::kStall).ok());
  Pass(absl::Minutes(20));
  eventpb::ObservationFailed failed;
  failed.set_what("log");
  failed.set_count(2);
  OnWorker("a1", failed);
  Condemn("a1", id, "no-progress");
  EXPECT_EQ(Broken(), Names{"NobodyIsCondemnedUnseen"}) << told;
}

TEST_F(Planted, AStrikeForOurOwnFault) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  ASSERT_TRUE(sim.FailWorker(id, Failure::kImageError).ok());
  Pass(absl::Minutes(20));
  Condemn("a1", id, "offline", eventpb::WorkerHealthChanged::OFFLINE);
  EXPECT_EQ(Broken(), Names{}) << told;
  eventpb::HostStruck strike;
  strike.set_worker("a1");
  strike.set_cause("offline");
  *strike.mutable_evidence() = Citing("offline");
  const Ground ground(sim);
  Write(HostStream(kVast, MachineId(Cat(ground.Find(id)->machine))), Wrap(strike));
  EXPECT_EQ(Broken(), Names{"StrikesOnlyForFailuresOfTheMachine"}) << told;
}

TEST_F(Planted, MoneyThatTheLogForgot) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(2));
  deeds.workers_named["a1"].push_back({rt.Now(), false});
  Condemn("a1", id, "operator");
  Destroy(id);
  Ended("a1", 0.05);
  EXPECT_EQ(Broken(), Names{"TheLedgerIsWhatTheLogSays"}) << told;
}

TEST_F(Planted, MoneyThatWasNeverSpent) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(2));
  deeds.workers_named["a1"].push_back({rt.Now(), false});
  Condemn("a1", id, "operator");
  Destroy(id);
  Ended("a1", 0.25);
  EXPECT_EQ(Broken(), Names{"TheLedgerIsWhatTheLogSays"}) << told;
}

TEST_F(Planted, ABurnOverTheBudgetOfTheHour) {
  specpb::Budget budget;
  budget.set_per_hour_micro_usd(100'000);
  Fleet(2, budget);
  Worker("a1");
  EXPECT_EQ(Broken(), Names{}) << told;
  Intend("a2");  // asked for is as good as rented
  EXPECT_EQ(Broken(), Names{"BurnWithinTheBudget"}) << told;
}

TEST_F(Planted, ABurnOverTheBudgetOfTheAccount) {
  weather.account_budget.set_per_hour_micro_usd(100'000);
  Fleet(2);
  Worker("a1");
  Worker("a2");
  EXPECT_EQ(Broken(), Names{"BurnWithinTheBudget"}) << told;
}

TEST_F(Planted, ARentThatCannotRunUntilMidnight) {
  specpb::Budget budget;
  budget.set_per_day_micro_usd(50'000);
  Fleet(1, budget);
  Worker("a1");
  EXPECT_EQ(Broken(), Names{"WorstCaseWithinTheBudget"}) << told;
}

TEST_F(Planted, SpendingOverTheTotalAndOn) {
  specpb::Budget budget;
  budget.set_total_micro_usd(70'000);
  Fleet(1, budget);
  const std::int64_t id = Worker("a1");
  EXPECT_EQ(Broken(), Names{}) << told;
  Pass(absl::Hours(2));
  EXPECT_TRUE(Broken().contains("SpentWithinTheBudget")) << told;
  Condemn("a1", id, "over-budget");  // what can be done was done
  EXPECT_FALSE(Broken().contains("SpentWithinTheBudget")) << told;
}

TEST_F(Planted, ALaunchWhileThereIsNoCredit) {
  Fleet(1);
  eventpb::CreditWaitBegan wait;
  *wait.mutable_evidence() = Citing("credit-wait");
  Write(AccountStream(kVast), Wrap(wait));
  Worker("a1");
  EXPECT_EQ(Broken(), Names{"NoSpendWhileWaitingForCredit"}) << told;
}

TEST_F(Planted, AWaitForCreditThatEndsWithoutAny) {
  Fleet(1);
  deeds.credit_out.emplace_back(rt.Now(), absl::InfiniteFuture());
  Pass(absl::Minutes(10));
  eventpb::CreditWaitEnded over;
  *over.mutable_evidence() = Citing("credit-back");
  Write(AccountStream(kVast), Wrap(over));
  EXPECT_EQ(Broken(), Names{"CreditWaitEndsWithCredit"}) << told;
}

TEST_F(Planted, VerdictsWhoseEvidenceIsMissingOrIsNone) {
  for (const Position cited : {Position{0}, Position{900}, Position{1}}) {
    LogBook fresh{{kSecret}};
    const std::string token = Cat("a", cited);
    Fleet(1);
    Worker(token);
    eventpb::WorkerCondemned verdict;
    *verdict.mutable_evidence() = MakeEvidence("no-progress", "planted");
    if (cited > 0) verdict.mutable_evidence()->add_positions(cited);  // 1 is the fleet's
    OnWorker(token, verdict);
    ASSERT_TRUE(fresh.ReadOn(store).ok());
    EXPECT_NE(fresh.evidence_problem(), "") << cited;
  }
  EXPECT_TRUE(Broken().contains("EveryDecisionHasEvidenceBeforeIt"));
}

TEST_F(Planted, ASecretInAnEvent) {
  Fleet(1);
  Worker("a1");
  eventpb::ObservationFailed failed;
  failed.set_what("log");
  failed.set_detail(Cat("refused: ", kSecret));
  OnWorker("a1", failed);
  EXPECT_EQ(Broken(), Names{"NoSecretInTheLog"}) << told;
}

TEST_F(Planted, AKeyThatGoesToALogHost) {
  HttpRequest request;
  request.method = "GET";
  request.url = "http://market.internal/logs/some-object";
  request.headers.emplace_back("Authorization", "Bearer sim-key");
  (void)sim.Handle(request, rt.Now());
  EXPECT_EQ(Broken(), Names{"NoKeyGivenToOthers"}) << told;
}

TEST_F(Planted, WorkersLeftOfAFleetThatIsDown) {
  Fleet(1);
  Worker("a1");
  eventpb::FleetDownRequested down;
  Write(FleetStream(FleetName("zeb")), Wrap(down));
  Pass(absl::Hours(1));
  EXPECT_EQ(BrokenAfterCalm(), Names{"NothingOfAnEndedFleetIsLeft"}) << told;
}

TEST_F(Planted, AFleetThatDoesNotReachItsTarget) {
  Fleet(2);
  Worker("a1");
  Pass(absl::Hours(1));
  EXPECT_EQ(BrokenAfterCalm(), Names{"TargetReached"}) << told;
}

TEST_F(Planted, AnOpenWorkerWithoutAMachine) {
  Fleet(1);
  Worker("a1");
  Intend("a2", /*trial=*/true);
  Pass(absl::Hours(1));
  EXPECT_EQ(BrokenAfterCalm(), Names{"OneMachineForEachOpenWorker"}) << told;
}

// Each event cites one before it, as it must, and none of them was ever seen or asked for.
TEST_F(Planted, ADestructionWhoseReasonsReachNothingThatWasSeen) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  eventpb::WorkerHealthChanged stalled;
  stalled.set_health(eventpb::WorkerHealthChanged::STALLED);
  OnWorker("a1", stalled);
  eventpb::DestroyRequested destroy;
  destroy.set_instance(Cat(id));
  *destroy.mutable_evidence() = Citing("no-progress", store.Head());
  OnWorker("a1", destroy);
  ASSERT_TRUE(book.ReadOn(store).ok());
  queries::ReadModels models(store);
  const auto apply = [&](const RecordedEvent& each) { return models.Apply(each).ok(); };
  ASSERT_TRUE(store.ReadAll(0, SIZE_MAX, apply).ok());
  const Program program{book.world(), models, absl::OkStatus(), store};
  EXPECT_EQ(Broken({&OfTheLog()}, &program), Names{"EveryDeedHasACause"}) << told;
}

TEST_F(Planted, ADecisionThatDoesNotComeAgain) {
  Fleet(1);
  Worker("a1");  // rented by the policy, though no offer was ever seen
  ASSERT_TRUE(book.ReadOn(store).ok());
  queries::ReadModels models(store);
  const Program program{book.world(), models, absl::OkStatus(), store};
  EXPECT_EQ(Broken({&OfTheWholeLog()}, &program), Names{"TheLogIsDecidedAnew"}) << told;
}

TEST_F(Planted, AWorldAndReadModelsThatAreNotTheLog) {
  Fleet(1);
  Worker("a1");
  ASSERT_TRUE(book.ReadOn(store).ok());
  queries::ReadModels models(store), other(store);
  ASSERT_TRUE(store
                  .ReadAll(0, SIZE_MAX,
                           [&](const RecordedEvent& each) {
                             RecordedEvent altered = each;
                             if (each.event.type == "fleet.applied")
                               altered.event.occurred_at += absl::Hours(1);
                             altered.recorded_at = altered.event.occurred_at;
                             return models.Apply(each).ok() && other.Apply(altered).ok();
                           })
                  .ok());
  const World& world = book.world();
  const Program good{world, models, absl::OkStatus(), store};
  EXPECT_EQ(Broken({&OfTheLog()}, &good), Names{}) << told;
  const World forgetful;
  const Program bad_world{forgetful, models, absl::OkStatus(), store};
  EXPECT_EQ(Broken({&OfTheLog()}, &bad_world), Names{"FoldingAnewGivesTheSameWorld"}) << told;
  const Program bad_models{world, other, absl::OkStatus(), store};
  EXPECT_EQ(Broken({&OfTheLog()}, &bad_models), Names{"RebuiltReadModelsAreTheLiveOnes"}) << told;
}

}  // namespace
}  // namespace muster::storm
