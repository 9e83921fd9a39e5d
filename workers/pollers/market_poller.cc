#include "workers/pollers/market_poller.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "eventstore/base/sha256.h"

namespace muster {
namespace {

OfferQuery QueryOf(const specpb::FleetSpec& spec) {
  const specpb::Market& market = spec.market();
  OfferQuery query;
  for (const specpb::GpuExpectation& gpu : market.gpus()) {
    query.gpus.emplace_back(gpu.name());
  }
  query.gpus_per_machine = std::max(market.gpus_per_machine(), 1);
  query.disk_gb = spec.launch().disk_gb();
  query.price_max = MicroUsdPerHour(market.price_max_micro_usd_per_hour());
  query.reliability_min = market.reliability_min();
  query.cuda_min = market.cuda_min();
  query.inet_down_mbps_min = market.inet_down_mbps_min();
  query.inet_up_mbps_min = market.inet_up_mbps_min();
  query.remaining_min = absl::Seconds(market.remaining_s_min());
  query.verified_only = !market.allow_unverified();
  query.countries.assign(market.countries().begin(), market.countries().end());
  return query;
}

void Widen(OfferQuery& all, const OfferQuery& one) {
  std::set<GpuName> gpus(all.gpus.begin(), all.gpus.end());
  gpus.insert(one.gpus.begin(), one.gpus.end());
  all.gpus.assign(gpus.begin(), gpus.end());
  all.disk_gb = std::max(all.disk_gb, one.disk_gb);
  all.price_max = std::max(all.price_max, one.price_max);
  all.reliability_min = std::min(all.reliability_min, one.reliability_min);
  all.cuda_min = std::min(all.cuda_min, one.cuda_min);
  all.inet_down_mbps_min = std::min(all.inet_down_mbps_min, one.inet_down_mbps_min);
  all.inet_up_mbps_min = std::min(all.inet_up_mbps_min, one.inet_up_mbps_min);
  all.remaining_min = std::min(all.remaining_min, one.remaining_min);
  all.verified_only = all.verified_only || one.verified_only;
  if (all.countries.empty() || one.countries.empty()) {
    all.countries.clear();  // anywhere
  } else {
    std::set<std::string> countries(all.countries.begin(), all.countries.end());
    countries.insert(one.countries.begin(), one.countries.end());
    all.countries.assign(countries.begin(), countries.end());
  }
}

std::string DigestOf(const std::vector<OfferQuery>& queries) {
  std::string text;
  for (const OfferQuery& query : queries) {
    text += Cat(query.gpus_per_machine, "|", query.disk_gb, "|", query.price_max.micros, "|",
                query.reliability_min, "|", query.cuda_min, "|", query.inet_down_mbps_min, "|",
                query.inet_up_mbps_min, "|", absl::ToInt64Seconds(query.remaining_min), "|",
                query.verified_only ? 1 : 0);
    for (const GpuName& gpu : query.gpus) text += Cat("|", gpu.str());
    for (const std::string& country : query.countries) text += Cat("|", country);
    text += "\n";
  }
  return Sha256Hex(text).substr(0, 16);
}

}  // namespace

std::vector<OfferQuery> MarketQueries(const World& world, const ProviderName& provider) {
  std::map<int, OfferQuery> by_size;
  for (const auto& [name, fleet] : world.fleets) {
    if (!fleet.active() || fleet.spec.provider() != provider.str()) continue;
    const OfferQuery query = QueryOf(fleet.spec);
    if (query.gpus.empty()) continue;
    const auto [at, added] = by_size.try_emplace(query.gpus_per_machine, query);
    if (!added) Widen(at->second, query);
  }
  std::vector<OfferQuery> queries;
  queries.reserve(by_size.size());
  for (auto& [size, query] : by_size) queries.push_back(std::move(query));
  return queries;
}

Task<void> MarketPoller::Run() {
  while (true) {
    const bool due = co_await turns_.Next([this] {
      return context_.Interval(&specpb::Timers::market_poll_s, context_.options.market_poll);
    });
    if (!due) co_return;
    co_await PollOnce();
  }
}

Task<void> MarketPoller::PollOnce() {
  const std::vector<OfferQuery> queries = MarketQueries(context_.world(), context_.provider());
  if (queries.empty()) co_return;
  const absl::Time begun = context_.Now();
  account::ObserveOffers observed;
  observed.query_digest = DigestOf(queries);
  for (const OfferQuery& query : queries) {
    const absl::Time deadline = context_.Now() + context_.options.call_timeout;
    Task<StatusOr<std::vector<Offer>>> call = context_.link.provider.SearchOffers(query, deadline);
    StatusOr<std::vector<Offer>> offers = co_await context_.group.Away(std::move(call));
    if (context_.group.stopping()) co_return;
    context_.reporter.Report("search", offers.status());
    // Half a market would look like a market in which the other half was sold.
    if (!offers.ok()) co_return;
    std::move(offers->begin(), offers->end(), std::back_inserter(observed.offers));
  }
  observed.found = static_cast<int>(observed.offers.size());
  context_.freshness.market = begun;
  Origin origin{.actor = "poller:market"};
  const StatusOr<Outcome> outcome = co_await context_.link.handler.Account(
      context_.provider(), std::move(observed), std::move(origin));
  (void)outcome.ok();  // not stored: the next search says the same
}

}  // namespace muster
