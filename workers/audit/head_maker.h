// HeadMaker: signs heads of the log, and only of a log whose chain it has walked itself.
//
// The first head after a start reads the whole log, a little at a time; later ones only what is
// new. So a daemon never vouches for a log that was changed under it. Reactor thread; the store
// must outlive it.
#pragma once

#include <functional>
#include <string>

#include "eventstore/audit/signed_head.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster {

// Shows `take` the records in (after, until], some hundreds at a time, so that others get turns.
//
// The first error of `take`, or kDataLoss from the store.
Task<Status> WalkRecords(Runtime& rt, const EventStore& store, Position after, Position until,
                         std::function<Status(std::string_view record)> take);

class HeadMaker {
 public:
  HeadMaker(Runtime& rt, const EventStore& store, audit::SigningKey key)
      : rt_(rt), store_(store), key_(std::move(key)), mutex_(rt) {}

  // A head of the log as it is now.
  //
  // kFailedPrecondition  the log is empty
  // kDataLoss            the chain is broken; names the position. It stays so until a restart
  Task<StatusOr<audit::SignedHead>> Make(std::string installation);

  const audit::SigningKey& key() const { return key_; }

 private:
  Runtime& rt_;
  const EventStore& store_;
  const audit::SigningKey key_;
  AsyncMutex mutex_;
  audit::ChainWalk walk_;
};

}  // namespace muster
