#include "workers/audit/chain_watch.h"

#include <algorithm>

#include "eventstore/base/log.h"

namespace muster {

Status ChainWatch::Step(Position until) {
  const Position before = walk_.position();
  const std::size_t count = std::min<Position>(options_.at_once, until - before);
  Status bad;
  const Status read = store_.ReadRecords(before, count, [&](Position, std::string_view record) {
    bad = walk_.Take(record);
    return bad.ok();
  });
  MUSTER_RETURN_IF_ERROR(bad);
  MUSTER_RETURN_IF_ERROR(read);
  if (walk_.position() == before) return DataLoss(Cat("event ", before + 1, " is missing"));
  return absl::OkStatus();
}

Task<void> ChainWatch::Run() {
  while (true) {
    const Position head = store_.Head();
    if (walk_.position() >= head) {
      co_await rt_.SleepFor(options_.every);
      continue;
    }
    if (const Status status = Step(head); !status.ok()) {
      problem_ = std::string(Message(status));
      Log(LogLevel::kError, "log_chain_broken", {{"error", status}});
      co_return;
    }
    co_await rt_.SleepFor(options_.pause);
  }
}

}  // namespace muster
