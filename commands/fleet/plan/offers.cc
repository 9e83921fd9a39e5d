// What operators see of the market, and how strays become workers.
#include <algorithm>
#include <cmath>
#include <set>

#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/pass.h"
#include "commands/fleet/plan/preview.h"
#include "commands/fleet/plan/replenish.h"

namespace muster::fleet {

std::vector<OfferVerdict> JudgeOffers(const World& world, const specpb::FleetSpec& spec,
                                      absl::Time now) {
  const ProviderName provider(spec.provider());
  const account::State* account = world.FindAccount(provider);
  if (account == nullptr) return {};
  Board board;
  board.Refresh(world, now);
  const PlanOptions options;
  const Pass pass{.world = world, .board = board, .options = options, .now = now};
  std::vector<OfferVerdict> verdicts;
  for (Ranked& one :
       RankOffers(world, spec, account->offers, TakenBy(pass, board, provider), now)) {
    OfferVerdict verdict;
    verdict.offer = std::move(one.offer);
    verdict.expected_rate_per_s = one.expected.rate_per_s;
    verdict.expected_from = std::move(one.expected.from);
    if (const auto micros = MicrosFromDouble(one.usd_per_hour_per_rate)) {
      verdict.cost_per_unit_rate = MicroUsd(*micros);
    }
    verdict.verdict = std::move(one.verdict);
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

std::vector<account::Orphan> AdoptableByPrefix(const World& world, const ProviderName& provider,
                                               std::string_view prefix) {
  std::vector<account::Orphan> strays;
  const account::State* account = world.FindAccount(provider);
  if (account == nullptr) return strays;
  for (const auto& [instance, stray] : account->orphans) {
    if (IndexAfterPrefix(prefix, stray.label)) strays.push_back(stray);
  }
  return strays;
}

account::Orphan StrayOf(const Instance& instance, const FleetName& fleet, absl::Time now) {
  account::Orphan stray;
  stray.instance = instance.id;
  stray.label = instance.label;
  stray.machine = instance.machine;
  stray.gpu = instance.gpu;
  stray.price = instance.price;
  stray.fleet = fleet;
  stray.why = "asked for by an operator";
  stray.found.at = now;
  return stray;
}

std::string DescribeInstance(const Instance& instance, absl::Time now) {
  std::string text = Cat(instance.id.str(), " (");
  if (!instance.label.empty()) text += Cat(instance.label, ", ");
  text += instance.gpu.str();
  if (instance.price_known) text += Cat(", ", FormatUsdPerHour(instance.price));
  if (instance.started_at.has_value() && *instance.started_at < now) {
    const absl::Duration up = now - *instance.started_at;
    text += Cat(", up ", FormatSpan(up));
    if (instance.price_known) text += Cat(", ", FormatUsd(Cost(instance.price, up)), " so far");
  }
  return text + ")";
}

Adoptions::Adoptions(const World& world, const State& fleet)
    : fleet_(fleet), measured_(world, fleet.spec) {
  const auto open = world.open_by_fleet.find(fleet.name);
  if (open == world.open_by_fleet.end()) return;
  for (const WorkerId& id : open->second) {
    if (const worker::State* worker = world.FindWorker(id)) used_.insert(worker->identity.index);
  }
}

eventpb::WorkerAdopted AdoptionOf(const World& world, const State& fleet,
                                  const account::Orphan& stray) {
  return Adoptions(world, fleet).Of(stray);
}

eventpb::WorkerAdopted Adoptions::Of(const account::Orphan& stray) {
  while (used_.count(free_) > 0) ++free_;
  int index = IndexFromLabel(fleet_.spec, stray.label).value_or(free_);
  if (!used_.insert(index).second) {
    index = free_;
    used_.insert(index);
  }

  Offer as_offer;
  as_offer.machine = stray.machine;
  as_offer.gpu = stray.gpu;
  const Expectation expected = measured_.Of(as_offer);
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet(fleet_.name.str());
  adoption.set_fleet_version(fleet_.fleet_version);
  adoption.set_provider(fleet_.spec.provider());
  adoption.set_index(index);
  adoption.set_label(stray.label);
  adoption.set_instance(stray.instance.str());
  eventpb::OfferTaken* offer = adoption.mutable_offer();
  offer->set_machine(stray.machine.str());
  offer->set_gpu(stray.gpu.str());
  offer->set_price_micro_usd_per_hour(std::max<std::int64_t>(stray.price.micros, 0));
  offer->set_expected_rate_per_s(std::isfinite(expected.rate_per_s) ? expected.rate_per_s : 0);
  offer->set_expected_from(expected.from);
  return adoption;
}

}  // namespace muster::fleet
