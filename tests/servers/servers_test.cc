// A dedicated server from the offer to the last day, by all parts that work together, in memory and
// under virtual time; and what goes wrong on the way.
#include "tests/stage/causes.h"
#include "tests/stage/server_causes.h"
#include "tests/stage/server_life.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using hetznersim::Trap;
using server::OrderPhase;
using server::StateText;

class Servers : public testing::Test {
 protected:
  ~Servers() override { rt.DestroyTasks(); }
  void SetUp() override { Begin(); }
  void TearDown() override {
    EXPECT_EQ(DeedWithoutCause(life->store()), "");
    EXPECT_EQ(calls.problem(), "");
  }
  void Begin() {
    life = std::make_unique<ServerLife>(rt, outside, log);
    calls.Watch(outside.service, life->store());
    ASSERT_THAT(rt.Run(life->Start()), IsOk());
  }
  // As kill -9 does it: everything but the log, the keys and the machines is gone.
  void Crash() {
    rt.DestroyTasks();
    life.reset();
    Begin();
  }
  void Pass(absl::Duration span) {
    for (absl::Duration done; done < span; done += absl::Seconds(10)) {
      rt.RunFor(absl::Seconds(10));
      outside.sim.Advance(rt.Now());
    }
  }
  template <class Predicate>
  bool Until(Predicate holds, absl::Duration at_most = absl::Hours(1)) {
    for (absl::Duration done; done < at_most && !holds(); done += absl::Seconds(10)) {
      Pass(absl::Seconds(10));
    }
    return holds();
  }
  void Set(Trap trap, std::string endpoint = "", int times = 1, double value = 0) {
    hetznersim::Fault fault{.trap = trap, .endpoint = std::move(endpoint), .times = times};
    fault.value = value;
    outside.sim.SetFault(fault);
  }
  const server::State& State() const { return life->hands().At(); }

  void Ordered() { ASSERT_THAT(rt.Run(life->hands().Order(ABuilder())), IsOk()); }
  void Delivered() {
    Ordered();
    ASSERT_TRUE(Until([&] { return State().order_phase == OrderPhase::kDelivered; }))
        << StateText(State()) << ": " << State().order_detail;
  }
  // One step, asked for and waited for.
  void Do(server::Step step) {
    ASSERT_THAT(rt.Run(life->hands().Step(step)), IsOk()) << server::StepName(step);
    ASSERT_TRUE(Until([&] { return State().running == eventpb::SERVER_STEP_UNSPECIFIED; }))
        << server::StepName(step);
  }
  // The whole way, a step at a time.
  void Serving() {
    Delivered();
    for (int steps = 0; steps < 10 && !State().InService(); ++steps) {
      const server::Step next = server::NextStep(State());
      Do(next);
      ASSERT_TRUE(State().At(next).Done())
          << server::StepName(next) << ": " << State().At(next).detail;
    }
    ASSERT_TRUE(State().InService()) << StateText(State());
  }
  int Bought() const { return static_cast<int>(outside.sim.Orders().size()); }

  VirtualRuntime rt{1};
  ServerOutside outside{rt};
  const std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  std::unique_ptr<ServerLife> life;
  ServerCalls calls;
};

TEST_F(Servers, AnOrderGoesTheWholeWayIntoService) {
  Serving();
  EXPECT_EQ(Bought(), 1);
  EXPECT_EQ(StateText(State()), "in service");
  EXPECT_THAT(outside.files.files[kMachinesFile], testing::HasSubstr("ssh-ng://builder@127.1."));
  const auto* machine = outside.machines.Find(State().number);
  ASSERT_NE(machine, nullptr);
  EXPECT_FALSE(machine->rescue);
  EXPECT_EQ(machine->root->host_public_key.substr(0, 60), State().host_public_key.substr(0, 60));
  EXPECT_EQ(outside.sim.Servers()[0].name, "builder-01");
}

