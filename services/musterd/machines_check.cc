#include "services/musterd/machines_check.h"

#include <algorithm>
#include <set>
#include <string>

#include "commands/fleet/plan/preview.h"
#include "workers/pollers/strays.h"

namespace muster {
namespace {

constexpr std::size_t kNamed = 5;

// "2 of no worker here: 31 (...), 32 (...); $0.12/h in all".
std::string Tell(std::string_view what, const std::vector<const Instance*>& machines,
                 absl::Time now) {
  std::string text = Cat(machines.size(), " ", what, ": ");
  MicroUsdPerHour burn;
  for (std::size_t i = 0; i < machines.size(); ++i) {
    burn += machines[i]->price;
    if (i >= kNamed) continue;
    text += Cat(i > 0 ? ", " : "", fleet::DescribeInstance(*machines[i], now));
  }
  if (machines.size() > kNamed) text += Cat(" and ", machines.size() - kNamed, " more");
  return machines.size() > 1 ? Cat(text, "; ", FormatUsdPerHour(burn), " in all") : text;
}

}  // namespace

api::v1::Check CheckMachines(const World& world, const ProviderName& provider,
                             const std::vector<Instance>& list, absl::Time now) {
  std::set<std::string> marked;
  for (const eventpb::OrphanFound& stray : FindStrays(world, provider, list)) {
    marked.insert(stray.instance());
  }
  std::set<std::string> launching;  // answered at any moment
  for (const auto& [id, worker] : world.workers) {
    if (std::holds_alternative<worker::Launching>(worker->phase)) {
      launching.insert(worker->identity.label);
    }
  }
  std::vector<const Instance*> strays, others;
  for (const Instance& instance : list) {
    if (marked.count(instance.id.str()) > 0) {
      strays.push_back(&instance);
    } else if (!world.by_instance.contains(instance.id) && launching.count(instance.label) == 0) {
      others.push_back(&instance);
    }
  }
  api::v1::Check check;
  check.set_name(Cat("machines ", provider.str()));
  check.set_result(strays.empty() ? api::v1::Check::OK : api::v1::Check::WARNING);
  std::string detail = Cat(list.size(), " rented");
  if (!strays.empty()) detail += Cat("; ", Tell("of ours without a worker", strays, now));
  if (!others.empty()) detail += Cat("; ", Tell("that no fleet here knows", others, now));
  check.set_detail(std::move(detail));
  if (!strays.empty()) {
    check.set_next("muster adopt FLEET INSTANCE... takes them in as they are, or destroy them");
  }
  return check;
}

}  // namespace muster
