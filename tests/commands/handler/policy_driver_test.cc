// The driver over a real Handler and a memory store, in virtual time.
#include "commands/handler/policy_driver.h"

#include "commands/fleet/plan/label.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using fleet::kVast;
using fleet::kZeb;
using fleet::Stage;

class PolicyDriverTest : public testing::Test {
 protected:
  explicit PolicyDriverTest(std::uint64_t seed = 1) : rt_(seed) { Begin(); }

  void Begin() {
    EXPECT_THAT(rt_.Run(handler_->Load()), IsOk());
    driver_ = std::make_unique<PolicyDriver>(rt_, *handler_, PolicyDriver::Options{});
  }
  // As after a crash.
  void Restart() {
    driver_.reset();
    rt_.RunUntilIdle();
    handler_.reset();
    store_.emplace(rt_, log_);
    handler_ = std::make_unique<Handler>(rt_, *store_);
    Begin();
    driver_->Start();
    rt_.RunFor(absl::Seconds(1));
  }
  void Fleet(fleet::Command command) {
    EXPECT_THAT(rt_.Run(handler_->Fleet(kZeb, std::move(command), {.actor = "operator:a"})),
                IsOk());
  }
  void Account(account::Command command) {
    EXPECT_THAT(rt_.Run(handler_->Account(kVast, std::move(command), {.actor = "poller:list"})),
                IsOk());
  }
  StatusOr<Outcome> Worker(const WorkerId& id, worker::Command command) {
    return rt_.Run(handler_->Worker(id, std::move(command), {.actor = "poller:logs"}));
  }
  void Market(int offers) {
    Account(account::ObserveList{});
    Account(account::ObserveOffers{Stage::Plenty(offers), offers, "q"});
  }
  template <class Phase>
  std::vector<WorkerId> In() const {
    std::vector<WorkerId> ids;
    for (const auto& [id, state] : handler_->world().workers) {
      if (std::holds_alternative<Phase>(state->phase)) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }
  void AcceptAll() {
    for (const WorkerId& id : In<worker::Launching>()) {
      EXPECT_THAT(Worker(id, worker::LaunchAnswered{InstanceId(Cat("i-", id.str()))}), IsOk());
    }
  }
  void Poll(const WorkerId& id, const eventpb::LogObserved& facts) {
    worker::ObserveLog poll;
    poll.facts = facts;
    poll.at = rt_.Now();
    poll.timers = TestTimers();
    poll.unwatched = absl::ZeroDuration();  // pollers look all the time
    EXPECT_THAT(Worker(id, std::move(poll)), IsOk());
  }
  void ObserveOn(const WorkerId& id, ActualStatus actual) {
    Instance instance = Running();
    instance.id = InstanceId(Cat("i-", id.str()));
    instance.actual = actual;
    instance.price = MicroUsdPerHour(50'000);
    EXPECT_THAT(Worker(id, worker::ObserveInstance{instance, rt_.Now(), TestTimers(),
                                                   absl::ZeroDuration()}),
                IsOk());
  }
  std::vector<RecordedEvent> Log(std::string_view type) const {
    std::vector<RecordedEvent> all;
    EXPECT_THAT(store_->ReadAll(0, 100'000,
                                [&](const RecordedEvent& e) {
                                  if (e.event.type == type) all.push_back(e);
                                  return true;
                                }),
                IsOk());
    return all;
  }

  VirtualRuntime rt_;
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::optional<MemoryEventStore> store_{std::in_place, rt_, log_};
  std::unique_ptr<Handler> handler_ = std::make_unique<Handler>(rt_, *store_);
  std::unique_ptr<PolicyDriver> driver_;
};

TEST_F(PolicyDriverTest, LaunchesWhatIsWantedAsSoonAsItMay) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(3)});
  rt_.RunFor(absl::Seconds(1));
  EXPECT_TRUE(In<worker::Launching>().empty());  // no list yet
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  const auto launching = In<worker::Launching>();
  ASSERT_EQ(launching.size(), 3u);
  EXPECT_EQ(driver_->decisions_by_rule().at("replenish"), 3);
  const worker::Identity& me = handler_->world().FindWorker(launching[0])->identity;
  EXPECT_EQ(me.id.str().size(), 9u);
  EXPECT_EQ(me.id.str().substr(0, 4), handler_->world().installation);
  EXPECT_EQ(me.label, fleet::LabelFor(Stage::Spec(3), me.index, me.id));
  const auto intents = Log("worker.launch_requested");
  ASSERT_EQ(intents.size(), 3u);
  EXPECT_EQ(intents[0].event.actor, "policy:zeb@v1");
  EXPECT_FALSE(intents[0].event.cause.empty());
}

