// How fast the read models are rebuilt: a log of 500 workers at a time, folded from nothing.
//
//   bench_projection [EVENTS]     how many events to write and replay (300000)
//
// Each line: RATIO name value bound (README.md).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::queries {
namespace {

constexpr int kWorkers = 500;
constexpr int kEventsPerLife = 60;

double SecondsOf(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void Report(const char* name, double value, const char* bound) {
  std::printf("RATIO %s %.4g %s\n", name, value, bound);
}

// Writes a log as a daemon would: launches, observations with a few words each, ends.
class Writer {
 public:
  explicit Writer(std::size_t events) : events_(events), store_(rt_) { Write(); }
  VirtualRuntime& rt() { return rt_; }
  MemoryEventStore& store() { return store_; }
  absl::Time now() const { return now_; }

 private:
  struct Slot {
    std::string id;
    int age = 0;
  };

  template <class Message>
  void Put(const std::string& stream, const Message& message) {
    const eventpb::EventBody body = Wrap(message);
    const StreamId id(stream);
    NewEvent event{.id = EventId(Cat("01J", store_.Head() + 1)),
                   .type = std::string(TypeName(body.kind_case())),
                   .payload = EncodeEvent(body),
                   .actor = "poller:logs",
                   .occurred_at = now_};
    const auto done =
        rt_.Run(store_.Append(id, Expect::At(store_.StreamVersion(id)), {std::move(event)}, now_));
    MUSTER_CHECK(done.ok());
    now_ += absl::Milliseconds(90);
  }

  void Launch(Slot& slot, int index) {
    slot = {.id = Cat("w", store_.Head())};
    eventpb::LaunchRequested launch;
    launch.set_fleet("zeb");
    launch.set_provider("vast");
    launch.set_index(index);
    launch.set_label(Cat("zeb-worker-vast-", index, ".", slot.id));
    launch.mutable_offer()->set_machine(Cat(index));
    launch.mutable_offer()->set_gpu(index % 3 == 0 ? "RTX 3070" : "RTX 4070 Ti");
    launch.mutable_offer()->set_price_micro_usd_per_hour(81'000);
    *launch.mutable_evidence() = MakeEvidence("replenish", "1 short", {}, {1}, "zeb@v1");
    Put("worker/" + slot.id, launch);
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(Cat(10'000'000 + store_.Head()));
    Put("worker/" + slot.id, accepted);
  }

  void Observe(Slot& slot) {
    if (slot.age % 5 == 1) {
      eventpb::InstanceObserved seen;
      seen.set_actual_status("running");
      seen.set_actual_raw("running");
      seen.set_intended_raw("running");
      seen.set_price_micro_usd_per_hour(81'000 + slot.age);
      seen.set_price_known(true);
      seen.set_ssh_host("ssh4.example.net");
      seen.set_ssh_port(22'000);
      Put("worker/" + slot.id, seen);
      return;
    }
    eventpb::LogObserved read;
    read.set_phase("producing");
    read.set_counter(slot.age);
    read.set_total(slot.age * 256);
    read.set_rate_per_s(4.1);
    read.set_step(142);
    read.set_agreeing_polls(1);
    read.set_line(Cat("[", slot.id, "] batch ", slot.age, ": 7168 examples, 4.1 games/s"));
    Put("worker/" + slot.id, read);
  }

  void Write() {
    eventpb::FleetApplied applied;
    applied.mutable_spec()->set_provider("vast");
    applied.mutable_spec()->set_workers(kWorkers);
    Put("fleet/zeb", applied);
    std::vector<Slot> slots(kWorkers);
    while (store_.Head() < events_) {
      for (int i = 0; i < kWorkers && store_.Head() < events_; ++i) {
        Slot& slot = slots[i];
        if (slot.id.empty()) {
          Launch(slot, i);
        } else if (++slot.age < kEventsPerLife + i % 40) {
          Observe(slot);
        } else {
          Put("worker/" + slot.id, eventpb::WorkerEnded());
          slot = {};
        }
      }
    }
  }

  const std::size_t events_;
  VirtualRuntime rt_{1};
  MemoryEventStore store_;
  absl::Time now_ = absl::FromUnixSeconds(1'790'000'000);
};

int Main(std::size_t events) {
  Writer log(events);
  const double read = SecondsOf([&] {
    std::size_t bytes = 0;
    const Status done = log.store().ReadAll(0, events, [&](const RecordedEvent& event) {
      bytes += event.event.payload.size();
      return true;
    });
    MUSTER_CHECK(done.ok() && bytes > 0);
  });
  const double decode = SecondsOf([&] {
    const Status done = log.store().ReadAll(0, events, [&](const RecordedEvent& event) {
      return DecodeEvent(event.event.type, event.event.payload).ok();
    });
    MUSTER_CHECK(done.ok());
  });
  Projector projector(log.rt(), log.store(), {.snapshot_every = 0});
  const double fold = SecondsOf([&] { MUSTER_CHECK(log.rt().Run(projector.Start()).ok()); });
  MUSTER_CHECK(projector.position() == log.store().Head());
  std::printf("%zu events: read %.3f s, and decoded %.3f s, and folded %.3f s\n", events, read,
              decode, fold);
  Report("projection.replay_events_per_second", static_cast<double>(events) / fold, ">=300000");

  MUSTER_CHECK(projector.SaveSnapshot().ok());
  Projector again(log.rt(), log.store(), {.snapshot_every = 0});
  const double start = SecondsOf([&] { MUSTER_CHECK(log.rt().Run(again.Start()).ok()); });
  MUSTER_CHECK(again.models().Digest() == projector.models().Digest());
  Report("projection.start_seconds_with_snapshot", start, "<=1");

  const double status = SecondsOf([&] {
    for (int i = 0; i < 20; ++i) MUSTER_CHECK(projector.models().Fleets(log.now()).size() == 1);
  });
  Report("projection.status_of_500_workers_milliseconds", status / 20 * 1e3, "<=5");
  return 0;
}

}  // namespace
}  // namespace muster::queries

int main(int argc, char** argv) {
  return muster::queries::Main(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 300'000);
}
