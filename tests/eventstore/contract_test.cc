// What every event store does, whatever it is made of.
#include <limits>

#include "eventstore/memory/memory_event_store.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MemoryHome {
 public:
  static constexpr const char* kName = "Memory";
  std::unique_ptr<EventStore> Open(Runtime& rt) {
    return std::make_unique<MemoryEventStore>(rt, log_);
  }

 private:
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
};

template <bool kCommitThread>
class RocksHome {
 public:
  static constexpr const char* kName = kCommitThread ? "RocksDbThread" : "RocksDbReactor";
  std::unique_ptr<EventStore> Open(Runtime& rt) {
    auto opened = RocksDbEventStore::Open(
        rt, {.path = folder_.path("store"), .commit_thread = kCommitThread});
    EXPECT_THAT(opened, IsOk());
    return *std::move(opened);
  }

 private:
  TempFolder folder_;
};

template <class Home>
class EventStoreContract : public testing::Test {
 protected:
  StatusOr<Appended> Append(const std::string& stream, Version expected,
                            const std::vector<std::string>& ids) {
    return AppendTo(rt_, *store_, stream, expected, ids);
  }
  void Reopen() {
    store_.reset();
    store_ = home_.Open(rt_);
  }

  VirtualRuntime rt_{1, kLogStart};
  Home home_;
  std::unique_ptr<EventStore> store_ = home_.Open(rt_);
};

struct HomeNames {
  template <class Home>
  static std::string GetName(int) {
    return Home::kName;
  }
};
using Homes = testing::Types<MemoryHome, RocksHome<false>, RocksHome<true>>;
TYPED_TEST_SUITE(EventStoreContract, Homes, HomeNames);

TYPED_TEST(EventStoreContract, AnEmptyLogHasNoHeadNoStreamsAndNoEvents) {
  EXPECT_EQ(this->store_->Head(), 0u);
  EXPECT_EQ(this->store_->StreamVersion(StreamId("worker/a")), 0u);
  EXPECT_THAT(ReadIds(*this->store_).ids, IsEmpty());
  EXPECT_THAT(ReadStreamIds(*this->store_, "worker/a").status, IsOk());
  EXPECT_THAT(this->store_->Verify(0), IsOk());
}

TYPED_TEST(EventStoreContract, AnAppendedEventReadsBackWithEveryField) {
  ASSERT_THAT(this->Append("worker/a", 0, {"e1"}), IsOk());
  const auto events = ReadEvents(*this->store_);
  ASSERT_THAT(events, SizeIs(1));
  const NewEvent expected = MakeEvent("e1");
  EXPECT_EQ(events[0].position, 1u);
  EXPECT_EQ(events[0].stream, StreamId("worker/a"));
  EXPECT_EQ(events[0].version, 1u);
  EXPECT_EQ(events[0].recorded_at, kLogStart);
  EXPECT_EQ(events[0].event.id, expected.id);
  EXPECT_EQ(events[0].event.type, expected.type);
  EXPECT_EQ(events[0].event.payload, expected.payload);
  EXPECT_EQ(events[0].event.actor, expected.actor);
  EXPECT_EQ(events[0].event.cause, expected.cause);
  EXPECT_EQ(events[0].event.correlation, expected.correlation);
  EXPECT_EQ(events[0].event.occurred_at, expected.occurred_at);
}

TYPED_TEST(EventStoreContract, PositionsHaveNoGapsAndVersionsCountPerStream) {
  ASSERT_THAT(this->Append("worker/a", 0, {"a1", "a2"}), IsOk());
  ASSERT_THAT(this->Append("worker/b", 0, {"b1"}), IsOk());
  const auto third = this->Append("worker/a", 2, {"a3"});
  ASSERT_THAT(third, IsOk());
  EXPECT_EQ(third->position, 4u);
  EXPECT_EQ(third->version, 3u);
  EXPECT_FALSE(third->repeated);
  EXPECT_EQ(this->store_->Head(), 4u);
  EXPECT_EQ(this->store_->StreamVersion(StreamId("worker/a")), 3u);
  EXPECT_THAT(ReadIds(*this->store_).ids, ElementsAre("a1", "a2", "b1", "a3"));
  EXPECT_THAT(ReadStreamIds(*this->store_, "worker/a").ids, ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(ReadStreamIds(*this->store_, "worker/b").ids, ElementsAre("b1"));
}

TYPED_TEST(EventStoreContract, ReadingStartsAfterThePositionAndStopsAtTheLimitOrWhenTold) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2", "3", "4"}), IsOk());
  EXPECT_THAT(ReadIds(*this->store_, 2).ids, ElementsAre("3", "4"));
  EXPECT_THAT(ReadIds(*this->store_, 4).ids, IsEmpty());
  EXPECT_THAT(ReadIds(*this->store_, 9).ids, IsEmpty());
  EXPECT_THAT(ReadStreamIds(*this->store_, "s", 3).ids, ElementsAre("4"));
  EXPECT_THAT(ReadStreamIds(*this->store_, "s", 4).ids, IsEmpty());
  int visited = 0;
  EXPECT_THAT(this->store_->ReadAll(1, 2, [&](const RecordedEvent&) { return ++visited, true; }),
              IsOk());
  EXPECT_EQ(visited, 2);
  EXPECT_THAT(this->store_->ReadAll(0, 0, [&](const RecordedEvent&) { return ++visited, true; }),
              IsOk());
  EXPECT_EQ(visited, 2);
  EXPECT_THAT(this->store_->ReadAll(0, 9, [&](const RecordedEvent&) { return ++visited, false; }),
              IsOk());
  EXPECT_EQ(visited, 3);
  EXPECT_THAT(this->store_->ReadStream(StreamId("s"), 0,
                                       [&](const RecordedEvent&) { return ++visited, false; }),
              IsOk());
  EXPECT_EQ(visited, 4);
}

