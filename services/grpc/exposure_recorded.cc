// What was billed at a moment of the past, as far as the log knew it then.
#include "services/grpc/convert.h"
#include "services/grpc/exposure.h"

namespace muster::grpc_api {
namespace {

Instance OfWorker(const worker::State& worker) {
  const worker::Identity& identity = worker.identity;
  Instance machine;
  machine.id = worker.instance;
  machine.label = identity.label;
  machine.machine = identity.offered.machine;
  machine.gpu = identity.offered.gpu;
  machine.price = worker.price.micros > 0 ? worker.price : identity.offered.price;
  machine.price_known = true;
  // When an adopted one was rented the log does not say.
  if (!identity.adopted) machine.started_at = identity.begun.at;
  return machine;
}

Instance OfOrphan(const account::Orphan& orphan) {
  Instance machine;
  machine.id = orphan.instance;
  machine.label = orphan.label;
  machine.machine = orphan.machine;
  machine.gpu = orphan.gpu;
  machine.price = orphan.price;
  machine.price_known = true;
  return machine;
}

// What became of machines between the list and the moment that is asked about.
struct Since {
  int rented = 0;
  int ended = 0;
  int in_flight = 0;
};

std::vector<Instance> BilledThen(const World& world, const account::State& account, Since& since) {
  std::map<InstanceId, Instance> billed;
  for (const InstanceId& id : account.listed) billed[id].id = id;
  for (const auto& [id, orphan] : account.orphans) {
    if (billed.contains(id)) billed[id] = OfOrphan(orphan);
  }
  for (const auto& [id, worker] : world.WorkersInOrder()) {
    if (worker->identity.provider != account.provider) continue;
    if (std::holds_alternative<worker::Launching>(worker->phase)) ++since.in_flight;
    if (worker->instance.empty()) continue;
    const auto listed = billed.find(worker->instance);
    if (const auto* ended = std::get_if<worker::Ended>(&worker->phase)) {
      // Listed again after its end, it is no bill of this worker: the list has the last word.
      if (listed == billed.end() || ended->at.position < account.list_seen.position) continue;
      billed.erase(listed);
      ++since.ended;
    } else if (listed != billed.end()) {
      listed->second = OfWorker(*worker);
    } else if (const worker::Live* live = worker->live();
               live != nullptr && live->accepted.position > account.list_seen.position) {
      billed.emplace(worker->instance, OfWorker(*worker));
      ++since.rented;
    }
  }
  std::vector<Instance> list;
  list.reserve(billed.size());
  for (auto& [id, machine] : billed) list.push_back(std::move(machine));
  return list;
}

}  // namespace

void BilledReport::AddRecorded(const World& world, const EventStore& store,
                               const ProviderName& provider, absl::Time now) {
  const account::State* account = world.FindAccount(provider);
  if (account == nullptr || !account->list_seen.seen()) {
    return Unlisted(provider, NotFound("no complete list of its machines was recorded by then"));
  }
  Since since;
  Add(world, store, provider, BilledThen(world, *account, since), now);
  const Stamp& seen = account->list_seen;
  const auto note = [&](const std::string& text) {
    report_.add_notes(Cat(provider.str(), ": ", text));
  };
  note(Cat("by the list of ", FormatUtc(seen.at), " (position ", seen.position, ", ",
           FormatSpan(std::max(now - seen.at, absl::ZeroDuration())),
           " before); nobody was asked. A list that shows what the one before showed is written "
           "down once in a while only"));
  if (since.rented > 0) note(Cat(since.rented, " rented after it count as billed"));
  if (since.ended > 0) note(Cat(since.ended, " whose end was confirmed after it are left out"));
  if (since.in_flight > 0) {
    note(Cat(since.in_flight,
             " rentals had no answer yet: a machine that nothing knows may be one of them"));
  }
  note(
      "labels, prices and ages are those of the launches and orphans in the log; of a machine "
      "that nothing knows it has the number alone");
}

}  // namespace muster::grpc_api
