// Strays: adopted, destroyed or left, by their fleet's setting; and what they keep from being
// rented.
#include "commands/fleet/plan/plan.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

struct StrayStage : Stage {
  StrayStage(specpb::OrphanPolicy policy, std::string label, std::string fleet = "zeb") {
    specpb::FleetSpec spec = Spec(1);
    spec.set_orphans(policy);
    Apply(spec);
    Market(Plenty(3));
    Find(std::move(label), std::move(fleet));
  }
  void Find(std::string label, std::string fleet) {
    eventpb::OrphanFound found;
    found.set_instance("stray1");
    found.set_label(std::move(label));
    found.set_machine("m77");
    found.set_gpu("RTX 3070");
    found.set_price_micro_usd_per_hour(50'000);
    found.set_fleet(std::move(fleet));
    OnAccount(account::ObserveList{{InstanceId("stray1")}, {found}});
  }
};

TEST(Orphans, AreOnlyReportedUnlessTheFleetSaysOtherwise) {
  for (const auto policy : {specpb::ORPHAN_POLICY_UNSPECIFIED, specpb::REPORT}) {
    StrayStage stage(policy, "zeb-worker-vast-0");
    EXPECT_EQ(stage.Rules(), "nothing");  // nor is a second one rented beside it
    EXPECT_EQ(stage.Waits(), "LIST");
    stage.OnAccount(
        account::ResolveOrphan{InstanceId("stray1"), eventpb::OrphanResolved::GONE, {}});
    EXPECT_EQ(stage.Rules(), "replenish");
  }
}

TEST(Orphans, HoldTheirPlacesUntilSomebodySaysWhatIsToBecomeOfThem) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(9));
  std::vector<InstanceId> ids;
  std::vector<eventpb::OrphanFound> strays;
  for (const char* label : {"zeb-worker-vast-0", "zeb-worker-vast-2.older", "zeb-worker-vast-3"}) {
    ids.emplace_back(label);
    strays.emplace_back();
    strays.back().set_instance(label);
    strays.back().set_label(label);
    strays.back().set_fleet("zeb");
  }
  stage.AddHealthy(3);  // one place is held by a worker too: nothing is missing there
  stage.OnAccount(account::ObserveList{ids, strays});
  const PlanResult plan = stage.Decisions();
  ASSERT_EQ(stage.Launches(plan).size(), 1u);
  EXPECT_EQ(stage.Launches(plan)[0].index(), 1);
  stage.Carry(plan);
  const auto& waits = stage.world.FindFleet(kZeb)->waits;
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].kind(), eventpb::Wait::LIST);
  EXPECT_EQ(waits[0].owner(), "operator");
  EXPECT_EQ(waits[0].detail(),
            "2 running instances bear this fleet's label: adopt them (muster adopt), destroy them, "
            "or set orphans");
  // The one that was rented beside them changes nothing about that.
  stage.Accept(stage.Launching().at(0));
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  for (const InstanceId& id : ids) {
    stage.OnAccount(account::ResolveOrphan{id, eventpb::OrphanResolved::GONE, {}});
  }
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x2");
}

TEST(Orphans, ANewFleetLooksAroundFirstWhereStrangersRun) {
  for (const bool ours : {true, false}) {
    Stage stage;
    stage.OnAccount(account::ObserveList{{InstanceId("x1")}, {}});
    stage.OnAccount(account::ObserveOffers{Stage::Plenty(3), 3, "q"});
    stage.Apply(Stage::Spec(1));  // by now x1 may bear its label
    EXPECT_EQ(stage.Rules(), "nothing");
    EXPECT_EQ(stage.Waits(), "LIST");
    if (ours) {
      eventpb::OrphanFound found;
      found.set_instance("x1");
      found.set_label("zeb-worker-vast-0");
      found.set_fleet("zeb");
      stage.OnAccount(account::ObserveList{{InstanceId("x1")}, {found}});
    }
    stage.now += absl::Seconds(70);
    EXPECT_EQ(stage.Rules(), ours ? "nothing" : "replenish");
  }
}

TEST(Orphans, AreAdoptedIntoTheirPlace) {
  StrayStage stage(specpb::ADOPT, "zeb-worker-vast-0");
  EXPECT_EQ(stage.PlanAndCarry(), "orphan");  // and nothing is launched beside it
  EXPECT_EQ(stage.Rules(), "nothing");
  const WorkerId id = stage.world.by_instance.at(InstanceId("stray1"));
  EXPECT_EQ(stage.world.FindWorker(id)->identity.index, 0);
  EXPECT_TRUE(stage.world.FindWorker(id)->identity.orphan);
}

