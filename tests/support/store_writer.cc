// store_writer PATH: appends to the event store at PATH until it is killed, and prints after each
// append the position that was acknowledged. The crash test kills it at moments of its choosing.
//
// Eight writers are in flight, each with a stream of its own and appends of one to three events, so
// that groups of several appends are cut off too.
#include <unistd.h>

#include <cstdio>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

constexpr int kWriters = 8;

// Ids say which append an event belongs to, and how many events that has: "STREAM-VERSION/COUNT".
std::vector<NewEvent> NextEvents(const std::string& stream, Version version) {
  const Version count = version % 3 + 1;
  std::vector<NewEvent> events;
  for (Version i = 0; i < count; ++i) {
    events.push_back({.id = EventId(Cat(stream, "-", version, "/", count, ".", i)),
                      .type = "test.happened",
                      .payload = std::string(100 + 37 * (version % 29), 'p'),
                      .occurred_at = absl::FromUnixSeconds(1'790'000'000)});
  }
  return events;
}

Task<void> WriteForever(RocksDbEventStore* store, Runtime* rt, std::string stream) {
  Version version = store->StreamVersion(StreamId(stream));
  while (true) {
    const auto appended = co_await store->Append(StreamId(stream), Expect::At(version),
                                                 NextEvents(stream, version), rt->Now());
    if (!appended.ok()) {
      std::fprintf(stderr, "%s\n", appended.status().ToString().c_str());
      _exit(1);
    }
    version = appended->version;
    const std::string line = Cat(appended->position, "\n");
    // One write per line: the reader never sees half of one, however we end.
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(1);
  }
}

int Main(const char* path) {
  VirtualRuntime rt(1);
  auto store = RocksDbEventStore::Open(rt, {.path = path});
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  for (int i = 0; i < kWriters; ++i) {
    rt.Spawn("writer", WriteForever(store->get(), &rt, Cat("writer/", i)));
  }
  while (true) rt.RunUntilIdle();
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) { return argc == 2 ? muster::Main(argv[1]) : 64; }
