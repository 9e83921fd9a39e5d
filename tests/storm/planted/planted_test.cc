// Planted bugs: for each invariant a log and a market that do not fit together, as a muster with
// that bug would have left them; it must be reported, by that invariant, and by nobody else but
// those who have a reason.
#include "tests/storm/planted/planted.h"

#include "tests/support/pch.h"

namespace muster::storm {
namespace {

using vastsim::Failure;

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
