// A candidate beside a live fleet: whatever it would do, the provider sees the same calls and the
// live policy decides the same.
#include <functional>

#include "commands/shadow/money.h"
#include "commands/shadow/view.h"
#include "eventstore/events/fleet_events.h"
#include "services/files/fleet_file.h"
#include "tests/scenario/scenario.h"
#include "tests/stage/causes.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using Kind = eventpb::ShadowDisagreed;

const FleetName kZeb("zeb");

specpb::FleetSpec Candidate(const std::string& yaml) {
  auto spec = ParseFleetFile(yaml, "candidate.yaml");
  EXPECT_THAT(spec, IsOk());
  return spec.ok() ? *spec : specpb::FleetSpec();
}

Status StartShadow(Scenario& s, const specpb::FleetSpec& candidate) {
  shadow::Start start;
  start.candidate = candidate;
  start.live_spent = shadow::SpentByFleet(s.world(), kZeb, s.rt().Now()).total;
  Origin origin;
  origin.actor = "operator:test";
  return s.rt().Run(s.engine().handler().Shadow(kZeb, std::move(start), origin)).status();
}

const shadow::State& Shadow(Scenario& s) { return *s.world().FindShadow(kZeb); }

std::string JournalText(Scenario& s) {
  std::string text;
  for (const vastsim::JournalEntry& call : s.sim().Journal()) {
    text +=
        Cat(absl::FormatTime(call.at), " ", call.method, " ", call.path, " -> ", call.status, "\n");
  }
  return text;
}

// Every event but the shadow's, without the positions that its events move.
std::string Decisions(Scenario& s) {
  std::string text;
  EXPECT_THAT(
      s.store().ReadAll(0, SIZE_MAX,
                        [&](const RecordedEvent& e) {
                          if (IsShadow(e.stream)) return true;
                          auto body = DecodeEvent(e.event.type, e.event.payload);
                          EXPECT_THAT(body, IsOk());
                          if (body->has_worker_condemned()) {
                            body->mutable_worker_condemned()->mutable_evidence()->clear_positions();
                            text += body->ShortDebugString();
                          }
                          if (body->has_launch_requested()) {
                            body->mutable_launch_requested()->mutable_evidence()->clear_positions();
                            text += body->ShortDebugString();
                          }
                          text += Cat(absl::FormatTime(e.event.occurred_at), " ", e.stream.str(),
                                      "@", e.version, " ", e.event.type, " ", e.event.actor, "\n");
                          return true;
                        }),
      IsOk());
  return text;
}

std::vector<Kind> Disagreements(Scenario& s) {
  std::vector<Kind> all;
  for (const auto& body : s.Log(EventKind::kShadowDisagreed)) {
    all.push_back(body.shadow_disagreed());
  }
  return all;
}

// A fleet's morning: it fills, two workers fail, one is replaced by hand, it is scaled.
void Morning(Scenario& s, const std::function<void()>& once_full) {
  s.Apply(ZebFleet(4));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, absl::Minutes(30)));
  once_full();
  s.Run(absl::Minutes(3));
  ASSERT_THAT(s.sim().FailWorker(s.Alive().front().id, vastsim::Failure::kVanish), IsOk());
  s.Run(absl::Minutes(25));
  ASSERT_THAT(s.sim().FailWorker(s.Alive().back().id, vastsim::Failure::kStall), IsOk());
  s.Run(absl::Minutes(50));
  s.Replace(*s.world().open_by_fleet.at(kZeb).begin(), "test");
  s.Run(absl::Minutes(20));
  s.Scale("zeb", 3);
  s.Run(absl::Minutes(20));
}

struct Harm {
  const char* name;
  std::string candidate;
};

class HarmfulShadow : public testing::TestWithParam<Harm> {};

TEST_P(HarmfulShadow, ChangesNoProviderCallAndNoDecision) {
  Scenario without;
  Morning(without, [] {});
  Scenario with;
  Morning(with, [&] { EXPECT_THAT(StartShadow(with, Candidate(GetParam().candidate)), IsOk()); });
  EXPECT_EQ(JournalText(with), JournalText(without));
  EXPECT_EQ(Decisions(with), Decisions(without));
  EXPECT_GT(with.store().Head(), without.store().Head());  // it did run
  EXPECT_EQ(with.Unsettled(), "");
  EXPECT_TRUE(Shadow(with).running);
  EXPECT_GT(Shadow(with).moments, 0);
  EXPECT_FALSE(Disagreements(with).empty());  // it would not have been scaled, for one
}

std::string WithScript(std::string yaml) {
  return yaml.replace(yaml.find("echo hello"), 10, "rm -rf /");
}
std::string WithPrice(std::string yaml, const std::string& price) {
  return yaml.replace(yaml.find("$0.12/h"), 7, price);
}

INSTANTIATE_TEST_SUITE_P(
    Shadow, HarmfulShadow,
    testing::Values(Harm{"NoWorkers", ZebFleet(0)}, Harm{"AHundredWorkers", ZebFleet(100)},
                    Harm{"NothingIsCheapEnough", WithPrice(ZebFleet(4), "$0.001/h")},
                    Harm{"AnyPrice", WithPrice(ZebFleet(4), "$99/h")},
                    Harm{"AnotherScript", WithScript(ZebFleet(4))},
                    Harm{"NoPatience",
                         ZebFleet(4, "timers: {boot: 10s, setup: 10s, no_progress: 1m}\n")},
                    Harm{"DestroysStrays", ZebFleet(4, "orphans: destroy\n")}),
    [](const auto& each) { return each.param.name; });