TEST_F(Servers, ALostReplyIsFoundByItsKeyAndNothingIsBoughtTwice) {
  for (const Trap trap : {Trap::kResetAfter, Trap::kHangAfter, Trap::kServerErrorAfter,
                          Trap::kTruncateAfter, Trap::kEmptyBody}) {
    SCOPED_TRACE(hetznersim::TrapName(trap));
    outside.sim.ClearFaults();
    const int before = Bought();
    const std::string name = Cat("b", before);
    Set(trap, hetznersim::kOrderAuction);
    ASSERT_THAT(rt.Run(life->hands().Order(ABuilder(name))), IsOk());
    EXPECT_TRUE(
        Until([&] { return life->hands().At(name).order_phase == OrderPhase::kDelivered; }));
    EXPECT_EQ(Bought(), before + 1);
  }
}

TEST_F(Servers, AnOrderThatNeverReachedThemIsSettledAfterTheSettleTime) {
  Set(Trap::kResetBefore, hetznersim::kOrderAuction);
  Ordered();
  EXPECT_TRUE(Until([&] { return State().order_phase == OrderPhase::kUnclear; }));
  Pass(absl::Minutes(9));
  EXPECT_EQ(State().order_phase, OrderPhase::kUnclear);
  EXPECT_TRUE(
      Until([&] { return State().order_phase == OrderPhase::kNotFound; }, absl::Minutes(3)));
  EXPECT_EQ(Bought(), 0);
  outside.sim.ClearFaults();
  Ordered();  // again
  EXPECT_TRUE(Until([&] { return State().order_phase == OrderPhase::kDelivered; }));
  EXPECT_EQ(Bought(), 1);
}

TEST_F(Servers, AnOfferThatIsGoneWhileNobodyKnowsIsForAPerson) {
  Set(Trap::kResetBefore, hetznersim::kOrderAuction);
  Ordered();
  ASSERT_TRUE(Until([&] { return State().order_phase == OrderPhase::kUnclear; }));
  ASSERT_THAT(outside.sim.RemoveProduct(State().offer.offer()), IsOk());
  EXPECT_TRUE(Until([&] { return State().order_phase == OrderPhase::kInDoubt; }));
  EXPECT_TRUE(server::NeedsOperator(State()));
}

TEST_F(Servers, APriceThatRoseBetweenPlanAndOrderBuysNothing) {
  Set(Trap::kPriceRises, "", -1);
  Ordered();
  EXPECT_TRUE(Until([&] { return State().order_phase == OrderPhase::kRefused; }));
  EXPECT_THAT(State().order_detail, testing::HasSubstr("agreed were"));
  EXPECT_EQ(Bought(), 0);
}

TEST_F(Servers, ADeliveryThatNeverComesIsSaidAndThenGivenToAPerson) {
  Set(Trap::kNeverDelivered);
  Ordered();
  EXPECT_TRUE(Until([&] { return !State().overdue.what().empty(); }, absl::Minutes(20)));
  EXPECT_FALSE(server::NeedsOperator(State()));
  EXPECT_TRUE(Until([&] { return server::NeedsOperator(State()); }, absl::Hours(3)));
  EXPECT_THAT(server::NextText(State()), testing::HasSubstr("ask the provider about order"));
}

TEST_F(Servers, WithoutPublishedKeysItGoesThroughARescueSystemOfOurOwn) {
  Set(Trap::kHostKeysMissing, "", -1);
  Serving();
  EXPECT_EQ(State().At(eventpb::RESCUE).attempts, 1);
}

TEST_F(Servers, SomebodyElsesHostKeyIsNeverTalkedTo) {
  Set(Trap::kWrongHostKey, "", -1);
  Delivered();
  Do(eventpb::INSPECT);
  EXPECT_TRUE(State().At(eventpb::INSPECT).Failed());
  EXPECT_TRUE(server::NeedsOperator(State()));
  EXPECT_THAT(outside.machines.Find(State().number)->journal, testing::IsEmpty());
}

