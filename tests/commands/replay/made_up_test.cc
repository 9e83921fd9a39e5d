// Workers of which the log tells no more.
#include "commands/replay/made_up.h"

#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::replay {
namespace {

class MadeUpTest : public ::testing::Test {
 protected:
  MadeUpTest() {
    spec.set_name("zeb");
    spec.set_provider("vast");
    eventpb::FleetApplied applied;
    *applied.mutable_spec() = spec;
    applied.set_fleet_version(1);
    Evolve(world, FleetStream(fleet), Wrap(applied), Stamp{1, At(0)});
    Fold(Intent(), At(1));
    eventpb::LaunchAccepted accepted;
    accepted.set_instance("123");
    Fold(accepted, At(2));
    looks = 0;
  }
  template <class Message>
  void Fold(const Message& message, absl::Time at) {
    Evolve(world, WorkerStream(worker), Wrap(message), Stamp{++position, at});
  }
  const worker::Live& Live() { return *world.FindWorker(worker)->live(); }

  const FleetName fleet{"zeb"};
  const WorkerId worker{"k7f2q"};
  specpb::FleetSpec spec;
  World world;
  Habits habits;
  std::uint64_t position = 1;
  int looks = 0;
  MadeUp made_up{world, fleet, spec, habits,
                 [this](const WorkerId& id, const eventpb::EventBody& body, absl::Time at) {
                   looks += body.has_instance_observed() ? 1 : 0;
                   Evolve(world, WorkerStream(id), body, Stamp{++position, at});
                 }};
};

TEST_F(MadeUpTest, AKeptWorkerIsLookedAtOftenEnoughToCountAsFresh) {
  made_up.Keep(worker, At(100));
  made_up.Advance(At(100 + 3600));
  EXPECT_EQ(looks, 15);
  EXPECT_EQ(Live().seen.instance.at, At(100 + 3600));
}

// A clock that was years off is no reason to look at those years every four minutes.
TEST_F(MadeUpTest, ASilenceOfYearsIsNotLookedThrough) {
  made_up.Keep(worker, At(100));
  const absl::Time later = At(100) + absl::Hours(24 * 365 * 50);
  made_up.Advance(later);
  EXPECT_LE(looks, 4);
  EXPECT_GE(Live().seen.instance.at, later - absl::Minutes(4));
}

TEST_F(MadeUpTest, NoPolicyIsLookedAfterAllTheTime) {
  spec.mutable_timers()->set_no_progress_s(1);
  made_up.Keep(worker, At(100));
  made_up.Advance(At(160));
  EXPECT_LE(looks, 60);
}

}  // namespace
}  // namespace muster::replay
