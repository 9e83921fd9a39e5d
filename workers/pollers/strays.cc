#include "workers/pollers/strays.h"

#include <algorithm>
#include <string>

#include "commands/fleet/plan/label.h"
#include "eventstore/base/canary.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

// Why `instance` is ours although nobody accounts for it; an empty `why` = it is not.
struct Mark {
  FleetName fleet;
  std::string why;
};

FleetName FleetOfLabel(const World& world, const ProviderName& provider, const std::string& label) {
  for (const auto& [name, fleet] : world.fleets) {
    if (fleet.spec.provider() != provider.str()) continue;
    if (fleet::IndexFromLabel(fleet.spec, label).has_value()) return name;
  }
  return {};
}

bool IsBeingLaunched(const World& world, const std::string& label) {
  if (MUSTER_CANARY("orphan-killed-while-busy")) return false;
  const std::string_view token = fleet::TokenIn(label);
  const worker::State* worker = token.empty() ? nullptr : world.FindWorker(WorkerId(token));
  return worker != nullptr && std::holds_alternative<worker::Launching>(worker->phase) &&
         worker->identity.label == label;
}

Mark MarkOf(const World& world, const ProviderName& provider, const Instance& instance) {
  const std::string token(fleet::TokenIn(instance.label));
  const worker::State* worker = token.empty() ? nullptr : world.FindWorker(WorkerId(token));
  if (worker != nullptr && worker->identity.label == instance.label) {
    const char* why = worker->ended() ? "the instance of a worker that ended: "
                                      : "a second instance with the label of worker ";
    return {worker->identity.fleet, Cat(why, token)};
  }
  FleetName fleet = FleetOfLabel(world, provider, instance.label);
  const std::string& ours = world.installation;
  if (!ours.empty() && token.size() > ours.size() && token.compare(0, ours.size(), ours) == 0) {
    return {std::move(fleet), "token of ours"};
  }
  if (fleet.empty()) return {};
  std::string why = Cat("label of fleet ", fleet.str());
  return {std::move(fleet), std::move(why)};
}

}  // namespace

std::vector<eventpb::OrphanFound> FindStrays(const World& world, const ProviderName& provider,
                                             std::span<const Instance> list) {
  std::vector<eventpb::OrphanFound> strays;
  for (const Instance& instance : list) {
    if (instance.label.empty() || IsBeingLaunched(world, instance.label)) continue;
    if (world.by_instance.contains(instance.id)) continue;
    const Mark mark = MarkOf(world, provider, instance);
    if (mark.why.empty()) continue;
    eventpb::OrphanFound found;
    found.set_instance(instance.id.str());
    found.set_label(StoredText(instance.label, 256));
    found.set_machine(instance.machine.str());
    found.set_gpu(instance.gpu.str());
    found.set_price_micro_usd_per_hour(instance.price.micros);
    found.set_fleet(mark.fleet.str());
    found.set_why(mark.why);
    strays.push_back(std::move(found));
  }
  return strays;
}

}  // namespace muster
