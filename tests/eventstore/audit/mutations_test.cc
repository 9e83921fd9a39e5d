// Ten thousand ways to spoil a stored log: each is found, and the first bad position is named.
#include <algorithm>
#include <functional>

#include "eventstore/audit/log_check.h"
#include "eventstore/base/check.h"
#include "eventstore/base/crc32c.h"
#include "eventstore/base/rng.h"
#include "eventstore/memory/memory_event_store.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::audit {
namespace {

using testing::HasSubstr;

constexpr int kEvents = 48;
constexpr int kMutations = 10'000;

using Records = std::vector<std::string>;

// What a store on disk holds, byte for byte.
Records StoredLog() {
  const TempFolder folder;
  VirtualRuntime rt{1};
  auto store = RocksDbEventStore::Open(rt, {.path = folder.path("store")});
  MUSTER_CHECK(store.ok());
  for (int i = 0; i < kEvents; ++i) {
    const auto appended = AppendTo(rt, **store, Cat("worker/", i % 5), i / 5, {Cat("event-", i)});
    MUSTER_CHECK(appended.ok());
  }
  Records records;
  const Status read = (*store)->ReadRecords(0, kEvents, [&](Position, std::string_view record) {
    records.emplace_back(record);
    return true;
  });
  MUSTER_CHECK(read.ok());
  return records;
}

struct Verdict {
  Status status;
  Position bad = 0;
};
Verdict Check(const Records& records, const std::optional<Head>& head = std::nullopt) {
  LogCheck check(head);
  for (const std::string& record : records) {
    const Status status = check.Take(record);
    if (!status.ok()) return {status, check.first_bad()};
  }
  const Status status = check.End();
  return {status, check.first_bad()};
}

void MendChecksum(std::string& record) {
  if (record.size() < 4) return;
  const std::uint32_t crc = Crc32c(std::string_view(record).substr(4));
  for (int i = 0; i < 4; ++i) record[i] = static_cast<char>(crc >> (8 * i));
}

// One spoiled log: what was done, and where the first bad position is.
struct Mutation {
  std::string what;
  Records records;
  Position bad = 0;
  bool only_by_head = false;  // what is left fits together
};

std::size_t Draw(Rng& rng, std::size_t count) { return static_cast<std::size_t>(rng.Below(count)); }

Mutation Mutate(const Records& good, Rng& rng) {
  Mutation out{"", good, 0};
  const std::size_t at = Draw(rng, good.size());
  out.bad = at + 1;
  std::string& record = out.records[at];
  switch (Draw(rng, 8)) {
    case 0:
    case 1: {
      const std::size_t bit = Draw(rng, record.size() * 8);
      record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << (bit % 8)));
      out.what = Cat("bit ", bit, " of event ", at + 1, " flipped");
      break;
    }
    case 2: {  // by someone who knows about checksums
      const std::size_t bit = 32 + Draw(rng, (record.size() - 4) * 8);
      record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << (bit % 8)));
      MendChecksum(record);
      out.what = Cat("bit ", bit, " of event ", at + 1, " flipped, checksum mended");
      break;
    }
    case 3:
      out.records.erase(out.records.begin() + static_cast<std::ptrdiff_t>(at));
      out.only_by_head = at + 1 == good.size();
      out.what = Cat("event ", at + 1, " dropped");
      break;
    case 4: {
      const std::size_t other = (at + 1 + Draw(rng, good.size() - 1)) % good.size();
      std::swap(out.records[at], out.records[other]);
      out.bad = std::min(at, other) + 1;
      out.what = Cat("events ", at + 1, " and ", other + 1, " swapped");
      break;
    }
    case 5:
      record.resize(Draw(rng, record.size()));
      if (Draw(rng, 2) == 0) MendChecksum(record);
      out.what = Cat("event ", at + 1, " cut to ", record.size(), " bytes");
      break;
    case 6:
      out.records.resize(at);
      out.only_by_head = true;
      out.what = Cat("the tail from event ", at + 1, " cut off");
      break;
    default:
      out.records.insert(out.records.begin() + static_cast<std::ptrdiff_t>(at), good[at]);
      out.bad = at + 2;
      out.what = Cat("event ", at + 1, " doubled");
  }
  return out;
}

class MutatedLog : public testing::Test {
 protected:
  void SetUp() override {
    const Verdict whole = Check(log);
    ASSERT_THAT(whole.status, IsOk());
    ChainWalk walk;
    for (const std::string& record : log) ASSERT_THAT(walk.Take(record), IsOk());
    head = {"m7k2", walk.position(), walk.hash(), walk.Root(), kLogStart};
  }
  const Records log = StoredLog();
  Head head;
};

TEST_F(MutatedLog, TenThousandMutationsAreAllFoundWithTheirFirstBadPosition) {
  Rng rng(20261121);
  int by_head_alone = 0;
  for (int i = 0; i < kMutations; ++i) {
    const Mutation mutation = Mutate(log, rng);
    const Verdict alone = Check(mutation.records);
    const Verdict with_head = Check(mutation.records, head);
    ASSERT_THAT(with_head.status, StatusIs(StatusCode::kDataLoss)) << i << ": " << mutation.what;
    ASSERT_EQ(with_head.bad, mutation.bad) << i << ": " << mutation.what;
    ASSERT_THAT(std::string(Message(with_head.status)), HasSubstr(Cat("event ", mutation.bad, " ")))
        << i << ": " << mutation.what;
    ASSERT_EQ(alone.status.ok(), mutation.only_by_head) << i << ": " << mutation.what;
    by_head_alone += mutation.only_by_head ? 1 : 0;
  }
  EXPECT_GT(by_head_alone, kMutations / 20);
}

TEST_F(MutatedLog, ACutTailIsFoundOnlyAgainstAnExportedHeadWhichCountsWhatIsGone) {
  Records cut = log;
  cut.resize(cut.size() - 3);
  EXPECT_THAT(Check(cut).status, IsOk());
  const Verdict verdict = Check(cut, head);
  EXPECT_THAT(verdict.status, StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(std::string(Message(verdict.status)), HasSubstr("3 events are cut off"));
  EXPECT_THAT(std::string(Message(verdict.status)), HasSubstr("event 46 is missing"));
}

// All hashes made anew from a changed event on: the chain holds, the head does not.
TEST_F(MutatedLog, ARewrittenLogIsFoundAgainstAnExportedHead) {
  VirtualRuntime rt{1};
  MemoryEventStore other(rt);
  for (int i = 0; i < kEvents; ++i) {
    std::vector<NewEvent> events = MakeEvents({Cat("event-", i)});
    if (i == 20) events[0].actor = "operator:mallory";
    ASSERT_THAT(Await(rt, other.Append(StreamId(Cat("worker/", i % 5)), Expect::At(i / 5),
                                       std::move(events), kLogStart)),
                IsOk());
  }
  Records rewritten;
  ASSERT_THAT(other.ReadRecords(0, kEvents,
                                [&](Position, std::string_view record) {
                                  rewritten.emplace_back(record);
                                  return true;
                                }),
              IsOk());
  EXPECT_THAT(Check(rewritten).status, IsOk());
  const Verdict verdict = Check(rewritten, head);
  EXPECT_THAT(verdict.status, StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(std::string(Message(verdict.status)), HasSubstr("rewritten at or before 48"));
  EXPECT_EQ(verdict.bad, 48u);
}

}  // namespace
}  // namespace muster::audit
