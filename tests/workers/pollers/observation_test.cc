#include "workers/pollers/observation.h"

#include "tests/support/pch.h"
#include "tests/workers/pollers/observing.h"
#include "workers/runtime/task_group.h"

namespace muster {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::SizeIs;

std::string Batch(int n) {
  return Cat("[w] batch ", n, ": 7168 examples, 1.4 games/s, step=142, total_games=", 256 * n,
             "\n");
}

TEST_F(ObservationTest, ObservesInstancesLogsOffersAndCredit) {
  const WorkerId id = rig.LiveWorker();
  Say(id, Batch(7));
  rig.provider.offers.push_back({.id = OfferId("1"),
                                 .machine = MachineId("2"),
                                 .gpu = GpuName("RTX 3070"),
                                 .price = MicroUsdPerHour(70'000)});
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(Seen(id).actual, ActualStatus::kRunning);
  EXPECT_EQ(Seen(id).price, MicroUsdPerHour(80'000));
  EXPECT_EQ(Seen(id).counter, 7);
  EXPECT_EQ(Seen(id).phase, worker::Observed::Phase::kProducing);
  EXPECT_EQ(Account().credit, MicroUsd(10'000'000));
  EXPECT_THAT(Account().offers, SizeIs(1));
  EXPECT_EQ(rig.tails.Find(id)->text, Batch(7));
  EXPECT_EQ(observation->freshness().log_pollers, 1);
  EXPECT_GE(observation->freshness().list, rig.rt.Now() - absl::Seconds(35));
}

TEST_F(ObservationTest, BeginsWithAnAcceptedWorkerAndEndsWithItsEnd) {
  Start();
  const WorkerId id = rig.LiveWorker();
  Say(id, Batch(1));
  rig.rt.RunFor(absl::Seconds(15));
  EXPECT_EQ(Seen(id).counter, 1);
  EXPECT_THAT(rig.Condemn(id), IsOk());
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(observation->freshness().log_pollers, 0);
}

TEST_F(ObservationTest, AThousandHungLogCallsDelayNobody) {
  std::vector<WorkerId> hung;
  for (int i = 0; i < 1000; ++i) {
    hung.push_back(rig.LiveWorker(i));
    rig.provider.hung_logs.insert(rig.State(hung.back()).instance);
  }
  const WorkerId good = rig.LiveWorker(1000);
  Say(good, Batch(1));
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(Seen(good).counter, 1);
  for (int n = 2; n <= 10; ++n) {
    Say(good, Batch(n));
    rig.rt.RunFor(absl::Seconds(55));
    EXPECT_EQ(Seen(good).counter, n);
  }
  for (const WorkerId& id : hung) {
    EXPECT_FALSE(Seen(id).log.seen());
    EXPECT_GE(Seen(id).log_failures, 2);
    EXPECT_FALSE(Seen(id).no_container);
    EXPECT_THAT(rig.Kinds(id), Not(Contains(Key("worker.log_observed"))));
  }
  EXPECT_EQ(Account().Find(eventpb::AccountTroubleBegan::OUTAGE), nullptr);
}

TEST_F(ObservationTest, AFailedLogPollKeepsWhatIsKnown) {
  const WorkerId id = rig.LiveWorker();
  Say(id, Batch(7));
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  rig.provider.failing["log"] = MakeTrouble(Trouble::kMalformed, "garbage");
  rig.rt.RunFor(absl::Minutes(10));
  EXPECT_EQ(Seen(id).counter, 7);
  EXPECT_EQ(Seen(id).phase, worker::Observed::Phase::kProducing);
  EXPECT_GE(Seen(id).log_failures, 2);
  EXPECT_EQ(rig.tails.Find(id)->text, Batch(7));
}

TEST_F(ObservationTest, AWorkerThatRanHasNotLostItsContainerBeforeTenMinutesOfSayingSo) {
  const WorkerId id = rig.LiveWorker(), other = rig.LiveWorker(1);
  Say(id, Batch(7));
  Say(other, Batch(7));
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  rig.provider.logs[rig.State(id).instance].state = LogTail::State::kNoContainer;
  rig.rt.RunFor(absl::Minutes(9));
  EXPECT_FALSE(Seen(id).no_container);
  EXPECT_GE(Seen(id).log_failures, 2);
  rig.rt.RunFor(absl::Minutes(3));
  EXPECT_TRUE(Seen(id).no_container);
}

// It was destroyed as stuck in its set-up on two empty answers after a throttled half hour.
TEST_F(ObservationTest, EmptyAnswersInTheMiddleOfASetUpSayNothingOfIt) {
  const WorkerId id = rig.LiveWorker();
  Say(id, "=== Setup started at noon ===\nrepo cloned\n");
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  ASSERT_EQ(Seen(id).phase, worker::Observed::Phase::kSetup);
  rig.provider.failing["log"] = MakeTrouble(Trouble::kThrottled, "too frequent");
  rig.rt.RunFor(absl::Minutes(9));
  rig.provider.failing.erase("log");
  Say(id, "");
  rig.rt.RunFor(absl::Minutes(3));
  EXPECT_GE(Seen(id).log_failures, 2);
}

TEST_F(ObservationTest, SilenceIsUnknownUnlessOthersAreHeardOrItLastsAnHour) {
  const LogTail silences[] = {
      {LogTail::State::kNoContainer, "Error: No such container: C.7", false},
      {LogTail::State::kDaemon, "Digest: sha256:ab", false},
      {LogTail::State::kText, " \n", false},
      {LogTail::State::kText, std::string(1000, 'x'), true}};
  std::vector<WorkerId> ids;
  for (int i = 0; i < 4; ++i) Say(ids.emplace_back(rig.LiveWorker(i)), Batch(7));
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  for (int i = 0; i < 4; ++i) rig.provider.logs[rig.State(ids[i]).instance] = silences[i];
  rig.rt.RunFor(absl::Minutes(58));
  for (const WorkerId& id : ids) EXPECT_GE(Seen(id).log_failures, 2);
  rig.rt.RunFor(absl::Minutes(4));
  for (const WorkerId& id : ids) EXPECT_EQ(Seen(id).log_failures, 0);
}

TEST_F(ObservationTest, ABootingWorkerWithoutAContainerIsBelievedAtOnce) {
  const WorkerId id = rig.LiveWorker();
  rig.provider.logs[rig.State(id).instance].state = LogTail::State::kNoContainer;
  rig.provider.instances.at(rig.State(id).instance).actual = ActualStatus::kLoading;
  Start();
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_TRUE(Seen(id).no_container);
  EXPECT_EQ(Seen(id).log_failures, 0);
}

// It was destroyed as stuck in its boot while it produced: its log came back empty all the time.
TEST_F(ObservationTest, SilenceOfAWorkerThatIsListedAsRunningIsNoBoot) {
  const WorkerId id = rig.LiveWorker(), other = rig.LiveWorker(1);
  Say(other, Batch(7));
  Say(id, "");
  Start();
  rig.rt.RunFor(absl::Minutes(9));
  EXPECT_GE(Seen(id).log_failures, 2);
  rig.rt.RunFor(absl::Minutes(4));  // the other one is heard all the time: this one is silent
  EXPECT_EQ(Seen(id).log_failures, 0);
  EXPECT_EQ(Seen(id).phase, worker::Observed::Phase::kBoot);
}

TEST_F(ObservationTest, RowsThatTellNothingAreFailedLooksAndTheirTimeDoesNotCount) {
  const WorkerId id = rig.LiveWorker();
  Instance& row = rig.provider.instances.at(rig.State(id).instance);
  row.actual = ActualStatus::kLoading;
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  const absl::Time coming = Seen(id).coming_since.at;
  const Instance told = row;
  row = Instance{};
  row.id = told.id;
  rig.rt.RunFor(absl::Minutes(20));
  EXPECT_EQ(Seen(id).actual, ActualStatus::kLoading);
  EXPECT_GE(Seen(id).instance_failures, 2);
  row = told;
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(Seen(id).instance_failures, 0);
  EXPECT_GE(Seen(id).coming_since.at, coming + absl::Minutes(15));
}

TEST_F(ObservationTest, CountsPollsThatAgree) {
  const WorkerId id = rig.LiveWorker();
  Say(id, Cat(Batch(7), "ValueError: bad example\n"));
  Start();
  rig.rt.RunFor(absl::Minutes(3));
  EXPECT_EQ(Seen(id).error, "ValueError: bad example");
  EXPECT_GE(Seen(id).agreeing_polls, 2);
}

TEST_F(ObservationTest, OneSearchServesAllFleets) {
  specpb::FleetSpec large = ZebSpec();
  large.set_name("zeb-large");
  large.mutable_market()->set_price_max_micro_usd_per_hour(100'000);
  large.mutable_market()->add_gpus()->set_name("RTX 4070 Ti");
  large.mutable_market()->set_reliability_min(0.95);
  large.mutable_market()->set_allow_unverified(true);
  large.mutable_market()->add_countries("SE");
  large.mutable_launch()->set_disk_gb(40);
  rig.Apply(large);
  Start();
  rig.rt.RunFor(absl::Seconds(5));
  ASSERT_THAT(rig.provider.queries, SizeIs(1));
  const OfferQuery& query = rig.provider.queries[0];
  EXPECT_THAT(query.gpus,
              testing::UnorderedElementsAre(GpuName("RTX 3070"), GpuName("RTX 4070 Ti")));
  EXPECT_EQ(query.price_max, MicroUsdPerHour(100'000));
  EXPECT_EQ(query.disk_gb, 40);
  EXPECT_EQ(query.reliability_min, 0);
  EXPECT_TRUE(query.verified_only);
  EXPECT_THAT(query.countries, IsEmpty());
}

TEST_F(ObservationTest, AFailedSearchLeavesTheMarketAsItWasSeen) {
  rig.provider.offers.push_back({.id = OfferId("1"),
                                 .machine = MachineId("2"),
                                 .gpu = GpuName("RTX 3070"),
                                 .price = MicroUsdPerHour(70'000)});
  Start();
  rig.rt.RunFor(absl::Seconds(5));
  rig.provider.failing["search"] = MakeTrouble(Trouble::kThrottled, "too frequent");
  rig.rt.RunFor(absl::Minutes(10));
  EXPECT_THAT(Account().offers, SizeIs(1));
  EXPECT_NE(Account().Find(eventpb::AccountTroubleBegan::THROTTLED), nullptr);
  rig.provider.failing.clear();
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(Account().Find(eventpb::AccountTroubleBegan::THROTTLED), nullptr);
}

TEST_F(ObservationTest, NobodySearchesWithoutAFleet) {
  EXPECT_THAT(rig.rt.Run(rig.handler.Fleet(FleetName("zeb"), fleet::Down{"test"}, {})), IsOk());
  Start();
  rig.rt.RunFor(absl::Minutes(10));
  EXPECT_THAT(rig.provider.queries, IsEmpty());
}

TEST_F(ObservationTest, AnOutageIsTroubleOfTheAccountAndEndsWithAGoodAnswer) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  for (const char* kind : {"list", "search", "account", "log"}) {
    rig.provider.failing[kind] = MakeTrouble(Trouble::kUnavailable, "502");
  }
  rig.rt.RunFor(absl::Minutes(5));
  EXPECT_NE(Account().Find(eventpb::AccountTroubleBegan::OUTAGE), nullptr);
  EXPECT_NE(rig.In<worker::Live>(id), nullptr);
  rig.provider.failing.clear();
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(Account().Find(eventpb::AccountTroubleBegan::OUTAGE), nullptr);
}

TEST_F(ObservationTest, ARefusedKeyIsOneTroubleUntilThatCallGoesThroughAgain) {
  const auto began = [&] {
    int count = 0;
    EXPECT_THAT(rig.store.ReadStream(AccountStream(ProviderName("vast")), 0,
                                     [&](const RecordedEvent& e) {
                                       count += e.event.type == "account.trouble_began";
                                       return true;
                                     }),
                IsOk());
    return count;
  };
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  rig.provider.failing["account"] = MakeTrouble(Trouble::kAuth, "Invalid user key");
  rig.rt.RunFor(absl::Minutes(20));  // the list goes through all the while
  EXPECT_NE(Account().Find(eventpb::AccountTroubleBegan::AUTH), nullptr);
  EXPECT_EQ(began(), 1);
  rig.provider.failing.clear();
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(Account().Find(eventpb::AccountTroubleBegan::AUTH), nullptr);
}

TEST_F(ObservationTest, StopWaitsForNoCallAndNothingComesOfThoseUnderWay) {
  for (int i = 0; i < 20; ++i) {
    const WorkerId id = rig.LiveWorker(i);
    if (i % 2 == 0) rig.provider.hung_logs.insert(rig.State(id).instance);
    Say(id, Batch(7));
  }
  rig.provider.slow = {{"list", absl::Seconds(50)}, {"log", absl::Seconds(8)}};
  Start();
  rig.rt.RunFor(absl::Seconds(47));  // the list and at least ten logs are under way
  EXPECT_EQ(rig.provider.lists, 1);
  const absl::Time asked = rig.rt.Now();
  Stop();
  EXPECT_EQ(rig.rt.Now(), asked);
  EXPECT_GE(observation->freshness().log_pollers, 1);
  const Position head = rig.store.Head();
  observation.reset();
  rig.rt.RunFor(absl::Hours(1));
  EXPECT_EQ(rig.store.Head(), head);
  EXPECT_EQ(rig.provider.lists, 1);
}

TEST_F(ObservationTest, StopEndsEveryPoller) {
  for (int i = 0; i < 20; ++i) rig.LiveWorker(i);
  Start();
  rig.rt.RunFor(absl::Minutes(2));
  Stop();
  const int lists = rig.provider.lists;
  rig.rt.RunFor(absl::Hours(1));
  EXPECT_EQ(rig.provider.lists, lists);
  EXPECT_EQ(observation->freshness().log_pollers, 0);
}

TEST_F(ObservationTest, StopWaitsForWhatIsBeingTold) {
  TaskGroup group(rig.rt);
  group.Spawn("looks", [](TaskGroup& g, Runtime& rt) -> Task<void> {
    const int seen = co_await g.Away([](Runtime& r) -> Task<int> {
      co_await r.SleepFor(absl::Seconds(5));
      co_return 7;
    }(rt));
    EXPECT_EQ(seen, 7);
    co_await rt.SleepFor(absl::Seconds(5));  // tells it
    co_await g.Away([](Runtime& r) -> Task<int> {
      co_await r.SleepFor(absl::Hours(1));
      co_return 0;
    }(rt));
  }(group, rig.rt));
  rig.rt.RunFor(absl::Seconds(7));
  const absl::Time asked = rig.rt.Now();
  group.Stop();
  rig.rt.Run([](TaskGroup& g) -> Task<int> {
    co_await g.Drained();
    co_return 0;
  }(group));
  EXPECT_EQ(rig.rt.Now() - asked, absl::Seconds(3));
  EXPECT_EQ(group.running(), 1);
}

TEST_F(ObservationTest, WorkersAdoptedTogetherAreFirstPolledAllOverTheInterval) {
  Start();
  for (int i = 0; i < 450; ++i) {
    eventpb::WorkerAdopted adoption;
    adoption.set_fleet("zeb");
    adoption.set_fleet_version(1);
    adoption.set_provider("vast");
    adoption.set_index(i);
    adoption.set_label(Cat("zeb-worker-vast-", i));
    adoption.set_instance(rig.provider.Rent(adoption.label()).str());
    const WorkerId id(Cat(rig.handler.world().installation, rig.rt.rng().Token(5)));
    ASSERT_THAT(rig.Tell(id, worker::Adopt{adoption}), IsOk());
  }
  // Of the 45 s that a fleet of this kind asks for: a wave would be over within ten.
  for (int third = 1; third <= 3; ++third) {
    const std::size_t before = rig.provider.log_calls.size();
    rig.rt.RunFor(absl::Seconds(15));
    EXPECT_GE(rig.provider.log_calls.size() - before, 100) << third;
  }
  EXPECT_THAT(rig.provider.log_calls, SizeIs(450));
}

TEST_F(ObservationTest, ANewWorkersLogIsLookedAtWithinTenSeconds) {
  Start();
  for (int i = 0; i < 20; ++i) rig.LiveWorker(i);
  rig.rt.RunFor(absl::Seconds(10));
  EXPECT_THAT(rig.provider.log_calls, SizeIs(20));
}

TEST_F(ObservationTest, KnowsTheFleetsSecretsBeforeTheFirstTextComesBack) {
  Start();
  EXPECT_EQ(rig.secrets.Mask("token hf_planted"), "token [secret]");
}

// How many turns the reactor took for a list of `rows` instances that says nothing new, between its
// answer and the end of what is made of it.
std::uint64_t TurnsForAList(int rows) {
  Rig rig;
  rig.Apply();
  for (int i = 0; i < rows; ++i) rig.LiveWorker(i);
  rig.provider.slow["log"] = absl::Hours(1);  // nobody's log is of interest
  Observation observation(rig.link(), {});
  observation.Start();
  while (rig.provider.lists < 2) rig.rt.RunFor(absl::Milliseconds(1));
  rig.rt.RunFor(absl::Milliseconds(998));
  const std::uint64_t before = rig.rt.steps();
  rig.rt.RunFor(absl::Milliseconds(2));  // the answer takes a second
  const std::uint64_t turns = rig.rt.steps() - before;
  rig.rt.DestroyTasks();
  return turns;
}

TEST(ObservationOfMany, LeavesOthersTheirTurnsWhileAListIsTold) {
  const std::uint64_t few = TurnsForAList(10);
  // One for each 64 that are told, and for each 512 that are looked up and judged.
  EXPECT_GE(TurnsForAList(3000) - few, 3000 / 64 + 2 * (3000 / 512));
  EXPECT_LE(few, 10u);
}

TEST(ObservationOfMany, HurriesForAWorkerThatGoesAndIsCalmWhenItIsGone) {
  Rig rig;
  rig.Apply();
  const WorkerId id = rig.LiveWorker(), other = rig.LiveWorker(1);
  ObservationOptions options;
  Observation observation(rig.link(), options);
  observation.Start();
  rig.rt.RunFor(absl::Seconds(62));
  const int calm = rig.provider.lists;
  EXPECT_EQ(calm, 3);  // every 30 s
  EXPECT_THAT(rig.Condemn(id), IsOk());
  rig.rt.RunFor(absl::Seconds(60));
  const int hurried = rig.provider.lists - calm;
  EXPECT_GE(hurried, static_cast<int>(absl::Seconds(60) / options.list_poll_hurried) - 2);
  rig.provider.instances.erase(rig.State(id).instance);
  rig.rt.RunFor(absl::Seconds(60));  // two lists confirm its end
  EXPECT_TRUE(rig.State(id).ended());
  EXPECT_FALSE(rig.State(other).ended());
  const int before = rig.provider.lists;
  rig.rt.RunFor(absl::Seconds(120));
  EXPECT_LE(rig.provider.lists - before, 5);
  rig.rt.DestroyTasks();
}

}  // namespace
}  // namespace muster
