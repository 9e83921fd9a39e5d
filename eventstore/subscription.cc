#include "eventstore/subscription.h"

#include "eventstore/base/check.h"

namespace muster {

Task<StatusOr<std::vector<RecordedEvent>>> Subscription::Next(std::size_t max,
                                                              absl::Time deadline) {
  MUSTER_CHECK(max > 0);
  if (store_.Head() <= position_) co_await store_.WaitPast(position_, deadline);
  std::vector<RecordedEvent> events;
  const Status read = store_.ReadAll(position_, max, [&](const RecordedEvent& event) {
    events.push_back(event);
    return true;
  });
  // What came before the damage is delivered first; the next call meets the damage again.
  if (events.empty() && !read.ok()) co_return read;
  if (!events.empty()) position_ = events.back().position;
  co_return events;
}

}  // namespace muster
