// ObservedStore: an EventStore that tells an observer how each append went. Everything else goes
// straight through. The inner store must outlive it; threads as EventStore says.
#pragma once

#include <functional>

#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster::metrics {

class ObservedStore final : public EventStore {
 public:
  using Observer = std::function<void(const Status&, std::size_t events, absl::Duration elapsed)>;

  ObservedStore(Runtime& rt, EventStore& inner, Observer observer)
      : rt_(rt), inner_(inner), observer_(std::move(observer)) {}

  Task<StatusOr<Appended>> Append(StreamId stream, Expect expect, std::vector<NewEvent> events,
                                  absl::Time recorded_at) override {
    const absl::Time begun = rt_.Now();
    const std::size_t count = events.size();
    StatusOr<Appended> appended =
        co_await inner_.Append(std::move(stream), expect, std::move(events), recorded_at);
    observer_(appended.status(), count, rt_.Now() - begun);
    co_return appended;
  }
  Status ReadStream(const StreamId& stream, Version after,
                    absl::FunctionRef<bool(const RecordedEvent&)> visit) const override {
    return inner_.ReadStream(stream, after, visit);
  }
  Status ReadAll(Position after, std::size_t limit,
                 absl::FunctionRef<bool(const RecordedEvent&)> visit) const override {
    return inner_.ReadAll(after, limit, visit);
  }
  Status ReadRecords(
      Position after, std::size_t limit,
      absl::FunctionRef<bool(Position, std::string_view record)> visit) const override {
    return inner_.ReadRecords(after, limit, visit);
  }
  Position Head() const override { return inner_.Head(); }
  Version StreamVersion(const StreamId& stream) const override {
    return inner_.StreamVersion(stream);
  }
  Task<void> WaitPast(Position after, absl::Time deadline) override {
    return inner_.WaitPast(after, deadline);
  }
  Status SaveSnapshot(std::string_view name, const Snapshot& snapshot) override {
    return inner_.SaveSnapshot(name, snapshot);
  }
  StatusOr<Snapshot> LoadSnapshot(std::string_view name) const override {
    return inner_.LoadSnapshot(name);
  }
  Status Redact(Position position, std::string replacement) override {
    return inner_.Redact(position, std::move(replacement));
  }
  Status Verify(Position after) const override { return inner_.Verify(after); }

 private:
  Runtime& rt_;
  EventStore& inner_;
  const Observer observer_;
};

}  // namespace muster::metrics
