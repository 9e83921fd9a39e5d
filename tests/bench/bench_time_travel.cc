// How quickly a question about the past is answered: the status of a fleet at random positions of a
// long log on the disk, with the snapshots that a daemon would have kept.
//
//   bench_time_travel [EVENTS [FOLDER]]     how many events to write (10000000), and where
//
// Each line: RATIO name value bound (README.md).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "commands/handler/log_fold.h"
#include "eventstore/base/check.h"
#include "eventstore/base/rng.h"
#include "eventstore/events/values.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "eventstore/snapshot_shelf.h"
#include "queries/projector.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::queries {
namespace {

constexpr int kWorkers = 200;
constexpr int kEventsPerLife = 400;  // five hours of polls
constexpr std::size_t kAtOnce = 500;
constexpr int kQuestions = 300;

double MillisecondsOf(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

void Report(const char* name, double value, const char* bound) {
  std::printf("RATIO %s %.4g %s\n", name, value, bound);
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

// A fleet whose workers come, tell of progress poll by poll, and go; a worker's events come in
// small groups, so that writing ten million of them does not take a day.
class Writer {
 public:
  Writer(VirtualRuntime& rt, EventStore& store) : rt_(rt), store_(store), slots_(kWorkers) {
    eventpb::FleetApplied applied;
    applied.mutable_spec()->set_name("zeb");
    applied.mutable_spec()->set_provider("vast");
    applied.mutable_spec()->set_workers(kWorkers);
    applied.set_fleet_version(1);
    Add(applied);
    Put(StreamId("fleet/zeb"));
  }
  absl::Time now() const { return now_; }

  // Some hundred events more.
  void Go() {
    const std::size_t before = written_;
    while (written_ - before < kAtOnce) {
      const int index = static_cast<int>(turn_++ % kWorkers);
      Step(slots_[static_cast<std::size_t>(index)], index);
    }
  }

 private:
  struct Slot {
    std::string id;
    int age = 0;
  };

  template <class Message>
  void Add(const Message& message) {
    const eventpb::EventBody body = Wrap(message);
    group_.push_back({.id = EventId(Cat("01J", written_++)),
                      .type = std::string(TypeName(body.kind_case())),
                      .payload = EncodeEvent(body),
                      .actor = "poller:logs",
                      .occurred_at = now_});
    now_ += absl::Milliseconds(225);
  }
  void Put(const StreamId& stream) {
    const Version version = store_.StreamVersion(stream);
    auto append = store_.Append(stream, Expect::At(version), std::exchange(group_, {}), now_);
    MUSTER_CHECK(rt_.Run(std::move(append)).ok());
  }

  void Step(Slot& slot, int index) {
    if (slot.id.empty()) {
      Launch(slot, index);
    } else if (slot.age < kEventsPerLife + index % 40) {
      for (int i = 0; i < 32; ++i) Observe(slot);
    } else {
      eventpb::WorkerEnded ended;
      ended.set_how(eventpb::WorkerEnded::DESTROYED);
      Add(ended);
    }
    const bool over = !group_.empty() && group_.back().type == "worker.ended";
    Put(StreamId("worker/" + slot.id));
    if (over) slot = {};
  }
  void Launch(Slot& slot, int index) {
    slot.id = Cat("w", written_);
    eventpb::LaunchRequested launch;
    launch.set_fleet("zeb");
    launch.set_provider("vast");
    launch.set_index(index);
    launch.set_token(slot.id);
    launch.set_label(Cat("zeb-worker-vast-", index, ".", slot.id));
    launch.mutable_offer()->set_machine(Cat(index));
    launch.mutable_offer()->set_gpu(index % 3 == 0 ? "RTX 3070" : "RTX 4070 Ti");
    launch.mutable_offer()->set_price_micro_usd_per_hour(81'000);
    *launch.mutable_evidence() = MakeEvidence("replenish", "1 short", {}, {1}, "zeb@v1");
    Add(launch);
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(Cat(10'000'000 + written_));
    Add(accepted);
  }
  void Observe(Slot& slot) {
    if (++slot.age % 8 == 1) {
      eventpb::InstanceObserved seen;
      seen.set_actual_status("running");
      seen.set_actual_raw("running");
      seen.set_intended_raw("running");
      seen.set_price_micro_usd_per_hour(81'000);
      seen.set_price_known(true);
      seen.set_ssh_host("ssh4.example.net");
      Add(seen);
      return;
    }
    eventpb::LogObserved read;
    read.set_phase("producing");
    read.set_counter(slot.age);
    read.set_total(slot.age * 256);
    read.set_rate_per_s(4.1);
    read.set_agreeing_polls(1);
    read.set_line(Cat("[", slot.id, "] batch ", slot.age, ": 7168 examples, 4.1 games/s"));
    Add(read);
  }

  VirtualRuntime& rt_;
  EventStore& store_;
  std::vector<Slot> slots_;
  std::vector<NewEvent> group_;
  std::size_t written_ = 0, turn_ = 0;
  absl::Time now_ = absl::FromUnixSeconds(1'790'000'000);
};

// The write side keeps its own: the World at each of the shelf's distances.
void KeepWorlds(const EventStore& store, EventStore& shelf_of) {
  SnapshotShelf shelf(shelf_of, kPastWorlds, {});
  World world;
  while (world.head < store.Head()) {
    MUSTER_CHECK(FoldLog(store, store.Head(), kReadAtOnce, world).ok());
    if (!shelf.Due(world.head)) continue;
    const auto snapshot = SnapshotOf(store, world);
    MUSTER_CHECK(snapshot.ok() && shelf.Save(*snapshot).ok());
  }
}

std::uint64_t BytesIn(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.is_regular_file()) bytes += file.file_size();
  }
  return bytes;
}

int Main(std::size_t events, const std::string& folder) {
  VirtualRuntime rt(1);
  auto opened = RocksDbEventStore::Open(rt, {.path = folder, .commit_thread = false});
  MUSTER_CHECK(opened.ok());
  RocksDbEventStore& store = **opened;
  Projector projector(rt, store, {.snapshot_every = 0, .batch = 1'000});
  MUSTER_CHECK(rt.Run(projector.Start()).ok());
  Writer writer(rt, store);
  while (store.Head() < events) {
    writer.Go();
    rt.RunUntilIdle();
  }
  MUSTER_CHECK(projector.position() == store.Head());
  KeepWorlds(store, store);
  const double snapshots = static_cast<double>(BytesIn(folder + "/snapshots"));
  std::printf("%llu events, %.0f MB of them and %.0f MB of snapshots\n",
              static_cast<unsigned long long>(store.Head()),
              static_cast<double>(BytesIn(folder)) / 1e6 - snapshots / 1e6, snapshots / 1e6);

  Rng rng(7);
  std::vector<double> status, world;
  for (int i = 0; i < kQuestions; ++i) {
    const Position at = 1 + rng.Below(store.Head());
    status.push_back(MillisecondsOf([&] {
      const auto past = rt.Run(projector.AsOf(at));
      MUSTER_CHECK(past.ok() && (*past)->position() == at);
      MUSTER_CHECK((*past)->Fleets((*past)->recorded_at()).size() == 1);
    }));
    world.push_back(MillisecondsOf([&] {
      const auto past = rt.Run(WorldAt(rt, store, at));
      MUSTER_CHECK(past.ok() && (*past)->head == at);
    }));
  }
  std::printf("status: median %.1f ms, p99 %.1f ms; World: median %.1f ms, p99 %.1f ms\n",
              Percentile(status, 0.5), Percentile(status, 0.99), Percentile(world, 0.5),
              Percentile(world, 0.99));
  Report("time_travel.status_p99_milliseconds", Percentile(status, 0.99), "<=200");
  Report("time_travel.world_p99_milliseconds", Percentile(world, 0.99), "<=200");
  Report("time_travel.snapshots_megabytes", snapshots / 1e6, "<=2200");
  return 0;
}

}  // namespace
}  // namespace muster::queries

int main(int argc, char** argv) {
  const std::size_t events = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000'000;
  const bool given = argc > 2;
  const std::string folder =
      given ? argv[2] : (std::filesystem::temp_directory_path() / "bench_time_travel").string();
  std::filesystem::remove_all(folder);
  const int code = muster::queries::Main(events, folder);
  std::filesystem::remove_all(folder);
  return code;
}
