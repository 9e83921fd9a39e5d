// Every wire trap of renting: offers, launches, credit and destroying, against the simulator.
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/traps.h"

namespace muster {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// ---- 5: create --------------------------------------------------------------------------------

TEST_F(VastTraps, ALaunchThatRentedWithoutSayingSoIsFoundByItsLabel) {
  int i = 0;
  for (const Trap trap :
       {Trap::kHangAfter, Trap::kResetAfter, Trap::kTruncateAfter, Trap::kServerErrorAfter,
        Trap::kEmptyBody, Trap::kTruncatedJson, Trap::kTrailingGarbage, Trap::kCreateNoContract}) {
    const std::string label = Cat("zeb-worker-vast-", i, ".m7k2q", i);
    ++i;
    Set(trap, "PUT asks/{id}");
    const auto launched = Launch(label);
    EXPECT_THAT(TroubleOf(launched.status()), AnyOf(Trouble::kUnclear, Trouble::kMalformed))
        << TrapName(trap);
    sim.ClearFaults();
    EXPECT_THAT(rt.Run(provider->FindByLabel(label, Soon())), IsOkAndHolds(SizeIs(1)))
        << TrapName(trap);
  }
  EXPECT_THAT(sim.Instances(), SizeIs(i));
}

TEST_F(VastTraps, ALaunchThatRentedNothingIsNotFound) {
  for (const Trap trap : {Trap::kHangBefore, Trap::kResetBefore, Trap::kServerErrorBefore}) {
    Set(trap, "PUT asks/{id}");
    EXPECT_EQ(TroubleOf(Launch("zeb-x.m7k2q").status()), Trouble::kUnclear) << TrapName(trap);
    sim.ClearFaults();
    EXPECT_THAT(rt.Run(provider->FindByLabel("zeb-x.m7k2q", Soon())), IsOkAndHolds(IsEmpty()));
  }
  http.SetDown(true);
  EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kUnavailable);
}

TEST_F(VastTraps, AContractCreatedStoppedIsListedAsStopped) {
  Set(Trap::kCreateStopped, "", /*times=*/1);
  ASSERT_THAT(Launch(), IsOk());
  rt.RunFor(absl::Minutes(2));
  const auto list = List();
  ASSERT_THAT(list, IsOkAndHolds(SizeIs(1)));
  EXPECT_NE((*list)[0].actual, ActualStatus::kRunning);
}

TEST_F(VastTraps, ListLagIsEmptinessNotAnError) {
  Rented();
  Set(Trap::kListLag, "", -1, 60);
  EXPECT_THAT(List(), IsOkAndHolds(IsEmpty()));
  rt.RunFor(absl::Minutes(2));
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(VastTraps, ANewContractThatReadsAsNullIsInTheListAllTheSame) {
  const InstanceId id = Rented();
  Set(Trap::kShowLag, "", -1, 60);
  // Only this answer says so; that is why absence is a matter of lists.
  const auto one = rt.Run(provider->GetInstance(id, Soon()));
  ASSERT_THAT(one, IsOk());
  EXPECT_FALSE(one->has_value());
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
  rt.RunFor(absl::Minutes(2));
  const auto later = rt.Run(provider->GetInstance(id, Soon()));
  ASSERT_THAT(later, IsOk());
  EXPECT_TRUE(later->has_value());
}

// ---- 6: the market ----------------------------------------------------------------------------

TEST_F(VastTraps, AGoneOfferIsToldInEveryForm) {
  for (const Trap trap :
       {Trap::kOfferGone404, Trap::kOfferGone410, Trap::kOfferGone400, Trap::kOfferGone200}) {
    Set(trap);
    EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kOfferGone) << TrapName(trap);
  }
}

