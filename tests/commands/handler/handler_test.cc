#include "tests/commands/handler/handler_fixture.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// ---- one command ------------------------------------------------------------------------------

TEST_F(HandlerTest, AnEmptyLogGetsAnInstallationOnce) {
  EXPECT_THAT(handler_->world().installation, SizeIs(4));
  const std::string id = handler_->world().installation;
  Restart();
  EXPECT_EQ(handler_->world().installation, id);
  EXPECT_EQ(store_->Head(), 1u);
}
TEST_F(HandlerTest, WritesTheEnvelopeAndFoldsTheEvents) {
  const auto outcome = Worker(worker::RequestLaunch{Intent()},
                              {.actor = "policy:zeb@v1", .cause = "c", .correlation = "root"});
  ASSERT_THAT(outcome, IsOk());
  ASSERT_THAT(outcome->events, SizeIs(1));
  const Written& written = outcome->events[0];
  EXPECT_EQ(written.stream, WorkerStream(kWorker));
  EXPECT_EQ(written.position, 2u);
  EXPECT_EQ(written.version, 1u);
  EXPECT_EQ(outcome->position, 2u);
  const RecordedEvent recorded = Log(1).at(0);
  EXPECT_EQ(recorded.event.id, written.id);
  EXPECT_EQ(recorded.event.type, "worker.launch_requested");
  EXPECT_EQ(recorded.event.actor, "policy:zeb@v1");
  EXPECT_EQ(recorded.event.cause, "c");
  EXPECT_EQ(recorded.event.correlation, "root");
  EXPECT_EQ(recorded.event.occurred_at, rt_.Now());
  EXPECT_EQ(worker::PhaseName(handler_->world().FindWorker(kWorker)->phase), "Launching");
  EXPECT_EQ(handler_->world().head, 2u);
}
TEST_F(HandlerTest, AnObservationOccurredWhenItWasMade) {
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
  const absl::Time seen = rt_.Now() - absl::Seconds(3);
  ASSERT_THAT(Worker(worker::ObserveInstance{Running(), seen}), IsOk());
  EXPECT_EQ(Log().back().event.occurred_at, seen);
  EXPECT_EQ(Log().back().recorded_at, rt_.Now());
}
TEST_F(HandlerTest, AStrayByteOfAProviderDoesNotMakeTheLogUnreadable) {
  eventpb::LaunchRequested intent = Intent();
  intent.mutable_offer()->set_gpu("RTX\xFF 3070");
  ASSERT_THAT(Worker(worker::RequestLaunch{intent}), IsOk());
  const std::string live = Digest(handler_->world());
  Restart();
  EXPECT_EQ(handler_->world().FindWorker(kWorker)->identity.offered.gpu.str(), "RTX\uFFFD 3070");
  EXPECT_EQ(Digest(handler_->world()), live);
}
TEST_F(HandlerTest, ARefusalPassesThroughAndWritesNothing) {
  EXPECT_THAT(Worker(worker::RetryDestroy{}), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(Fleet(fleet::Scale{3}), StatusIs(StatusCode::kNotFound, HasSubstr("zeb")));
  EXPECT_EQ(store_->Head(), 1u);
}
TEST_F(HandlerTest, NothingToDoIsAnOutcomeWithoutEvents) {
  ASSERT_THAT(Fleet(ApplyOf(4)), IsOk());
  const auto again = Fleet(ApplyOf(4));
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(again->events, IsEmpty());
  EXPECT_EQ(again->position, 2u);
}
TEST_F(HandlerTest, NamelessStreamsAreRefused) {
  EXPECT_THAT(rt_.Run(handler_->Fleet(FleetName(), ApplyOf(1), {})),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(rt_.Run(handler_->Worker(WorkerId(), worker::RetryDestroy{}, {})),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(rt_.Run(handler_->Host(kVast, MachineId(), host::Pardon{}, {})),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(rt_.Run(handler_->Account(ProviderName(), account::EndCreditWait{}, {})),
              StatusIs(StatusCode::kInvalidArgument));
}
TEST_F(HandlerTest, AFleetDoesNotEndWhileItHasWorkers) {
  ASSERT_THAT(Fleet(ApplyOf(1)), IsOk());
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Fleet(fleet::Down{"done"}), IsOk());
  EXPECT_THAT(Fleet(fleet::End{}), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_THAT(Worker(worker::LaunchRefused{eventpb::LaunchRejected::CANCELLED, ""}), IsOk());
  EXPECT_THAT(Fleet(fleet::End{}), IsOk());
}
TEST_F(HandlerTest, AnInstanceIsNotAdoptedByTwoWorkers) {
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_provider("vast");
  adoption.set_instance("i1");
  EXPECT_THAT(rt_.Run(handler_->Worker(WorkerId("other"), worker::Adopt{adoption}, {})),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("k7f2q")));
}
Task<void> AdoptInto(Handler& handler, std::string worker, int& adopted) {
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_provider("vast");
  adoption.set_instance("i1");
  worker::Command command = worker::Adopt{adoption};
  const StatusOr<Outcome> outcome =
      co_await handler.Worker(WorkerId(worker), std::move(command), {});
  if (outcome.ok()) ++adopted;
}
TEST_F(HandlerTest, AnInstanceIsNotAdoptedByTwoWorkersAtOnce) {
  int adopted = 0;
  rt_.Spawn("a", AdoptInto(*handler_, "a", adopted));
  rt_.Spawn("b", AdoptInto(*handler_, "b", adopted));
  rt_.RunUntilIdle();
  EXPECT_EQ(adopted, 1);
  EXPECT_EQ(handler_->world().workers.size(), 1u);
}
TEST_F(HandlerTest, ALookUpDoesNotTakeTheInstanceOfAnotherWorker) {
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
  const WorkerId other("other");
  ASSERT_THAT(rt_.Run(handler_->Worker(other, worker::RequestLaunch{Intent("other")}, {})), IsOk());
  EXPECT_THAT(rt_.Run(handler_->Worker(other, worker::LaunchAnswered{InstanceId("i1")}, {})),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("k7f2q")));
}
TEST_F(HandlerTest, NothingIsLaunchedForAFleetThatGoesDown) {
  ASSERT_THAT(Fleet(ApplyOf(1)), IsOk());
  ASSERT_THAT(Fleet(fleet::Down{"done"}), IsOk());
  EXPECT_THAT(Worker(worker::RequestLaunch{Intent()}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("zeb")));
  ASSERT_THAT(Fleet(ApplyOf(1)), IsOk());
  EXPECT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
}
TEST_F(HandlerTest, AWorkerThatEndedLongAgoIsStillKnownFromItsStream) {
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Worker(worker::LaunchRefused{eventpb::LaunchRejected::AUTH, ""}), IsOk());
  rt_.RunFor(absl::Hours(3));
  ASSERT_THAT(Host(StrikeBy("a")), IsOk());
  ASSERT_EQ(handler_->world().FindWorker(kWorker), nullptr);
  EXPECT_THAT(Worker(worker::Condemn{Verdict()}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("Ended")));
  eventpb::LaunchRequested other = Intent();
  other.mutable_offer()->set_offer("o2");
  EXPECT_THAT(Worker(worker::RequestLaunch{other}), StatusIs(StatusCode::kFailedPrecondition));
}

// ---- many commands ----------------------------------------------------------------------------

Task<void> Strike(Handler& handler, std::string worker, std::vector<std::string>& done) {
  const StatusOr<Outcome> outcome =
      co_await handler.Host(kVast, kMachine, StrikeBy(worker), {.actor = "test"});
  EXPECT_THAT(outcome, IsOk());
  done.push_back(worker);
}

TEST_F(HandlerTest, CommandsForOneStreamRunInOrderOfArrival) {
  std::vector<std::string> done;
  for (const char* worker : {"a", "b", "c", "a", "d"}) {
    rt_.Spawn("strike", Strike(*handler_, worker, done));
  }
  rt_.RunUntilIdle();
  EXPECT_THAT(done, ElementsAre("a", "b", "c", "a", "d"));
  const host::State& state = *handler_->world().FindHost(kVast, kMachine);
  ASSERT_THAT(state.strikes, SizeIs(4));
  EXPECT_EQ(state.strikes[3].worker, WorkerId("d"));
  EXPECT_EQ(state.version, 4u);
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
}

Task<void> StrikeMany(Runtime& rt, Handler& handler, int machine, int count) {
  for (int i = 0; i < count; ++i) {
    if (rt.rng().Chance(0.3)) co_await rt.SleepFor(absl::Milliseconds(rt.rng().Below(5)));
    const StatusOr<Outcome> outcome = co_await handler.Host(
        kVast, MachineId(Cat("m", machine % 20)), StrikeBy(Cat(machine, "-", i)), {});
    EXPECT_THAT(outcome, IsOk());
  }
}

TEST_F(HandlerTest, ManyAtOnceLeaveTheWorldEqualToAFoldOfTheLog) {
  for (int machine = 0; machine < 100; ++machine) {
    rt_.Spawn("many", StrikeMany(rt_, *handler_, machine, 10));
  }
  rt_.RunFor(absl::Minutes(1));
  EXPECT_EQ(store_->Head(), 1001u);
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
}

TEST_F(HandlerTest, ListenersHearEachEventOnceInLogOrderAfterItWasFolded) {
  std::vector<Position> heard;
  const int token = handler_->Listen([&](const Written& written) {
    heard.push_back(written.position);
    EXPECT_GE(handler_->world().head, written.position);
    EXPECT_GE(store_->Head(), written.position);
  });
  for (int machine = 0; machine < 50; ++machine) {
    rt_.Spawn("many", StrikeMany(rt_, *handler_, machine, 4));
  }
  rt_.RunFor(absl::Minutes(1));
  ASSERT_THAT(heard, SizeIs(200));
  for (std::size_t i = 0; i < heard.size(); ++i) EXPECT_EQ(heard[i], i + 2);
  handler_->Unlisten(token);
  ASSERT_THAT(Fleet(ApplyOf(1)), IsOk());
  EXPECT_THAT(heard, SizeIs(200));
}
TEST_F(HandlerTest, AListenerSeesAllEventsOfAnAppendFolded) {
  ASSERT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
  ASSERT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
  int heard = 0;
  handler_->Listen([&](const Written&) {
    ++heard;
    const auto& phase = handler_->world().FindWorker(kWorker)->phase;
    EXPECT_TRUE(std::get<worker::Destroying>(phase).in_flight);
  });
  ASSERT_THAT(Worker(worker::Condemn{Verdict()}), IsOk());
  EXPECT_EQ(heard, 2);
}
TEST_F(HandlerTest, AListenerMayLeaveAndBringOthersWhileItIsCalled) {
  int first = 0, second = 0, token = 0;
  token = handler_->Listen([&](const Written&) {
    ++first;
    handler_->Unlisten(token);
    handler_->Listen([&](const Written&) { ++second; });
  });
  ASSERT_THAT(Fleet(ApplyOf(1)), IsOk());
  ASSERT_THAT(Fleet(ApplyOf(2)), IsOk());
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

// ---- anything at any time --------------------------------------------------------------------

TEST_F(HandlerTest, StoreErrorsRestartsAndSnapshotsLeaveTheWorldEqualToAFoldOfTheLog) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    if (rng.Chance(0.1)) store_->FailNextAppend(Aborted("moved"));
    if (rng.Chance(0.05)) store_->FailNextAppend(ResourceExhausted("full"));
    if (rng.Chance(0.03)) store_->FailNextAppend(Unavailable("sync failed"));
    if (rng.Chance(0.1)) {
      ASSERT_THAT(handler_->SaveSnapshot(), IsOk());
    }
    if (rng.Chance(0.1)) Restart();
    if (rng.Chance(0.1)) rt_.RunFor(absl::Minutes(rng.Below(90)));
    switch (rng.Below(5)) {
      case 0:
        (void)Fleet(ApplyOf(static_cast<int>(rng.Below(3))));
        break;
      case 1:
        (void)Host(StrikeBy(rng.Token(2)));
        break;
      case 2:
        (void)Worker(worker::RequestLaunch{Intent()});
        break;
      case 3:
        (void)Worker(worker::LaunchAnswered{InstanceId("i1")});
        break;
      case 4:
        (void)Worker(worker::ObserveInstance{Running(), rt_.Now()});
        break;
    }
  }
  EXPECT_GT(store_->Head(), 100u);
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
  Restart();
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
}
TEST_F(HandlerTest, ACrashInTheMiddleOfCommandsIsSurvived) {
  auto log = std::make_shared<MemoryLog>();
  {
    VirtualRuntime rt(2);
    MemoryEventStore store(rt, log);
    Handler handler(rt, store);
    ASSERT_THAT(rt.Run(handler.Load()), IsOk());
    std::vector<std::string> done;
    for (const char* worker : {"a", "b", "c"}) rt.Spawn("s", Strike(handler, worker, done));
    rt.RunUntil([&] { return done.size() == 1; }, absl::Hours(1));
  }
  MemoryEventStore store(rt_, log);
  Handler handler(rt_, store);
  ASSERT_THAT(rt_.Run(handler.Load()), IsOk());
  EXPECT_GE(handler.world().FindHost(kVast, kMachine)->strikes.size(), 1u);
  EXPECT_EQ(handler.world().head, store.Head());
}