TEST(Shadow, OfTheLiveSpecAgreesInEverything) {
  Scenario s;
  Morning(s, [&] { EXPECT_THAT(StartShadow(s, s.world().FindFleet(kZeb)->spec), IsOk()); });
  // The scaling at the end was an operator's: the candidate keeps its own number.
  std::string story;
  for (const Kind& each : Disagreements(s)) {
    if (each.rule() != "downscale") story += Cat(each.ShortDebugString(), "\n");
  }
  EXPECT_EQ(story, "");
  EXPECT_EQ(Disagreements(s).size(), 1u);
}

TEST(Shadow, OfNoWorkersWouldEndEachOnceAndSaveItsMoney) {
  Scenario s;
  s.Apply(ZebFleet(4));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(0))), IsOk());
  s.Run(absl::Hours(2));
  const auto all = Disagreements(s);
  ASSERT_EQ(all.size(), 4u);
  for (const Kind& each : all) {
    EXPECT_EQ(each.kind(), Kind::WOULD_END);
    EXPECT_EQ(each.rule(), "downscale");
    EXPECT_GT(each.would_condemn().evidence().positions_size(), 0);
    for (const std::uint64_t position : each.would_condemn().evidence().positions()) {
      EXPECT_LE(position, each.as_of());
    }
  }
  const absl::Time now = s.rt().Now();
  const MicroUsd live =
      shadow::SpentByFleet(s.world(), kZeb, now).total - Shadow(s).live_spent_before;
  const MicroUsd beyond = shadow::Difference(s.world(), Shadow(s), now).total;
  EXPECT_GT(live.micros, 0);
  EXPECT_NEAR(static_cast<double>((live + beyond).micros), 0, 10'000);  // the first seconds
  EXPECT_EQ(Shadow(s).open.size(), 4u);
}

TEST(Shadow, OfMoreWorkersRentsInItsBookOnce) {
  Scenario s;
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(5))), IsOk());
  s.Run(absl::Hours(1));
  const auto all = Disagreements(s);
  ASSERT_EQ(all.size(), 3u);
  std::int64_t price = 0;
  for (const Kind& each : all) {
    EXPECT_EQ(each.kind(), Kind::WOULD_RENT);
    price += each.would_launch().offer().price_micro_usd_per_hour();
  }
  const MicroUsd beyond = shadow::Difference(s.world(), Shadow(s), s.rt().Now()).total;
  EXPECT_NEAR(static_cast<double>(beyond.micros), static_cast<double>(price),
              static_cast<double>(price) * 0.02);
  const World view = shadow::CandidateWorld(s.world(), Shadow(s), s.rt().Now());
  EXPECT_EQ(view.open_by_fleet.at(kZeb).size(), 5u);
  EXPECT_EQ(s.world().open_by_fleet.at(kZeb).size(), 2u);
}

TEST(Shadow, GoesOnAfterACrashWithoutRepeatingItself) {
  Scenario s;
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(5))), IsOk());
  s.Run(absl::Minutes(10));
  ASSERT_EQ(Disagreements(s).size(), 3u);
  for (int i = 0; i < 3; ++i) {
    s.Crash();
    s.Run(absl::Minutes(10));
  }
  EXPECT_EQ(Disagreements(s).size(), 3u);
  EXPECT_TRUE(Shadow(s).running);
  EXPECT_EQ(Shadow(s).open.size(), 3u);
}

TEST(Shadow, EndsWithItsFleet) {
  Scenario s;
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(3))), IsOk());
  s.Run(absl::Minutes(10));
  s.Down("zeb");
  s.Run(absl::Minutes(10));
  EXPECT_FALSE(Shadow(s).running);
  EXPECT_EQ(Shadow(s).ended, eventpb::ShadowEnded::FLEET_GONE);
  EXPECT_EQ(s.Log(EventKind::kShadowEnded).size(), 1u);
  EXPECT_GT(Shadow(s).would_be_counted, Shadow(s).live_counted);
}

TEST(Shadow, CountsAnHourAtATime) {
  Scenario s;
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(2, "timers: {no_progress: 1h}\n"))), IsOk());
  s.Run(absl::Hours(5));
  EXPECT_EQ(s.Log(EventKind::kShadowCounted).size(), 4u);
  EXPECT_GT(Shadow(s).live_counted.micros, 0);
  EXPECT_EQ(Shadow(s).would_be_counted, Shadow(s).live_counted);
  EXPECT_EQ(Disagreements(s).size(), 0u);
  EXPECT_LT(s.Log(EventKind::kShadowCounted).size() + Disagreements(s).size(), 6u);
}

TEST(Shadow, WithLessPatienceEndsAStuckWorkerFirstAndAgreesLater) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(30)));
  ASSERT_THAT(StartShadow(s, Candidate(ZebFleet(3, "timers: {no_progress: 8m}\n"))), IsOk());
  s.Run(absl::Minutes(2));
  ASSERT_THAT(s.sim().FailWorker(s.Alive().front().id, vastsim::Failure::kStall), IsOk());
  s.Run(absl::Minutes(60));
  EXPECT_THAT(s.Condemned(), testing::ElementsAre("no-progress"));
  const auto all = Disagreements(s);
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(all[0].kind(), Kind::WOULD_END);
  EXPECT_EQ(all[0].rule(), "no-progress");
  EXPECT_EQ(all[1].kind(), Kind::WOULD_RENT);
  // The live fleet did the same in the end: nothing lasts.
  EXPECT_EQ(Shadow(s).open.size(), 0u) << Shadow(s).open.begin()->second.what.ShortDebugString();
  EXPECT_EQ(DeedWithoutCause(s.store()), "");
}

}  // namespace
}  // namespace muster
