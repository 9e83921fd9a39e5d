#include "queries/strikes/projection.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "queries/packing.h"
#include "queries/visit.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 1;
constexpr int kLimitDefault = 3;     // of a fleet file that names none
constexpr int kOldScriptsLimit = 3;  // lines in bad-hosts.txt
constexpr double kRounding = 1e-9;   // weights are decimal fractions

absl::Time Expiry(std::int64_t micros) {
  return micros == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

}  // namespace

double StrikesProjection::Host::Live(absl::Time now) const {
  double live = 0;
  for (const Strike& strike : strikes) {
    if (now < strike.expires) live += strike.weight;
  }
  return live;
}

void StrikesProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const std::string_view fleet = NameInStream(recorded.stream, "fleet/");
  if (!fleet.empty()) return ApplyToFleet(std::string(fleet), body);
  const std::string_view host = NameInStream(recorded.stream, "host/");
  const std::size_t slash = host.find('/');
  if (slash == host.npos) return;
  ApplyToHost({std::string(host.substr(0, slash)), std::string(host.substr(slash + 1))}, recorded,
              body);
}

void StrikesProjection::ApplyToFleet(const std::string& fleet, const eventpb::EventBody& body) {
  const Overloaded fold{[&](const eventpb::FleetApplied& e) {
                          const int limit = e.spec().strikes().limit();
                          fleets_[fleet] = {e.spec().provider(), limit > 0 ? limit : kLimitDefault,
                                            true};
                        },
                        [&](const eventpb::FleetDownRequested&) { fleets_[fleet].active = false; },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

void StrikesProjection::ApplyToHost(const Key& key, const RecordedEvent& recorded,
                                    const eventpb::EventBody& body) {
  Host& host = hosts_[key];
  const absl::Time at = recorded.event.occurred_at;
  const Overloaded fold{[&](const eventpb::HostStruck& e) {
                          host.strikes.push_back({.cause = e.cause(),
                                                  .worker = e.worker(),
                                                  .fleet = e.fleet(),
                                                  .summary = e.evidence().summary(),
                                                  .weight = e.weight(),
                                                  .at = at,
                                                  .expires = Expiry(e.expires_us())});
                        },
                        [&](const eventpb::HostPardoned&) { host.strikes.clear(); },
                        [&](const eventpb::StrikesImported& e) {
                          for (int i = 0; i < std::min(e.strikes(), 1000); ++i) {
                            host.strikes.push_back({.cause = "imported",
                                                    .summary = Cat("from ", e.file()),
                                                    .at = at,
                                                    .expires = Expiry(e.expires_us())});
                          }
                        },
                        [&](const eventpb::HostMeasured& e) {
                          if (!e.gpu().empty()) host.gpu = e.gpu();
                          ++host.launches;
                          if (e.booted()) ++host.boots;
                          if (e.producing_s() <= 0 || !std::isfinite(e.rate_per_s())) return;
                          ++host.samples;
                          host.seconds += static_cast<double>(e.producing_s());
                          host.rate_seconds +=
                              e.rate_per_s() * static_cast<double>(e.producing_s());
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

HostStatus StrikesProjection::Show(const Key& key, const Host& host, absl::Time now) const {
  HostStatus shown;
  shown.provider = ProviderName(key.first);
  shown.machine = MachineId(key.second);
  shown.gpu = GpuName(host.gpu);
  shown.live_strikes = host.Live(now);
  for (const auto& [fleet, limit] : fleets_) {
    if (limit.active && limit.provider == key.first &&
        shown.live_strikes + kRounding >= limit.strikes) {
      shown.blocked_for.emplace_back(fleet);
    }
  }
  shown.blocked = !shown.blocked_for.empty();
  for (const Strike& strike : host.strikes) {
    shown.strikes.push_back({.cause = strike.cause,
                             .weight = strike.weight,
                             .worker = WorkerId(strike.worker),
                             .fleet = FleetName(strike.fleet),
                             .at = strike.at,
                             .expires_at = strike.expires,
                             .summary = strike.summary,
                             .live = now < strike.expires});
  }
  shown.rate_mean_per_s = host.seconds > 0 ? host.rate_seconds / host.seconds : 0;
  shown.samples = host.samples;
  shown.launches = host.launches;
  shown.boots = host.boots;
  return shown;
}

std::vector<HostStatus> StrikesProjection::Hosts(const HostQuery& query, absl::Time now) const {
  std::vector<HostStatus> shown;
  for (const auto& [key, host] : hosts_) {
    if (!query.provider.empty() && query.provider.str() != key.first) continue;
    if (!query.machine.empty() && query.machine.str() != key.second) continue;
    if (query.struck_only && host.Live(now) <= 0) continue;
    shown.push_back(Show(key, host, now));
  }
  std::sort(shown.begin(), shown.end(), [](const HostStatus& a, const HostStatus& b) {
    return std::tie(b.live_strikes, a.provider, a.machine) <
           std::tie(a.live_strikes, b.provider, b.machine);
  });
  return shown;
}

std::string StrikesProjection::Export(const std::string& provider, absl::Time now) const {
  std::string content;
  for (const auto& [key, host] : hosts_) {
    if (!provider.empty() && provider != key.first) continue;
    const HostStatus shown = Show(key, host, now);
    int lines = static_cast<int>(std::floor(shown.live_strikes + kRounding));
    if (shown.blocked) lines = std::max(lines, kOldScriptsLimit);
    for (int i = 0; i < lines; ++i) content += Cat(key.second, "\n");
  }
  return content;
}

double StrikesProjection::LiveStrikes(const std::string& provider, const std::string& machine,
                                      absl::Time now) const {
  const auto host = hosts_.find({provider, machine});
  return host == hosts_.end() ? 0 : host->second.Live(now);
}

std::string StrikesProjection::Save() const { return PackModel(kLayout, *this); }
bool StrikesProjection::Load(std::string_view bytes) { return UnpackModel(kLayout, bytes, *this); }

}  // namespace muster::queries
