#include "commands/fleet/plan/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"
#include "commands/fleet/plan/label.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr int kSamplesMinDefault = 3;
// A machine that hardly ever comes up is still worth something, or it could never show better.
constexpr double kBootRateFloor = 0.1;
constexpr double kServedWell = 0.9;  // of what was expected

int SamplesMin(const specpb::FleetSpec& spec) {
  return spec.market().samples_min() > 0 ? spec.market().samples_min() : kSamplesMinDefault;
}

const specpb::GpuExpectation* FindGpu(const specpb::FleetSpec& spec, const GpuName& gpu) {
  for (const specpb::GpuExpectation& one : spec.market().gpus()) {
    if (one.name() == gpu.str()) return &one;
  }
  return nullptr;
}

double BootRate(const host::Measured& measured) {
  if (measured.launches <= 0) return 1;
  return std::max(kBootRateFloor, static_cast<double>(measured.boots) / measured.launches);
}

std::string Number(double value) { return absl::StrFormat("%g", value); }

bool InCountries(const specpb::FleetSpec& spec, const std::string& location) {
  if (spec.market().countries().empty()) return true;
  const std::string_view text = Trim(location);
  const std::string_view country = text.size() < 2 ? text : text.substr(text.size() - 2);
  return std::any_of(spec.market().countries().begin(), spec.market().countries().end(),
                     [&](const std::string& one) { return one == country; });
}

}  // namespace

Measurements::Measurements(const World& world, const specpb::FleetSpec& spec)
    : world_(world), spec_(spec), work_key_(WorkKey(spec)) {
  for (const auto& [key, host] : world.hosts) {
    if (key.first.str() != spec.provider()) continue;
    const host::Measured* measured = host.Find(work_key_);
    if (measured == nullptr || measured->seconds <= 0) continue;
    Sum& sum = by_gpu_[host.gpu];
    sum.rate_seconds += measured->rate_sum;
    sum.seconds += measured->seconds;
    sum.samples += measured->samples;
  }
}

Expectation Measurements::Of(const Offer& offer) const {
  const specpb::GpuExpectation* row = FindGpu(spec_, offer.gpu);
  Expectation expected;
  if (row != nullptr && row->rate_per_s() > 0) {
    expected = {row->rate_per_s(), "fleet table", false};
  } else {
    expected = {spec_.market().rate_default_per_s(), "gpu default", false};
  }
  const double table = expected.rate_per_s;
  const int samples_min = SamplesMin(spec_);
  if (const auto it = by_gpu_.find(offer.gpu);
      it != by_gpu_.end() && it->second.samples >= samples_min) {
    expected.rate_per_s = it->second.rate_seconds / it->second.seconds;
    expected.from = Cat("measured on this GPU n=", it->second.samples);
  }
  const host::State* host = world_.FindHost(ProviderName(spec_.provider()), offer.machine);
  const host::Measured* own = host == nullptr ? nullptr : host->Find(work_key_);
  if (own == nullptr) return expected;
  if (own->samples >= samples_min && own->seconds > 0) {
    expected.rate_per_s = own->MeanRate() * BootRate(*own);
    expected.from = Cat("measured n=", own->samples);
  }
  expected.preferred = own->samples > 0 && own->boots > 0 && own->boots == own->launches &&
                       own->MeanRate() >= kServedWell * table;
  return expected;
}

std::string SpecRefusal(const specpb::FleetSpec& spec, const Offer& offer) {
  const specpb::Market& market = spec.market();
  const MicroUsdPerHour limit(market.price_max_micro_usd_per_hour());
  if (FindGpu(spec, offer.gpu) == nullptr) return Cat("GPU ", offer.gpu.str(), " not in the list");
  if (offer.gpus != std::max(1, market.gpus_per_machine())) return Cat(offer.gpus, " GPUs");
  if (offer.price.micros <= 0) return "no price";
  if (limit.micros > 0 && offer.price > limit) return Cat("price over ", FormatUsdPerHour(limit));
  if (offer.reliability < market.reliability_min()) {
    return Cat("reliability under ", Number(market.reliability_min()));
  }
  if (offer.cuda < market.cuda_min()) return Cat("CUDA under ", Number(market.cuda_min()));
  if (offer.inet_down_mbps < market.inet_down_mbps_min()) {
    return Cat("download under ", Number(market.inet_down_mbps_min()), " Mbit/s");
  }
  if (offer.inet_up_mbps < market.inet_up_mbps_min()) {
    return Cat("upload under ", Number(market.inet_up_mbps_min()), " Mbit/s");
  }
  if (offer.remaining < absl::Seconds(market.remaining_s_min())) {
    return Cat("offered for less than ", FormatSpan(absl::Seconds(market.remaining_s_min())));
  }
  if (offer.disk_free_gb > 0 && offer.disk_free_gb < static_cast<double>(spec.launch().disk_gb())) {
    return Cat("less than ", spec.launch().disk_gb(), " GB of disk");
  }
  if (!InCountries(spec, offer.location)) return "country not in the list";
  return "";
}

int StrikeLimit(const specpb::FleetSpec& spec) {
  return spec.strikes().limit() > 0 ? spec.strikes().limit() : 3;
}

std::string StrikeRefusal(const World& world, const specpb::FleetSpec& spec, const Offer& offer,
                          absl::Time now) {
  const host::State* host = world.FindHost(ProviderName(spec.provider()), offer.machine);
  if (host == nullptr) return "";
  const double strikes = host->LiveStrikes(now);
  return strikes >= StrikeLimit(spec) ? Cat(Number(strikes), " strikes") : "";
}

std::vector<Ranked> RankOffers(const World& world, const specpb::FleetSpec& spec,
                               const std::vector<Offer>& offers, const TakenFn& taken,
                               absl::Time now) {
  const Measurements measurements(world, spec);
  const double bonus = std::max(0.0, spec.market().preferred_bonus());
  std::vector<Ranked> ranked;
  ranked.reserve(offers.size());
  for (const Offer& offer : offers) {
    Ranked one;
    one.offer = offer;
    one.expected = measurements.Of(offer);
    const double rate = one.expected.rate_per_s;
    one.usd_per_hour_per_rate = std::isfinite(rate) && rate > 0
                                    ? MicroUsd(offer.price.micros).usd() / rate
                                    : std::numeric_limits<double>::infinity();
    one.value = one.usd_per_hour_per_rate / (one.expected.preferred ? 1 + bonus : 1);
    one.verdict = SpecRefusal(spec, offer);
    if (one.verdict.empty()) one.verdict = StrikeRefusal(world, spec, offer, now);
    if (one.verdict.empty() && !std::isfinite(one.value)) one.verdict = "no expected rate";
    if (one.verdict.empty()) one.verdict = taken(offer);
    ranked.push_back(std::move(one));
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    if (a.verdict.empty() != b.verdict.empty()) return a.verdict.empty();
    if (a.value != b.value) return a.value < b.value;
    return a.offer.id < b.offer.id;
  });
  return ranked;
}

}  // namespace muster::fleet