TEST_F(PolicyDriverTest, HangsOnNothingAndStandsStillWhenNothingChanges) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(2)});
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  const Position head = handler_->world().head;
  const std::int64_t passes = driver_->passes();
  rt_.RunFor(absl::Minutes(5));
  EXPECT_EQ(handler_->world().head, head);
  EXPECT_LE(driver_->passes() - passes, 10);
  EXPECT_FALSE(driver_->busy());
}

TEST_F(PolicyDriverTest, ReplacesAndStrikesAStuckWorkerOnce) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(1)});
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  AcceptAll();
  const WorkerId id = In<worker::Live>().at(0);
  const MachineId machine = handler_->world().FindWorker(id)->identity.offered.machine;
  ObserveOn(id, ActualStatus::kRunning);
  for (int i = 0; i <= 14; ++i) {
    Poll(id, LogFacts("boot"));
    rt_.RunFor(absl::Seconds(45));
  }
  ASSERT_EQ(In<worker::Destroying>(), std::vector<WorkerId>{id});
  const host::State* host = handler_->world().FindHost(kVast, machine);
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->LiveStrikes(rt_.Now()), 1);
  ASSERT_EQ(host->measured.size(), 1u);
  EXPECT_EQ(host->measured[0].launches, 1);
  EXPECT_EQ(host->measured[0].boots, 0);
  // The event of the condemnation is the cause of the strike.
  EXPECT_EQ(Log("host.struck").at(0).event.cause, Log("worker.condemned").at(0).event.id.str());
  Restart();
  EXPECT_EQ(handler_->world().FindHost(kVast, machine)->LiveStrikes(rt_.Now()), 1);
  EXPECT_EQ(Log("host.struck").size(), 1u);
  EXPECT_EQ(Log("worker.condemned").size(), 1u);
  Market(9);
  EXPECT_THAT(Worker(id, worker::DestroyAnswer{eventpb::DestroyAnswered::ACCEPTED, ""}), IsOk());
  rt_.RunFor(absl::Seconds(1));
  ASSERT_EQ(In<worker::Launching>().size(), 1u);
  EXPECT_EQ(handler_->world().FindWorker(In<worker::Launching>()[0])->identity.replaces, id);
}

TEST_F(PolicyDriverTest, MeasuresAMachineThatServed) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(1)});
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  AcceptAll();
  const WorkerId id = In<worker::Live>().at(0);
  ObserveOn(id, ActualStatus::kRunning);
  for (int i = 0; i < 10; ++i) {
    Poll(id, LogFacts("producing", i + 1));
    rt_.RunFor(absl::Seconds(60));
  }
  Fleet(fleet::Scale{0});
  rt_.RunFor(absl::Seconds(1));
  ASSERT_EQ(In<worker::Destroying>().size(), 1u);
  const auto& machine = handler_->world().FindWorker(id)->identity.offered.machine;
  const host::State* host = handler_->world().FindHost(kVast, machine);
  ASSERT_NE(host, nullptr);
  const host::Measured* measured = host->Find(fleet::WorkKey(Stage::Spec(1)));
  ASSERT_NE(measured, nullptr);
  EXPECT_DOUBLE_EQ(measured->MeanRate(), 1.5);
  EXPECT_EQ(measured->boots, 1);
  EXPECT_EQ(host->LiveStrikes(rt_.Now()), 0);
}

TEST_F(PolicyDriverTest, TakesUpAStrikeThatACrashKeptFromBeingWritten) {
  Fleet(fleet::Apply{Stage::Spec(1)});
  eventpb::LaunchRequested intent = Intent("m7k2aaaaa");
  EXPECT_THAT(Worker(WorkerId("m7k2aaaaa"), worker::RequestLaunch{intent}), IsOk());
  AcceptAll();
  EXPECT_THAT(Worker(WorkerId("m7k2aaaaa"), worker::Condemn{Verdict("stuck-setup")}), IsOk());
  driver_->Start();
  rt_.RunFor(absl::Seconds(1));
  EXPECT_EQ(handler_->world().FindHost(kVast, MachineId("5512"))->LiveStrikes(rt_.Now()), 1);
}

