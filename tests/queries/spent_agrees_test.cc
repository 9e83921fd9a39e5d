// The read side and the write side share no code and must name the same sums to the micro-dollar.
#include "commands/world.h"
#include "eventstore/base/rng.h"
#include "queries/cost/projection.h"
#include "tests/queries/log_builder.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

// As the write side has it after the whole log.
World FoldWorld(LogBuilder& log) {
  World world;
  const Status read = log.store().ReadAll(0, 100'000, [&](const RecordedEvent& event) {
    const auto body = DecodeEvent(event.event.type, event.event.payload);
    Evolve(world, event.stream, *body, {event.position, event.event.occurred_at});
    return true;
  });
  EXPECT_TRUE(read.ok());
  return world;
}

TEST(CostModel, AgreesWithTheWriteSideWhateverPriceAndClockDo) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    Rng rng(seed);
    LogBuilder log(At("2026-11-21T22:00:00Z"));
    log.Launch("k7f2q", "zeb", {.price = static_cast<std::int64_t>(rng.Below(200'000))});
    log.After(absl::Seconds(77))
        .Accept("k7f2q", "123",
                seed % 2 == 0 ? eventpb::LaunchAccepted::LOOKUP : eventpb::LaunchAccepted::ANSWER);
    for (int i = 0; i < 40; ++i) {
      log.After(
          absl::Microseconds(static_cast<std::int64_t>(rng.Below(3'000'000'000)) - 600'000'000));
      if (rng.Chance(0.1)) log.Write("worker/k7f2q", eventpb::DestroyRequested());
      log.See("k7f2q", static_cast<std::int64_t>(rng.Below(200'000)));
      if (rng.Chance(0.2)) {
        eventpb::StartAnswered started;
        started.set_accepted(rng.Chance(0.5));
        log.After(absl::Seconds(9)).Write("worker/k7f2q", started);
      }
      if (rng.Chance(0.1)) {
        eventpb::ClockStepped stepped;
        stepped.set_by_us(static_cast<std::int64_t>(rng.Below(90'000'000'000)) - 45'000'000'000);
        log.After(absl::Microseconds(stepped.by_us())).Write("installation", stepped);
      }
      const absl::Time asked = log.now() + absl::Microseconds(rng.Below(100'000'000'000));
      const World world = FoldWorld(log);
      const worker::State& state = *world.FindWorker(WorkerId("k7f2q"));
      const CostReport report = log.Models()->Cost(FleetName("zeb"), asked);
      ASSERT_EQ(report.sum.total, state.SpentAt(asked));
      ASSERT_EQ(report.sum.today, state.SpentOnDay(UnixDay(asked), asked));
    }
    log.End("k7f2q");
    EXPECT_EQ(log.Models()->Cost(FleetName("zeb"), log.now()).sum.total,
              FoldWorld(log).FindWorker(WorkerId("k7f2q"))->SpentAt(log.now()));
  }
}

}  // namespace
}  // namespace muster::queries