TEST_F(Servers, ExchangedDisksAreNotWiped) {
  Delivered();
  Do(eventpb::INSPECT);
  auto* machine = outside.machines.Find(State().number);
  ASSERT_FALSE(machine->disks.empty());
  machine->disks[0].identity = "wwn-0xother";
  Do(eventpb::PREPARE);
  EXPECT_TRUE(State().At(eventpb::PREPARE).Failed());
  for (const auto& disk : machine->disks) EXPECT_FALSE(disk.wiped);
}

TEST_F(Servers, DisksThatSwappedTheirNamesAreStillTheRightOnes) {
  Delivered();
  Do(eventpb::INSPECT);
  auto* machine = outside.machines.Find(State().number);
  std::swap(machine->disks[0], machine->disks[1]);
  Do(eventpb::PREPARE);
  EXPECT_TRUE(State().At(eventpb::PREPARE).Done()) << State().At(eventpb::PREPARE).detail;
}

TEST_F(Servers, ABootIntoTheWrongSystemEndsNamedAndTheRescueBringsItBack) {
  Delivered();
  Do(eventpb::INSPECT);
  Do(eventpb::PREPARE);
  outside.machines.Find(State().number)->faults.wrong_system = true;
  Do(eventpb::BOOT);
  ASSERT_TRUE(State().At(eventpb::BOOT).Failed());
  EXPECT_EQ(StateText(State()), "boot failed");
  outside.machines.Find(State().number)->faults.wrong_system = false;
  for (int steps = 0; steps < 10 && !State().InService(); ++steps) Do(server::NextStep(State()));
  EXPECT_TRUE(State().InService()) << StateText(State());
}

TEST_F(Servers, HowFarAnUploadIsIsKnownWhileItGoesOn) {
  outside.image_takes = absl::Minutes(2);
  Delivered();
  Do(eventpb::INSPECT);
  const auto doing = [&] { return life->hands().effects().DoingWith(State().id); };
  EXPECT_EQ(doing(), std::nullopt);
  ASSERT_THAT(rt.Run(life->hands().Step(eventpb::PREPARE)), IsOk());
  const auto half = [&] { return doing().has_value() && doing()->bytes_sent == 4; };
  ASSERT_TRUE(rt.RunUntil(half, absl::Minutes(5)));
  EXPECT_EQ(doing()->step, eventpb::PREPARE);
  EXPECT_THAT(doing()->name, testing::HasSubstr("image"));
  EXPECT_EQ(doing()->bytes_total, 8);
  EXPECT_GT(doing()->command, 1);
  EXPECT_LT(doing()->command, doing()->commands);
  EXPECT_EQ(doing()->lasts, absl::Minutes(1));
  EXPECT_NEAR(doing()->bytes_per_s, 8 / 120.0, 0.01);
  Crash();
  EXPECT_EQ(doing(), std::nullopt) << "it is not in the log";
  ASSERT_TRUE(Until([&] { return State().At(eventpb::PREPARE).Done(); }));
  EXPECT_EQ(doing(), std::nullopt) << "it has ended";
}

TEST_F(Servers, AFailedProbeKeepsTheLineOutOfTheFile) {
  outside.nix.fault = "error: a 'x86_64-linux' with features {cuda} is required\n";
  Delivered();
  for (const server::Step step :
       {eventpb::INSPECT, eventpb::PREPARE, eventpb::BOOT, eventpb::REGISTER, eventpb::VALIDATE}) {
    Do(step);
  }
  EXPECT_TRUE(State().At(eventpb::VALIDATE).Failed());
  EXPECT_THAT(outside.files.files[kMachinesFile], testing::Not(testing::HasSubstr("ssh-ng://")));
  outside.nix.fault.clear();
  Do(eventpb::VALIDATE);
  EXPECT_THAT(outside.files.files[kMachinesFile], testing::HasSubstr("ssh-ng://"));
}

TEST_F(Servers, GivenBackNowItEndsAfterTwoListsAndItsKeysAreForgotten) {
  Serving();
  ASSERT_THAT(rt.Run(life->hands().Cancel("now")), IsOk());
  EXPECT_TRUE(Until([&] { return State().ended_already(); }));
  EXPECT_EQ(State().ended_how, eventpb::ServerEnded::GIVEN_BACK);
  EXPECT_THAT(outside.files.files[kMachinesFile], testing::Not(testing::HasSubstr("ssh-ng://")));
  Pass(absl::Minutes(1));
  EXPECT_THAT(outside.keys.keys, testing::IsEmpty());
  EXPECT_GT(server::Spent(State(), rt.Now()).micros, 0);
}

