// Which events people are told of, of what kind, how urgent, in which words.
#include "queries/notices/notice.h"

#include "tests/queries/log_builder.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

class NoticesOf : public testing::Test {
 protected:
  std::optional<Notice> NoticeAt(Position position) {
    std::optional<Notice> notice;
    const Status read = log.store().ReadAll(position - 1, 1, [&](const RecordedEvent& recorded) {
      copy = recorded;
      return false;
    });
    EXPECT_TRUE(read.ok());
    return NoticeOf(log.store(), copy);
  }
  template <class Message>
  std::optional<Notice> Of(std::string_view stream, const Message& message) {
    return NoticeAt(log.Write(stream, message));
  }

  LogBuilder log;
  RecordedEvent copy;
};

eventpb::WorkerCondemned Condemned(const std::string& rule) {
  eventpb::WorkerCondemned e;
  *e.mutable_evidence() = MakeEvidence(rule, "15m04s >= 15m", {}, {}, "zeb@v12");
  return e;
}

TEST_F(NoticesOf, AFailedWorkerNamesItsFleetItsRuleAndTheNumbers) {
  log.Launch("k7f2q", "zeb", {});
  const auto notice = Of("worker/k7f2q", Condemned("no-progress"));
  ASSERT_TRUE(notice.has_value());
  EXPECT_EQ(notice->kind->name, "worker-condemned");
  EXPECT_EQ(notice->severity, Severity::kWarning);
  EXPECT_EQ(notice->fleet, "zeb");
  EXPECT_EQ(notice->rule, "no-progress");
  EXPECT_EQ(notice->subject, "worker/k7f2q");
  EXPECT_EQ(notice->text, "rule no-progress: 15m04s >= 15m");
  EXPECT_EQ(notice->explain, "muster explain worker/k7f2q");
  EXPECT_EQ(notice->event, Cat("e", notice->position));
}

TEST_F(NoticesOf, AWorkerThatGoesForASmallerFleetIsNoWarning) {
  log.Launch("k7f2q", "zeb", {});
  EXPECT_EQ(Of("worker/k7f2q", Condemned("downscale"))->severity, Severity::kInfo);
  EXPECT_EQ(Of("worker/k7f2q", Condemned("operator"))->severity, Severity::kInfo);
  EXPECT_EQ(Of("worker/k7f2q", Condemned("over-budget"))->severity, Severity::kWarning);
}

TEST_F(NoticesOf, AServerIsNamedAsPeopleNameItAndToldOfWhereItNeedsThem) {
  eventpb::ServerPlanned planned;
  planned.mutable_spec()->set_name("builder-01");
  EXPECT_FALSE(Of("server/m7k2a", planned).has_value());
  const auto ordered = Of("server/m7k2a", eventpb::ServerOrderRequested());
  ASSERT_TRUE(ordered.has_value());
  EXPECT_EQ(ordered->kind->name, "server-changed");
  EXPECT_EQ(ordered->subject, "server/builder-01");
  EXPECT_EQ(ordered->explain, "muster explain server/builder-01");
  eventpb::ServerOverdue late;
  late.set_what("delivery");
  EXPECT_FALSE(Of("server/m7k2a", late).has_value());
  late.set_needs_operator(true);
  EXPECT_EQ(Of("server/m7k2a", late)->kind->name, "server-stuck");
  eventpb::ServerStepFailed failed;
  failed.set_step(eventpb::BOOT);
  failed.set_detail("sshd is silent for 10m");
  const auto stuck = Of("server/m7k2a", failed);
  EXPECT_EQ(stuck->kind->name, "server-stuck");
  EXPECT_EQ(stuck->text, "boot failed: sshd is silent for 10m");
  eventpb::ServerStepDone done;
  done.set_step(eventpb::INSPECT);
  EXPECT_FALSE(Of("server/m7k2a", done).has_value());
  done.set_step(eventpb::VALIDATE);
  EXPECT_EQ(Of("server/m7k2a", done)->kind->name, "server-changed");
  eventpb::ServerEnded ended;
  ended.set_how(eventpb::ServerEnded::VANISHED);
  EXPECT_EQ(Of("server/m7k2a", ended)->severity, Severity::kCritical);
  eventpb::StrayServerFound stray;
  stray.set_server("321");
  EXPECT_EQ(Of("account/hetzner", stray)->kind->name, "server-stray");
}

TEST_F(NoticesOf, TroublesOfTheAccountBeginAndEnd) {
  using Trouble = eventpb::AccountTroubleBegan;
  const auto kind_of = [&](Trouble::Kind kind) {
    Trouble e;
    e.set_kind(kind);
    e.set_endpoint("GET instances");
    return Of("account/vast", e);
  };
  EXPECT_EQ(kind_of(Trouble::AUTH)->kind->name, "key-refused");
  EXPECT_EQ(kind_of(Trouble::FORBIDDEN)->kind->name, "key-refused");
  EXPECT_EQ(kind_of(Trouble::OUTAGE)->kind->name, "provider-down");
  const auto began = kind_of(Trouble::THROTTLED);
  EXPECT_EQ(began->kind->name, "throttled");
  EXPECT_EQ(began->state, "began");
  eventpb::AccountTroubleEnded e;
  e.set_kind(Trouble::THROTTLED);
  e.set_endpoint("GET instances");
  const auto ended = Of("account/vast", e);
  EXPECT_EQ(ended->state, "ended");
  EXPECT_NE(ended->Key(), began->Key()) << "the end is no repeat of the beginning";
}

