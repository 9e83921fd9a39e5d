// Every wire trap of the provider, as the adapter meets it, against the simulator.
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/ports/rate_limiter.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/providers/vast/vast_provider.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using vastsim::Trap;

class VastTraps : public testing::Test {
 protected:
  VastTraps() : sim(Options(), rt.Now()), http(rt, sim) {
    sim.SetOrigin("http://vast.sim:80");
    VastOptions options;
    options.base_url = "http://vast.sim:80";
    options.api_key_ref = "env:KEY";
    options.log_hosts = {"http://vast.sim:80"};
    limiter = MakeRateLimiter(rt, vast::DefaultRateLimits());
    provider = MakeVastProvider(options, rt, http, *limiter, secrets);
    EXPECT_THAT(secrets.Resolve("env:HF_TOKEN"), IsOk());
  }
  static vastsim::VastSimOptions Options() {
    vastsim::VastSimOptions options;
    options.api_keys = {"sim_planted_key"};
    options.churn_interval = absl::ZeroDuration();
    return options;
  }
  absl::Time Soon() const { return rt.Now() + absl::Seconds(60); }
  void Set(Trap trap, std::string endpoint = "", int times = -1, double value = 0) {
    sim.ClearFaults();
    vastsim::Fault fault{.trap = trap, .endpoint = std::move(endpoint), .times = times};
    fault.value = value;
    sim.SetFault(fault);
  }

  StatusOr<std::vector<Instance>> List() { return rt.Run(provider->ListInstances(Soon())); }
  StatusOr<std::vector<Offer>> Search(double price_max = 1.0) {
    OfferQuery query;
    for (const vastsim::GpuKind& gpu : vastsim::DefaultGpus()) query.gpus.emplace_back(gpu.name);
    query.price_max = MicroUsdPerHour(static_cast<std::int64_t>(price_max * 1e6));
    query.verified_only = false;
    return rt.Run(provider->SearchOffers(query, Soon()));
  }
  StatusOr<Launched> Launch(std::string label = "zeb-worker-vast-0.m7k2q") {
    if (offers_.empty()) {
      for (const vastsim::OfferView& offer : sim.Offers()) {
        if (offer.gpus == 1) offers_.push_back(offer.id);
      }
    }
    LaunchSpec spec;
    spec.offer = OfferId(Cat(offers_.back()));
    offers_.pop_back();
    spec.label = std::move(label);
    spec.image = "pytorch/pytorch:2.6.0";
    spec.env = {{"HF_TOKEN", "hf_planted_token"}, {"WORKER_ID", "worker-vast-0"}};
    spec.onstart = "echo start";
    return rt.Run(provider->Launch(spec, rt.Now() + absl::Seconds(90)));
  }
  InstanceId Rented() {
    sim.ClearFaults();
    const StatusOr<Launched> launched = Launch(Cat("zeb-worker-vast-", ++rented_, ".m7k2q"));
    EXPECT_THAT(launched, IsOk());
    return launched.ok() ? launched->instance : InstanceId();
  }
  StatusOr<LogTail> Log(const InstanceId& id) {
    return rt.Run(provider->FetchLog(id, 50, rt.Now() + absl::Seconds(15)));
  }
  // An instance whose worker prints batches.
  InstanceId Producing() {
    const InstanceId id = Rented();
    rt.RunFor(absl::Minutes(20));
    return id;
  }
  std::int64_t Number(const InstanceId& id) const { return std::stoll(id.str()); }

  VirtualRuntime rt{1};
  vastsim::VastSim sim;
  SimHttpClient http;
  MapSecrets secrets{{"env:KEY", "sim_planted_key"}, {"env:HF_TOKEN", "hf_planted_token"}};
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<Provider> provider;

 private:
  std::vector<std::int64_t> offers_;
  int rented_ = 0;
};

// ---- 1: the list ------------------------------------------------------------------------------

TEST_F(VastTraps, ReadsListsOfManyPagesWhole) {
  for (int i = 0; i < 60; ++i) sim.AddForeign({.label = Cat("foreign-", i)});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(60)));
  for (const Trap trap : {Trap::kListTotalMismatch, Trap::kListTokenInvalid, Trap::kListDropsRow,
                          Trap::kInstancesNull}) {
    Set(trap);
    EXPECT_FALSE(List().ok()) << TrapName(trap);
  }
  Set(Trap::kListTokenInvalid, "", /*times=*/1);
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(60)));
  Set(Trap::kListDropsRow, "", /*times=*/1);
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(60)));
}

TEST_F(VastTraps, NeverAsksTheRetiredListEvenWhereItStillAnswers) {
  const InstanceId id = Producing();
  Set(Trap::kListV0Serves, "", -1);
  const auto list = List();
  ASSERT_THAT(list, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*list)[0].id, id);
  EXPECT_THAT(rt.Run(provider->FindByLabel((*list)[0].label, Soon())), IsOkAndHolds(SizeIs(1)));
  for (const vastsim::JournalEntry& call : sim.Journal()) {
    EXPECT_NE(call.endpoint, "GET instances");
    EXPECT_EQ(call.traps, "");
  }
}

