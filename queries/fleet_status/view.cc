#include "queries/fleet_status/view.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "eventstore/base/strings.h"
#include "eventstore/events/codec.h"
#include "eventstore/events/wait_end.h"
#include "queries/cost/projection.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

constexpr std::size_t kPartsMax = 3;  // of a state line; `describe` shows everything

// In the order of what a reader must know first.
struct HealthText {
  std::string_view health;
  std::string_view text;     // after the count
  std::string_view outcome;  // when the clock runs out; "" = the clock ends nothing
};
constexpr std::array<HealthText, 12> kNotable = {{
    {"FAILING", "FAILING", "replace"},
    {"OFFLINE", "OFFLINE", "replace"},
    {"STALLED", "STALLED", "replace"},
    {"UNKNOWN", "not observed", ""},
    {"HELD", "held for credit", ""},
    {"CONDEMNED", "condemned", ""},
    {"DESTROYING", "being destroyed", ""},
    {"BOOT", "in BOOT", "replace"},
    {"SETUP", "in SETUP", "replace"},
    {"WARMUP", "in WARMUP", "replace"},
    {"LAUNCHING", "launching", ""},
    {"HEALTH_UNSPECIFIED", "not judged yet", ""},
}};

std::string ClockText(const HealthText& notable, int count, const WorkerStatus& oldest,
                      absl::Time now) {
  if (oldest.clock_since == absl::InfinitePast()) {  // judged by something else than a clock
    return oldest.health_detail.empty() ? "" : Cat(" (", OneLine(oldest.health_detail), ")");
  }
  const absl::Duration running = std::max(now - oldest.clock_since, absl::ZeroDuration());
  std::string text = Cat(count > 1 ? "oldest " : "", ShortSpan(running));
  if (oldest.clock_limit > absl::ZeroDuration()) {
    text += Cat(" of ", ShortSpan(oldest.clock_limit));
    if (!notable.outcome.empty()) text += Cat(", then ", notable.outcome);
  }
  return Cat(" (", text, ")");
}

std::string WaitText(const WaitStatus& wait, absl::Time now) {
  std::string text = Cat("waits for ", wait.kind);
  if (!wait.detail.empty()) text += Cat(": ", OneLine(wait.detail));
  const bool known = wait.until > now && wait.until != absl::InfiniteFuture();
  const std::string end = WaitEnd(wait.kind, wait.owner, known ? ShortSpan(wait.until - now) : "");
  return end.empty() ? text : Cat(text, " (", end, ")");
}

}  // namespace

absl::Duration ClockLimit(const specpb::Timers& timers, std::string_view health) {
  if (health == "BOOT") return absl::Seconds(timers.boot_s());
  if (health == "SETUP") return absl::Seconds(timers.setup_s());
  if (health == "WARMUP") return absl::Seconds(timers.warmup_s());
  if (health == "STALLED") return absl::Seconds(timers.no_progress_s());
  if (health == "FAILING") return absl::Seconds(timers.error_grace_s());
  if (health == "OFFLINE") return absl::Seconds(timers.offline_s());
  return absl::ZeroDuration();
}

MicroUsdPerHour CostPerUnitRate(MicroUsdPerHour price, double rate_per_s) {
  if (!(rate_per_s > 0) || price.micros <= 0) return {};
  const double micros = static_cast<double>(price.micros) / rate_per_s;
  return micros < 9e18 ? MicroUsdPerHour(std::llround(micros)) : MicroUsdPerHour();
}

absl::Time NextMidnight(absl::Time now) {
  return absl::FromUnixSeconds((UnixDay(now) + 1) * 86'400);
}

void WorkerTally::Add(const WorkerStatus& worker) {
  Add(worker, 1, worker.producing ? worker.rate_per_s : 0, worker.observed_at);
}

void WorkerTally::Add(const WorkerStatus& oldest, int count, double rate_per_s,
                      absl::Time observed_at) {
  open_ += count;
  rate_per_s_ += rate_per_s;
  observed_at_ = std::min(observed_at_, observed_at);
  if (oldest.phase == "destroying") {
    destroying_ += count;
  } else {
    have_ += count;
  }
  if (oldest.health == "HEALTHY") {
    healthy_ += count;
    return;
  }
  Alike& alike = not_healthy_[oldest.health];
  const bool first = alike.count == 0;
  alike.count += count;
  if (first || oldest.clock_since < alike.oldest.clock_since) alike.oldest = oldest;
}

void WorkerTally::AddTo(FleetStatus& fleet, absl::Time now) const {
  fleet.have += have_;
  fleet.healthy += healthy_;
  fleet.destroying += destroying_;
  fleet.rate_per_s += rate_per_s_;
  fleet.observed_at = open_ == 0 ? fleet.updated_at : observed_at_;
  fleet.cost_per_unit_rate = CostPerUnitRate(fleet.burn, fleet.rate_per_s);
  fleet.worst_case = fleet.spent_today + Cost(fleet.burn, NextMidnight(now) - now);
  fleet.state = StateLine(fleet, now);
}

std::string WorkerTally::StateLine(const FleetStatus& fleet, absl::Time now) const {
  if (fleet.ended) return "ended";
  std::vector<std::string> parts;
  if (fleet.down_requested) parts.push_back(Cat("going down, ", open_, " left"));
  for (const WaitStatus& wait : fleet.waits) parts.push_back(WaitText(wait, now));
  for (const HealthText& notable : kNotable) {
    const auto alike = not_healthy_.find(notable.health);
    if (alike == not_healthy_.end()) continue;
    const auto& [count, oldest] = alike->second;
    parts.push_back(Cat(count, " ", notable.text, ClockText(notable, count, oldest, now)));
  }
  if (!fleet.down_requested && fleet.have < fleet.wanted && fleet.waits.empty()) {
    parts.push_back(Cat(fleet.wanted - fleet.have, " short"));
  }
  if (!fleet.down_requested && fleet.have > fleet.wanted) {
    parts.push_back(Cat(fleet.have - fleet.wanted, " too many"));
  }
  if (fleet.strikes_suspended) {
    parts.push_back(Cat("strikes suspended (", fleet.suspended_cause, ")"));
  }
  if (parts.empty()) return fleet.wanted == 0 ? "wants no workers" : "all healthy";
  std::string line = parts[0];
  for (std::size_t i = 1; i < std::min(parts.size(), kPartsMax); ++i) line += Cat("; ", parts[i]);
  if (parts.size() > kPartsMax) line += Cat("; ", parts.size() - kPartsMax, " more");
  return line;
}

}  // namespace muster::queries
