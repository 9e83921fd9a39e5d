#include "commands/fleet/plan/preview.h"

#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

using Action = PreviewStep::Action;

Preview Of(const Stage& stage, const Change& change) {
  StatusOr<Preview> preview = PlanPreview(stage.world, change, stage.options, stage.now);
  EXPECT_THAT(preview, IsOk());
  return preview.ok() ? *std::move(preview) : Preview{};
}
std::string Texts(const Preview& preview, Action action) {
  std::string text;
  for (const PreviewStep& step : preview.steps) {
    if (step.action == action) text += Cat(text.empty() ? "" : "\n", step.text);
  }
  return text;
}

TEST(Preview, OfANewFleetShowsOffersPricesAndTheWorstCase) {
  Stage stage;
  stage.Market(Stage::Plenty(20));
  stage.now += absl::Seconds(9);
  const Preview preview = Of(stage, ApplyChange{Stage::Spec(12)});
  EXPECT_EQ(preview.adds, 12);  // whatever may be in flight at once
  EXPECT_EQ(preview.destroys, 0);
  EXPECT_EQ(preview.offers_age, absl::Seconds(9));
  std::int64_t sum = 0;
  for (const PreviewStep& step : preview.steps) sum += step.price.micros;
  EXPECT_EQ(preview.burn_change.micros, sum);
  EXPECT_EQ(preview.worst_case, Cost(preview.burn_change, preview.worst_case_until - stage.now));
  EXPECT_EQ(Texts(preview, Action::kChange), "creates fleet zeb\n0 -> 12 workers");
  EXPECT_EQ(preview.steps[2].text,
            "1 x RTX 3070  offer o0  $0.05/h  2.0 games/s expected (fleet table)  "
            "$0.0250 per games/s");
  EXPECT_EQ(preview.position, stage.world.head);
}

TEST(Preview, WritesNothingAndSaysTheSameTwice) {
  Stage stage;
  stage.Market(Stage::Plenty(5));
  const std::string before = SerializeWorld(stage.world);
  const Preview first = Of(stage, ApplyChange{Stage::Spec(3)});
  stage.now += absl::Seconds(5);
  const Preview second = Of(stage, ApplyChange{Stage::Spec(3)});
  EXPECT_EQ(SerializeWorld(stage.world), before);
  EXPECT_EQ(first.id, second.id);
  EXPECT_EQ(first.id.size(), 4u);
  EXPECT_NE(first.id, Of(stage, ApplyChange{Stage::Spec(4)}).id);
}

TEST(Preview, IsWhatThePlanThenDoes) {
  Stage stage;
  stage.Market(Stage::Plenty(9));
  const Preview preview = Of(stage, ApplyChange{Stage::Spec(4)});
  stage.Apply(Stage::Spec(4));
  std::vector<std::string> chosen, shown;
  for (const auto& launch : stage.Launches(stage.Decisions())) {
    chosen.push_back(launch.offer().offer());
  }
  for (const PreviewStep& step : preview.steps) {
    if (step.action == Action::kAdd) shown.push_back(step.offer.str());
  }
  EXPECT_EQ(chosen, shown);
}

TEST(Preview, OfTheSameSpecChangesNothing) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  stage.AddHealthy(0);
  stage.PlanAndCarry();
  const Preview preview = Of(stage, ApplyChange{Stage::Spec(1)});
  EXPECT_EQ(preview.adds + preview.destroys, 0);
  ASSERT_EQ(preview.steps.size(), 1u);
  EXPECT_EQ(preview.steps[0].text, "keeps 1 worker");
}

TEST(Preview, NamesTheGuardThatRefuses) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(4);
  spec.mutable_budget()->set_per_hour_micro_usd(120'000);
  spec.add_preflight()->set_name("weights");
  stage.Market(Stage::Plenty(9));
  const Preview preview = Of(stage, ApplyChange{spec});
  EXPECT_EQ(preview.adds, 2);
  ASSERT_EQ(preview.refusals.size(), 2u);
  EXPECT_EQ(preview.refusals[0], "preflight weights must pass first");
  EXPECT_EQ(preview.refusals[1], "fleet zeb per hour: $0.1001/h + $0.0502/h > $0.12/h");
  // The step says what, the refusals say why.
  EXPECT_EQ(Texts(preview, Action::kRefused), "2 of 4 workers cannot be rented now");
}

