// Random commands against one worker: what holds whatever is asked, in any order, at any time.
#include "commands/worker/commands.h"
#include "eventstore/base/rng.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

template <class T>
T OneOf(Rng& rng, std::initializer_list<T> all) {
  return *(all.begin() + rng.Below(all.size()));
}

eventpb::LogObserved RandomFacts(Rng& rng) {
  eventpb::LogObserved facts =
      LogFacts(OneOf<std::string_view>(rng, {"boot", "setup", "started", "producing", "odd"}),
               static_cast<std::int64_t>(rng.Below(6)) - 1);
  if (rng.Chance(0.2)) facts.set_error("boom");
  if (rng.Chance(0.1)) facts.set_broken(true);
  if (rng.Chance(0.2)) facts.set_container_id(OneOf<std::string>(rng, {"c1", "c2"}));
  return facts;
}

Instance RandomInstance(Rng& rng) {
  Instance instance = Running();
  instance.actual = static_cast<ActualStatus>(rng.Below(11));
  instance.price_known = rng.Chance(0.9);
  instance.price = MicroUsdPerHour(static_cast<std::int64_t>(rng.Below(3)) * 50'000);
  return instance;
}

Command RandomCommand(Rng& rng, absl::Time at) {
  using Answer = eventpb::DestroyAnswered;
  eventpb::WorkerHealthChanged health;
  health.set_health(
      OneOf(rng, {eventpb::WorkerHealthChanged::HEALTHY, eventpb::WorkerHealthChanged::STALLED}));
  switch (rng.Below(18)) {
    case 0:
      return RequestLaunch{Intent()};
    case 1:
      return Condemn{Verdict()};
    case 2:
      return RequestStart{Because("credit-back")};
    case 3:
      return ReportHealth{health};
    case 4:
      return LaunchAnswered{InstanceId(rng.Chance(0.9) ? "i1" : "i2")};
    case 5:
      return LaunchRefused{eventpb::LaunchRejected::OFFER_GONE, ""};
    case 6:
      return LaunchLost{"timeout"};
    case 7:
      return LaunchSettledAbsent{static_cast<int>(rng.Below(4)), absl::Minutes(5)};
    case 8:
      return DestroyAnswer{OneOf(rng, {Answer::ACCEPTED, Answer::UNCLEAR}), ""};
    case 9:
      return RetryDestroy{};
    case 10:
      return StartAnswer{rng.Chance(0.5), ""};
    case 11:
      return ObserveAbsence{rng.Chance(0.1), at};
    case 12:
      return ObserveFailure{rng.Chance(0.5) ? "log" : "instance", "", at,
                            static_cast<int>(rng.Below(4))};
    case 13:
    case 14:
      return ObserveInstance{RandomInstance(rng), at};
    default:
      return ObserveLog{RandomFacts(rng), at, TestTimers()};
  }
}

// What one append may be, given the state before it.
void CheckAppend(const State& before, const Events& events) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].has_worker_condemned()) {
      ASSERT_EQ(events.size(), 2u);
      EXPECT_TRUE(events[1].has_destroy_requested());
    }
    if (events[i].has_destroy_requested()) {
      const auto* destroying = std::get_if<Destroying>(&before.phase);
      EXPECT_TRUE(destroying == nullptr || !destroying->in_flight);
      EXPECT_FALSE(events[i].destroy_requested().evidence().rule().empty());
    }
    if (events[i].has_worker_ended()) {
      EXPECT_EQ(i, events.size() - 1);
    }
  }
  if (before.ended()) {
    EXPECT_TRUE(events.empty());
  }
}

// Whether asking the same again at once must find nothing to do. Absence counts its lists.
bool RepeatIsNothing(const Command& command) {
  return !std::holds_alternative<ObserveAbsence>(command) &&
         !std::holds_alternative<ObserveFailure>(command) &&
         !std::holds_alternative<ObserveLog>(command);
}

TEST(WorkerProperty, HoldsWhateverIsAsked) {
  int ends = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    Rng rng(seed);
    State state = NoWorker();
    absl::Time now = At(0);
    MicroUsd spent;
    for (int i = 0; i < 200; ++i) {
      now += absl::Seconds(rng.Below(120));
      if (rng.Chance(0.02)) now -= absl::Minutes(rng.Below(60));
      const Command command = RandomCommand(rng, now);
      const StatusOr<Events> events = Decide(state, command, {now});
      if (!events.ok()) continue;
      CheckAppend(state, *events);
      const Phase before = state.phase;
      Given(state, *events, now);
      EXPECT_GE(state.SpentAt(now), spent);
      spent = state.spent_before;
      EXPECT_GE(state.phase.index(), before.index()) << "phases go forward";
      if (!RepeatIsNothing(command)) continue;
      const StatusOr<Events> again = Decide(state, command, {now});
      EXPECT_TRUE(!again.ok() || again->empty()) << "command " << command.index();
    }
    ends += state.ended() ? 1 : 0;
  }
  EXPECT_GT(ends, 100);  // the walk reaches the end often enough to mean something
}

}  // namespace
}  // namespace muster::worker