TEST_F(Servers, ACancellationForALaterDayCanBeRevoked) {
  Serving();
  const std::string day =
      absl::FormatTime("%Y-%m-%d", rt.Now() + absl::Hours(24 * 30), absl::UTCTimeZone());
  ASSERT_THAT(rt.Run(life->hands().Cancel(day)), IsOk());
  ASSERT_TRUE(Until([&] { return State().cancel_set == day; })) << State().cancel_detail;
  ASSERT_THAT(rt.Run(life->hands().Revoke()), IsOk());
  EXPECT_TRUE(Until([&] { return State().cancel_set.empty(); })) << State().cancel_detail;
  EXPECT_TRUE(State().InService());
}

// The provider refuses a second cancellation; the first one must not pass for it.
TEST_F(Servers, GivenBackNowAlthoughItIsCancelledForALaterDay) {
  Serving();
  const std::string day =
      absl::FormatTime("%Y-%m-%d", rt.Now() + absl::Hours(24 * 30), absl::UTCTimeZone());
  ASSERT_THAT(rt.Run(life->hands().Cancel(day)), IsOk());
  ASSERT_TRUE(Until([&] { return State().cancel_set == day; })) << State().cancel_detail;
  ASSERT_THAT(rt.Run(life->hands().Cancel("now")), IsOk());
  EXPECT_TRUE(Until([&] { return State().ended_already(); })) << State().cancel_set;
}

TEST_F(Servers, ACancellationThatHadNoEffectIsAskedForAgain) {
  Serving();
  Set(Trap::kCancelIgnored);
  ASSERT_THAT(rt.Run(life->hands().Cancel("now")), IsOk());
  EXPECT_TRUE(Until([&] { return State().ended_already(); }));
}

// As many lists as nobody could want: each takes what it gets of the quota.
TEST_F(Servers, PollsThatUsedUpTheirQuotaDelayNoCancellation) {
  Serving();
  static constexpr auto kPoll = [](ServerProvider* provider, absl::Time deadline) -> Task<void> {
    (void)co_await provider->ListServers(deadline);
  };
  for (int i = 0; i < 300; ++i) {
    rt.Spawn("poll", kPoll(&life->hands().provider(), rt.Now() + absl::Hours(2)));
  }
  rt.RunFor(absl::Minutes(1));
  const absl::Time asked = rt.Now();
  ASSERT_THAT(rt.Run(life->hands().Cancel("now")), IsOk());
  ASSERT_TRUE(rt.RunUntil([&] { return outside.sim.Servers().empty(); }, absl::Seconds(10)));
  EXPECT_LE(rt.Now(), asked + absl::Seconds(10));
  for (const hetznersim::JournalEntry& entry : outside.sim.Journal()) {
    EXPECT_NE(entry.status, 403) << entry.endpoint;
  }
}

// Orders that are waited for are looked at every few seconds, in the row that resets read in.
TEST_F(Servers, PollsThatUsedUpTheirQuotaDelayNoReset) {
  Serving();
  static constexpr auto kPoll = [](ServerProvider* provider, OrderId order,
                                   absl::Time deadline) -> Task<void> {
    (void)co_await provider->GetOrder(ServerChannel::kAuction, order, deadline);
  };
  for (int i = 0; i < 600; ++i) {
    rt.Spawn("poll", kPoll(&life->hands().provider(), State().order, rt.Now() + absl::Hours(2)));
  }
  rt.RunFor(absl::Minutes(1));
  outside.sim.ClearJournal();
  ASSERT_THAT(rt.Run(life->hands().Step(eventpb::RESCUE)), IsOk());
  const auto reset = [&] {
    const std::vector<hetznersim::JournalEntry> calls = outside.sim.Journal();
    return std::any_of(calls.begin(), calls.end(),
                       [](const auto& call) { return call.endpoint == "POST reset/{id}"; });
  };
  EXPECT_TRUE(rt.RunUntil(reset, absl::Seconds(10)));
}

