// The event store against what lies under it, in one run on one disk:
//
//   - durable appends, 64 in flight, 256-byte payloads, against a bare file with group commit that
//     is driven the same way, and against plain RocksDB with 64 threads
//   - reading the log against a bare RocksDB iterator over the same bytes
//   - opening a store with 1,000,000 events
//
//   bench_eventstore [FOLDER]     a folder on the disk to measure (default: the temporary folder)
//
// The contenders take turns, several rounds each, so that a slow minute of the disk hits all of
// them; the ratio is that of the medians.
//
// Links: muster_eventstore muster_os
#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

constexpr int kInFlight = 64;
constexpr int kRounds = 7;
constexpr absl::Duration kRound = absl::Seconds(1);
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

// What is appended to: a store, or the bare file.
class Log {
 public:
  virtual ~Log() = default;
  virtual Task<void> AppendOne(int client, std::uint64_t number) = 0;
};

NewEvent EventNumber(std::uint64_t number) {
  return {.id = EventId(Cat("event-", number)),
          .type = "worker.log_observed",
          .payload = std::string(kPayloadBytes, static_cast<char>('a' + number % 26)),
          .actor = "poller:logs",
          .cause = "",
          .correlation = "",
          .occurred_at = absl::FromUnixSeconds(1'790'000'000)};
}

class StoreLog final : public Log {
 public:
  StoreLog(Runtime& rt, EventStore& store) : rt_(rt), store_(store), versions_(kInFlight) {
    for (int i = 0; i < kInFlight; ++i) versions_[i] = store.StreamVersion(StreamOf(i));
  }
  Task<void> AppendOne(int client, std::uint64_t number) override {
    std::vector<NewEvent> events;
    events.push_back(EventNumber(number));
    const auto appended = co_await store_.Append(StreamOf(client), Expect::At(versions_[client]),
                                                 std::move(events), rt_.Now());
    MUSTER_CHECK(appended.ok());
    versions_[client] = appended->version;
  }

 private:
  static StreamId StreamOf(int client) { return StreamId(Cat("worker/", client)); }
  Runtime& rt_;
  EventStore& store_;
  std::vector<Version> versions_;
};

// The least that can be called a durable log: whoever waits shares the next write and fdatasync.
class BareFile final : public Log {
 public:
  BareFile(Runtime& rt, const std::string& path) : rt_(rt) {
    file_ = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    MUSTER_CHECK(file_ >= 0);
    thread_ = std::thread([this] { CommitForever(); });
  }
  ~BareFile() override {
    {
      absl::MutexLock lock(&mutex_);
      closing_ = true;
    }
    thread_.join();
    close(file_);
  }
  Task<void> AppendOne(int, std::uint64_t number) override {
    auto done = std::make_shared<Promise<bool>>(rt_);
    {
      absl::MutexLock lock(&mutex_);
      bytes_.append(kPayloadBytes, static_cast<char>('a' + number % 26));
      waiting_.push_back(done);
    }
    co_await done->Take();
  }

 private:
  void CommitForever() {
    while (true) {
      std::string bytes;
      std::vector<std::shared_ptr<Promise<bool>>> waiting;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(
            +[](BareFile* self) {
              self->mutex_.AssertHeld();
              return self->closing_ || !self->waiting_.empty();
            },
            this));
        if (waiting_.empty()) return;
        bytes.swap(bytes_);
        waiting.swap(waiting_);
      }
      MUSTER_CHECK(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
      MUSTER_CHECK(fdatasync(file_) == 0);
      rt_.Post([waiting = std::move(waiting)] {
        for (const auto& promise : waiting) promise->Set(true);
      });
    }
  }

  Runtime& rt_;
  int file_ = -1;
  absl::Mutex mutex_;
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Promise<bool>>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Task<void> Client(Runtime* rt, Log* log, int client, absl::Time end, std::uint64_t* next) {
  while (rt->Now() < end) co_await log->AppendOne(client, (*next)++);
}

Task<bool> AllClients(Runtime* rt, Log* log, std::uint64_t* next) {
  std::vector<Task<void>> clients;
  const absl::Time end = rt->Now() + kRound;
  for (int i = 0; i < kInFlight; ++i) clients.push_back(Client(rt, log, i, end, next));
  co_await WhenAll(*rt, std::move(clients));
  co_return true;
}

// Appends per second over one round.
double AppendRate(OsRuntime& rt, Log& log, std::uint64_t& next) {
  const std::uint64_t before = next;
  const double seconds = SecondsOf([&] { rt.BlockOn(AllClients(&rt, &log, &next)); });
  return static_cast<double>(next - before) / seconds;
}

double PlainRocksDbRate(rocksdb::DB& db, std::atomic<std::uint64_t>& next) {
  const std::uint64_t before = next;
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoSeconds(kRound);
  const double seconds = SecondsOf([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kInFlight; ++i) {
      threads.emplace_back([&] {
        rocksdb::WriteOptions options;
        options.sync = true;
        while (std::chrono::steady_clock::now() < end) {
          const std::uint64_t number = next++;
          const std::string value(kPayloadBytes, static_cast<char>('a' + number % 26));
          MUSTER_CHECK(db.Put(options, Cat("event-", number), value).ok());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(next - before) / seconds;
}

void BenchAppends(const std::string& folder) {
  OsRuntime rt;
  auto store = RocksDbEventStore::Open(rt, {.path = folder + "/appends"});
  MUSTER_CHECK(store.ok());
  StoreLog store_log(rt, **store);
  BareFile bare(rt, folder + "/bare");
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* plain = nullptr;
  MUSTER_CHECK(rocksdb::DB::Open(options, folder + "/plain", &plain).ok());
  const std::unique_ptr<rocksdb::DB> plain_owner(plain);

  std::uint64_t next = 1, next_bare = 1;
  std::atomic<std::uint64_t> next_plain = 1;
  std::vector<double> ours, file, rocks;
  for (int round = 0; round < kRounds; ++round) {
    file.push_back(AppendRate(rt, bare, next_bare));
    ours.push_back(AppendRate(rt, store_log, next));
    rocks.push_back(PlainRocksDbRate(*plain, next_plain));
    std::printf("round %d: appends/s: store %.0f, bare file %.0f, plain RocksDB %.0f\n", round + 1,
                ours.back(), file.back(), rocks.back());
  }
  const auto counters = (*store)->counters();
  std::printf("store: %.1f appends per sync, %.0f us per sync\n",
              static_cast<double>(counters.appends) / static_cast<double>(counters.groups),
              absl::ToDoubleMicroseconds(counters.syncing) / static_cast<double>(counters.groups));
  Report("appends_vs_bare_file", Median(ours) / Median(file), ">=0.8");
  Report("appends_vs_plain_rocksdb", Median(ours) / Median(rocks), ">=1");
}

Task<bool> Fill(RocksDbEventStore* store, Runtime* rt) {
  for (Position at = 0; at < kReplayEvents;) {
    std::vector<NewEvent> events;
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
  BenchAppends(folder);
  BenchReplay(folder);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  return muster::Main(argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string());
}
