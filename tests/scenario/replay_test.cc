// Logs of the whole program, decided again: by the same policy, which must give every decision and
// the digest; by others; and from a bundle, on a machine that has nothing else.
#include <cstdlib>
#include <fstream>

#include "services/files/fleet_file.h"
#include "services/replay/bundle.h"
#include "services/replay/run.h"
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using vastsim::Failure;
using vastsim::Trap;

template <class Work>
Status RunToEnd(Work& work) {
  for (bool done = false; !done;) {
    MUSTER_ASSIGN_OR_RETURN(done, work.Step(1000));
  }
  return absl::OkStatus();
}

struct Replayed {
  replay::Report report;
  apipb::ReplayResponse answer;
};
Replayed ReplayOf(Scenario& s, std::optional<specpb::FleetSpec> policy, Position since = 0) {
  ReplayQuestion question;
  if (policy.has_value()) question.fleet = FleetName(policy->name());
  question.policy = std::move(policy);
  question.since = since;
  question.until = s.store().Head();
  ReplayRun run(std::move(question), ReadFrom(s.store()), World());
  EXPECT_THAT(RunToEnd(run), IsOk());
  return {run.report(), run.Answer()};
}

specpb::FleetSpec Spec(std::string_view yaml) {
  const auto spec = ParseFleetFile(yaml, "fleet.yaml");
  EXPECT_THAT(spec, IsOk());
  return *spec;
}

std::string Unlike(const replay::Report& report) {
  std::string text;
  for (const auto& one : report.unreproduced) text += Cat(one.position, " ", one.act.line, "\n");
  for (const auto& one : report.differences) {
    text += Cat(one.replayed ? "replayed " : "live ", one.position, " ", one.act.line, "\n");
  }
  return text;
}

// Everything in the log is decided again, from the same numbers, and nothing else is.
void ExpectTheSame(Scenario& s, std::optional<specpb::FleetSpec> policy = std::nullopt) {
  const replay::Report report = ReplayOf(s, std::move(policy)).report;
  EXPECT_GT(report.decisions, 0);
  EXPECT_EQ(report.reproduced, report.decisions) << Unlike(report);
  EXPECT_EQ(report.same_numbers, report.decisions);
  EXPECT_FALSE(report.first.has_value()) << Unlike(report);
  EXPECT_EQ(report.digest, report.digest_replayed) << Unlike(report);
  EXPECT_EQ(report.live.spent, report.replayed.spent);
}

// A fleet of four that fails in several ways and is replaced.
void Trouble(Scenario& s) {
  s.Apply(ZebFleet(4));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, absl::Minutes(60)));
  (void)s.sim().FailWorker(s.Alive()[0].id, Failure::kStall);
  s.Run(absl::Minutes(40));
  (void)s.sim().FailWorker(s.Alive()[1].id, Failure::kVanish);
  s.Run(absl::Minutes(30));
}

TEST(Replayed, AQuietFleetIsDecidedAgain) {
  Scenario s;
  s.Apply(ZebFleet(4));
  s.Run(absl::Hours(2));
  ExpectTheSame(s);
  ExpectTheSame(s, Spec(ZebFleet(4)));
}

TEST(Replayed, FailuresAndTheirReplacementsAreDecidedAgain) {
  Scenario s;
  Trouble(s);
  ExpectTheSame(s);
  ExpectTheSame(s, Spec(ZebFleet(4)));
}

TEST(Replayed, CrashesAtAnyPointLeaveALogThatIsDecidedAgain) {
  Scenario s;
  s.Apply(ZebFleet(4));
  for (int i = 0; i < 12; ++i) {
    s.Run(absl::Seconds(37) * (i + 1));
    s.Crash();
    if (i == 8) (void)s.sim().FailWorker(s.Alive()[0].id, Failure::kFatalError);
  }
  s.CrashFor(absl::Minutes(20));
  s.Run(absl::Hours(1));
  ExpectTheSame(s);
  ExpectTheSame(s, Spec(ZebFleet(4)));
}

