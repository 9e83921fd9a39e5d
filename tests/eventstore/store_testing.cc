#include "tests/eventstore/store_testing.h"

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "tests/support/pch.h"

namespace muster {

NewEvent MakeEvent(const std::string& id) {
  return {.id = EventId(id),
          .type = "test.happened",
          .payload = Cat("payload of ", id),
          .actor = "operator:alice",
          .cause = Cat("cause-", id),
          .correlation = "root",
          .occurred_at = kLogStart - absl::Seconds(id.size())};
}

std::vector<NewEvent> MakeEvents(const std::vector<std::string>& ids) {
  std::vector<NewEvent> events;
  for (const std::string& id : ids) events.push_back(MakeEvent(id));
  return events;
}

TempFolder::TempFolder() {
  path_ = testing::TempDir() + "muster-store-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) std::abort();
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

Task<void> AppendOne(EventStore* store, std::string stream, std::vector<NewEvent> events,
                     std::optional<StatusOr<Appended>>* out) {
  *out = co_await store->Append(StreamId(stream), Expect::NoStream(), std::move(events), kLogStart);
}

}  // namespace

std::vector<StatusOr<Appended>> AppendTogether(
    VirtualRuntime& rt, EventStore& store,
    const std::vector<std::pair<std::string, std::vector<std::string>>>& new_streams) {
  std::vector<std::optional<StatusOr<Appended>>> slots(new_streams.size());
  for (std::size_t i = 0; i < new_streams.size(); ++i) {
    rt.Spawn("append",
             AppendOne(&store, new_streams[i].first, MakeEvents(new_streams[i].second), &slots[i]));
  }
  std::vector<StatusOr<Appended>> results;
  for (auto& slot : slots) {
    while (!slot.has_value()) rt.RunUntilIdle();
    results.push_back(*std::move(slot));
  }
  return results;
}

ReadResult ReadIds(const EventStore& store, Position after) {
  ReadResult result;
  result.status = store.ReadAll(after, std::numeric_limits<std::size_t>::max(),
                                [&](const RecordedEvent& event) {
                                  result.ids.push_back(event.event.id.str());
                                  return true;
                                });
  return result;
}

ReadResult ReadStreamIds(const EventStore& store, const std::string& stream, Version after) {
  ReadResult result;
  result.status = store.ReadStream(StreamId(stream), after, [&](const RecordedEvent& event) {
    result.ids.push_back(event.event.id.str());
    return true;
  });
  return result;
}

std::vector<RecordedEvent> ReadEvents(const EventStore& store) {
  std::vector<RecordedEvent> events;
  const Status status =
      store.ReadAll(0, std::numeric_limits<std::size_t>::max(), [&](const RecordedEvent& event) {
        events.push_back(event);
        return true;
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return events;
}

}  // namespace muster
