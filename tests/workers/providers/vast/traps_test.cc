// Every wire trap of what is read, as the adapter meets it, against the simulator.
#include "tests/workers/providers/vast/traps.h"

#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

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