TYPED_TEST(EventStoreContract, AVisitorMayUseTheStore) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2"}), IsOk());
  EventStore& store = *this->store_;
  EXPECT_THAT(store.ReadAll(0, 9,
                            [&](const RecordedEvent& event) {
                              EXPECT_THAT(ReadStreamIds(store, event.stream.str()).ids,
                                          SizeIs(store.Head()));
                              return true;
                            }),
              IsOk());
}

TYPED_TEST(EventStoreContract, AWrongExpectedVersionIsAbortedAndWritesNothing) {
  ASSERT_THAT(this->Append("s", 0, {"1"}), IsOk());
  EXPECT_THAT(this->Append("s", 0, {"x"}), StatusIs(StatusCode::kAborted, HasSubstr("version 1")));
  EXPECT_THAT(this->Append("s", 2, {"x"}), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(this->Append("new", 1, {"x"}), StatusIs(StatusCode::kAborted));
  EXPECT_EQ(this->store_->Head(), 1u);
  EXPECT_EQ(this->store_->StreamVersion(StreamId("new")), 0u);
  EXPECT_THAT(this->Append("s", 1, {"x"}), IsOk());
}

TYPED_TEST(EventStoreContract, TheSameIdsAgainGiveTheFirstResultWhateverIsExpected) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2"}), IsOk());
  ASSERT_THAT(this->Append("s", 2, {"3"}), IsOk());
  for (const Version expected : {0, 2, 3, 77}) {
    const auto again = this->Append("s", expected, {"1", "2"});
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(again->position, 2u);
    EXPECT_EQ(again->version, 2u);
    EXPECT_TRUE(again->repeated);
  }
  EXPECT_EQ(this->store_->Head(), 3u);
}

TYPED_TEST(EventStoreContract, KnownIdsInOtherCompanyAreRefused) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2"}), IsOk());
  const auto invalid = StatusIs(StatusCode::kInvalidArgument);
  EXPECT_THAT(this->Append("s", 2, {"2", "3"}), invalid);
  EXPECT_THAT(this->Append("s", 2, {"3", "2"}), invalid);
  EXPECT_THAT(this->Append("s", 2, {"2", "1"}), invalid);
  EXPECT_THAT(this->Append("other", 0, {"1", "2"}), invalid);
  EXPECT_THAT(this->Append("s", 2, {"3", "3"}), invalid);
  EXPECT_EQ(this->store_->Head(), 2u);
}

TYPED_TEST(EventStoreContract, NamesAndPayloadsBeyondTheLimitsAreRefused) {
  const std::string long_name(1025, 'x');
  const auto invalid = StatusIs(StatusCode::kInvalidArgument);
  EXPECT_THAT(this->Append("", 0, {"1"}), invalid);
  EXPECT_THAT(this->Append(long_name, 0, {"1"}), invalid);
  EXPECT_THAT(this->Append("s", 0, {""}), invalid);
  EXPECT_THAT(this->Append("s", 0, {long_name}), invalid);
  EXPECT_THAT(this->Append(long_name.substr(1), 0, {"at-the-limit"}), IsOk());
  std::vector<NewEvent> big = MakeEvents({"big"});
  big[0].payload.resize((16u << 20) + 1);
  EXPECT_THAT(
      Await(this->rt_, this->store_->Append(StreamId("s"), Expect::NoStream(), big, kLogStart)),
      invalid);
}

