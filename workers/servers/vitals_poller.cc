#include "workers/servers/vitals_poller.h"

#include <algorithm>
#include <utility>

#include "workers/servers/remote/vitals.h"

namespace muster {
namespace {

constexpr int kInstalledHost = 1;
// How long nothing to look at is taken for granted.
constexpr absl::Duration kIdle = absl::Seconds(15);
constexpr std::size_t kOutputBytesMax = 64u << 10;

}  // namespace

Task<StatusOr<eventpb::BuilderObserved>> VitalsPoller::Ask(ServerId id) {
  const server::State* state = context_.Find(id);
  HostKeyPin pin = InstalledPin(*state);
  // One try: the next look is soon enough for another.
  const absl::Time until = context_.Now() + context_.options.ssh_connect;
  auto session = co_await context_.Connect(id, std::move(pin), kInstalledHost, until);
  if (!session.ok()) co_return session.status();
  const remote::RemoteCommand vitals = remote::VitalsCommand();
  SshCommand command{.command = vitals.shell,
                     .deadline = context_.Now() + vitals.timeout,
                     .silence_max = vitals.silence_max};
  command.output_bytes_max = kOutputBytesMax;
  const StatusOr<SshResult> result = co_await (*session)->Run(std::move(command));
  if (!result.ok()) co_return result.status();
  co_return remote::ReadVitals(result->out);
}

Task<void> VitalsPoller::Look(ServerId id) {
  StatusOr<eventpb::BuilderObserved> vitals = co_await Ask(id);
  // A stop cuts looks short; that says nothing of the builder.
  if (context_.group.stopping()) co_return;
  const server::State* state = context_.Find(id);
  if (state == nullptr || !state->InService()) co_return;
  server::ObserveBuilder command;
  if (vitals.ok()) {
    command.vitals = *std::move(vitals);
    command.vitals.set_reached(true);
  } else {
    command.vitals.set_detail(
        Ellipsize(context_.ports.secrets.Mask(Message(vitals.status())), 200));
  }
  (void)co_await context_.Tell(id, std::move(command));
}

Task<void> VitalsPoller::LookOnce(ServerId id) {
  co_await Look(id);
  looking_.erase(id);
}

absl::Duration VitalsPoller::BeginLooks() {
  absl::Duration next = kIdle;
  const absl::Time now = context_.ports.rt.Steady();
  std::set<ServerId> serving;
  for (const auto& [id, state] : context_.world().servers) {
    const bool ours = state.provider == context_.provider() && state.InService();
    // A step has the machine for itself.
    if (!ours || state.running != eventpb::SERVER_STEP_UNSPECIFIED) continue;
    serving.insert(id);
    absl::Time& due = due_.try_emplace(id, now).first->second;
    if (due <= now) {
      due = now + context_.Timer(state, &specpb::ServerTimers::vitals_s, context_.options.vitals);
      if (looking_.insert(id).second) context_.group.Spawn("vitals", LookOnce(id));
    }
    next = std::min(next, due - now);
  }
  for (auto it = due_.begin(); it != due_.end();) {
    it = serving.count(it->first) == 0 ? due_.erase(it) : std::next(it);
  }
  return next;
}

Task<void> VitalsPoller::Run() {
  while (true) {
    const absl::Duration next = BeginLooks();
    const bool going = co_await context_.group.Sleep(next);
    if (!going) co_return;
  }
}

}  // namespace muster
