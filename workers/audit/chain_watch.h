// ChainWatch: walks the log's hash chain all the time, a little at a time, so that a log that was
// changed under the daemon is noticed without anybody asking.
//
// After each start the whole log, later what is new; what was walked once is walked again only by
// the next start. Reactor thread; the store must outlive it.
#pragma once

#include <string>

#include "eventstore/audit/chain_walk.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster {

struct ChainWatchOptions {
  std::size_t at_once = 256;                      // about a millisecond
  absl::Duration pause = absl::Milliseconds(50);  // after each of those: 2 % of one core
  absl::Duration every = absl::Minutes(1);        // once at the head
};

class ChainWatch {
 public:
  ChainWatch(Runtime& rt, const EventStore& store, ChainWatchOptions options = {})
      : rt_(rt), store_(store), options_(options) {}

  // Spawn once. Ends only with the Runtime, or when the chain is broken.
  Task<void> Run();

  Position verified() const { return walk_.position(); }  // good up to here
  // Empty: as it was written, as far as was looked. Else it begins "event N" and stays.
  const std::string& problem() const { return problem_; }

 private:
  Status Step(Position until);

  Runtime& rt_;
  const EventStore& store_;
  const ChainWatchOptions options_;
  audit::ChainWalk walk_;
  std::string problem_;
};

}  // namespace muster
