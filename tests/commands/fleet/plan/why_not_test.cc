#include "commands/fleet/plan/why_not.h"

#include <algorithm>

#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Texts(const WhyNot& why) {
  std::vector<std::string> texts;
  for (const WhyNotLine& line : why.lines) texts.push_back(line.text);
  return texts;
}
WhyNot OfOffer(const Stage& stage, std::string_view offer) {
  const auto why = WhyNotOffer(stage.world, kZeb, OfferId(offer), {}, stage.now);
  EXPECT_THAT(why, IsOk());
  return why.ok() ? *why : WhyNot{};
}
WhyNot OfWorker(const Stage& stage, const WorkerId& worker) {
  const auto why = WhyNotWorker(stage.world, worker, {}, stage.now);
  EXPECT_THAT(why, IsOk());
  return why.ok() ? *why : WhyNot{};
}

TEST(WhyNotOffer, NamesThePriceThatIsTooHighAndTheSearchThatShowedIt) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({Stage::MakeOffer("dear", "RTX 3070", 95'000)});
  const std::uint64_t search = stage.world.FindAccount(kVast)->offers_seen.position;
  const WhyNot why = OfOffer(stage, "dear");
  EXPECT_THAT(why.title, HasSubstr("offer/dear for fleet/zeb"));
  EXPECT_THAT(Texts(why), Contains(HasSubstr("refused: price over $0.09/h")));
  for (const WhyNotLine& line : why.lines) EXPECT_EQ(line.position, search);
}

TEST(WhyNotOffer, ThatIsGoodAndNotTheBestNamesTheBest) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(
      {Stage::MakeOffer("slow", "RTX 3070", 60'000), Stage::MakeOffer("good", "RTX 4070", 60'000)});
  const WhyNot why = OfOffer(stage, "slow");
  EXPECT_THAT(Texts(why), Contains(HasSubstr("acceptable, number 2 of 2")));
  EXPECT_THAT(Texts(why), Contains(HasSubstr("the best is offer good, RTX 4070")));
  EXPECT_THAT(Texts(why), Contains(HasSubstr("offer good is rented next (replenish")));
  EXPECT_THAT(OfOffer(stage, "good").title, HasSubstr("about to be rented"));
}

TEST(WhyNotOffer, IsNotWantedByAFleetThatIsFull) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.AddHealthy(0);
  stage.Market({Stage::MakeOffer("good", "RTX 3070", 60'000)});
  EXPECT_THAT(Texts(OfOffer(stage, "good")),
              Contains("the fleet wants 1 worker and has 1: no place is free"));
}

TEST(WhyNotOffer, ThatNoSearchShowedIsSaidToBeUnseen) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  EXPECT_EQ(Texts(OfOffer(stage, "o1")).front(), "no search of the market has been answered yet");
  stage.Market(Stage::Plenty(3));
  EXPECT_THAT(OfOffer(stage, "nowhere").title, HasSubstr("not seen"));
  EXPECT_THAT(WhyNotOffer(stage.world, FleetName("none"), OfferId("o1"), {}, stage.now),
              StatusIs(StatusCode::kNotFound));
}

TEST(WhyNotOffer, ThatIsOursAlreadyNamesItsWorker) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(1));
  stage.PlanAndCarry();
  const WorkerId holder = stage.Launching().front();
  EXPECT_THAT(Texts(OfOffer(stage, "o0")), ElementsAre(HasSubstr(holder.str())));
}

TEST(WhyNotWorker, OfAHealthyOneTellsHowFarEveryRuleIsFromHolding) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddHealthy(0);
  const WhyNot why = OfWorker(stage, id);
  EXPECT_THAT(why.title, HasSubstr("kept: no rule holds"));
  EXPECT_THAT(why.lines.front().text, HasSubstr("HEALTHY"));
  for (const std::string_view rule :
       {"over-cost", "offline", "stuck-boot", "fatal-error", "no-progress"}) {
    EXPECT_THAT(Texts(why), Contains(HasSubstr(Cat("not ", rule, ": ")))) << rule;
  }
}

TEST(WhyNotWorker, InSetupTellsItsClock) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  const WorkerId id = stage.AddLive(0);
  stage.now = At(0);
  stage.See(id);
  stage.Log(id, LogFacts("setup"));
  stage.now = At(120);
  EXPECT_THAT(Texts(OfWorker(stage, id)), Contains(HasSubstr("not stuck-setup: 2m00s of 10m00s")));
}

TEST(WhyNotWorker, WhoseListLagsBehindItsLogIsToldSo) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  const WorkerId id = stage.AddLive(0);
  stage.now = At(0);
  stage.See(id, ActualStatus::kLoading);
  stage.now = At(30);
  stage.Log(id, LogFacts("setup"));
  EXPECT_THAT(Texts(OfWorker(stage, id)),
              Contains(HasSubstr("not offline: the list says loading, its log went on since")));
}

TEST(WhyNotWorker, ThatIsNextToGoIsToldSo) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddLive(0);
  stage.See(id, ActualStatus::kRunning, 95'000);
  const WhyNot why = OfWorker(stage, id);
  EXPECT_THAT(why.title, HasSubstr("about to be condemned"));
  EXPECT_THAT(why.lines.back().text, HasSubstr("over-cost"));
}

TEST(WhyNotWorker, ThatIsGoneOrNeverWasIsAnError) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddLive(0);
  stage.See(id, ActualStatus::kRunning, 95'000);
  stage.PlanAndCarry();
  const Status gone = WhyNotWorker(stage.world, id, {}, stage.now).status();
  EXPECT_EQ(gone.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(gone)), HasSubstr("over-cost"));
  EXPECT_THAT(WhyNotWorker(stage.world, WorkerId("none"), {}, stage.now),
              StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace muster::fleet