TYPED_TEST(EventStoreContract, BytesOfAnyKindSurvive) {
  std::vector<NewEvent> events = MakeEvents({std::string("\0id\xff", 4)});
  events[0].payload = std::string("\0\xff\n", 3);
  events[0].cause = "";
  const StreamId stream(std::string("a\0b", 3));
  ASSERT_THAT(Await(this->rt_, this->store_->Append(stream, Expect::NoStream(), events, kLogStart)),
              IsOk());
  // A stream whose name starts as the other's does is another stream.
  ASSERT_THAT(this->Append("a", 0, {"x"}), IsOk());
  EXPECT_THAT(ReadStreamIds(*this->store_, "a").ids, ElementsAre("x"));
  const auto read = ReadEvents(*this->store_);
  EXPECT_EQ(read[0].stream, stream);
  EXPECT_EQ(read[0].event.payload, events[0].payload);
  EXPECT_EQ(read[0].event.id, events[0].id);
}

TYPED_TEST(EventStoreContract, AppendsInFlightTogetherAreOrderedAsAsked) {
  const auto results = AppendTogether(
      this->rt_, *this->store_, {{"a", {"1", "2"}}, {"b", {"3"}}, {"a", {"4"}}, {"c", {"5"}}});
  EXPECT_THAT(results[0], IsOk());
  EXPECT_THAT(results[1], IsOk());
  EXPECT_THAT(results[2], StatusIs(StatusCode::kAborted));
  EXPECT_THAT(results[3], IsOk());
  EXPECT_THAT(ReadIds(*this->store_).ids, ElementsAre("1", "2", "3", "5"));
  EXPECT_THAT(this->store_->Verify(0), IsOk());
}

TYPED_TEST(EventStoreContract, TheSameAppendTwiceInFlightIsWrittenOnce) {
  const auto results = AppendTogether(this->rt_, *this->store_,
                                      {{"a", {"1", "2"}}, {"a", {"1", "2"}}, {"b", {"1"}}});
  ASSERT_THAT(results[0], IsOk());
  ASSERT_THAT(results[1], IsOk());
  EXPECT_FALSE(results[0]->repeated);
  EXPECT_TRUE(results[1]->repeated);
  EXPECT_EQ(results[1]->position, results[0]->position);
  EXPECT_EQ(results[1]->version, results[0]->version);
  EXPECT_THAT(results[2], StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(this->store_->Head(), 2u);
}

TYPED_TEST(EventStoreContract, EverythingIsThereAfterReopening) {
  ASSERT_THAT(this->Append("a", 0, {"1", "2"}), IsOk());
  ASSERT_THAT(this->store_->SaveSnapshot("state", {.position = 2, .state = "s"}), IsOk());
  const auto before = ReadEvents(*this->store_);
  this->Reopen();
  const auto after = ReadEvents(*this->store_);
  ASSERT_THAT(after, SizeIs(2));
  EXPECT_EQ(after[1].hash, before[1].hash);
  EXPECT_EQ(this->store_->StreamVersion(StreamId("a")), 2u);
  EXPECT_THAT(this->Append("a", 0, {"1", "2"}), IsOk());
  EXPECT_THAT(this->Append("a", 2, {"3"}), IsOk());
  EXPECT_THAT(this->store_->LoadSnapshot("state"), IsOk());
  EXPECT_THAT(this->store_->Verify(0), IsOk());
}

TYPED_TEST(EventStoreContract, TheSameAppendsGiveTheSameHashesInEveryStore) {
  ASSERT_THAT(this->Append("a", 0, {"1", "2"}), IsOk());
  ASSERT_THAT(this->Append("b", 0, {"3"}), IsOk());
  MemoryEventStore model(this->rt_);
  ASSERT_THAT(AppendTo(this->rt_, model, "a", 0, {"1", "2"}), IsOk());
  ASSERT_THAT(AppendTo(this->rt_, model, "b", 0, {"3"}), IsOk());
  EXPECT_EQ(ReadEvents(*this->store_)[2].hash, ReadEvents(model)[2].hash);
}

TYPED_TEST(EventStoreContract, TimesAreKeptToTheMicrosecond) {
  const absl::Time fine = kLogStart + absl::Nanoseconds(1999);
  ASSERT_THAT(Await(this->rt_, this->store_->Append(StreamId("s"), Expect::NoStream(),
                                                    MakeEvents({"1"}), fine)),
              IsOk());
  EXPECT_EQ(ReadEvents(*this->store_)[0].recorded_at, kLogStart + absl::Microseconds(1));
}

Task<bool> WaitAndLook(EventStore* store, Position after, absl::Time deadline, bool* returned) {
  co_await store->WaitPast(after, deadline);
  *returned = true;
  co_return store->Head() > after;
}

TYPED_TEST(EventStoreContract, WaitPastReturnsAtOnceWhenTheLogIsAlreadyLonger) {
  ASSERT_THAT(this->Append("s", 0, {"1"}), IsOk());
  bool returned = false;
  EXPECT_TRUE(this->rt_.Run(WaitAndLook(this->store_.get(), 0, absl::InfiniteFuture(), &returned)));
}

TYPED_TEST(EventStoreContract, WaitPastEndsWithAnAppend) {
  std::optional<bool> longer;
  bool returned = false;
  this->rt_.Spawn("wait",
                  [](EventStore* store, std::optional<bool>* out, bool* done) -> Task<void> {
                    *out = co_await WaitAndLook(store, 1, absl::InfiniteFuture(), done);
                  }(this->store_.get(), &longer, &returned));
  ASSERT_THAT(this->Append("s", 0, {"1"}), IsOk());
  EXPECT_FALSE(returned);
  ASSERT_THAT(this->Append("s", 1, {"2"}), IsOk());
  this->rt_.RunUntilIdle();
  EXPECT_THAT(longer, testing::Optional(true));
}

TYPED_TEST(EventStoreContract, WaitPastEndsAtItsDeadline) {
  bool returned = false;
  const absl::Time deadline = this->rt_.Now() + absl::Minutes(5);
  EXPECT_FALSE(this->rt_.Run(WaitAndLook(this->store_.get(), 0, deadline, &returned)));
  EXPECT_EQ(this->rt_.Now(), deadline);
}

TYPED_TEST(EventStoreContract, ASnapshotIsReplacedByTheNextOfItsName) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2"}), IsOk());
  EventStore& store = *this->store_;
  EXPECT_THAT(store.LoadSnapshot("queries/cost"), StatusIs(StatusCode::kNotFound));
  ASSERT_THAT(store.SaveSnapshot("queries/cost", {.position = 1, .state = "old"}), IsOk());
  ASSERT_THAT(store.SaveSnapshot("queries/cost", {.position = 2, .state = ""}), IsOk());
  ASSERT_THAT(store.SaveSnapshot("../x", {.position = 1, .state = std::string("\0y", 2)}), IsOk());
  const auto cost = store.LoadSnapshot("queries/cost");
  ASSERT_THAT(cost, IsOk());
  EXPECT_EQ(cost->position, 2u);
  EXPECT_EQ(cost->state, "");
  const auto odd = store.LoadSnapshot("../x");
  ASSERT_THAT(odd, IsOk());
  EXPECT_EQ(odd->state, std::string("\0y", 2));
}