TEST_F(VastTraps, OffersAreCheckedWhateverTheServerFiltered) {
  const auto all = Search(0.09);
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(*all, Not(IsEmpty()));
  Set(Trap::kSearchIgnoresPrice);
  const auto unfiltered = Search(0.09);
  ASSERT_THAT(unfiltered, IsOk());
  for (const Offer& offer : *unfiltered) EXPECT_LE(offer.price, MicroUsdPerHour(90'000));
  Set(Trap::kSearchFewerFields);
  EXPECT_THAT(Search(), IsOk());
  Set(Trap::kSearchWrongTypes);
  const auto typed = Search(0.09);
  ASSERT_THAT(typed, IsOk());
  EXPECT_EQ(typed->size(), all->size());
  Set(Trap::kSearchNullFields);
  EXPECT_THAT(Search(), IsOkAndHolds(IsEmpty()));
  Set(Trap::kSearchEmpty);
  EXPECT_THAT(Search(), IsOkAndHolds(IsEmpty()));
}

TEST_F(VastTraps, TheContractCostsWhatTheOfferSaid) {
  const auto offers = Search(0.2);
  ASSERT_THAT(offers, IsOk());
  ASSERT_FALSE(offers->empty());
  LaunchSpec spec;
  spec.offer = offers->front().id;
  spec.label = "zeb.m7k2q";
  spec.image = "pytorch/pytorch:2.6.0";
  spec.disk_gb = 15;
  ASSERT_THAT(rt.Run(provider->Launch(spec, rt.Now() + absl::Seconds(60))), IsOk());
  rt.RunFor(absl::Minutes(10));
  const auto list = List();
  ASSERT_THAT(list, IsOkAndHolds(SizeIs(1)));
  EXPECT_NEAR(static_cast<double>((*list)[0].price.micros),
              static_cast<double>(offers->front().price.micros), 20);
}

TEST_F(VastTraps, APriceAboveTheOffersIsReportedAsBilled) {
  const auto offers = Search(0.2);
  ASSERT_THAT(offers, IsOk());
  ASSERT_FALSE(offers->empty());
  Set(Trap::kPriceAboveOffer, "", -1, /*value=*/0.03);
  LaunchSpec spec;
  spec.offer = offers->front().id;
  spec.label = "zeb.m7k2q";
  spec.image = "pytorch/pytorch:2.6.0";
  spec.disk_gb = 15;
  ASSERT_THAT(rt.Run(provider->Launch(spec, rt.Now() + absl::Seconds(60))), IsOk());
  rt.RunFor(absl::Minutes(10));
  const auto list = List();
  ASSERT_THAT(list, IsOkAndHolds(SizeIs(1)));
  EXPECT_TRUE((*list)[0].price_known);
  EXPECT_NEAR(static_cast<double>((*list)[0].price.micros),
              static_cast<double>(offers->front().price.micros + 30'000), 20);
}

// ---- 7: credit --------------------------------------------------------------------------------

TEST_F(VastTraps, LackOfCreditIsToldApartAndAStartMayBeQueued) {
  for (const Trap trap : {Trap::kNoCredit, Trap::kSpendLimit}) {
    Set(trap);
    EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kNoCredit) << TrapName(trap);
  }
  const InstanceId id = Producing();
  sim.SetCredit(0);
  rt.RunFor(absl::Minutes(5));
  const auto stopped = List();
  ASSERT_THAT(stopped, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*stopped)[0].actual, ActualStatus::kStopped);
  sim.AddCredit(20);
  Set(Trap::kStartQueued);
  const Status start = rt.Run(provider->Start(id, Soon()));
  EXPECT_FALSE(start.ok());
  EXPECT_THAT(start.ToString(), HasSubstr("queued"));
  sim.ClearFaults();
  EXPECT_THAT(rt.Run(provider->Start(id, Soon())), IsOk());
}

TEST_F(VastTraps, ReadsTheCredit) {
  const auto account = rt.Run(provider->GetAccount(Soon()));
  ASSERT_THAT(account, IsOk());
  EXPECT_NEAR(account->credit_usd, 25, 0.01);
}

// ---- 12: destroy ------------------------------------------------------------------------------

TEST_F(VastTraps, ManyDestroysPassThePaceOfTheEndpoint) {
  std::vector<InstanceId> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(Rented());
  const absl::Time begun = rt.Now();
  std::vector<Task<void>> calls;
  for (const InstanceId& id : ids) {
    calls.push_back([](Provider& vast, InstanceId one, absl::Time by) -> Task<void> {
      const Status status = co_await vast.Destroy(one, by);
      EXPECT_THAT(status, IsOk());
    }(*provider, id, Soon()));
  }
  bool done = false;
  rt.Spawn("all", [](Runtime& r, std::vector<Task<void>> c, bool& d) -> Task<void> {
    co_await WhenAll(r, std::move(c));
    d = true;
  }(rt, std::move(calls), done));
  ASSERT_TRUE(rt.RunUntil([&] { return done; }, absl::Minutes(2)));
  EXPECT_GE(rt.Now() - begun, absl::Seconds(21));
  EXPECT_THAT(sim.Instances(), IsEmpty());
}

TEST_F(VastTraps, ADestroyAnswerIsNoProof) {
  const InstanceId id = Rented();
  Set(Trap::kDestroy404);
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(id, Soon()))), Trouble::kNotFound);
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
  Set(Trap::kDestroyIgnored);
  EXPECT_THAT(rt.Run(provider->Destroy(id, Soon())), IsOk());
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
  Set(Trap::kDestroyLag, "", -1, 30);
  EXPECT_THAT(rt.Run(provider->Destroy(id, Soon())), IsOk());
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
  rt.RunFor(absl::Minutes(1));
  EXPECT_THAT(List(), IsOkAndHolds(IsEmpty()));
}

// ---- 13: redirects ----------------------------------------------------------------------------

TEST_F(VastTraps, WritesDoNotFollowRedirects) {
  const InstanceId id = Rented();
  Set(Trap::kRedirect);
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(id, Soon()))), Trouble::kRejected);
  EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kRejected);
  EXPECT_FALSE(List().ok());
  EXPECT_THAT(sim.Instances(), SizeIs(1));
}

}  // namespace
}  // namespace muster
