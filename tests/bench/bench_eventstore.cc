// Reading the log against a bare RocksDB iterator over the same bytes, and opening a store with
// 1,000,000 events. Appending is bench_appends.
//
//   bench_eventstore [FOLDER]     a folder on the disk to measure (default: the temporary folder)
//
// The contenders take turns, several rounds each, so that a slow minute of the disk hits all of
// them; the ratio is that of the medians.
//
// Links: muster_eventstore muster_os
#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

constexpr int kRounds = 7;
constexpr std::size_t kPayloadBytes = 256;
constexpr Position kReplayEvents = 1'000'000;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double SecondsOf(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Report(const char* name, double value, const char* bound) {
  std::printf("RATIO %s %.4g %s\n", name, value, bound);
  std::fflush(stdout);
}

NewEvent EventNumber(std::uint64_t number) {
  return {.id = EventId(Cat("event-", number)),
          .type = "worker.log_observed",
          .payload = std::string(kPayloadBytes, static_cast<char>('a' + number % 26)),
          .actor = "poller:logs",
          .cause = "",
          .correlation = "",
          .occurred_at = absl::FromUnixSeconds(1'790'000'000)};
}

Task<bool> Fill(RocksDbEventStore* store, Runtime* rt) {
  for (Position at = 0; at < kReplayEvents;) {
    std::vector<NewEvent> events;
    events.reserve(500);
    const std::string stream = Cat("worker/", at / 500);
    for (int i = 0; i < 500; ++i) events.push_back(EventNumber(++at));
    const auto appended =
        co_await store->Append(StreamId(stream), Expect::NoStream(), std::move(events), rt->Now());
    MUSTER_CHECK(appended.ok());
  }
  co_return true;
}

double ReplayRate(const EventStore& store) {
  std::uint64_t bytes = 0;
  const double seconds = SecondsOf([&] {
    const Status read =
        store.ReadAll(0, std::numeric_limits<std::size_t>::max(), [&](const RecordedEvent& event) {
          bytes += event.event.payload.size();
          return true;
        });
    MUSTER_CHECK(read.ok());
  });
  MUSTER_CHECK(bytes == kReplayEvents * kPayloadBytes);
  return static_cast<double>(kReplayEvents) / seconds;
}

// The same bytes through RocksDB alone. Opened read-only, after the store has let go of them.
double IteratorRate(const std::string& path) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : {"default", "log"}) families.push_back({name, {}});
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  MUSTER_CHECK(rocksdb::DB::OpenForReadOnly({}, path + "/db", families, &handles, &db).ok());
  const std::unique_ptr<rocksdb::DB> owner(db);
  std::uint64_t bytes = 0, events = 0;
  const double seconds = SecondsOf([&] {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(options, handles[1]));
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++events) bytes += it->value().size();
  });
  MUSTER_CHECK(events == kReplayEvents && bytes > events * kPayloadBytes);
  for (auto* handle : handles) MUSTER_CHECK(db->DestroyColumnFamilyHandle(handle).ok());
  return static_cast<double>(events) / seconds;
}

void BenchReplay(const std::string& folder) {
  OsRuntime rt;
  const std::string path = folder + "/replay";
  {
    auto store = RocksDbEventStore::Open(rt, {.path = path});
    MUSTER_CHECK(store.ok());
    const double seconds = SecondsOf([&] { rt.BlockOn(Fill(store->get(), &rt)); });
    std::printf("filled with %.0f events/s\n", static_cast<double>(kReplayEvents) / seconds);
  }
  std::vector<double> ours, bare, start;
  for (int round = 0; round < kRounds; ++round) {
    bare.push_back(IteratorRate(path));
    std::unique_ptr<RocksDbEventStore> store;
    start.push_back(SecondsOf([&] {
      auto opened = RocksDbEventStore::Open(rt, {.path = path});
      MUSTER_CHECK(opened.ok());
      store = *std::move(opened);
    }));
    ours.push_back(ReplayRate(*store));
    std::printf("round %d: events/s: store %.0f, bare iterator %.0f; open %.3f s\n", round + 1,
                ours.back(), bare.back(), start.back());
  }
  Report("replay_vs_bare_iterator", Median(ours) / Median(bare), ">=0.5");
  Report("replay_events_per_s", Median(ours), ">=300000");
  Report("open_with_1m_events_s", Median(start), "<=1");
}

int Main(const std::string& parent) {
  std::string folder = parent + "/muster-bench-XXXXXX";
  MUSTER_CHECK(mkdtemp(folder.data()) != nullptr);
  BenchReplay(folder);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  return muster::Main(argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string());
}