// ---- 2: throttling ----------------------------------------------------------------------------

TEST_F(VastTraps, KnowsEveryFormOfThrottling) {
  for (const Trap trap : {Trap::kThrottleText, Trap::kThrottleDetail, Trap::kThrottleError,
                          Trap::kThrottleRetryAfter}) {
    Set(trap, "", /*times=*/1, /*value=*/4.5);
    const auto list = List();
    EXPECT_EQ(TroubleOf(list.status()), Trouble::kThrottled) << TrapName(trap);
    EXPECT_EQ(RetryAfter(list.status()), absl::Seconds(4.5)) << TrapName(trap);
    rt.RunFor(absl::Minutes(1));
  }
}

TEST_F(VastTraps, WaitsAsLongAsItWasTold) {
  Set(Trap::kThrottleRetryAfter, "", /*times=*/1, /*value=*/20);
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kThrottled);
  const absl::Time refused = rt.Now();
  EXPECT_THAT(List(), IsOk());
  EXPECT_GE(rt.Now() - refused, absl::Seconds(20));
}

// ---- 3: auth and foreign pages ----------------------------------------------------------------

TEST_F(VastTraps, ARefusedKeyIsNeverAnEmptyAccountNorAGoneInstance) {
  const InstanceId id = Rented();
  for (const Trap trap : {Trap::kAuth401, Trap::kAuth404, Trap::kSessionExpired}) {
    Set(trap);
    EXPECT_EQ(TroubleOf(List().status()), Trouble::kAuth) << TrapName(trap);
    EXPECT_EQ(TroubleOf(Search().status()), Trouble::kAuth) << TrapName(trap);
    EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kAuth) << TrapName(trap);
    EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(id, Soon()))), Trouble::kAuth) << TrapName(trap);
    EXPECT_EQ(TroubleOf(rt.Run(provider->GetInstance(id, Soon())).status()), Trouble::kAuth);
    EXPECT_EQ(TroubleOf(Log(id).status()), Trouble::kAuth) << TrapName(trap);
  }
  Set(Trap::kForbidden);
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kForbidden);
  Set(Trap::kBare404);
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(id, Soon()))), Trouble::kMalformed);
  EXPECT_EQ(TroubleOf(rt.Run(provider->GetInstance(id, Soon())).status()), Trouble::kUnavailable);
}

// ---- 4: odd 200s ------------------------------------------------------------------------------

TEST_F(VastTraps, OddAnswersAreUnknownForEveryRead) {
  const InstanceId doomed = Rented();
  const InstanceId id = Producing();
  for (const Trap trap :
       {Trap::kEmptyBody, Trap::kTrailingGarbage, Trap::kTruncatedJson, Trap::kSuccessFalse}) {
    Set(trap);
    for (const Status& status :
         {List().status(), Search().status(), rt.Run(provider->GetAccount(Soon())).status(),
          rt.Run(provider->GetInstance(id, Soon())).status(), Log(id).status()}) {
      EXPECT_EQ(TroubleOf(status), Trouble::kMalformed) << TrapName(trap) << status.ToString();
    }
    EXPECT_THAT(TroubleOf(rt.Run(provider->Destroy(doomed, Soon()))),
                AnyOf(Trouble::kMalformed, Trouble::kRejected, Trouble::kNotFound));
  }
  Set(Trap::kWrongContentType);
  EXPECT_THAT(List(), IsOk());
}

TEST_F(VastTraps, ASlowAnswerIsTakenUntilTheDeadlineAndUnknownAfterIt) {
  const InstanceId id = Producing();
  Set(Trap::kSlow, "", -1, /*value=*/50);
  const absl::Time begun = rt.Now();
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
  EXPECT_GE(rt.Now() - begun, absl::Seconds(50));
  Set(Trap::kSlow, "", -1, /*value=*/100);
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(Search().status()), Trouble::kUnavailable);
  EXPECT_FALSE(Log(id).ok());
  // What acts may have acted: never a clear no.
  EXPECT_EQ(TroubleOf(Launch("zeb-slow.m7k2q").status()), Trouble::kUnclear);
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(id, Soon()))), Trouble::kUnclear);
  sim.ClearFaults();
  EXPECT_THAT(rt.Run(provider->FindByLabel("zeb-slow.m7k2q", Soon())), IsOkAndHolds(SizeIs(1)));
}

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

// ---- 8, 9, 11, 14, 15: rows -------------------------------------------------------------------