TEST(Preview, OfScalingDownNamesWhoGoes) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market({});
  const WorkerId slow = stage.AddHealthy(0, 1.0);
  stage.AddHealthy(1, 3.0);
  const Preview preview = Of(stage, ScaleChange{kZeb, 1});
  EXPECT_EQ(preview.destroys, 1);
  EXPECT_EQ(preview.burn_change.micros, -60'000);
  for (const PreviewStep& step : preview.steps) {
    if (step.action == Action::kDestroy) {
      EXPECT_EQ(step.worker, slow);
      EXPECT_EQ(step.rule, "downscale");
    }
  }
}

TEST(Preview, OfReplaceShowsTheReplacement) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  const WorkerId a = stage.AddHealthy(0);
  const Preview preview = Of(stage, ReplaceChange{a, "looks odd", /*strike=*/true});
  EXPECT_EQ(preview.destroys, 1);
  EXPECT_EQ(preview.adds, 1);
  EXPECT_EQ(Texts(preview, Action::kDestroy),
            Cat("worker ", a.str(),
                " RTX 3070  operator: looks odd, strike 1 of 3 on machine machine-", a.str()));
}

TEST(Preview, OfReplaceNearTheBudgetWaitsForTheOldOneToBeGone) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.mutable_budget()->set_per_hour_micro_usd(100'000);
  stage.Apply(spec);
  stage.Market(Stage::Plenty(3));
  const WorkerId a = stage.AddHealthy(0);  // 0.06 + 0.05 > 0.10
  stage.PlanAndCarry();
  const Preview preview = Of(stage, ReplaceChange{a, "looks odd"});
  EXPECT_EQ(preview.destroys, 1);
  EXPECT_EQ(preview.adds, 1);
  EXPECT_TRUE(preview.refusals.empty()) << preview.refusals[0];
  EXPECT_EQ(preview.burn_change.micros, -10'000);
  EXPECT_NE(Texts(preview, Action::kAdd).find("  once the old one is confirmed gone"),
            std::string::npos)
      << Texts(preview, Action::kAdd);
  spec.mutable_budget()->set_per_hour_micro_usd(110'000);
  stage.Apply(spec);
  EXPECT_EQ(Texts(Of(stage, ReplaceChange{a, ""}), Action::kAdd).find("confirmed gone"),
            std::string::npos);
}

TEST(Preview, OfDestroyingTwiceIsAnErrorAndScalesNothing) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(3));
  const WorkerId a = stage.AddHealthy(0);
  stage.AddHealthy(1);
  stage.OnWorker(a, worker::Condemn{Verdict("operator")});
  const auto preview = PlanPreview(stage.world, DestroyChange{a, "", false}, {}, stage.now);
  EXPECT_THAT(preview, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_EQ(Message(preview.status()), Cat("worker ", a.str(), " is already being destroyed"));
}

TEST(Preview, OfAQuotaOnCreationNamesTheIntervalAlone) {
  Stage stage;
  stage.Market(Stage::Plenty(3));
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.mutable_quota()->set_name("hub");
  EXPECT_EQ(Texts(Of(stage, ApplyChange{spec}), Action::kChange),
            "creates fleet zeb\n0 -> 1 worker\nupload interval 240s: hub is shared by 1 worker");
}

TEST(Preview, OfDestroyKeepsTheSizeOnlyWhenAsked) {
  for (const bool keep_size : {false, true}) {
    Stage stage;
    stage.Apply(Stage::Spec(2));
    stage.Market(Stage::Plenty(3));
    const WorkerId a = stage.AddHealthy(0);
    stage.AddHealthy(1);
    const Preview preview = Of(stage, DestroyChange{a, "", keep_size});
    EXPECT_EQ(preview.destroys, 1);
    EXPECT_EQ(preview.adds, keep_size ? 1 : 0);
  }
}

TEST(Preview, OfDownDestroysAll) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market(Stage::Plenty(3));
  for (int i = 0; i < 3; ++i) stage.AddHealthy(i);
  const Preview preview = Of(stage, DownChange{kZeb, "done"});
  EXPECT_EQ(preview.destroys, 3);
  EXPECT_EQ(preview.worst_case, MicroUsd(0));
}

TEST(Preview, OfAdoptionTouchesNobody) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(3));
  Instance stray;
  stray.id = InstanceId("s1");
  stray.label = "zeb-worker-vast-1";
  stray.machine = MachineId("m9");
  stray.gpu = GpuName("RTX 3070");
  stray.price = MicroUsdPerHour(50'000);
  stray.price_known = true;
  stray.started_at = stage.now - absl::Hours(3);
  const Preview preview = Of(stage, AdoptChange{kZeb, {stray}});
  EXPECT_EQ(preview.destroys, 0);
  EXPECT_EQ(preview.adds, 1);  // for the place that is still free
  EXPECT_EQ(
      Texts(preview, Action::kChange),
      "adopts instance s1 (zeb-worker-vast-1, RTX 3070, $0.05/h, up 3h00m, $0.15 so far) as it "
      "is, place 1");
}

