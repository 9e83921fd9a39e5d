// The checks that stand at the end of tests and storms of servers: they must be able to fail.
#include "tests/stage/causes.h"

#include "eventstore/events/values.h"
#include "tests/stage/server_causes.h"
#include "tests/stage/server_life.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using ::testing::HasSubstr;

class ServerCauses : public ::testing::Test {
 protected:
  ~ServerCauses() override { rt.DestroyTasks(); }
  void SetUp() override {
    calls.Watch(outside.service, life.store());
    ASSERT_THAT(rt.Run(life.Start()), IsOk());
    ASSERT_THAT(rt.Run(life.hands().Order(ABuilder())), IsOk());
    for (int i = 0; i < 360 && !life.hands().At().delivered.seen(); ++i) Pass();
    ASSERT_TRUE(life.hands().At().delivered.seen());
    for (int i = 0; i < 6; ++i) Pass();
  }
  void Pass() {
    rt.RunFor(absl::Seconds(10));
    outside.sim.Advance(rt.Now());
  }
  void Write(const eventpb::EventBody& body, std::string actor) {
    const StreamId stream(Cat("server/", life.hands().At().id.str()));
    NewEvent event{.id = EventId(Cat("planted", life.store().Head())),
                   .type = std::string(TypeName(body.kind_case())),
                   .payload = EncodeEvent(body),
                   .actor = std::move(actor),
                   .occurred_at = rt.Now()};
    const Expect expect = Expect::At(life.store().StreamVersion(stream));
    ASSERT_THAT(rt.Run(life.store().Append(stream, expect, {std::move(event)}, rt.Now())), IsOk());
  }
  absl::Time Soon() { return rt.Now() + absl::Minutes(1); }

  VirtualRuntime rt{1};
  ServerOutside outside{rt};
  ServerCalls calls;
  ServerLife life{rt, outside, std::make_shared<MemoryLog>()};
};

TEST_F(ServerCauses, AnOrderGivesNoReasonToComplain) {
  EXPECT_EQ(DeedWithoutCause(life.store()), "");
  EXPECT_EQ(calls.problem(), "");
}

TEST(ServerDeeds, NeedACauseEach) {
  eventpb::EventBody reset, step, build, cancel, revoke;
  reset.mutable_server_reset_requested()->set_kind("hw");
  step.mutable_server_step_requested()->set_step(eventpb::PREPARE);
  build.mutable_server_build_requested()->set_build("k7f2q");
  cancel.mutable_server_cancel_requested()->set_date("now");
  revoke.mutable_server_revoke_requested();
  for (const auto& deed : {reset, step, build, cancel, revoke}) {
    SCOPED_TRACE(deed.ShortDebugString());
    VirtualRuntime other(1);
    MemoryEventStore store(other);
    NewEvent event{.id = EventId("e1"),
                   .type = std::string(TypeName(deed.kind_case())),
                   .payload = EncodeEvent(deed),
                   .actor = "effects"};
    const StreamId stream("server/a");
    ASSERT_THAT(other.Run(store.Append(stream, Expect::At(0), {std::move(event)}, other.Now())),
                IsOk());
    EXPECT_THAT(DeedWithoutCause(store), HasSubstr("has no path to an observation"));
  }
}

TEST_F(ServerCauses, WhatAnOperatorAskedForHasOne) {
  eventpb::EventBody step;
  step.mutable_server_step_requested()->set_step(eventpb::RESCUE);
  Write(step, "operator:test");
  EXPECT_EQ(DeedWithoutCause(life.store()), "");
  eventpb::EventBody reset;
  reset.mutable_server_reset_requested()->set_kind("hw");
  *reset.mutable_server_reset_requested()->mutable_evidence() =
      MakeEvidence("step", "rescue", {}, {life.store().Head()});
  Write(reset, "effects");
  EXPECT_EQ(DeedWithoutCause(life.store()), "");
}

TEST_F(ServerCauses, CallsThatNothingAnnouncedAreFound) {
  const ServerNumber number = life.hands().At().number;
  ServerProvider& provider = life.hands().provider();
  EXPECT_THAT(rt.Run(provider.Reset(number, ResetKind::kHardware, Soon())), IsOk());
  EXPECT_THAT(calls.problem(), HasSubstr("/reset/"));
  calls.Forgive();
  EXPECT_THAT(rt.Run(provider.ActivateRescue(number, life.hands().At().order_key_md5, Soon())),
              IsOk());
  EXPECT_THAT(calls.problem(), HasSubstr("/rescue"));
  calls.Forgive();
  EXPECT_THAT(rt.Run(provider.CancelServer(number, "now", "", Soon())), IsOk());
  EXPECT_THAT(calls.problem(), HasSubstr("/cancellation"));
  calls.Forgive();
  (void)rt.Run(provider.DeleteKey(life.hands().At().order_key_md5, Soon()));
  EXPECT_THAT(calls.problem(), HasSubstr("DELETE "));
  calls.Forgive();
  (void)rt.Run(provider.StoreKey("stray", life.hands().At().host_public_key, Soon()));
  EXPECT_THAT(calls.problem(), HasSubstr("/key"));
}

// One reset is announced; a second one is one too many.
TEST_F(ServerCauses, AnAnnouncementCoversOneDeed) {
  ASSERT_THAT(rt.Run(life.hands().Step(eventpb::RESCUE)), IsOk());
  for (int i = 0; i < 30 && !life.hands().At().reset.seen(); ++i) Pass();
  ASSERT_TRUE(life.hands().At().reset.seen());
  EXPECT_EQ(calls.problem(), "");
  for (int i = 0; i < 2; ++i) {
    (void)rt.Run(
        life.hands().provider().Reset(life.hands().At().number, ResetKind::kHardware, Soon()));
  }
  EXPECT_THAT(calls.problem(), HasSubstr("/reset/"));
}

}  // namespace
}  // namespace muster
