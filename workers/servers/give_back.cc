#include "workers/servers/give_back.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/canary.h"
#include "eventstore/base/log.h"

namespace muster {
namespace {

constexpr absl::Duration kAgain = absl::Seconds(30);
constexpr absl::Duration kAgainMax = absl::Minutes(10);

bool Wanted(const ServerContext& context, const ServerId& id, bool revoke) {
  const server::State* state = context.Find(id);
  if (state == nullptr || state->ended_already()) return false;
  return revoke ? state->revoke_wanted : !state->cancel_wanted.empty();
}

// What the provider shows. kGone: the server is not there any more.
struct Shown {
  enum class What { kUnknown, kGone, kNotCancelled, kCancelled } what = What::kUnknown;
  std::string date;
  std::string earliest;
};

Task<Shown> Read(ServerContext& context, ServerNumber number) {
  const StatusOr<Cancellation> seen =
      co_await context.ports.provider.GetCancellation(number, context.CallDeadline());
  context.reporter.Report("cancellation", seen.status());
  if (seen.ok()) {
    const auto what = seen->cancelled ? Shown::What::kCancelled : Shown::What::kNotCancelled;
    co_return Shown{what, seen->date, seen->earliest_date};
  }
  if (TroubleOf(seen.status()) == Trouble::kNotFound) co_return Shown{Shown::What::kGone, "", ""};
  co_return Shown{};
}

bool Final(const Status& answer) {
  const Trouble trouble = TroubleOf(answer);
  return trouble == Trouble::kRejected || trouble == Trouble::kConflict ||
         trouble == Trouble::kForbidden;
}

Task<void> Set(ServerContext& context, ServerId id, std::string date, std::string cause) {
  (void)co_await context.Tell(id, server::CancelSet{std::move(date)}, std::move(cause));
}

// One attempt. True: settled, one way or the other.
Task<bool> TryCancel(ServerContext& context, ServerId id, std::string cause) {
  const server::State* state = context.Find(id);
  const ServerNumber number = state->number;
  const std::string date = state->cancel_wanted, name = state->name.str();
  const Shown before = co_await Read(context, number);
  if (!Wanted(context, id, false)) co_return true;
  const bool as_wanted = before.what == Shown::What::kGone ||
                         (before.what == Shown::What::kCancelled && before.date == date);
  if (as_wanted) {
    co_await Set(context, id, date, cause);
    co_return true;
  }
  if (before.what == Shown::What::kUnknown) co_return false;
  if (before.what == Shown::What::kCancelled) {
    // For another day: that one has to go first. Should we die here, the next start goes on.
    const Status revoked =
        co_await context.ports.provider.RevokeCancellation(number, context.CallDeadline());
    context.reporter.Report("revoke", revoked);
  }
  Status answer =
      co_await context.ports.provider.CancelServer(number, date, "", context.CallDeadline());
  context.reporter.Report("cancel", answer);
  const bool too_early = date == "now" && TroubleOf(answer) == Trouble::kRejected;
  if (too_early && !before.earliest.empty()) {
    // Not at once, then as soon as the provider lets it go; what it came to is read back below.
    answer = co_await context.ports.provider.CancelServer(number, before.earliest, "",
                                                          context.CallDeadline());
  }
  if (answer.ok() && MUSTER_CANARY("server-cancel-is-proof")) {
    co_await Set(context, id, date, cause);
    co_return true;
  }
  const Shown after = co_await Read(context, number);
  if (!Wanted(context, id, false)) co_return true;
  if (after.what == Shown::What::kGone) {
    co_await Set(context, id, date, cause);
    co_return true;
  }
  if (after.what == Shown::What::kCancelled) {
    // "now" is shown as today: what counts then is that it goes at once.
    const bool today = date == "now" && answer.ok() && !too_early;
    const bool set = today || after.date == date || (too_early && after.date == before.earliest);
    if (set) {
      co_await Set(context, id, today ? date : after.date, cause);
      co_return true;
    }
    answer = answer.ok() ? Unknown(Cat("it is still cancelled for ", after.date)) : answer;
  }
  if (!Final(answer)) co_return false;
  server::CancelFailed failed{false, std::string(Message(answer)),
                              Cat("muster server cancel ", name, " --show")};
  (void)co_await context.Tell(id, std::move(failed), cause);
  co_return true;
}

Task<bool> TryRevoke(ServerContext& context, ServerId id, std::string cause) {
  const server::State* state = context.Find(id);
  const ServerNumber number = state->number;
  const std::string name = state->name.str();
  const Status answer =
      co_await context.ports.provider.RevokeCancellation(number, context.CallDeadline());
  context.reporter.Report("revoke", answer);
  const Shown after = co_await Read(context, number);
  if (!Wanted(context, id, true)) co_return true;
  if (after.what == Shown::What::kNotCancelled) {
    (void)co_await context.Tell(id, server::Revoked{}, cause);
    co_return true;
  }
  const bool gone = after.what == Shown::What::kGone;
  if (!gone && !Final(answer)) co_return false;
  server::CancelFailed failed{true, gone ? "the server is gone" : std::string(Message(answer)),
                              gone ? "" : Cat("muster server cancel ", name, " --show")};
  (void)co_await context.Tell(id, std::move(failed), cause);
  co_return true;
}

}  // namespace

Task<void> CancelServer(ServerContext& context, ServerId id, std::string cause) {
  for (absl::Duration wait = kAgain; Wanted(context, id, false);
       wait = std::min(2 * wait, kAgainMax)) {
    const bool settled = co_await TryCancel(context, id, cause);
    if (settled) co_return;
    const bool going = co_await context.group.Sleep(wait);
    if (!going) co_return;
  }
}

Task<void> RevokeCancellation(ServerContext& context, ServerId id, std::string cause) {
  for (absl::Duration wait = kAgain; Wanted(context, id, true);
       wait = std::min(2 * wait, kAgainMax)) {
    const bool settled = co_await TryRevoke(context, id, cause);
    if (settled) co_return;
    const bool going = co_await context.group.Sleep(wait);
    if (!going) co_return;
  }
}

Task<void> TidyUp(ServerContext& context, ServerId id) {
  const std::string key = context.Find(id)->order_key_md5;
  while (true) {
    const Status gone = co_await context.ports.provider.DeleteKey(key, context.CallDeadline());
    context.reporter.Report("key", gone);
    if (gone.ok() || Final(gone)) break;
    const bool going = co_await context.group.Sleep(kAgainMax);
    if (!going) co_return;
  }
  for (const std::string& name : {OrderKeyName(id), HostKeyName(id)}) {
    const Status forgotten = context.ports.keys.Forget(name);
    if (!forgotten.ok()) Log(LogLevel::kWarning, "key_not_forgotten", {{"error", forgotten}});
  }
}

}  // namespace muster
