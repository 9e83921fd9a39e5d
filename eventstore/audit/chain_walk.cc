#include "eventstore/audit/chain_walk.h"

#include "eventstore/record.h"

namespace muster::audit {

ChainWalk::ChainWalk(Position after, const EventHash& hash)
    : position_(after), hash_(hash), whole_(after == 0) {}

Status ChainWalk::Take(std::string_view record) {
  const Position next = position_ + 1;
  if (const Status decoded = DecodeRecord(record, event_); !decoded.ok()) {
    return DataLoss(Cat("event ", next, " is damaged: ", Message(decoded)));
  }
  if (event_.position != next) {
    return DataLoss(
        Cat("event ", next, " is missing: event ", event_.position, " stands in its place"));
  }
  if (!ChainHolds(record, hash_)) {
    return DataLoss(Cat("event ", next, " breaks the hash chain: it was changed, or one before it ",
                        "was and its hash made anew"));
  }
  position_ = next;
  hash_ = event_.hash;
  if (whole_) tree_.Append(hash_);
  const StatusOr<RecordView> view = ViewRecord(record);
  if (view.ok() && view->pruned) ++redacted_;
  return {};
}

}  // namespace muster::audit
