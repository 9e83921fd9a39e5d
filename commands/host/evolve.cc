#include <algorithm>

#include "commands/host/state.h"
#include "eventstore/events/host_events.h"

namespace muster::host {
namespace {

constexpr std::size_t kJudgedMax = 64;

void Remember(std::vector<WorkerId>& judged, const std::string& worker) {
  judged.emplace_back(worker);
  if (judged.size() > kJudgedMax) judged.erase(judged.begin());
}

void TakeStrike(State& state, const eventpb::HostStruck& e, const Stamp& recorded) {
  std::erase_if(state.strikes, [&](const auto& s) { return s.expires <= recorded.at; });
  state.strikes.push_back({.cause = e.cause(),
                           .weight = e.weight(),
                           .worker = WorkerId(e.worker()),
                           .expires = ExpiryOf(e),
                           .at = recorded});
  Remember(state.struck_for, e.worker());
}

void Import(State& state, const eventpb::StrikesImported& e, const Stamp& recorded) {
  std::erase_if(state.strikes, [](const auto& s) { return s.cause == kImported; });
  for (int i = 0; i < e.strikes(); ++i) {
    state.strikes.push_back(
        {.cause = std::string(kImported), .expires = ExpiryOf(e), .at = recorded});
  }
}

void Measure(State& state, const eventpb::HostMeasured& e) {
  auto found = std::find_if(state.measured.begin(), state.measured.end(),
                            [&](const Measured& m) { return m.work_key == e.work_key(); });
  if (found == state.measured.end()) {
    state.measured.push_back({.work_key = e.work_key()});
    found = std::prev(state.measured.end());
  }
  ++found->launches;
  if (e.booted()) {
    ++found->boots;
    found->boot_s_sum += static_cast<double>(e.boot_s());
  }
  if (e.producing_s() > 0) {
    const auto seconds = static_cast<double>(e.producing_s());
    found->seconds += seconds;
    found->rate_sum += e.rate_per_s() * seconds;
    ++found->samples;
  }
  if (!e.gpu().empty()) state.gpu = GpuName(e.gpu());
  Remember(state.measured_for, e.worker());
}

}  // namespace

double State::LiveStrikes(absl::Time now) const {
  double live = 0;
  for (const auto& strike : strikes) {
    if (strike.expires > now) live += strike.weight;
  }
  return live;
}

const Measured* State::Find(std::string_view work_key) const {
  for (const Measured& m : measured) {
    if (m.work_key == work_key) return &m;
  }
  return nullptr;
}

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  // The kinds of other streams are ignored, as everything that makes no sense here.
  if (body.has_host_struck()) TakeStrike(state, body.host_struck(), recorded);
  if (body.has_host_pardoned()) state.strikes.clear();
  if (body.has_strikes_imported()) Import(state, body.strikes_imported(), recorded);
  if (body.has_host_measured()) Measure(state, body.host_measured());
}

}  // namespace muster::host
