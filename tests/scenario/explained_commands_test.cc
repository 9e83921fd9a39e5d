// What `explain command/ID` tells of each command on fleets and workers, to its result at the
// provider; compared to tests/golden/explain_commands.txt, written anew with
// MUSTER_UPDATE_GOLDEN=1.
#include <functional>

#include "tests/scenario/scenario.h"
#include "tests/stage/told.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

constexpr absl::Duration kToFill = absl::Minutes(25);

WorkerId FirstWorker(Scenario& s) { return s.world().WorkersInOrder().begin()->first; }

void Fill(Scenario& s, int workers) {
  s.Apply(ZebFleet(workers));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == workers; }, kToFill));
  s.Run(absl::Minutes(1));
}
bool Settled(Scenario& s, int workers) {
  return s.Healthy("zeb") == workers && static_cast<int>(s.Alive().size()) == workers &&
         s.Open("zeb") == workers;
}
std::string Told(Scenario& s) { return ToldSteadily(s.store(), "command/r1"); }

std::string Apply() {
  Scenario s;
  s.AsRequest("r1");
  s.Apply(ZebFleet(2));
  EXPECT_TRUE(s.Until([&] { return Settled(s, 2); }, kToFill));
  s.AsRequest("");
  s.Run(absl::Minutes(1));
  // What happens to the fleet later is no doing of this request.
  EXPECT_THAT(s.sim().FailWorker(s.Alive().front().id, vastsim::Failure::kStall), IsOk());
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Hours(2)));
  return Told(s);
}

std::string ScaleUp() {
  Scenario s;
  Fill(s, 1);
  s.AsRequest("r1");
  s.Scale("zeb", 3);
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return Settled(s, 3); }, kToFill));
  s.Run(absl::Minutes(2));
  return Told(s);
}

std::string ScaleDown() {
  Scenario s;
  Fill(s, 3);
  s.AsRequest("r1");
  s.Scale("zeb", 1);
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return Settled(s, 1); }, kToFill));
  s.Run(absl::Minutes(3));
  return Told(s);
}

std::string ScaledOtherwise() {
  Scenario s;
  Fill(s, 1);
  s.AsRequest("r1");
  s.Scale("zeb", 3);
  s.AsRequest("r2");
  s.Run(absl::Minutes(2));
  s.Scale("zeb", 1);
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return Settled(s, 1); }, kToFill));
  s.Run(absl::Minutes(3));
  return Told(s);
}

std::string Down() {
  Scenario s;
  Fill(s, 2);
  s.AsRequest("r1");
  s.Down("zeb");
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kFleetEnded).empty(); }, absl::Minutes(10)));
  s.Run(absl::Minutes(1));
  return Told(s);
}

std::string Replace() {
  Scenario s;
  Fill(s, 2);
  s.AsRequest("r1");
  s.Replace(FirstWorker(s), "too hot");
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return Settled(s, 2); }, kToFill));
  s.Run(absl::Minutes(2));
  return Told(s);
}

std::string ReplaceUnderWay() {
  Scenario s;
  Fill(s, 2);
  s.AsRequest("r1");
  s.Replace(FirstWorker(s), "too hot");
  s.AsRequest("");
  s.Run(absl::Seconds(45));
  return Told(s);
}

// The first one that stands in breaks as well.
std::string ReplaceThatFails() {
  Scenario s;
  Fill(s, 1);
  const std::int64_t old = s.Alive().front().id;
  s.AsRequest("r1");
  s.Replace(FirstWorker(s), "too hot");
  s.AsRequest("");
  EXPECT_TRUE(
      s.Until([&] { return s.Alive().size() == 1 && s.Alive()[0].id != old; }, absl::Minutes(10)));
  EXPECT_THAT(s.sim().FailWorker(s.Alive().front().id, vastsim::Failure::kStuckBoot), IsOk());
  EXPECT_TRUE(s.Until([&] { return Settled(s, 1); }, absl::Hours(2)));
  s.Run(absl::Minutes(2));
  return Told(s);
}

std::string Destroy(bool keep_size) {
  Scenario s;
  Fill(s, 2);
  s.AsRequest("r1");
  s.Destroy(FirstWorker(s), "not wanted", keep_size);
  s.AsRequest("");
  EXPECT_TRUE(s.Until([&] { return Settled(s, keep_size ? 2 : 1); }, kToFill));
  s.Run(absl::Minutes(3));
  return Told(s);
}

std::string Adopt() {
  Scenario s;
  s.AddForeign("old-worker-1");
  s.Apply(ZebFleet(1));
  s.AsRequest("r1");
  EXPECT_EQ(s.Adopt("zeb", "old-worker-"), 1);
  s.Run(absl::Minutes(40));
  return Told(s);
}

std::string AdoptOneTooMany() {
  Scenario s;
  Fill(s, 1);
  s.AddForeign("old-worker-1");
  s.AsRequest("r1");
  EXPECT_EQ(s.Adopt("zeb", "old-worker-"), 1);
  s.Run(absl::Minutes(40));
  return Told(s);
}

struct Story {
  std::string name;
  std::function<std::string()> tell;
};
std::vector<Story> Stories() {
  return {{"apply", Apply},
          {"scale-up", ScaleUp},
          {"scale-down", ScaleDown},
          {"scaled-otherwise-meanwhile", ScaledOtherwise},
          {"down", Down},
          {"replace", Replace},
          {"replace-under-way", ReplaceUnderWay},
          {"replace-whose-replacement-fails", ReplaceThatFails},
          {"destroy", [] { return Destroy(false); }},
          {"destroy-keep-size", [] { return Destroy(true); }},
          {"adopt", Adopt},
          {"adopt-one-too-many", AdoptOneTooMany}};
}

class Commands : public ::testing::TestWithParam<Story> {};

TEST_P(Commands, AreToldToTheirResult) {
  ExpectGolden("explain_commands.txt", GetParam().name, GetParam().tell());
}
INSTANTIATE_TEST_SUITE_P(Explain, Commands, ::testing::ValuesIn(Stories()), [](const auto& info) {
  std::string name = info.param.name;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace muster