TEST_F(VastTraps, OddRowsAreStillWholeLists) {
  const InstanceId id = Producing();
  for (const Trap trap :
       {Trap::kLabelNull, Trap::kLabelPadded, Trap::kStartDateNull, Trap::kClockSkew,
        Trap::kGpuNameBlank, Trap::kNullFields, Trap::kIdsAsFloats}) {
    Set(trap, "", -1);
    const auto list = List();
    ASSERT_THAT(list, IsOkAndHolds(SizeIs(1))) << TrapName(trap);
    EXPECT_EQ((*list)[0].id, id) << TrapName(trap);
    if (trap == Trap::kLabelPadded) EXPECT_EQ((*list)[0].label, "zeb-worker-vast-1.m7k2q");
    if (trap == Trap::kGpuNameBlank) EXPECT_NE((*list)[0].gpu.str().back(), ' ');
    const auto one = rt.Run(provider->GetInstance(id, Soon()));
    ASSERT_THAT(one, IsOk());
    EXPECT_TRUE(one->has_value()) << TrapName(trap);
  }
}

TEST_F(VastTraps, AVanishedInstanceReadsAsDefinitelyGone) {
  const InstanceId id = Producing();
  ASSERT_THAT(sim.FailWorker(Number(id), vastsim::Failure::kVanish), IsOk());
  rt.RunFor(absl::Minutes(1));
  const auto one = rt.Run(provider->GetInstance(id, Soon()));
  ASSERT_THAT(one, IsOk());
  EXPECT_FALSE(one->has_value());
  EXPECT_THAT(List(), IsOkAndHolds(IsEmpty()));
}

TEST_F(VastTraps, AStatusNeverSeenBeforeIsOther) {
  const InstanceId id = Producing();
  vastsim::FailureSpec spec{.how = vastsim::Failure::kStrangeStatus, .text = "hibernating"};
  ASSERT_THAT(sim.FailWorker(Number(id), spec), IsOk());
  rt.RunFor(absl::Minutes(1));
  const auto list = List();
  ASSERT_THAT(list, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*list)[0].actual, ActualStatus::kOther);
  EXPECT_EQ((*list)[0].actual_raw, "hibernating");
}

TEST_F(VastTraps, TwoInstancesWithOneLabelAreBothFound) {
  Set(Trap::kCreateTwice, "", /*times=*/1);
  ASSERT_THAT(Launch("zeb.m7k2q"), IsOk());
  EXPECT_THAT(rt.Run(provider->FindByLabel("zeb.m7k2q", Soon())), IsOkAndHolds(SizeIs(2)));
}

// ---- 10, 13: logs -----------------------------------------------------------------------------

TEST_F(VastTraps, LogsComeInEveryShapeAndNeverWithAKey) {
  const InstanceId id = Producing();
  const auto plain = Log(id);
  ASSERT_THAT(plain, IsOk());
  EXPECT_THAT(plain->text, HasSubstr("games/s"));
  for (const Trap trap :
       {Trap::kLogCarriageReturns, Trap::kLogAnsi, Trap::kLogLongLine, Trap::kLogBadUtf8,
        Trap::kLogShortTail, Trap::kLogFrozen, Trap::kLogLate}) {
    Set(trap);
    const auto tail = Log(id);
    ASSERT_THAT(tail, IsOk()) << TrapName(trap);
    EXPECT_EQ(tail->state, LogTail::State::kText) << TrapName(trap);
    EXPECT_EQ(tail->text.find('\x1b'), std::string::npos) << TrapName(trap);
    EXPECT_EQ(tail->text.find('\r'), std::string::npos) << TrapName(trap);
    EXPECT_EQ(tail->text, ToValidUtf8(tail->text)) << TrapName(trap);
    EXPECT_LE(tail->text.size(), 1u << 20) << TrapName(trap);
  }
  Set(Trap::kLogEmpty);
  EXPECT_EQ(Log(id)->text, "");
  Set(Trap::kLogNoContainer);
  EXPECT_EQ(Log(id)->state, LogTail::State::kNoContainer);
  Set(Trap::kLogDaemon);
  EXPECT_EQ(Log(id)->state, LogTail::State::kDaemon);
  for (const Trap trap : {Trap::kLogForbidden, Trap::kLogInvalidId, Trap::kLogNoUrl,
                          Trap::kLogRedirect, Trap::kLogNeverReady}) {
    Set(trap);
    EXPECT_FALSE(Log(id).ok()) << TrapName(trap);
    rt.RunFor(absl::Minutes(3));
  }
  sim.ClearFaults();
  EXPECT_THAT(Log(id), IsOk());
  EXPECT_EQ(sim.KeysLeaked(), 0);
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

// ---- 16: secrets ------------------------------------------------------------------------------

TEST_F(VastTraps, SecretsComeBackMasked) {
  Set(Trap::kErrorEchoesBody);
  EXPECT_THAT(Launch().status().ToString(), Not(HasSubstr("planted")));
  const InstanceId id = Producing();
  Set(Trap::kLogEchoesSecrets);
  const auto tail = Log(id);
  ASSERT_THAT(tail, IsOk());
  EXPECT_THAT(tail->text, Not(HasSubstr("planted")));
  for (const vastsim::JournalEntry& call : sim.Journal()) EXPECT_FALSE(call.key_in_url);
}

}  // namespace
}  // namespace muster