TEST_F(NoticesOf, AFleetThatIsScaledIsNoRepeatOfOneThatIsApplied) {
  const auto applied = NoticeAt(log.Fleet("zeb", {}));
  eventpb::FleetScaled scaled;
  EXPECT_NE(Of("fleet/zeb", scaled)->Key(), applied->Key());
  EXPECT_EQ(Of("fleet/zeb", scaled)->Key(), Of("fleet/zeb", scaled)->Key());
}

TEST_F(NoticesOf, TwoOrphansAreTwo) {
  eventpb::OrphanFound a;
  a.set_instance("1");
  eventpb::OrphanFound b;
  b.set_instance("2");
  EXPECT_NE(Of("account/vast", a)->Key(), Of("account/vast", b)->Key());
}

TEST_F(NoticesOf, OfRefusedCallsThoseThatSaySomethingOfTheCallItself) {
  using Rejected = eventpb::LaunchRejected;
  log.Launch("k7f2q", "zeb", {});
  const auto told = [&](Rejected::Reason reason) {
    Rejected e;
    e.set_reason(reason);
    return Of("worker/k7f2q", e).has_value();
  };
  EXPECT_TRUE(told(Rejected::REJECTED));
  EXPECT_TRUE(told(Rejected::SECRET_MISSING));
  for (const auto reason : {Rejected::OFFER_GONE, Rejected::NO_CREDIT, Rejected::AUTH,
                            Rejected::THROTTLED, Rejected::UNAVAILABLE, Rejected::CANCELLED}) {
    EXPECT_FALSE(told(reason)) << reason;
  }
  eventpb::DestroyAnswered refused;
  refused.set_answer(eventpb::DestroyAnswered::REFUSED);
  EXPECT_EQ(Of("worker/k7f2q", refused)->severity, Severity::kCritical);
  refused.set_answer(eventpb::DestroyAnswered::THROTTLED);
  EXPECT_FALSE(Of("worker/k7f2q", refused).has_value());
}

TEST_F(NoticesOf, AnAlertSpeaksForItself) {
  eventpb::AlertRaised raised;
  raised.set_subject("fleet/zeb");
  raised.set_fleet("zeb");
  *raised.mutable_evidence() = MakeEvidence("fleet-short", "5 of 8 healthy for 30m");
  const auto notice = Of("alerts", raised);
  EXPECT_EQ(notice->kind->name, "fleet-short");
  EXPECT_EQ(notice->subject, "fleet/zeb");
  EXPECT_EQ(notice->fleet, "zeb");
  EXPECT_EQ(notice->text, "5 of 8 healthy for 30m");
  eventpb::AlertEnded ended;
  ended.set_kind("fleet-short");
  ended.set_subject("fleet/zeb");
  ended.set_detail("it lasted 2h");
  EXPECT_EQ(Of("alerts", ended)->text, "over: it lasted 2h");
  raised.mutable_evidence()->set_rule("of a newer muster");
  EXPECT_FALSE(Of("alerts", raised).has_value());
}

TEST_F(NoticesOf, TheUsualIsNoNews) {
  log.Fleet("zeb", {});
  const Position launch = log.Launch("k7f2q", "zeb", {});
  EXPECT_FALSE(NoticeAt(launch).has_value());
  EXPECT_FALSE(NoticeAt(log.Accept("k7f2q", "1")).has_value());
  eventpb::PreflightChecked passed;
  passed.set_result(eventpb::PreflightChecked::PASSED);
  EXPECT_FALSE(Of("fleet/zeb", passed).has_value());
  EXPECT_FALSE(Of("notify/pager", eventpb::NoticesServed()).has_value());
}

// Whoever is decoded must be looked at, and the other way round.
TEST_F(NoticesOf, EveryKindOfEventIsEitherLookedAtOrNoNotice) {
  int may = 0;
  for (const EventKind kind : AllEventKinds()) may += MayBeNotice(TypeName(kind)) ? 1 : 0;
  EXPECT_EQ(may, 32);
  EXPECT_FALSE(MayBeNotice("worker.log_observed"));
  EXPECT_FALSE(MayBeNotice(""));
}

TEST(NoticeKinds, AreInOrderAndEachHasItsWords) {
  for (std::size_t i = 0; i < kNoticeKinds.size(); ++i) {
    EXPECT_FALSE(kNoticeKinds[i].what.empty());
    if (i > 0) EXPECT_LT(kNoticeKinds[i - 1].name, kNoticeKinds[i].name);
  }
  EXPECT_EQ(FindNoticeKind("orphan")->name, "orphan");
  EXPECT_EQ(FindNoticeKind("orphans"), nullptr);
}

}  // namespace
}  // namespace muster::queries
