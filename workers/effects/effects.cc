#include "workers/effects/effects.h"

#include <map>
#include <set>
#include <utility>

#include "commands/handler/handler.h"
#include "workers/effects/destroy.h"
#include "workers/effects/effect_context.h"
#include "workers/effects/launch.h"
#include "workers/effects/preflight.h"
#include "workers/effects/start.h"

namespace muster {

class Effects::Impl {
 public:
  Impl(ProviderLink link, EffectsOptions options) : context(link, options) {}
  ~Impl() { Unlisten(); }

  void Start();
  void Unlisten() {
    if (listening != 0) context.link.handler.Unlisten(listening);
    listening = 0;
  }
  void On(const Written& written);
  void Resume(const WorkerId& id, const worker::State& state);
  // One coroutine sees a destruction through; its own retries are requested by itself.
  void BeginDestroy(const WorkerId& id, std::string cause);
  Task<void> SeeDestroyed(WorkerId id, std::string cause);

  EffectContext context;
  std::set<WorkerId> destroying;
  int listening = 0;
};

void Effects::Impl::Start() {
  listening = context.link.handler.Listen([this](const Written& written) { On(written); });
  // In order, so that one seed gives one run.
  std::map<WorkerId, const worker::State*> ours;
  for (const auto& [id, state] : context.world().workers) {
    if (state->identity.provider == context.provider()) ours[id] = state.get();
  }
  for (const auto& [id, state] : ours) Resume(id, *state);
  for (const auto& [name, fleet] : context.world().fleets) {
    if (!fleet.active() || fleet.spec.provider() != context.provider().str()) continue;
    context.group.Spawn("preflight", RunPreflights(context, name, fleet.fleet_version));
  }
}

void Effects::Impl::Resume(const WorkerId& id, const worker::State& state) {
  if (std::holds_alternative<worker::Launching>(state.phase)) {
    context.group.Spawn("launch", ResumeLaunch(context, id));
  } else if (std::holds_alternative<worker::Destroying>(state.phase)) {
    // A destroy that was under way is simply called again: it can only be more gone.
    BeginDestroy(id, "");
  } else if (const worker::Live* live = state.live(); live && live->start_requested.seen()) {
    context.group.Spawn("start", muster::Start(context, id, ""));
  }
}

void Effects::Impl::BeginDestroy(const WorkerId& id, std::string cause) {
  if (!destroying.insert(id).second) return;
  context.group.Spawn("destroy", SeeDestroyed(id, std::move(cause)));
}

Task<void> Effects::Impl::SeeDestroyed(WorkerId id, std::string cause) {
  co_await Destroy(context, id, std::move(cause));
  destroying.erase(id);
}

void Effects::Impl::On(const Written& written) {
  if (context.group.stopping()) return;
  const eventpb::EventBody& body = written.body;
  const std::string& cause = written.id.str();
  const std::string_view stream = written.stream.str();
  if (body.has_fleet_applied()) {
    const eventpb::FleetApplied& applied = body.fleet_applied();
    if (applied.spec().provider() != context.provider().str()) return;
    const FleetName name(applied.spec().name());
    context.group.Spawn("preflight", RunPreflights(context, name, applied.fleet_version()));
    return;
  }
  constexpr std::string_view kPrefix = "worker/";
  if (stream.substr(0, kPrefix.size()) != kPrefix) return;
  const WorkerId id(stream.substr(kPrefix.size()));
  const worker::State* state = context.FindWorker(id);
  if (state == nullptr || state->identity.provider != context.provider()) return;
  if (body.has_launch_requested()) {
    context.group.Spawn("launch", Launch(context, id, cause));
  } else if (body.has_destroy_requested()) {
    BeginDestroy(id, cause);
  } else if (body.has_start_requested()) {
    context.group.Spawn("start", muster::Start(context, id, cause));
  }
}

Effects::Effects(ProviderLink link, EffectsOptions options)
    : impl_(std::make_unique<Impl>(link, options)) {}
Effects::~Effects() = default;

void Effects::Start() { impl_->Start(); }

Task<void> Effects::Stop() {
  impl_->Unlisten();
  impl_->context.group.Stop();
  co_await impl_->context.group.Drained();
}

int Effects::in_flight() const { return impl_->context.group.running(); }

}  // namespace muster
