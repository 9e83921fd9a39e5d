#include "workers/servers/doing.h"

#include <algorithm>

namespace muster {

void Doing::Tell(const ServerId& id, server::Step step, const remote::RemoteProgress& progress,
                 absl::Time steady) {
  At& at = at_[id];
  const std::int64_t bytes = progress.bytes_taken;
  if (progress.state == remote::RemoteProgress::State::kStarted) {
    at = {.begun = steady, .from = {steady, bytes}, .next = {steady, bytes}};
  }
  at.doing.step = step;
  at.doing.command = static_cast<int>(progress.index) + 1;
  at.doing.commands = static_cast<int>(progress.count);
  at.doing.name = progress.name;
  at.doing.bytes_sent = bytes;
  at.doing.bytes_total = progress.bytes_total;
  if (steady - at.next.at >= kRateSpan) {
    at.from = at.next;
    at.next = {steady, bytes};
  }
}

std::optional<ServerDoing> Doing::Of(const ServerId& id, absl::Time steady) const {
  const auto found = at_.find(id);
  if (found == at_.end()) return std::nullopt;
  const At& at = found->second;
  ServerDoing doing = at.doing;
  doing.lasts = std::max(steady - at.begun, absl::ZeroDuration());
  // What stands still gets slower with every look.
  const double span_s = absl::ToDoubleSeconds(steady - at.from.at);
  if (span_s > 0) {
    doing.bytes_per_s = static_cast<double>(doing.bytes_sent - at.from.bytes) / span_s;
  }
  return doing;
}

}  // namespace muster
