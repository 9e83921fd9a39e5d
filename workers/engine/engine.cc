#include "workers/engine/engine.h"

#include "eventstore/base/check.h"
#include "eventstore/base/log.h"

namespace muster {
namespace {

// The loop outlives nothing: it looks at `stopped` before it touches the handler.
Task<void> SaveNowAndThen(Runtime& rt, Handler& handler, absl::Duration every,
                          std::shared_ptr<bool> stopped) {
  std::uint64_t saved = 0;
  while (true) {
    co_await rt.SleepFor(every);
    if (*stopped) co_return;
    const std::uint64_t head = handler.world().head;
    if (head == saved) continue;
    const Status status = handler.SaveSnapshot();
    if (status.ok()) {
      saved = head;
    } else {
      Log(LogLevel::kWarning, "snapshot_failed", {{"error", status}});
    }
  }
}

// All that a shadow can reach: the World to look at, and its own stream.
Task<StatusOr<std::uint64_t>> WriteShadow(Handler& handler, FleetName name,
                                          shadow::Command command) {
  Origin origin;
  origin.actor = "shadow";
  const StatusOr<Outcome> outcome =
      co_await handler.Shadow(std::move(name), std::move(command), std::move(origin));
  if (!outcome.ok()) co_return outcome.status();
  co_return outcome->position;
}
shadow::Ports ShadowPorts(Runtime& rt, Handler& handler) {
  return {.rt = rt,
          .world = [&handler]() -> const World& { return handler.world(); },
          .write =
              [&handler](FleetName name, shadow::Command command) {
                return WriteShadow(handler, std::move(name), std::move(command));
              }};
}

}  // namespace

Engine::Engine(Ports ports, EngineOptions options)
    : ports_(ports),
      options_(std::move(options)),
      handler_(ports.rt, ports.store),
      policy_(ports.rt, handler_, options_.policy),
      shadows_(ShadowPorts(ports.rt, handler_), options_.policy.plan) {}

Engine::~Engine() { *stopped_ = true; }

void Engine::AddProvider(Provider& provider) {
  const ProviderLink link{ports_.rt, handler_, provider, ports_.http, ports_.secrets, ports_.tails};
  Account account{&provider, std::make_unique<Observation>(link, options_.observation),
                  std::make_unique<Effects>(link, options_.effects)};
  MUSTER_CHECK(accounts_.emplace(provider.name(), std::move(account)).second);
}

Task<Status> Engine::Start() {
  CO_RETURN_IF_ERROR(co_await handler_.Load());
  // Effects first: what is in flight is taken up before the policy sees it.
  for (auto& [name, account] : accounts_) account.effects->Start();
  for (auto& [name, account] : accounts_) account.observation->Start();
  policy_.Watch(
      [this](const fleet::PlanResult& plan, absl::Time now) { shadows_.Look(plan, now); });
  policy_.Start();
  ports_.rt.Spawn("snapshots",
                  SaveNowAndThen(ports_.rt, handler_, options_.snapshot_every, stopped_));
  co_return absl::OkStatus();
}

Task<void> Engine::Stop() {
  *stopped_ = true;
  policy_.Stop();
  shadows_.Stop();
  std::vector<Task<void>> ends;
  for (auto& [name, account] : accounts_) {
    ends.push_back(account.effects->Stop());
    ends.push_back(account.observation->Stop());
  }
  co_await WhenAll(ports_.rt, std::move(ends));
  co_await shadows_.FlushAll();
  const Status saved = handler_.SaveSnapshot();
  if (!saved.ok()) {
    Log(LogLevel::kWarning, "snapshot_failed", {{"error", saved}});
  }
}

Provider* Engine::FindProvider(const ProviderName& name) {
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? nullptr : found->second.provider;
}

std::vector<ProviderName> Engine::Providers() const {
  std::vector<ProviderName> names;
  for (const auto& [name, account] : accounts_) names.push_back(name);
  return names;
}

std::map<ProviderName, Freshness> Engine::freshness() const {
  std::map<ProviderName, Freshness> ages;
  for (const auto& [name, account] : accounts_) ages[name] = account.observation->freshness();
  return ages;
}

int Engine::calls_in_flight() const {
  int calls = 0;
  for (const auto& [name, account] : accounts_) calls += account.effects->in_flight();
  return calls;
}

}  // namespace muster