TYPED_TEST(EventStoreContract, VerifyStartsAnywhere) {
  ASSERT_THAT(this->Append("s", 0, {"1", "2", "3"}), IsOk());
  for (const Position after : {0, 1, 2, 3}) EXPECT_THAT(this->store_->Verify(after), IsOk());
}

TYPED_TEST(EventStoreContract, ARedactedPayloadIsGoneForGoodAndTheChainStillHolds) {
  ASSERT_THAT(this->Append("worker/a", 0, {"e1", "e2"}), IsOk());
  ASSERT_THAT(this->store_->SaveSnapshot("s", {2, "made from the payload"}), IsOk());
  ASSERT_THAT(this->Append("worker/b", 0, {"e3"}), IsOk());
  const std::vector<RecordedEvent> before = ReadEvents(*this->store_);
  EXPECT_THAT(this->store_->Redact(0, "x"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(this->store_->Redact(4, "x"), StatusIs(StatusCode::kNotFound));
  for (int run = 0; run < 2; ++run) {  // after opening it is asked for again
    ASSERT_THAT(this->store_->Redact(2, "x"), IsOk());
    const std::vector<RecordedEvent> after = ReadEvents(*this->store_);
    ASSERT_THAT(after, SizeIs(3));
    EXPECT_EQ(after[1].event.payload, "x");
    EXPECT_EQ(after[1].hash, before[1].hash);
    EXPECT_EQ(after[0].event.payload, before[0].event.payload);
    std::string of_stream;
    ASSERT_THAT(this->store_->ReadStream(StreamId("worker/a"), 1,
                                         [&](const RecordedEvent& event) {
                                           of_stream = event.event.payload;
                                           return true;
                                         }),
                IsOk());
    EXPECT_EQ(of_stream, "x");
    EXPECT_THAT(this->store_->Verify(0), IsOk());
    EXPECT_THAT(this->store_->LoadSnapshot("s"), StatusIs(StatusCode::kNotFound));
    if (run == 0) {
      EXPECT_THAT(this->store_->SaveSnapshot("s", {3, "of what was read before"}),
                  StatusIs(StatusCode::kFailedPrecondition));
    }
    this->Reopen();
  }
  EXPECT_THAT(this->store_->SaveSnapshot("s", {3, "of what is read now"}), IsOk());
  ASSERT_THAT(this->Append("worker/b", 1, {"e4"}), IsOk());
  EXPECT_THAT(this->store_->Verify(0), IsOk());
}

}  // namespace
}  // namespace muster
