#include "workers/pollers/observation.h"

#include <set>

#include "commands/handler/handler.h"
#include "workers/pollers/account_poller.h"
#include "workers/pollers/instance_poller.h"
#include "workers/pollers/log_poller.h"
#include "workers/pollers/market_poller.h"
#include "workers/pollers/poll_context.h"
#include "workers/ports/secrets.h"

namespace muster {
namespace {

// The first look at the log of a worker that was just rented: something may be there soon.
constexpr absl::Duration kFirstLogSpread = absl::Seconds(10);

// What a fleet's secrets are must be known before its workers' texts come back: after a restart
// nobody has resolved them yet.
void LearnSecrets(const specpb::FleetSpec& spec, Secrets& secrets) {
  const auto learn = [&](const std::string& ref) {
    if (!IsSecretRef(ref)) return;
    // Resolving is remembering; a missing one is the launch's to complain about.
    const StatusOr<std::string> value = secrets.Resolve(ref);
    if (value.ok()) secrets.Learn(*value);
  };
  for (const auto& [name, value] : spec.launch().env()) learn(value);
  learn(spec.launch().image_login_ref());
  for (const specpb::Preflight& check : spec.preflight()) learn(check.bearer_ref());
}

Task<void> Keeping(std::shared_ptr<const void> /*alive*/, Task<void> task) {
  co_await std::move(task);
}

}  // namespace

class Observation::Impl {
 public:
  Impl(ProviderLink link, ObservationOptions options)
      : context(link, options), logs(context), list(context), market(context), account(context) {}

  void Start();
  void Unlisten() {
    if (listening != 0) context.link.handler.Unlisten(listening);
    listening = 0;
  }
  absl::Duration LogInterval() const {
    return context.Interval(&specpb::Timers::log_poll_s, context.options.log_poll);
  }
  void On(const Written& written);
  void OnWorker(const Written& written);

  PollContext context;
  LogPollers logs;
  InstancePoller list;
  MarketPoller market;
  AccountPoller account;
  int listening = 0;
};

void Observation::Impl::Start() {
  listening = context.link.handler.Listen([this](const Written& written) { On(written); });
  const World& world = context.world();
  for (const auto& [name, fleet] : world.fleets) {
    if (!fleet.ended && fleet.spec.provider() == context.provider().str()) {
      LearnSecrets(fleet.spec, context.link.secrets);
    }
  }
  const absl::Duration spread = LogInterval();
  // In order, so that one seed gives one run.
  std::set<WorkerId> rented;
  for (const auto& [instance, id] : world.by_instance) rented.insert(id);
  for (const WorkerId& id : rented) {
    const worker::State* state = world.FindWorker(id);
    if (state == nullptr || state->identity.provider != context.provider()) continue;
    list.Heard(id, *state);
    if (state->live() != nullptr) logs.Begin(id, spread);
  }
  context.group.Spawn("list", Keeping(context.owner.lock(), list.Run()));
  context.group.Spawn("market", Keeping(context.owner.lock(), market.Run()));
  context.group.Spawn("account", Keeping(context.owner.lock(), account.Run()));
}

void Observation::Impl::On(const Written& written) {
  if (context.group.stopping()) return;
  const eventpb::EventBody& body = written.body;
  if (body.has_fleet_applied()) {
    const specpb::FleetSpec& spec = body.fleet_applied().spec();
    if (spec.provider() != context.provider().str()) return;
    LearnSecrets(spec, context.link.secrets);
    market.Hurry();
    return;
  }
  if (body.has_fleet_scaled()) return market.Hurry();
  OnWorker(written);
}

void Observation::Impl::OnWorker(const Written& written) {
  constexpr std::string_view kPrefix = "worker/";
  const std::string_view stream = written.stream.str();
  if (stream.substr(0, kPrefix.size()) != kPrefix) return;
  const WorkerId id(stream.substr(kPrefix.size()));
  const worker::State* state = context.world().FindWorker(id);
  if (state == nullptr || state->identity.provider != context.provider()) return;
  list.Heard(id, *state);
  const eventpb::EventBody& body = written.body;
  if (body.has_launch_accepted()) {
    logs.Begin(id, kFirstLogSpread);
  } else if (body.has_worker_adopted()) {
    // It ran before, as may the ten thousand adopted with it, which are not to be polled in waves.
    logs.Begin(id, LogInterval());
  } else if (body.has_destroy_answered() || body.has_destroy_requested()) {
    list.Hurry();
  } else if (body.has_launch_rejected()) {
    if (body.launch_rejected().reason() == eventpb::LaunchRejected::OFFER_GONE) market.Hurry();
    if (body.launch_rejected().reason() == eventpb::LaunchRejected::NO_CREDIT) account.Hurry();
  }
}

Observation::Observation(ProviderLink link, ObservationOptions options)
    : impl_(std::make_shared<Impl>(link, options)) {
  impl_->context.owner = impl_;
}
Observation::~Observation() { impl_->Unlisten(); }

void Observation::Start() { impl_->Start(); }

Task<void> Observation::Stop() {
  impl_->Unlisten();
  impl_->context.group.Stop();
  impl_->context.log_group.Stop();
  co_await impl_->context.log_group.Drained();
  co_await impl_->context.group.Drained();
}

void Observation::PollNow() {
  impl_->list.PollNow();
  impl_->market.PollNow();
  impl_->account.PollNow();
}

Freshness Observation::freshness() const {
  Freshness freshness = impl_->context.freshness;
  freshness.log_pollers = impl_->logs.running();
  return freshness;
}

}  // namespace muster
