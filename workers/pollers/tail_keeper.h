// TailKeeper: the last log tail of each worker, kept beside the event log.
//
// Facts go into the log, text does not: it is masked (by the adapter), capped in size and age, and
// may be lost without harm. With a folder, tails survive a restart and the end of the machine;
// without one they live in memory only. Reactor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/runtime.h"
#include "workers/ports/provider.h"

namespace muster {

struct TailKeeperOptions {
  std::string folder;  // made when missing; "" = memory only
  absl::Duration age_max = absl::Hours(7 * 24);
  std::size_t text_bytes_max = 64u << 10;         // of one tail; its front is cut
  absl::Duration write_every = absl::Minutes(1);  // a changed tail reaches the disk within this
};

class TailKeeper {
 public:
  struct Tail {
    std::string text;
    LogTail::State state = LogTail::State::kText;
    bool cut = false;
    absl::Time at;             // of the poll that brought it
    absl::Time changed_at;     // since when the text is as it is
    std::uint64_t change = 0;  // grows with each change of the text
  };

  TailKeeper(Runtime& rt, TailKeeperOptions options);
  ~TailKeeper();

  // Knows from now on what an earlier run kept (read when asked for, or a few at a time), and
  // writes changes down in the background. Without it the keeper works in memory. kUnavailable  the
  // folder cannot be read or made: tails are kept in memory only
  Status Start();
  // Writes what is not yet on disk. Call before the end.
  void Stop();

  void Keep(const WorkerId& worker, LogTail tail);
  // nullopt: none was ever kept, or it grew too old.
  std::optional<Tail> Find(const WorkerId& worker) const;

  // `listener` is called on the reactor with each tail whose text changed. It must not block.
  using Listener = std::function<void(const WorkerId&, const Tail&)>;
  int Listen(Listener listener);
  void Unlisten(int token);
  // Returns the tail as soon as its change number exceeds `change` (0 = any tail at all), or
  // nullopt at `deadline`. For followers.
  Task<std::optional<Tail>> Await(WorkerId worker, std::uint64_t change, absl::Time deadline);

  // Drops what is older than age_max, on disk too. Start does this once an hour.
  void Expire();

 private:
  struct Disk;
  static Task<void> Write(Runtime& rt, TailKeeper& keeper, std::shared_ptr<Disk> disk);
  void WriteDue(std::size_t most);
  // Reads what an earlier run kept of `worker`, unless that was done.
  void TakeUp(const WorkerId& worker) const;

  Runtime& rt_;
  TailKeeperOptions options_;
  mutable absl::flat_hash_map<WorkerId, Tail> tails_;  // and what is read from disk when asked for
  std::map<int, Listener> listeners_;
  int next_listener_ = 1;
  std::shared_ptr<Signal> changed_;
  std::shared_ptr<Disk> disk_;  // none = in memory only
};

// The lines of `after` that follow on `before`: what a follower has not been shown yet. Lines are
// matched by the longest end of `before` that is a start of a suffix of `after`; when nothing
// matches, all of `after` is new.
std::string NewLines(const std::string& before, const std::string& after);

}  // namespace muster