TEST_F(Servers, WhatTheProviderTookAwayIsNoticed) {
  Serving();
  // By somebody else's hand, which the log knows nothing of.
  const auto taken = rt.Run(life->hands().provider().CancelServer(State().number, "now", "",
                                                                  rt.Now() + absl::Minutes(1)));
  ASSERT_THAT(taken, IsOk());
  EXPECT_THAT(calls.problem(), testing::HasSubstr("/cancellation while no intent"));
  calls.Forgive();
  EXPECT_TRUE(Until([&] { return State().ended_already(); }));
  EXPECT_EQ(State().ended_how, eventpb::ServerEnded::VANISHED);
}

TEST_F(Servers, AServerThatNobodyOrderedIsSaid) {
  outside.sim.AddForeignServer("somebody's");
  EXPECT_TRUE(Until([&] {
    const auto* account = life->hands().world().FindAccount(ProviderName("hetzner"));
    return account != nullptr && account->stray_servers.size() == 1;
  }));
}

TEST_F(Servers, ABuilderInServiceIsLookedAt) {
  Serving();
  ASSERT_TRUE(Until([&] { return State().vitals_at.seen(); }, absl::Minutes(3)));
  EXPECT_TRUE(State().vitals.reached()) << State().vitals.detail();
  EXPECT_GT(State().vitals.memory_total_kb(), 0);
  const std::uint64_t first = State().vitals_at.position;
  outside.machines.Find(State().number)->faults.ssh_refused = true;
  ASSERT_TRUE(Until([&] { return !State().vitals.reached(); }, absl::Minutes(3)));
  EXPECT_NE(State().vitals.detail(), "");
  EXPECT_TRUE(State().InService()) << "a failed look is not bad news of its builds";
  outside.machines.Find(State().number)->faults = {};
  EXPECT_TRUE(Until([&] { return State().vitals.reached(); }, absl::Minutes(3)));
  EXPECT_GT(State().vitals_at.position, first);
}

TEST_F(Servers, VitalsThatSayNothingNewAreWrittenEveryFiveMinutesOnly) {
  Serving();
  ASSERT_TRUE(Until([&] { return State().vitals_at.seen(); }, absl::Minutes(3)));
  const std::uint64_t first = State().vitals_at.position;
  Pass(absl::Minutes(4));
  EXPECT_EQ(State().vitals_at.position, first);
  Pass(absl::Minutes(3));
  EXPECT_GT(State().vitals_at.position, first);
}

// kill -9 between any two moments of the whole way: still one server, and it gets into service.
TEST_F(Servers, CrashesAtEveryMomentOfTheWayBuyOneServerAndEndInService) {
  for (const int stride : {7, 13, 29}) {
    SCOPED_TRACE(stride);
    const int before = Bought();
    const std::string name = Cat("c", stride);
    ASSERT_THAT(rt.Run(life->hands().Order(ABuilder(name))), IsOk());
    const auto state = [&]() -> const server::State& { return life->hands().At(name); };
    for (int turn = 0; turn < 600 && !state().InService(); ++turn) {
      rt.RunFor(absl::Seconds(stride));
      outside.sim.Advance(rt.Now());
      if (turn % 3 == 0) Crash();
      const server::Step next = server::NextStep(state());
      if (next == eventpb::SERVER_STEP_UNSPECIFIED) continue;
      StatusOr<ServerPlan> plan = rt.Run(life->hands().effects().plans().Step(state().id, next));
      if (!plan.ok()) continue;
      std::get<server::RequestStep>(plan->command).confirmed_name = name;
      (void)rt.Run(
          life->hands().handler().Server(state().id, plan->command, {.actor = "operator:stage"}));
    }
    EXPECT_TRUE(state().InService()) << StateText(state());
    EXPECT_EQ(Bought(), before + 1);
  }
}

}  // namespace
}  // namespace muster
