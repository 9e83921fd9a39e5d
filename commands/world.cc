#include "commands/world.h"

#include "commands/step_clock.h"

namespace muster {
namespace {

// Duplicates, strikes and upgrades still refer to a worker for a while after its end.
constexpr absl::Duration kEndedKept = absl::Hours(1);
constexpr std::string_view kShadow = "shadow/";

void Forget(World& world, absl::Time now) {
  while (!world.ended_at.empty() && world.ended_at.begin()->first + kEndedKept < now) {
    world.workers.erase(world.ended_at.begin()->second);
    world.ended_at.erase(world.ended_at.begin());
  }
}

void NoteBegun(World& world, const worker::State& state, const Stamp& stamp) {
  const worker::Identity& me = state.identity;
  world.open_by_fleet[me.fleet].insert(me.id);
  const auto fleet = world.fleets.find(me.fleet);
  if (me.upgrade_trial && fleet != world.fleets.end()) fleet->second.last_upgrade = stamp;
}

void NoteEnded(World& world, const worker::State& state, const Stamp& stamp) {
  const worker::Identity& me = state.identity;
  const auto open = world.open_by_fleet.find(me.fleet);
  if (open != world.open_by_fleet.end()) {
    open->second.erase(me.id);
    if (open->second.empty()) world.open_by_fleet.erase(open);
  }
  const auto instance = world.by_instance.find(state.instance);
  if (instance != world.by_instance.end() && instance->second == me.id) {
    world.by_instance.erase(instance);
  }
  if (state.spent_before.micros > 0) {
    world.spent_ended_total[me.fleet] += state.spent_before;
    auto& by_day = world.spent_ended_by_day[me.fleet];
    for (const auto& [day, amount] : state.spent_days) by_day[day] += amount;
  }
  world.ended_at.emplace(stamp.at, me.id);
}

bool Produced(const worker::State& state) {
  if (const worker::Live* live = state.live()) return live->seen.first_progress.seen();
  const auto* leaving = std::get_if<worker::Destroying>(&state.phase);
  return leaving != nullptr && leaving->seen.first_progress.seen();
}

// What the event, already folded into `state`, says of the fleet's launches.
void NoteLaunches(World& world, const worker::State& state, bool produced_before,
                  const eventpb::EventBody& body, const Stamp& stamp) {
  const auto found = world.fleets.find(state.identity.fleet);
  if (found == world.fleets.end()) return;
  fleet::LaunchFailures& failing = found->second.failing;
  if (!produced_before && Produced(state)) failing = {};
  if (produced_before || state.identity.upgrade_trial) return;
  std::string why;
  if (body.has_worker_condemned()) {
    const eventpb::WorkerCondemned& verdict = body.worker_condemned();
    if (!verdict.replace() || !fleet::IsFailure(verdict.evidence().rule())) return;
    why = Cat(verdict.evidence().rule(), ": ", verdict.evidence().summary());
  } else if (body.has_worker_ended() &&
             body.worker_ended().how() == eventpb::WorkerEnded::VANISHED) {
    why = "vanished";
  } else {
    return;
  }
  const bool new_round = state.identity.begun.position > failing.last.position;
  if (new_round && state.identity.begun.position > found->second.applied.position) {
    ++failing.rounds;
    failing.last = stamp;
    failing.why = std::move(why);
  }
}

bool Begins(const eventpb::EventBody& body) {
  return body.has_launch_requested() || body.has_worker_adopted();
}

void EvolveWorker(World& world, const WorkerId& id, const eventpb::EventBody& body,
                  const Stamp& stamp) {
  auto found = world.workers.find(id);
  if (found == world.workers.end()) {
    if (!Begins(body)) return;  // of one that ended long ago
    found = world.workers.emplace(id, std::make_unique<worker::State>()).first;
    found->second->identity.id = id;
  }
  worker::State& state = *found->second;
  const bool was_open = state.open(), produced = Produced(state);
  const InstanceId before = state.instance;
  worker::Evolve(state, body, stamp);
  state.identity.id = id;
  if (was_open) NoteLaunches(world, state, produced, body, stamp);
  if (!was_open && state.open()) NoteBegun(world, state, stamp);
  if (state.open() && state.instance != before) world.by_instance[state.instance] = id;
  if (was_open && state.ended()) NoteEnded(world, state, stamp);
}

void EvolveHost(World& world, std::string_view name, const eventpb::EventBody& body,
                const Stamp& stamp) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return;
  const HostKey key(name.substr(0, slash), name.substr(slash + 1));
  host::State& state = world.hosts[key];
  state.provider = key.first;
  state.machine = key.second;
  host::Evolve(state, body, stamp);
}

template <class Key, class Value>
const Value* FindIn(const std::map<Key, Value>& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

StreamId FleetStream(const FleetName& name) { return StreamId(Cat("fleet/", name.str())); }
StreamId WorkerStream(const WorkerId& id) { return StreamId(Cat("worker/", id.str())); }
StreamId HostStream(const ProviderName& provider, const MachineId& machine) {
  return StreamId(Cat("host/", provider.str(), "/", machine.str()));
}
StreamId AccountStream(const ProviderName& provider) {
  return StreamId(Cat("account/", provider.str()));
}
StreamId ServerStream(const ServerId& id) { return StreamId(Cat("server/", id.str())); }
StreamId InstallationStream() { return StreamId("installation"); }
StreamId AuditStream() { return StreamId("audit"); }
StreamId ShadowStream(const FleetName& name) { return StreamId(Cat(kShadow, name.str())); }
bool IsShadow(const StreamId& stream) { return stream.str().starts_with(kShadow); }
StreamId AlertStream() { return StreamId("alerts"); }
StreamId NotifyStream(std::string_view target) { return StreamId(Cat("notify/", target)); }
bool IsAside(const StreamId& stream) {
  return stream == AuditStream() || stream == AlertStream() ||
         stream.str().compare(0, 7, "notify/") == 0;
}
StreamId RequestStream(std::string_view request_id) {
  return StreamId(Cat("request/", request_id));
}

std::map<WorkerId, const worker::State*> World::WorkersInOrder() const {
  std::map<WorkerId, const worker::State*> ordered;
  for (const auto& [id, state] : workers) ordered.emplace(id, state.get());
  return ordered;
}
const worker::State* World::FindWorker(const WorkerId& id) const {
  const auto found = workers.find(id);
  return found == workers.end() ? nullptr : found->second.get();
}
const fleet::State* World::FindFleet(const FleetName& name) const { return FindIn(fleets, name); }
const host::State* World::FindHost(const ProviderName& provider, const MachineId& machine) const {
  return FindIn(hosts, HostKey(provider, machine));
}
const account::State* World::FindAccount(const ProviderName& provider) const {
  return FindIn(accounts, provider);
}
const server::State* World::FindServer(const ServerId& id) const { return FindIn(servers, id); }
const server::State* World::FindServerNamed(std::string_view name) const {
  const server::State* found = FindServer(ServerId(name));
  if (found != nullptr) return found;
  const auto newer = [](const server::State& a, const server::State& b) {
    if (a.ended_already() != b.ended_already()) return b.ended_already();
    return a.planned.position > b.planned.position;
  };
  for (const auto& [id, state] : servers) {
    if (state.name.str() != name) continue;
    if (found == nullptr || newer(state, *found)) found = &state;
  }
  return found;
}
const shadow::State* World::FindShadow(const FleetName& name) const {
  return FindIn(shadows, name);
}

World World::Copy() const {
  World copy;
  copy.installation = installation;
  copy.fleets = fleets;
  copy.workers.reserve(workers.size());
  for (const auto& [id, state] : workers) {
    copy.workers.emplace(id, std::make_unique<worker::State>(*state));
  }
  copy.open_by_fleet = open_by_fleet;
  copy.by_instance = by_instance;
  copy.hosts = hosts;
  copy.accounts = accounts;
  copy.spent_ended_total = spent_ended_total;
  copy.spent_ended_by_day = spent_ended_by_day;
  copy.ended_at = ended_at;
  copy.servers = servers;
  copy.head = head;
  return copy;
}

void Evolve(World& world, const StreamId& stream, const eventpb::EventBody& body,
            const Stamp& stamp) {
  world.head = stamp.position;
  if (IsShadow(stream)) {  // of all else only the head moves on
    const FleetName name(stream.str().substr(kShadow.size()));
    shadow::State& state = world.shadows[name];
    state.fleet = name;
    shadow::Evolve(state, body, stamp);
    return;
  }
  if (body.has_clock_stepped()) {
    StepClock(world, absl::Microseconds(body.clock_stepped().by_us()));
  }
  Forget(world, stamp.at);
  const std::string_view text = stream.str();
  const std::size_t slash = text.find('/');
  const std::string_view kind = text.substr(0, slash);
  const std::string_view name = slash == text.npos ? "" : text.substr(slash + 1);
  if (kind == "worker") {
    EvolveWorker(world, WorkerId(name), body, stamp);
  } else if (kind == "host") {
    EvolveHost(world, name, body, stamp);
  } else if (kind == "fleet") {
    fleet::State& state = world.fleets[FleetName(name)];
    state.name = FleetName(name);
    fleet::Evolve(state, body, stamp);
  } else if (kind == "account") {
    account::State& state = world.accounts[ProviderName(name)];
    state.provider = ProviderName(name);
    account::Evolve(state, body, stamp);
  } else if (kind == "server") {
    server::State& state = world.servers[ServerId(name)];
    state.id = ServerId(name);
    server::Evolve(state, body, stamp);
  } else if (body.has_installation_created()) {
    world.installation = body.installation_created().id();
  }
}

}  // namespace muster