TEST(Orphans, AreDestroyedWhenTheFleetSaysSo) {
  StrayStage stage(specpb::DESTROY, "zeb-worker-vast-0");
  EXPECT_EQ(stage.PlanAndCarry(), "orphan replenish");
  const WorkerId id = stage.world.by_instance.at(InstanceId("stray1"));
  EXPECT_TRUE(std::holds_alternative<worker::Destroying>(stage.world.FindWorker(id)->phase));
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Orphans, OfAnotherFleetsLabelAreLeftAlone) {
  StrayStage stage(specpb::DESTROY, "somebody-else", "");
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Orphans, ASecondInstanceForOneTokenIsDestroyedWhateverTheSetting) {
  StrayStage stage(specpb::REPORT, "zeb-worker-vast-5.none");
  const WorkerId a = stage.AddHealthy(0);
  stage.OnAccount(account::ResolveOrphan{InstanceId("stray1"), eventpb::OrphanResolved::GONE, {}});
  stage.Find(Cat("zeb-worker-vast-0.", a.str()), "zeb");
  EXPECT_EQ(stage.Rules(), "duplicate");
}

TEST(Orphans, ALaunchThatWasGivenUpAndCameThroughIsDestroyedWhateverTheSetting) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  stage.OnWorker(id, worker::LaunchLost{"timed out"});
  stage.OnWorker(id, worker::LaunchSettledAbsent{3, absl::Minutes(3)});
  eventpb::OrphanFound found;
  found.set_instance("late");
  found.set_label(Cat("zeb-worker-vast-0.", id.str()));
  found.set_fleet("zeb");
  stage.OnAccount(account::ObserveList{{InstanceId("late")}, {found}});
  EXPECT_EQ(stage.PlanAndCarry(), "orphan");
  const WorkerId taken = stage.world.by_instance.at(InstanceId("late"));
  EXPECT_TRUE(std::holds_alternative<worker::Destroying>(stage.world.FindWorker(taken)->phase));
}

TEST(Orphans, AWorkerThatListsHadLostIsTakenBack) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddHealthy(0);
  for (int i = 0; i < 2; ++i) stage.OnWorker(id, worker::ObserveAbsence{false, stage.now});
  ASSERT_TRUE(stage.world.FindWorker(id)->ended());
  eventpb::OrphanFound found;
  found.set_instance(Cat("i-", id.str()));
  found.set_label(Cat("zeb-worker-vast-0.", id.str()));
  found.set_fleet("zeb");
  stage.OnAccount(account::ObserveList{{InstanceId(Cat("i-", id.str()))}, {found}});
  EXPECT_EQ(stage.PlanAndCarry(), "orphan");
  EXPECT_TRUE(stage.world.by_instance.contains(InstanceId(Cat("i-", id.str()))));
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(Orphans, AFleetThatAdoptsLooksAroundBeforeItRents) {
  for (const bool listed : {true, false}) {
    Stage stage;
    stage.Market(Stage::Plenty(3));
    specpb::FleetSpec spec = Stage::Spec(1);
    spec.set_orphans(specpb::ADOPT);
    stage.Apply(spec);
    EXPECT_EQ(stage.Rules(), "nothing");
    EXPECT_EQ(stage.Waits(), "LIST");
    if (listed) {
      stage.OnAccount(account::ObserveList{{InstanceId("another's")}, {}});
    } else {
      stage.now += absl::Seconds(69);
      EXPECT_EQ(stage.Rules(), "nothing");
      stage.now += absl::Seconds(1);
    }
    EXPECT_EQ(stage.Rules(), "replenish");
  }
}

TEST(Orphans, OneThatIsBeingLookedUpIsLeftToItsLaunch) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.set_orphans(specpb::DESTROY);
  stage.Apply(spec);
  stage.Market(Stage::Plenty(3));
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  stage.OnWorker(id, worker::LaunchLost{"timed out"});
  eventpb::OrphanFound found;
  found.set_instance("stray1");
  found.set_label(Cat("zeb-worker-vast-0.", id.str()));
  found.set_fleet("zeb");
  stage.OnAccount(account::ObserveList{{InstanceId("stray1")}, {found}});
  EXPECT_EQ(stage.Rules(), "nothing");
}

}  // namespace
}  // namespace muster::fleet