TEST(Replayed, AWaitForCreditIsDecidedAgain) {
  Scenario s;
  s.Apply(ZebFleet(4));
  s.Run(absl::Minutes(12));
  s.sim().SetCredit(0);
  s.Run(absl::Minutes(40));
  s.sim().AddCredit(30);
  s.Run(absl::Minutes(40));
  ASSERT_FALSE(s.Log(EventKind::kCreditWaitBegan).empty());
  ASSERT_FALSE(s.Log(EventKind::kCreditWaitEnded).empty());
  ExpectTheSame(s);
  ExpectTheSame(s, Spec(ZebFleet(4)));
}

TEST(Replayed, OperatorsUpgradesAndSeveralFleetsAreDecidedAgain) {
  Scenario s;
  const std::string upgrades = "upgrades: {enabled: true, gain_min: 5%, cooldown: 10m}\n";
  s.Apply(ZebFleet(3, upgrades));
  s.Apply(FleetFile("yak", 2));
  s.Run(absl::Hours(3));
  s.Scale("zeb", 5);
  s.Run(absl::Hours(1));
  s.Apply(FleetFile("yak", 1));
  s.Run(absl::Hours(1));
  s.Down("yak");
  s.Run(absl::Hours(1));
  ExpectTheSame(s);
}

class ReplayedChaos : public ::testing::TestWithParam<int> {};

// As in chaos_test.cc: traps, failures, operators, crashes and clocks.
TEST_P(ReplayedChaos, IsDecidedAgain) {
  Scenario s(SmallMarket(), static_cast<std::uint64_t>(GetParam()));
  Rng rng(static_cast<std::uint64_t>(GetParam()) * 104729);
  constexpr Trap kTraps[] = {
#define TRAP(name, wire, what) Trap::name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
  };
  constexpr Failure kFailures[] = {Failure::kStall,   Failure::kFatalError, Failure::kStuckBoot,
                                   Failure::kExit,    Failure::kVanish,     Failure::kOffline,
                                   Failure::kUnknown, Failure::kHostError};
  s.Apply(ZebFleet(4));
  for (int step = 0; step < 80; ++step) {
    if (step % 5 == 0) {
      s.sim().ClearFaults();
      for (int i = 0; i < 2; ++i) {
        s.sim().SetFault(
            {.trap = kTraps[rng.Below(std::size(kTraps))], .chance = 0.5 * rng.Unit()});
      }
    }
    s.Run(absl::Seconds(1) + rng.Unit() * absl::Seconds(120));
    if (rng.Chance(0.2)) s.Crash();
    if (rng.Chance(0.05)) s.StepClock(absl::Seconds(rng.Between(-3000, 3000)));
    if (rng.Chance(0.1)) s.Scale("zeb", 1 + static_cast<int>(rng.Below(5)));
    const auto alive = s.Alive();
    if (!alive.empty() && rng.Chance(0.15)) {
      (void)s.sim().FailWorker(alive[rng.Below(alive.size())].id,
                               kFailures[rng.Below(std::size(kFailures))]);
    }
  }
  ExpectTheSame(s);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplayedChaos, ::testing::Range(1, 9));

TEST(Replayed, ALowerCapDivergesWhereADearerOneWasRented) {
  Scenario s;
  Trouble(s);
  std::string yaml = ZebFleet(4);
  yaml.replace(yaml.find("$0.12/h"), 7, "$0.06/h");
  const Replayed replayed = ReplayOf(s, Spec(yaml));
  ASSERT_TRUE(replayed.report.first.has_value());
  EXPECT_FALSE(replayed.report.first->live.empty() && replayed.report.first->replayed.empty());
  EXPECT_NE(replayed.report.digest, replayed.report.digest_replayed);
  EXPECT_GT(replayed.report.live.spent, MicroUsd());
  EXPECT_THAT(replayed.answer.policy_changes(), ::testing::SizeIs(1));
  // Nobody pays more than the cap an hour for each of four places.
  EXPECT_LE(replayed.report.replayed.spent.usd(),
            0.06 * 4 * absl::ToDoubleHours(replayed.report.to - replayed.report.from));
}

