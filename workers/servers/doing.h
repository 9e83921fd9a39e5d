// Doing: what is run on servers just now, command by command, and how far the command's input is.
//
// In memory alone: a percent is no fact that anybody decides by, so it is no event, and after a
// restart it is not known until the step is taken up. Reactor thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "commands/server/state.h"
#include "workers/servers/remote/run_commands.h"

namespace muster {

struct ServerDoing {
  server::Step step = eventpb::SERVER_STEP_UNSPECIFIED;
  int command = 0;  // from 1
  int commands = 0;
  std::string name;              // of the command
  absl::Duration lasts;          // the command, so far
  std::int64_t bytes_sent = 0;   // of its input, as the machine has taken it
  std::int64_t bytes_total = 0;  // 0 = it has none, or nobody knows
  double bytes_per_s = 0;        // over the last kRateSpan or two
};

class Doing {
 public:
  static constexpr absl::Duration kRateSpan = absl::Seconds(5);

  // `steady` is the Runtime's.
  void Tell(const ServerId& id, server::Step step, const remote::RemoteProgress& progress,
            absl::Time steady);
  // Nothing is run on it any more.
  void End(const ServerId& id) { at_.erase(id); }

  std::optional<ServerDoing> Of(const ServerId& id, absl::Time steady) const;

 private:
  struct Mark {
    absl::Time at;
    std::int64_t bytes = 0;
  };
  struct At {
    ServerDoing doing;
    absl::Time begun;
    // The rate is counted from `from`; `next` takes its place when a span has passed since.
    Mark from, next;
  };
  std::map<ServerId, At> at_;
};

}  // namespace muster
