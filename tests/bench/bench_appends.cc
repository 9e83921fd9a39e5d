// Durable appends, 64 in flight, 256-byte payloads: the event store against a bare file with group
// commit that is driven the same way, and against plain RocksDB with 64 threads.
//
//   bench_appends [--only file|store|rocks] [--sync US] [--rounds N] [FOLDER]
//
// FOLDER lies on the disk to measure (default: the temporary folder). First the disk as it is, then
// disks whose sync is simulated: a wait of so many microseconds instead of the sync, for all alike.
// --sync measures that one alone; --only runs one contender, for a profiler.
//
// The client is the same for all: it makes the event and hands it over. The contenders take turns,
// several rounds each, so that a slow minute of the disk hits all of them; the ratio is that of the
// medians. What the ratio to the bare file must be depends on how long a sync takes: README.md.
//
// Links: muster_eventstore muster_os
#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

constexpr int kInFlight = 64;
constexpr absl::Duration kRound = absl::Milliseconds(500);
constexpr std::size_t kPayloadBytes = 256;

struct Settings {
  std::string folder;
  std::string only;            // a contender; empty: all
  std::optional<int> sync_us;  // simulated; none: the disk's own
  int rounds = 9;
};

// ---- Disks whose sync takes as long as we say

void WaitInsteadOfSync(int us) {
  thread_local const bool precise = prctl(PR_SET_TIMERSLACK, 1UL) == 0;
  MUSTER_CHECK(precise);
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

class SlowFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  SlowFile(std::unique_ptr<rocksdb::FSWritableFile> file, int sync_us)
      : FSWritableFileOwnerWrapper(std::move(file)), sync_us_(sync_us) {}
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    WaitInsteadOfSync(sync_us_);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    WaitInsteadOfSync(sync_us_);
    return rocksdb::IOStatus::OK();
  }

 private:
  const int sync_us_;
};

class SlowDisk final : public rocksdb::FileSystemWrapper {
 public:
  explicit SlowDisk(int sync_us)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), sync_us_(sync_us) {}
  const char* Name() const override { return "SlowDisk"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* dbg) override {
    std::unique_ptr<rocksdb::FSWritableFile> real;
    const auto opened = FileSystemWrapper::NewWritableFile(name, options, &real, dbg);
    if (opened.ok()) *file = std::make_unique<SlowFile>(std::move(real), sync_us_);
    return opened;
  }

 private:
  const int sync_us_;
};

std::unique_ptr<rocksdb::Env> EnvOf(const Settings& settings) {
  if (!settings.sync_us.has_value()) return nullptr;
  return rocksdb::NewCompositeEnv(std::make_shared<SlowDisk>(*settings.sync_us));
}

// ---- The contenders

