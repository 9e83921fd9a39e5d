// From an observation that is appended to the intent that follows from it, with 10,000 workers in
// the real store while 100 calls hang: 99 % within 10 ms. A busy machine or disk delays any
// program, so the least that two syncs on another thread take is measured beside it.
//
//   bench_reaction [FOLDER]     where the store goes; a folder on the disk to be measured
// Links: muster_handler muster_eventstore muster_os muster_spec_files
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <thread>

#include "commands/handler/handler.h"
#include "commands/handler/policy_driver.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "services/files/fleet_file.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

constexpr int kWorkers = 10'000;
constexpr int kReactions = 300;
constexpr int kHung = 100;

void Must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_reaction: %s\n", std::string(Message(status)).c_str());
  std::exit(1);
}

Origin Bench() {
  Origin origin;
  origin.actor = "bench";
  return origin;
}

WorkerId IdOf(int index) { return WorkerId(Cat("bnch", 10'000 + index)); }

Instance Seen(int index, MicroUsdPerHour price) {
  Instance instance;
  instance.id = InstanceId(Cat(index + 1));
  instance.label = Cat("zeb-worker-vast-", index, ".", IdOf(index).str());
  instance.machine = MachineId(Cat(index + 1));
  instance.gpu = GpuName("RTX 3070");
  instance.actual = ActualStatus::kRunning;
  instance.intended_raw = "running";
  instance.price = price;
  instance.price_known = true;
  return instance;
}

Task<void> Adopt(Handler& handler, int index, absl::Time now) {
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_fleet_version(1);
  adoption.set_provider("vast");
  adoption.set_index(index);
  adoption.set_label(Cat("zeb-worker-vast-", index, ".", IdOf(index).str()));
  adoption.set_instance(Cat(index + 1));
  eventpb::OfferTaken& offer = *adoption.mutable_offer();
  offer.set_machine(Cat(index + 1));
  offer.set_gpu("RTX 3070");
  offer.set_gpus(1);
  offer.set_price_micro_usd_per_hour(60'000);
  worker::Command adopt = worker::Adopt{adoption};
  Must((co_await handler.Worker(IdOf(index), std::move(adopt), Bench())).status());
  worker::Command observe = worker::ObserveInstance{Seen(index, MicroUsdPerHour(60'000)), now};
  Must((co_await handler.Worker(IdOf(index), std::move(observe), Bench())).status());
}

Task<void> Fill(OsRuntime& rt, Handler& handler) {
  const auto spec =
      ParseFleetFile(Cat("name: zeb\nworkers: ", kWorkers,
                         "\nmarket: {price_max: $0.09/h}\nlaunch: {onstart: echo hello}\n"),
                     "bench.yaml");
  Must(spec.status());
  fleet::Command apply = fleet::Apply{*spec};
  Must((co_await handler.Fleet(FleetName("zeb"), std::move(apply), Bench())).status());
  constexpr int kBesides = 500;
  for (int begin = 0; begin < kWorkers; begin += kBesides) {
    std::vector<Task<void>> beside;
    for (int i = begin; i < begin + kBesides; ++i) beside.push_back(Adopt(handler, i, rt.Now()));
    co_await WhenAll(rt, std::move(beside));
  }
}

Task<void> Hang(OsRuntime& rt) { co_await rt.SleepUntil(absl::InfiniteFuture()); }

// What no reaction can do without: two groups written and synced, one after the other, each by
// another thread.
Task<double> TwoSyncs(OsRuntime& rt, int file) {
  const absl::Time began = rt.Now();
  for (int i = 0; i < 2; ++i) {
    auto done = std::make_shared<Promise<bool>>(rt);
    std::thread([&rt, file, done] {
      const std::string bytes(1024, 'x');
      const bool good = write(file, bytes.data(), bytes.size()) > 0 && fdatasync(file) == 0;
      rt.Post([done, good] { done->Set(good); });
    }).detach();
    const bool good = co_await done->Take();
    if (!good) Must(Unavailable("cannot write to the folder"));
  }
  co_return absl::ToDoubleMilliseconds(rt.Now() - began);
}

double P99(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() * 99 / 100];
}

Task<int> Measure(OsRuntime& rt, Handler& handler, PolicyDriver& policy, int file) {
  co_await Fill(rt, handler);
  for (int i = 0; i < kHung; ++i) rt.Spawn("hung", Hang(rt));
  std::map<WorkerId, absl::Time> observed;
  std::vector<double> milliseconds, bare;
  handler.Listen([&](const Written& written) {
    if (!written.body.has_destroy_requested()) return;
    const auto asked = observed.find(WorkerId(written.stream.str().substr(7)));
    if (asked == observed.end()) return;
    milliseconds.push_back(absl::ToDoubleMilliseconds(rt.Now() - asked->second));
  });
  // A complete list is what allows the policy to act at all.
  account::ObserveList list;
  for (int i = 0; i < kWorkers; ++i) list.instances.push_back(InstanceId(Cat(i + 1)));
  account::Command seen = std::move(list);
  Must((co_await handler.Account(ProviderName("vast"), std::move(seen), Bench())).status());
  policy.Start();
  co_await rt.SleepFor(absl::Seconds(2));  // the first pass looks at everybody
  for (int i = 0; i < kReactions; ++i) {
    const int index = i * (kWorkers / kReactions);
    worker::Command observe =
        worker::ObserveInstance{Seen(index, MicroUsdPerHour(200'000)), rt.Now()};
    Must((co_await handler.Worker(IdOf(index), std::move(observe), Bench())).status());
    observed[IdOf(index)] = rt.Now();
    co_await rt.SleepFor(absl::Milliseconds(15));
    bare.push_back(co_await TwoSyncs(rt, file));
  }
  co_await rt.SleepFor(absl::Seconds(1));
  if (milliseconds.size() < kReactions) {
    std::fprintf(stderr, "bench_reaction: only %zu of %d reactions\n", milliseconds.size(),
                 kReactions);
    co_return 1;
  }
  const double p99 = P99(milliseconds), bare_p99 = P99(bare);
  std::printf("observation to intent, %d workers, %d hung calls: median %.2f ms, p99 %.2f ms\n",
              kWorkers, kHung, milliseconds[kReactions / 2], p99);
  std::printf("two syncs alone: median %.2f ms, p99 %.2f ms\n", bare[kReactions / 2], bare_p99);
  std::printf("RATIO reaction_p99_ms %.2f <=10\n", p99);
  std::printf("RATIO reaction_p99_vs_two_syncs %.2f <=3\n", p99 / bare_p99);
  co_return 0;
}

int Main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  folder += "/muster-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror("bench_reaction: mkdtemp");
    return 1;
  }
  OsRuntime rt;
  int code = 1;
  {
    auto store = RocksDbEventStore::Open(rt, {.path = folder + "/store"});
    Must(store.status());
    Handler handler(rt, **store);
    Must(rt.BlockOn(handler.Load()));
    PolicyDriver policy(rt, handler, {});
    const int file = open((folder + "/bare").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    code = rt.BlockOn(Measure(rt, handler, policy, file));
    close(file);
    policy.Stop();
    rt.DestroyTasks();
  }
  std::filesystem::remove_all(folder);
  return code;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) { return muster::Main(argc, argv); }