TEST(Replayed, MoreWorkersAndFewerCostMoreAndLess) {
  Scenario s;
  Trouble(s);
  const Replayed more = ReplayOf(s, Spec(ZebFleet(6)));
  const Replayed fewer = ReplayOf(s, Spec(ZebFleet(2)));
  EXPECT_GT(more.report.replayed.spent, more.report.live.spent);
  EXPECT_LT(fewer.report.replayed.spent, fewer.report.live.spent);
  EXPECT_EQ(more.report.replayed.running, 6);
  EXPECT_EQ(fewer.report.replayed.running, 2);
  EXPECT_GT(more.report.both, 0);
}

TEST(Replayed, ALongerClockKeepsTheStalledWorkerAndSaysSo) {
  Scenario s;
  Trouble(s);
  const Replayed kept = ReplayOf(s, Spec(ZebFleet(4, "timers: {no_progress: 3h}\n")));
  ASSERT_TRUE(kept.report.first.has_value());
  ASSERT_FALSE(kept.report.first->live.empty());
  EXPECT_EQ(kept.report.first->live[0].rule, "no-progress");
  EXPECT_THAT(kept.report.model, ::testing::Contains(HasSubstr("goes on as it was last seen")));
}

TEST(Replayed, FromAnyPositionOnTheSameIsDecided) {
  Scenario s;
  Trouble(s);
  for (const Position since : {s.store().Head() / 4, s.store().Head() / 2}) {
    const Replayed replayed = ReplayOf(s, Spec(ZebFleet(4)), since);
    EXPECT_EQ(replayed.report.reproduced, replayed.report.decisions);
    EXPECT_EQ(replayed.report.digest, replayed.report.digest_replayed);
  }
}

// ---- bundles ----------------------------------------------------------------------------------

StatusOr<std::string> Pack(Scenario& s, Position around, absl::Duration span) {
  BundleQuestion question;
  question.around = around;
  question.before = question.after = span;
  question.head = s.store().Head();
  BundlePacker packer(std::move(question), ReadFrom(s.store()));
  MUSTER_RETURN_IF_ERROR(RunToEnd(packer));
  return packer.TakeFile();
}

TEST(ReplayedBundle, GivesTheDigestOfTheLogOnAnotherMachine) {
  Scenario s;
  Trouble(s);
  const Replayed whole = ReplayOf(s, std::nullopt);
  const auto file = Pack(s, s.store().Head(), absl::Hours(24));
  ASSERT_THAT(file, IsOk());
  const auto bundle = ReadBundle(*file);
  ASSERT_THAT(bundle, IsOk());
  EXPECT_EQ(bundle->digest(), whole.report.digest);
  const auto again = ReplayBundle(*bundle, std::nullopt);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->digest(), whole.report.digest);
  EXPECT_EQ(again->digest_replayed(), whole.report.digest);
  EXPECT_EQ(again->decisions(), whole.report.decisions);
  EXPECT_EQ(again->live().spent_micro_usd(), whole.report.live.spent.micros);
  EXPECT_THAT(*file, Not(HasSubstr("echo hello")));
}

TEST(ReplayedBundle, OfASliceStandsForItselfAndTakesAnotherPolicy) {
  Scenario s;
  Trouble(s);
  const auto file = Pack(s, s.store().Head() / 2, absl::Minutes(25));
  ASSERT_THAT(file, IsOk());
  const auto bundle = ReadBundle(*file);
  ASSERT_THAT(bundle, IsOk());
  EXPECT_GT(bundle->before_first(), 0u);
  EXPECT_EQ(bundle->digest(), bundle->digest_replayed());
  const auto same = ReplayBundle(*bundle, Spec(ZebFleet(4)));
  ASSERT_THAT(same, IsOk());
  EXPECT_FALSE(same->diverged());
  EXPECT_EQ(same->digest_replayed(), bundle->digest());
  const auto other = ReplayBundle(*bundle, Spec(ZebFleet(7)));
  ASSERT_THAT(other, IsOk());
  EXPECT_TRUE(other->diverged());
  const auto foreign = ReplayBundle(*bundle, Spec(FleetFile("yak", 2)));
  EXPECT_THAT(std::string(Message(foreign.status())), HasSubstr("name: yak; expected"));
}

}  // namespace
}  // namespace muster