TEST(Preview, OfAdoptingMoreThanWantedNamesTheInstancesAndWarns) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  std::vector<Instance> strays(2);
  for (int i = 0; i < 2; ++i) {
    strays[static_cast<std::size_t>(i)].id = InstanceId(Cat("s", i));
    strays[static_cast<std::size_t>(i)].label = Cat("zeb-worker-vast-", i);
    strays[static_cast<std::size_t>(i)].machine = MachineId(Cat("m9", i));
    strays[static_cast<std::size_t>(i)].gpu = GpuName("RTX 3070");
    strays[static_cast<std::size_t>(i)].price = MicroUsdPerHour(50'000);
  }
  const Preview preview = Of(stage, AdoptChange{kZeb, strays});
  ASSERT_EQ(preview.refusals.size(), 1u);
  EXPECT_EQ(preview.refusals[0],
            "fleet zeb wants 1 worker and would have 2: scale it first, or 1 of them is destroyed");
  EXPECT_EQ(Texts(preview, Action::kDestroy),
            "instance s1 RTX 3070  downscale: 2 workers, 1 wanted; $0.05/h for 2 games/s");
  for (const PreviewStep& step : preview.steps) {
    EXPECT_EQ(step.text.find("preview"), std::string::npos) << step.text;
    EXPECT_TRUE(step.worker.empty());
  }
}

TEST(Preview, OfAFleetThatAdoptsShowsWhatItWouldTakeIn) {
  Stage stage;
  stage.Market(Stage::Plenty(3));
  eventpb::OrphanFound found;
  found.set_instance("s1");
  found.set_label("zeb-worker-vast-1");
  found.set_fleet("zeb");
  stage.OnAccount(account::ObserveList{{InstanceId("s1")}, {found}});
  specpb::FleetSpec spec = Stage::Spec(2);
  spec.set_orphans(specpb::ADOPT);
  const Preview preview = Of(stage, ApplyChange{spec});
  EXPECT_EQ(preview.adds, 1);
  EXPECT_TRUE(preview.refusals.empty());
  EXPECT_NE(Texts(preview, Action::kChange).find("adopts instance s1"), std::string::npos);
}

TEST(Preview, OfWhatIsNotThereIsAnError) {
  Stage stage;
  EXPECT_THAT(PlanPreview(stage.world, ScaleChange{kZeb, 1}, {}, stage.now),
              StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(PlanPreview(stage.world, ReplaceChange{WorkerId("x"), ""}, {}, stage.now),
              StatusIs(StatusCode::kNotFound));
  specpb::FleetSpec spec = Stage::Spec(-1);
  EXPECT_THAT(PlanPreview(stage.world, ApplyChange{spec}, {}, stage.now),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST(OfferVerdicts, SayWhyAnOfferIsNotTaken) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  std::vector<Offer> offers = Stage::Plenty(3);
  offers[1].price = MicroUsdPerHour(90'100);
  stage.Market(offers);
  stage.Strike("mo2", 3);
  std::map<std::string, std::string> verdicts;
  for (const OfferVerdict& one : JudgeOffers(stage.world, Stage::Spec(1), stage.now)) {
    verdicts[one.offer.id.str()] = one.verdict;
    if (one.offer.id.str() == "o0") {
      EXPECT_EQ(one.cost_per_unit_rate, MicroUsd(25'000));
    }
  }
  EXPECT_EQ(verdicts["o0"], "");
  EXPECT_EQ(verdicts["o1"], "price over $0.09/h");
  EXPECT_EQ(verdicts["o2"], "3 strikes");
}

TEST(Adoption, ByPrefixTakesWholeIndexesOnly) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  std::vector<InstanceId> ids;
  std::vector<eventpb::OrphanFound> strays;
  for (const char* label : {"zeb-worker-vast-1", "zeb-worker-vast-10", "zeb-worker-vast-x",
                            "zeb-large-worker-vast-1"}) {
    eventpb::OrphanFound found;
    found.set_instance(label);
    found.set_label(label);
    ids.emplace_back(label);
    strays.push_back(found);
  }
  stage.OnAccount(account::ObserveList{ids, strays});
  const auto found = AdoptableByPrefix(stage.world, kVast, "zeb-worker-vast-");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(AdoptionOf(stage.world, *stage.world.FindFleet(kZeb), found[0]).index(), 1);
  stage.AddLive(1);
  EXPECT_EQ(AdoptionOf(stage.world, *stage.world.FindFleet(kZeb), found[0]).index(), 0);
}

}  // namespace
}  // namespace muster::fleet