NewEvent EventNumber(std::uint64_t number) {
  return {.id = EventId(Cat("event-", number)),
          .type = "worker.log_observed",
          .payload = std::string(kPayloadBytes, static_cast<char>('a' + number % 26)),
          .actor = "poller:logs",
          .cause = "",
          .correlation = "",
          .occurred_at = absl::FromUnixSeconds(1'790'000'000)};
}

// What the reactor appends to: the store, or the bare file.
class Log {
 public:
  virtual ~Log() = default;
  virtual Task<void> AppendOne(int client, NewEvent event) = 0;
};

class StoreLog final : public Log {
 public:
  StoreLog(Runtime& rt, EventStore& store) : rt_(rt), store_(store), versions_(kInFlight) {
    for (int i = 0; i < kInFlight; ++i) versions_[i] = store.StreamVersion(StreamOf(i));
  }
  Task<void> AppendOne(int client, NewEvent event) override {
    std::vector<NewEvent> events;
    events.push_back(std::move(event));
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

// The least that can be called a durable log: all who wait share the next write and fdatasync. The
// thread is woken at the end of the reactor's turn: woken by the first append, it makes groups of
// half the size, which was slower for syncs of 50 us and half as fast for those of a millisecond.
class BareFile final : public Log {
 public:
  BareFile(Runtime& rt, std::string path, std::optional<int> sync_us)
      : rt_(rt), path_(std::move(path)), sync_us_(sync_us) {
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
  Task<void> AppendOne(int, NewEvent event) override {
    auto done = std::make_shared<Promise<bool>>(rt_);
    {
      absl::MutexLock lock(&mutex_);
      bytes_.append(event.payload);
      waiting_.push_back(done);
    }
    if (!std::exchange(turn_posted_, true)) rt_.Post([this] { EndTurn(); });
    co_await done->Take();
  }

 private:
  static constexpr std::size_t kFileBytes = 64u << 20;

  // As RocksDB treats its log: blocks are reserved ahead, and a file does not grow for ever. Syncs
  // of one that did were seen to take a hundred times as long after some seconds (README.md).
  void StartFile() {
    if (file_ >= 0) close(file_);
    unlink(path_.c_str());
    file_ = open(path_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    MUSTER_CHECK(file_ >= 0);
    MUSTER_CHECK(fallocate(file_, FALLOC_FL_KEEP_SIZE, 0, kFileBytes) == 0);
    written_ = 0;
  }
  void EndTurn() {
    turn_posted_ = false;
    absl::MutexLock lock(&mutex_);
    ready_ = true;
  }
  void CommitForever() {
    while (true) {
      std::string bytes;
      std::vector<std::shared_ptr<Promise<bool>>> waiting;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(
            +[](BareFile* self) {
              self->mutex_.AssertHeld();
              return self->closing_ || self->ready_;
            },
            this));
        if (closing_ && waiting_.empty()) return;
        ready_ = false;
        bytes.swap(bytes_);
        waiting.swap(waiting_);
      }
      written_ += bytes.size();
      if (file_ < 0 || written_ > kFileBytes) StartFile();
      MUSTER_CHECK(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
      Sync();
      rt_.Post([waiting = std::move(waiting)] {
        for (const auto& promise : waiting) promise->Set(true);
      });
    }
  }
  void Sync() {
    if (sync_us_.has_value()) return WaitInsteadOfSync(*sync_us_);
    MUSTER_CHECK(fdatasync(file_) == 0);
  }

  Runtime& rt_;
  const std::string path_;
  const std::optional<int> sync_us_;
  bool turn_posted_ = false;  // reactor
  int file_ = -1;
  std::size_t written_ = 0;
  absl::Mutex mutex_;
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Promise<bool>>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

using Counter = std::atomic<std::uint64_t>;

Task<void> Client(Runtime* rt, Log* log, int client, absl::Time end, Counter* next) {
  while (rt->Now() < end) co_await log->AppendOne(client, EventNumber((*next)++));
}

Task<bool> AllClients(Runtime* rt, Log* log, Counter* next) {
  std::vector<Task<void>> clients;
  clients.reserve(kInFlight);
  const absl::Time end = rt->Now() + kRound;
  for (int i = 0; i < kInFlight; ++i) clients.push_back(Client(rt, log, i, end, next));
  co_await WhenAll(*rt, std::move(clients));
  co_return true;
}

void PlainClients(rocksdb::DB* db, Counter* next) {
  std::vector<std::thread> threads;
  threads.reserve(kInFlight);
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(kRound);
  for (int i = 0; i < kInFlight; ++i) {
    threads.emplace_back([db, next, end] {
      rocksdb::WriteOptions options;
      options.sync = true;
      while (std::chrono::steady_clock::now() < end) {
        const NewEvent event = EventNumber((*next)++);
        MUSTER_CHECK(db->Put(options, event.id.str(), event.payload).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// ---- Taking turns

struct Contender {
  std::string name;
  std::function<void(Counter*)> round;
  Counter next{1};
  std::vector<double> rates;  // appends per second

  void Run() {
    const std::uint64_t before = next;
    const auto start = std::chrono::steady_clock::now();
    round(&next);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(next - before) / passed.count());
  }
  double Median() const {
    std::vector<double> sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }
};

void TakeTurns(const Settings& settings, const std::vector<Contender*>& contenders) {
  for (int round = 0; round < settings.rounds; ++round) {
    std::printf("round %d, appends/s:", round + 1);
    for (Contender* contender : contenders) {
      if (!settings.only.empty() && settings.only != contender->name) continue;
      contender->Run();
      std::printf(" %s %.0f", contender->name.c_str(), contender->rates.back());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

// A sync of a millisecond hides what the store does for an event beside writing it; a shorter one
// does not, and what is left is a floor under which something got slower.
const char* BoundAgainstFile(absl::Duration sync) {
  return sync >= absl::Milliseconds(1) ? ">=0.8" : ">=0.25";
}

void Report(const Settings& settings, const std::string& name, double ours, double theirs,
            const char* bound) {
  if (ours == 0 || theirs == 0) return;
  const std::string disk =
      settings.sync_us.has_value() ? Cat("_sync_", *settings.sync_us, "us") : "";
  std::printf("RATIO %s%s %.4g %s\n", name.c_str(), disk.c_str(), ours / theirs, bound);
  std::fflush(stdout);
}

void BenchAppends(const Settings& settings) {
  std::string folder = settings.folder + "/muster-bench-XXXXXX";
  MUSTER_CHECK(mkdtemp(folder.data()) != nullptr);
  const std::unique_ptr<rocksdb::Env> env = EnvOf(settings);
  {
    OsRuntime rt;
    auto store = RocksDbEventStore::Open(rt, {.path = folder + "/store", .env = env.get()});
    MUSTER_CHECK(store.ok());
    StoreLog store_log(rt, **store);
    BareFile bare(rt, folder + "/file", settings.sync_us);
    rocksdb::Options options;
    options.create_if_missing = true;
    if (env != nullptr) options.env = env.get();
    rocksdb::DB* db = nullptr;
    MUSTER_CHECK(rocksdb::DB::Open(options, folder + "/rocks", &db).ok());
    const std::unique_ptr<rocksdb::DB> db_owner(db);

    const auto on_reactor = [&rt](Log* log) {
      return [&rt, log](Counter* next) { rt.BlockOn(AllClients(&rt, log, next)); };
    };
    Contender file{.name = "file", .round = on_reactor(&bare)};
    Contender ours{.name = "store", .round = on_reactor(&store_log)};
    Contender rocks{.name = "rocks", .round = [db](Counter* next) { PlainClients(db, next); }};
    TakeTurns(settings, {&file, &ours, &rocks});
    const auto counters = (*store)->counters();
    const auto groups = static_cast<double>(std::max<std::uint64_t>(1, counters.groups));
    const absl::Duration sync = counters.syncing / groups;
    std::printf("store: %.1f appends per sync, %.0f us per sync\n",
                static_cast<double>(counters.appends) / groups, absl::ToDoubleMicroseconds(sync));
    Report(settings, "appends_vs_bare_file", ours.Median(), file.Median(), BoundAgainstFile(sync));
    Report(settings, "appends_vs_plain_rocksdb", ours.Median(), rocks.Median(), ">=1");
  }
  std::filesystem::remove_all(folder);
}

int Main(const std::vector<std::string_view>& arguments) {
  Settings settings{.folder = std::filesystem::temp_directory_path().string()};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool has_value = i + 1 < arguments.size();
    if (arguments[i] == "--only" && has_value) {
      settings.only = arguments[++i];
    } else if (arguments[i] == "--sync" && has_value) {
      settings.sync_us = std::atoi(std::string(arguments[++i]).c_str());
    } else if (arguments[i] == "--rounds" && has_value) {
      settings.rounds = std::atoi(std::string(arguments[++i]).c_str());
    } else {
      settings.folder = arguments[i];
    }
  }
  BenchAppends(settings);
  if (settings.sync_us.has_value() || !settings.only.empty()) return 0;
  for (const int sync_us : {50, 200, 1000}) {
    std::printf("with syncs of %d us:\n", sync_us);
    settings.sync_us = sync_us;
    BenchAppends(settings);
  }
  return 0;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) { return muster::Main({argv + 1, argv + argc}); }