// ---- what the store says ----------------------------------------------------------------------

TEST_F(HandlerTest, AStreamThatMovedIsReadAgainAndDecidedAgain) {
  ASSERT_THAT(Fleet(ApplyOf(4)), IsOk());
  // A second writer, which must not be, scales behind our back.
  eventpb::FleetScaled scaled;
  scaled.set_workers(6);
  NewEvent event{.id = EventId("alien"),
                 .type = "fleet.scaled",
                 .payload = EncodeEvent(Wrap(scaled)),
                 .occurred_at = rt_.Now()};
  ASSERT_THAT(rt_.Run(store_->Append(FleetStream(kFleet), Expect::At(1), {event}, rt_.Now())),
              IsOk());
  std::vector<Position> heard;
  handler_->Listen([&](const Written& written) { heard.push_back(written.position); });
  const auto outcome = Fleet(fleet::Scale{8});
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->events[0].body.fleet_scaled().workers_before(), 6);
  EXPECT_THAT(heard, ElementsAre(3, 4));
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
}
TEST_F(HandlerTest, AnAbortIsTriedAgain) {
  store_->FailNextAppend(Aborted("moved"));
  EXPECT_THAT(Fleet(ApplyOf(4)), IsOk());
}
TEST_F(HandlerTest, AFullDiskPassesThroughAndMayBeOver) {
  store_->FailNextAppend(ResourceExhausted("full"));
  EXPECT_THAT(Fleet(ApplyOf(4)), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(handler_->world().FindFleet(kFleet), nullptr);
  EXPECT_THAT(Fleet(ApplyOf(4)), IsOk());
}
TEST_F(HandlerTest, AfterAFailedSyncNothingIsDecidedAnyMore) {
  store_->FailNextAppend(Unavailable("sync failed"));
  EXPECT_THAT(Fleet(ApplyOf(4)), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Fleet(ApplyOf(4)), StatusIs(StatusCode::kUnavailable, HasSubstr("sync")));
  EXPECT_EQ(store_->Head(), 1u);
  Restart();
  EXPECT_THAT(Fleet(ApplyOf(4)), IsOk());
}
TEST_F(HandlerTest, AKindThatIsNotKnownStopsTheLoad) {
  NewEvent event{.id = EventId("future"),
                 .type = "fleet.dreamt",
                 .payload =
                     "\x82\x7D\x02"
                     "ab",
                 .occurred_at = rt_.Now()};
  ASSERT_THAT(rt_.Run(store_->Append(FleetStream(kFleet), Expect::NoStream(), {event}, rt_.Now())),
              IsOk());
  Handler later(rt_, *store_);
  EXPECT_THAT(rt_.Run(later.Load()), StatusIs(StatusCode::kUnimplemented, HasSubstr("position 2")));
}

// ---- idempotency ------------------------------------------------------------------------------

TEST_F(HandlerTest, TheSameKeyGivesTheFirstResultAlsoAfterARestart) {
  const Origin origin{.actor = "operator:alice", .idempotency_key = "req-1"};
  const auto first = Fleet(ApplyOf(4), origin);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(Fleet(ApplyOf(5)), IsOk());
  Restart();
  // Decided anew it would be version 3 with 4 workers.
  const auto again = Fleet(ApplyOf(4), origin);
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(again->events, SizeIs(1));
  EXPECT_EQ(again->events[0].id, first->events[0].id);
  EXPECT_EQ(again->events[0].position, first->position);
  EXPECT_EQ(again->events[0].body.fleet_applied().fleet_version(), 1);
  EXPECT_EQ(handler_->world().FindFleet(kFleet)->wanted(), 5);
  EXPECT_EQ(store_->Head(), 3u);
  EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
}
TEST_F(HandlerTest, OneKeyMayBeUsedOnSeveralStreams) {
  const Origin origin{.actor = "test", .idempotency_key = "req-1"};
  EXPECT_THAT(Fleet(ApplyOf(4), origin), IsOk());
  EXPECT_THAT(Host(StrikeBy("a"), origin), IsOk());
  EXPECT_EQ(store_->Head(), 3u);
}
TEST_F(HandlerTest, ARequestIsRememberedWithItsFirstAnswer) {
  const auto none = handler_->FindRequest("r1");
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->has_value());
  const auto record = [&](std::string method, std::string digest, std::string result) {
    return rt_.Run(handler_->RecordRequest("r1", std::move(method), std::move(digest),
                                           std::move(result), {.actor = "operator:alice"}));
  };
  ASSERT_THAT(record("ApplyFleet", "d1", "{1}"), IsOk());
  const auto again = record("ApplyFleet", "d1", "{2}");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->result(), "{1}");
  EXPECT_THAT(record("ApplyFleet", "d2", "{}"), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(record("ScaleFleet", "d1", "{}"),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("ApplyFleet")));
  Restart();
  const auto found = handler_->FindRequest("r1");
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->result(), "{1}");
  EXPECT_EQ((*found)->digest(), "d1");
  EXPECT_THAT(rt_.Run(handler_->RecordRequest("", "m", "d", "{}", {})),
              StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
