// What lists of all instances say: who is there, who is gone, and whose is a stranger.
#include "tests/support/pch.h"
#include "tests/workers/pollers/observing.h"

namespace muster {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::SizeIs;

TEST_F(ObservationTest, AFailedListIsNoAbsence) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.rt.RunFor(absl::Minutes(3));
  for (const Trouble trouble : {Trouble::kUnavailable, Trouble::kMalformed, Trouble::kThrottled,
                                Trouble::kAuth, Trouble::kRejected}) {
    rig.provider.failing["list"] = MakeTrouble(trouble, "as the test says");
    rig.rt.RunFor(absl::Minutes(20));
    ASSERT_NE(rig.In<worker::Live>(id), nullptr) << TroubleName(trouble);
    EXPECT_EQ(Seen(id).absent_lists, 0);
    EXPECT_GE(Seen(id).instance_failures, 2);
  }
  rig.provider.failing.clear();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(Seen(id).instance_failures, 0);
}

TEST_F(ObservationTest, TwoCompleteListsConfirmThatAnInstanceVanished) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.rt.RunFor(absl::Minutes(3));
  rig.provider.instances.clear();
  ASSERT_TRUE(rig.rt.RunUntil(
      [&] { return rig.In<worker::Live>(id) == nullptr || Seen(id).absent_lists == 1; },
      absl::Minutes(1)));
  ASSERT_NE(rig.In<worker::Live>(id), nullptr);
  rig.rt.RunFor(absl::Seconds(10));  // an unconfirmed absence is looked into soon
  ASSERT_NE(rig.In<worker::Ended>(id), nullptr);
  EXPECT_EQ(rig.In<worker::Ended>(id)->how, eventpb::WorkerEnded::VANISHED);
}

TEST_F(ObservationTest, AnInstanceThatComesBackWasNeverGone) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.rt.RunFor(absl::Minutes(3));
  const auto kept = rig.provider.instances;
  rig.provider.instances.clear();
  ASSERT_TRUE(rig.rt.RunUntil([&] { return Seen(id).absent_lists == 1; }, absl::Minutes(1)));
  rig.provider.instances = kept;
  rig.rt.RunFor(absl::Minutes(2));
  ASSERT_NE(rig.In<worker::Live>(id), nullptr);
  EXPECT_EQ(Seen(id).absent_lists, 0);
}

TEST_F(ObservationTest, AListThatLagsBehindALaunchSaysNothing) {
  rig.provider.list_lag = absl::Seconds(50);
  Start();
  const WorkerId id = rig.LiveWorker();
  rig.rt.RunFor(absl::Minutes(3));
  ASSERT_NE(rig.In<worker::Live>(id), nullptr);
  EXPECT_TRUE(Seen(id).instance.seen());
  EXPECT_THAT(rig.Kinds(id), Not(Contains(Key("worker.instance_absent"))));
}

TEST_F(ObservationTest, AListBegunBeforeALaunchSaysNothingOfIt) {
  rig.provider.slow["list"] = absl::Seconds(50);
  ObservationOptions options;
  options.list_lag = absl::ZeroDuration();
  Start(options);
  rig.rt.RunFor(absl::Seconds(10));
  const WorkerId id = rig.LiveWorker();
  const auto rented = rig.provider.instances;
  rig.provider.instances.clear();  // as the list saw it
  rig.rt.RunFor(absl::Seconds(45));
  rig.provider.instances = rented;
  ASSERT_NE(rig.In<worker::Live>(id), nullptr);
  EXPECT_EQ(Seen(id).absent_lists, 0);
}

TEST_F(ObservationTest, ADestroyedWorkerIsConfirmedWithinSeconds) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.rt.RunFor(absl::Minutes(3));
  EXPECT_THAT(rig.Condemn(id), IsOk());
  rig.provider.instances.clear();
  EXPECT_THAT(rig.Tell(id, worker::DestroyAnswer{eventpb::DestroyAnswered::ACCEPTED, ""}), IsOk());
  rig.rt.RunFor(absl::Seconds(15));
  ASSERT_NE(rig.In<worker::Ended>(id), nullptr);
  EXPECT_EQ(rig.In<worker::Ended>(id)->how, eventpb::WorkerEnded::DESTROYED);
}

TEST_F(ObservationTest, NeverPollsTheListFasterThanTheHurriedInterval) {
  const WorkerId id = rig.LiveWorker();
  Start();
  EXPECT_THAT(rig.Condemn(id), IsOk());
  const int before = rig.provider.lists;
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_LE(rig.provider.lists - before, 13);
  EXPECT_GE(rig.provider.lists - before, 9);
}

TEST_F(ObservationTest, FindsStraysAndLeavesForeignersAlone) {
  const WorkerId known = rig.LiveWorker(0);
  const WorkerId launching = rig.RequestLaunch(1);
  rig.provider.Rent(rig.State(launching).identity.label);
  const InstanceId twin = rig.provider.Rent(rig.State(known).identity.label);
  const InstanceId token =
      rig.provider.Rent(Cat("zeb-worker-vast-5.", rig.handler.world().installation, "abcde"));
  const InstanceId old_script = rig.provider.Rent("zeb-worker-vast-4");
  rig.provider.Rent("");
  rig.provider.Rent("somebody-else");
  rig.provider.Rent("zeb-large-worker-vast-4");
  rig.provider.Rent("zeb-worker-vast-4-notes");
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  const auto& orphans = Account().orphans;
  EXPECT_THAT(orphans, SizeIs(3));
  ASSERT_TRUE(orphans.contains(twin) && orphans.contains(token) && orphans.contains(old_script));
  EXPECT_EQ(orphans.at(twin).fleet.str(), "zeb");
  EXPECT_EQ(orphans.at(token).why, "token of ours");
  EXPECT_EQ(orphans.at(old_script).why, "label of fleet zeb");
  EXPECT_THAT(rig.provider.destroys, IsEmpty());
}

TEST_F(ObservationTest, ARentalThatShowsUpAfterItWasGivenUpIsAStray) {
  const WorkerId id = rig.RequestLaunch();
  EXPECT_THAT(rig.Tell(id, worker::LaunchLost{"cut"}), IsOk());
  EXPECT_THAT(rig.Tell(id, worker::LaunchSettledAbsent{3, absl::Minutes(3)}), IsOk());
  const InstanceId late = rig.provider.Rent(rig.State(id).identity.label);
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_TRUE(Account().orphans.contains(late));
}

}  // namespace
}  // namespace muster
