// What the tests of the stores share: events to append, a temporary folder, and waiting for a
// commit thread under a virtual runtime.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/event_store.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

inline constexpr absl::Time kLogStart = absl::FromUnixSeconds(1'790'000'000);

// An event whose every field follows from `id`.
NewEvent MakeEvent(const std::string& id);
std::vector<NewEvent> MakeEvents(const std::vector<std::string>& ids);

// A folder that is removed, with everything in it, at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Runs `task` to its end without moving time; other threads may be part of it.
template <class T>
T Await(VirtualRuntime& rt, Task<T> task) {
  std::optional<T> result;
  rt.Spawn("await", [](Task<T> inner, std::optional<T>* out) -> Task<void> {
    *out = co_await std::move(inner);
  }(std::move(task), &result));
  while (!result.has_value()) rt.RunUntilIdle();
  return *std::move(result);
}

inline StatusOr<Appended> AppendTo(VirtualRuntime& rt, EventStore& store, const std::string& stream,
                                   Version expected, const std::vector<std::string>& ids) {
  return Await(rt,
               store.Append(StreamId(stream), Expect::At(expected), MakeEvents(ids), kLogStart));
}

// Appends all of these in one turn, so that they are in flight together; results in order.
std::vector<StatusOr<Appended>> AppendTogether(
    VirtualRuntime& rt, EventStore& store,
    const std::vector<std::pair<std::string, std::vector<std::string>>>& new_streams);

// The ids of the events after `after`, and how the reading ended.
struct ReadResult {
  std::vector<std::string> ids;
  Status status;
};
ReadResult ReadIds(const EventStore& store, Position after = 0);
ReadResult ReadStreamIds(const EventStore& store, const std::string& stream, Version after = 0);

std::vector<RecordedEvent> ReadEvents(const EventStore& store);

}  // namespace muster