TEST_F(PolicyDriverTest, ProbesEveryFiveMinutesWithoutAnyEvent) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(2)});
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  for (const WorkerId& id : In<worker::Launching>()) {
    EXPECT_THAT(Worker(id, worker::LaunchRefused{eventpb::LaunchRejected::NO_CREDIT, "lacks"}),
                IsOk());
  }
  rt_.RunFor(absl::Seconds(1));
  EXPECT_TRUE(handler_->world().FindAccount(kVast)->credit_wait);
  rt_.RunFor(absl::Seconds(290));
  EXPECT_TRUE(In<worker::Launching>().empty());
  rt_.RunFor(absl::Seconds(15));
  ASSERT_EQ(In<worker::Launching>().size(), 1u);
  AcceptAll();
  rt_.RunFor(absl::Seconds(1));
  EXPECT_FALSE(handler_->world().FindAccount(kVast)->credit_wait);
  EXPECT_EQ(In<worker::Launching>().size(), 1u);  // the other place
}

// Who goes on first of those that can is drawn, with another seed each time.
class PolicyDriverInAnyOrder : public PolicyDriverTest, public testing::WithParamInterface<int> {
 protected:
  PolicyDriverInAnyOrder() : PolicyDriverTest(static_cast<std::uint64_t>(GetParam())) {
    rt_.SetOrder(VirtualRuntime::Order::kSeeded);
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, PolicyDriverInAnyOrder, testing::Range(1, 13));

TEST_P(PolicyDriverInAnyOrder, WritesWhatAWorkerWasFoundToBeBeforeWhatIsDoneAboutIt) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(1)});
  Market(9);
  rt_.RunFor(absl::Seconds(1));
  AcceptAll();
  const WorkerId id = In<worker::Live>().at(0);
  driver_->Stop();  // what was found and what follows from it are then decided in one pass
  ObserveOn(id, ActualStatus::kRunning);
  for (int i = 0; i <= 30; ++i) {
    Poll(id, LogFacts("producing", 1));
    rt_.RunFor(absl::Seconds(45));
  }
  driver_ = std::make_unique<PolicyDriver>(rt_, *handler_, PolicyDriver::Options{});
  driver_->Start();
  rt_.RunFor(absl::Seconds(1));
  ASSERT_EQ(In<worker::Destroying>(), std::vector<WorkerId>{id});
  // Both were decided in one pass, about one worker.
  const RecordedEvent condemned = Log("worker.condemned").at(0);
  ASSERT_FALSE(Log("worker.health_changed").empty());
  const RecordedEvent health = Log("worker.health_changed").back();
  EXPECT_LT(health.position, condemned.position);
  EXPECT_GT(health.recorded_at, condemned.recorded_at - absl::Seconds(1));
  EXPECT_TRUE(driver_->refusals_by_rule().empty());
}

TEST_F(PolicyDriverTest, AStoppedDriverDecidesNothing) {
  driver_->Start();
  Fleet(fleet::Apply{Stage::Spec(2)});
  driver_->Stop();
  Market(9);
  rt_.RunFor(absl::Minutes(10));
  EXPECT_TRUE(In<worker::Launching>().empty());
}

TEST_F(PolicyDriverTest, TakesInAndDestroysAStrayWhenTheFleetSaysSo) {
  driver_->Start();
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.set_orphans(specpb::DESTROY);
  Fleet(fleet::Apply{spec});
  eventpb::OrphanFound found;
  found.set_instance("s1");
  found.set_label("zeb-worker-vast-0");
  found.set_fleet("zeb");
  found.set_machine("m9");
  Account(account::ObserveList{{InstanceId("s1")}, {found}});
  rt_.RunFor(absl::Seconds(1));
  ASSERT_EQ(In<worker::Destroying>().size(), 1u);
  EXPECT_TRUE(handler_->world().FindAccount(kVast)->orphans.empty());
}

}  // namespace
}  // namespace muster
