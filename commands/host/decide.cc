#include <algorithm>
#include <cmath>

#include "commands/host/commands.h"
#include "eventstore/events/host_events.h"

namespace muster::host {
namespace {

using Result = StatusOr<Events>;

constexpr int kImportMax = 1000;  // lines of one machine; a file that says more is no such file

bool Holds(const std::vector<WorkerId>& judged, const std::string& worker) {
  return std::find(judged.begin(), judged.end(), WorkerId(worker)) != judged.end();
}

Result On(const State& state, const StrikeHost& command, const DecideContext&) {
  const eventpb::HostStruck& strike = command.strike;
  if (strike.worker().empty()) return InvalidArgument("a strike needs the worker it is for");
  if (strike.cause().empty() || strike.evidence().rule().empty()) {
    return InvalidArgument("a strike without evidence: no rule");
  }
  if (!std::isfinite(strike.weight()) || strike.weight() <= 0) {
    return InvalidArgument("the strike's weight is not a number > 0");
  }
  if (Holds(state.struck_for, strike.worker())) return Events{};
  return Events{Wrap(strike)};
}

Result On(const State& state, const Pardon& command, const DecideContext& context) {
  const auto live = std::count_if(state.strikes.begin(), state.strikes.end(),
                                  [&](const Strike& s) { return s.expires > context.now; });
  if (live == 0) return Events{};
  eventpb::HostPardoned pardoned;
  pardoned.set_reason(StoredText(command.reason));
  pardoned.set_strikes_cleared(static_cast<int>(live));
  return Events{Wrap(pardoned)};
}

Result On(const State& state, const ImportStrikes& command, const DecideContext& context) {
  if (command.strikes < 1 || command.strikes > kImportMax) {
    return InvalidArgument(Cat(command.strikes, " strikes: 1 to ", kImportMax, " can be imported"));
  }
  if (command.expires <= context.now) return InvalidArgument("the strikes have expired already");
  eventpb::StrikesImported imported;
  imported.set_file(StoredText(command.file, 255));
  imported.set_strikes(command.strikes);
  imported.set_expires_us(ToStoredTime(command.expires));
  const absl::Time expires = ExpiryOf(imported);
  const auto same = std::count_if(state.strikes.begin(), state.strikes.end(), [&](const Strike& s) {
    return s.cause == kImported && s.expires == expires;
  });
  const auto all = std::count_if(state.strikes.begin(), state.strikes.end(),
                                 [](const Strike& s) { return s.cause == kImported; });
  if (same == command.strikes && all == same) return Events{};
  return Events{Wrap(imported)};
}

Result On(const State& state, const Measure& command, const DecideContext&) {
  const eventpb::HostMeasured& measured = command.measured;
  if (measured.worker().empty()) return InvalidArgument("a measurement needs its worker");
  if (!std::isfinite(measured.rate_per_s()) || measured.rate_per_s() < 0 ||
      measured.producing_s() < 0 || measured.boot_s() < 0) {
    return InvalidArgument("rates and spans are numbers >= 0");
  }
  if (Holds(state.measured_for, measured.worker())) return Events{};
  return Events{Wrap(measured)};
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit([&](const auto& c) { return On(state, c, context); }, command);
}

}  // namespace muster::host
