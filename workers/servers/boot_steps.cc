#include "workers/servers/boot_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "eventstore/base/canary.h"
#include "workers/servers/remote/install.h"
#include "workers/servers/remote_steps.h"

namespace muster {
namespace {

constexpr int kRescueHost = 2;
constexpr int kInstalledHost = 1;
// To say its name is no work.
constexpr absl::Duration kName = absl::Seconds(30);
// A machine that still answers as its rescue system so long after the order to reboot is told
// again.
constexpr absl::Duration kGoesDown = absl::Minutes(1);

bool Running(const ServerContext& context, const ServerId& id, server::Step step) {
  const server::State* state = context.Find(id);
  return state != nullptr && !state->ended_already() && state->running == step;
}

StepEnd Gone() { return FailStep(FailedPrecondition("the step is not wanted any more"), true, ""); }

// Whether a call that changed nothing for certain may simply be made again later.
bool Transient(const Status& status) {
  const Trouble trouble = TroubleOf(status);
  return trouble == Trouble::kUnavailable || trouble == Trouble::kThrottled ||
         trouble == Trouble::kUnclear || trouble == Trouble::kMalformed;
}
StepEnd Refused(const Status& status, const std::string& what, const ServerName& name) {
  return FailStep(Status(status.code(), Cat(what, ": ", Message(status))), Transient(status),
                  Cat("muster server rescue ", name.str()));
}

// Activates the rescue system for the next boot, with our key alone; an answer is no proof, so it
// is read back.
Task<Status> Activate(ServerContext& context, ServerNumber number, std::string key) {
  ServerProvider& provider = context.ports.provider;
  const std::vector<std::string> ours = {key};
  StatusOr<RescueSetting> now = co_await provider.GetRescue(number, context.CallDeadline());
  if (!now.ok()) co_return now.status();
  if (now->active && now->key_fingerprints == ours) co_return absl::OkStatus();
  if (now->active) {
    const Status off = co_await provider.DeactivateRescue(number, context.CallDeadline());
    if (!off.ok()) co_return off;
  }
  const Status on = co_await provider.ActivateRescue(number, key, context.CallDeadline());
  now = co_await provider.GetRescue(number, context.CallDeadline());
  if (!now.ok()) co_return now.status();
  if (now->active && now->key_fingerprints == ours) co_return absl::OkStatus();
  if (!on.ok()) co_return on;
  co_return MakeTrouble(Trouble::kUnclear, "the rescue system was asked for and is not active");
}

// The gentlest reset that works without anybody's help.
StatusOr<ResetKind> ChooseReset(const std::vector<ResetKind>& offered) {
  for (const ResetKind kind : {ResetKind::kHardware, ResetKind::kPowerLong, ResetKind::kSoftware}) {
    if (std::find(offered.begin(), offered.end(), kind) != offered.end()) return kind;
  }
  return MakeTrouble(Trouble::kRejected, "this board offers no reset that works by itself");
}

// Writes the intent, then resets. A lost answer is fine: the new keys will tell.
Task<Status> ResetOnce(ServerContext& context, ServerId id) {
  const ServerNumber number = context.Find(id)->number;
  const StatusOr<std::vector<ResetKind>> offered =
      co_await context.ports.provider.ResetKinds(number, context.CallDeadline());
  if (!offered.ok()) co_return offered.status();
  const StatusOr<ResetKind> kind = ChooseReset(*offered);
  if (!kind.ok()) co_return kind.status();
  if (!MUSTER_CANARY("server-reset-unannounced")) {
    const Status told = co_await context.Tell(id, server::RequestReset{*kind});
    if (!told.ok()) co_return told;
  }
  Status reset = co_await context.ports.provider.Reset(number, *kind, context.CallDeadline());
  context.reporter.Report("reset", reset);
  const bool off = reset.ok() && *kind == ResetKind::kPowerLong;
  if (off)
    reset =
        co_await context.ports.provider.Reset(number, ResetKind::kPower, context.CallDeadline());
  const Trouble trouble = TroubleOf(reset);
  const bool unclear = trouble == Trouble::kUnclear || trouble == Trouble::kMalformed;
  co_return reset.ok() || unclear ? absl::OkStatus() : reset;
}

bool Fresh(const std::vector<HostKeyFingerprint>& keys, const server::State& state) {
  const auto& before = state.intent.host_keys_before();
  return !keys.empty() && std::none_of(keys.begin(), keys.end(), [&](const auto& key) {
    return std::find(before.begin(), before.end(), key.sha256) != before.end();
  });
}

// The keys of the rescue system that came up after our reset. nullopt: not by `until`.
Task<std::optional<RescueBoot>> AwaitKeys(ServerContext& context, ServerId id, absl::Time until) {
  while (Running(context, id, eventpb::RESCUE)) {
    const server::State* state = context.Find(id);
    const ServerNumber number = state->number;
    const absl::Duration every = context.Poll(*state);
    StatusOr<RescueBoot> last =
        co_await context.ports.provider.LastRescue(number, context.CallDeadline());
    context.reporter.Report("rescue", last.status());
    if (!Running(context, id, eventpb::RESCUE)) co_return std::nullopt;
    if (last.ok() && Fresh(last->host_keys, *context.Find(id))) co_return *std::move(last);
    if (context.Now() + every >= until) co_return std::nullopt;
    const bool going = co_await context.group.Sleep(every);
    if (!going) co_return std::nullopt;
  }
  co_return std::nullopt;
}

// The pin proves which boot this is; the name proves that it is the rescue system.
Task<Status> ProveRescue(SshSession& session, absl::Time deadline) {
  SshCommand command{.command = "hostname", .deadline = deadline};
  const StatusOr<SshResult> result = co_await session.Run(std::move(command));
  if (!result.ok()) co_return result.status();
  const std::string name(absl::StripAsciiWhitespace(result->out));
  if (result->exit_status == 0 && name == "rescue") co_return absl::OkStatus();
  co_return FailedPrecondition(Cat("it calls itself '", Ellipsize(name, 64), "', not rescue"));
}

StepEnd SshEnd(const Status& status, const server::State& state, const char* system) {
  const std::string& name = state.name.str();
  if (status.code() == StatusCode::kPermissionDenied) {
    return FailStep(Status(status.code(), Cat("another host key than the ", system,
                                              "'s answers; nothing was sent: ", Message(status))),
                    false,
                    Cat("somebody may stand between: look before muster server rescue ", name));
  }
  const bool silent = status.code() == StatusCode::kUnavailable;
  return FailStep(status, silent, Cat("muster server rescue ", name));
}

}  // namespace

StepEnd FailStep(Status status, bool transient, std::string next) {
  StepEnd end;
  end.status = std::move(status);
  end.transient = transient;
  end.next = std::move(next);
  return end;
}

Task<StepEnd> RunRescue(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  const ServerName name = state->name;
  const absl::Duration patience =
      context.Timer(*state, &specpb::ServerTimers::rescue_s, context.options.rescue);
  if (!state->reset.seen()) {
    const ServerNumber number = state->number;
    const std::string key = state->order_key_md5;
    const std::string key_name = Cat("muster-", id.str()), public_key = state->order_public_key;
    const Status stored =
        co_await context.ports.provider.StoreKey(key_name, public_key, context.CallDeadline());
    if (!stored.ok()) co_return Refused(stored, "its key could not be stored", name);
    const Status active = co_await Activate(context, number, key);
    context.reporter.Report("rescue", active);
    if (!active.ok()) co_return Refused(active, "the rescue system could not be set", name);
    if (!Running(context, id, eventpb::RESCUE)) co_return Gone();
    const Status reset = co_await ResetOnce(context, id);
    if (!reset.ok()) co_return Refused(reset, "the machine could not be reset", name);
  }
  state = context.Find(id);
  if (!Running(context, id, eventpb::RESCUE)) co_return Gone();
  // After a crash the wait begins anew: resetting what is booting would be worse than waiting.
  const absl::Time until = context.Now() + patience;
  const std::optional<RescueBoot> boot = co_await AwaitKeys(context, id, until);
  if (!Running(context, id, eventpb::RESCUE)) co_return Gone();
  if (context.group.stopping()) co_return Gone();
  if (!boot.has_value()) {
    co_return FailStep(DeadlineExceeded(Cat("no new rescue system within ", FormatSpan(patience))),
                       false,
                       Cat("muster server rescue ", name.str(),
                           " resets it again; else ask the provider to look"));
  }
  StepEnd end;
  HostKeyPin pin;
  for (const HostKeyFingerprint& key : boot->host_keys) {
    pin.sha256.push_back(key.sha256);
    eventpb::HostKey* pinned = end.done.done.add_host_keys();
    pinned->set_type(key.type);
    pinned->set_sha256(key.sha256);
  }
  const StatusOr<std::unique_ptr<SshSession>> session =
      co_await context.Connect(id, std::move(pin), kRescueHost, until);
  if (!session.ok()) co_return SshEnd(session.status(), *context.Find(id), "rescue system");
  const Status proved = co_await ProveRescue(**session, context.Now() + kName);
  if (!proved.ok()) co_return SshEnd(proved, *context.Find(id), "rescue system");
  end.done.done.set_text("its rescue system runs and has proved its key");
  co_return end;
}

// ---- into the installed system ----------------------------------------------------------------

namespace {

Task<StatusOr<std::unique_ptr<SshSession>>> ConnectInstalled(ServerContext& context, ServerId id,
                                                             absl::Time until) {
  HostKeyPin pin = InstalledPin(*context.Find(id));
  StatusOr<std::unique_ptr<SshSession>> session =
      co_await context.Connect(id, std::move(pin), kInstalledHost, until);
  co_return session;
}

// While the machine goes down its rescue system still answers, under another key: not a stranger,
// and after a crash perhaps one that was never told to reboot. Who passes neither pin, twice in a
// row since a system may come up between two looks, is one.
Task<StatusOr<std::unique_ptr<SshSession>>> AwaitInstalled(ServerContext& context, ServerId id,
                                                           absl::Time until) {
  absl::Time tell_again = context.Now() + kGoesDown;
  for (int strangers = 0;;) {
    StatusOr<std::unique_ptr<SshSession>> up = co_await ConnectInstalled(context, id, until);
    if (up.status().code() != StatusCode::kPermissionDenied) co_return up;
    if (!Running(context, id, eventpb::BOOT)) co_return up;
    HostKeyPin pin = RescuePin(*context.Find(id));
    const absl::Time soon = context.Now() + context.options.ssh_connect;
    const StatusOr<std::unique_ptr<SshSession>> rescue =
        co_await context.Connect(id, std::move(pin), kRescueHost, std::min(until, soon));
    const bool stranger = rescue.status().code() == StatusCode::kPermissionDenied;
    strangers = stranger ? strangers + 1 : 0;
    if (strangers == 2) co_return up;
    if (rescue.ok() && context.Now() >= tell_again) {
      tell_again = context.Now() + kGoesDown;
      std::vector<remote::RemoteCommand> reboot = {remote::RebootCommand()};
      (void)co_await RunPlanned(context, id, **rescue, std::move(reboot));
    }
    if (context.Now() + context.options.ssh_again >= until) {
      co_return DeadlineExceeded("its rescue system still answers: it does not go down");
    }
    const bool going = co_await context.group.Sleep(context.options.ssh_again);
    if (!going) co_return up;
  }
}

// What has to be so before the machine goes down: loaders on the disks, the right key in place, and
// no rescue system waiting for the next boot.
Task<StepEnd> BeforeReboot(ServerContext& context, ServerId id, SshSession& session) {
  const server::State* state = context.Find(id);
  const ServerNumber number = state->number;
  const ServerName name = state->name;
  const StatusOr<remote::InstallPlan> plan = PlanOfBoot(context, *state);
  if (!plan.ok()) co_return FailStep(plan.status(), false, "");
  StepEnd ran = co_await RunPlanned(context, id, session, plan->commands);
  if (!ran.status.ok()) co_return ran;
  const StatusOr<RescueSetting> rescue =
      co_await context.ports.provider.GetRescue(number, context.CallDeadline());
  context.reporter.Report("rescue", rescue.status());
  if (!rescue.ok())
    co_return Refused(rescue.status(), "whether it boots into rescue is not known", name);
  if (!rescue->active) co_return ran;
  const Status off =
      co_await context.ports.provider.DeactivateRescue(number, context.CallDeadline());
  if (!off.ok()) co_return Refused(off, "the rescue system could not be unset", name);
  co_return ran;
}

}  // namespace

Task<StepEnd> RunBoot(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  const std::string name = state->name.str();
  const absl::Duration patience =
      context.Timer(*state, &specpb::ServerTimers::boot_s, context.options.boot);
  if (!state->reset.seen()) {
    HostKeyPin pin = RescuePin(*state);
    const absl::Time until = context.Now() + context.options.ssh_connect;
    const StatusOr<std::unique_ptr<SshSession>> session =
        co_await context.Connect(id, std::move(pin), kRescueHost, until);
    if (!session.ok()) co_return SshEnd(session.status(), *context.Find(id), "rescue system");
    StepEnd before = co_await BeforeReboot(context, id, **session);
    if (!before.status.ok()) co_return before;
    if (!Running(context, id, eventpb::BOOT)) co_return Gone();
    // A reboot from within is a reset too: written before it is done.
    const Status told = co_await context.Tell(id, server::RequestReset{ResetKind::kSoftware});
    if (!told.ok()) co_return Gone();
    std::vector<remote::RemoteCommand> reboot = {remote::RebootCommand()};
    (void)co_await RunPlanned(context, id, **session, std::move(reboot));  // the pin tells the rest
  }
  if (!Running(context, id, eventpb::BOOT)) co_return Gone();
  const absl::Time until = context.Now() + patience;
  const StatusOr<std::unique_ptr<SshSession>> up = co_await AwaitInstalled(context, id, until);
  if (up.ok()) {
    StepEnd end;
    end.done.done.set_text("the installed system runs and has proved its key");
    co_return end;
  }
  if (!Running(context, id, eventpb::BOOT) || context.group.stopping()) co_return Gone();
  if (up.status().code() == StatusCode::kUnavailable) {
    co_return FailStep(DeadlineExceeded(Cat("sshd is silent for ", FormatSpan(patience))), false,
                       Cat("muster server rescue ", name, ", then look at its disks and logs"));
  }
  co_return SshEnd(up.status(), *context.Find(id), "installed system");
}

}  // namespace muster
