#include "workers/effects/launch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "eventstore/base/canary.h"
#include "workers/effects/environment.h"

namespace muster {
namespace {

using Reason = eventpb::LaunchRejected;

constexpr double kJitter = 0.1;

bool IsLaunching(const worker::State* state) {
  return state != nullptr && std::holds_alternative<worker::Launching>(state->phase);
}

// The reason behind a clear no; REASON_UNSPECIFIED when nobody can say whether it was done.
Reason::Reason ReasonOf(Trouble trouble) {
  switch (trouble) {
    case Trouble::kThrottled:
      return Reason::THROTTLED;
    case Trouble::kNoCredit:
      return Reason::NO_CREDIT;
    case Trouble::kAuth:
    case Trouble::kForbidden:
      return Reason::AUTH;
    case Trouble::kOfferGone:
      return Reason::OFFER_GONE;
    case Trouble::kRejected:
      return Reason::REJECTED;
    case Trouble::kUnavailable:
      return Reason::UNAVAILABLE;
    case Trouble::kNone:
    case Trouble::kNotFound:
    case Trouble::kConflict:
    case Trouble::kUnclear:
    case Trouble::kMalformed:
      break;
  }
  return Reason::REASON_UNSPECIFIED;
}

// A rental that is being ended by somebody else's hand is still the one of this launch; among
// several the oldest (smallest) id is taken, the others come to light as strays.
InstanceId OldestOf(const std::vector<Instance>& found) {
  const auto by_age = [](const Instance& a, const Instance& b) {
    const std::string& x = a.id.str();
    const std::string& y = b.id.str();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  };
  return std::min_element(found.begin(), found.end(), by_age)->id;
}

// Complete look-ups for one label, as far as they got.
struct Search {
  std::string label;
  int lookups = 0;  // complete ones that did not show the label
  std::vector<Instance> found;
};

// One look-up by label; the last one goes through the whole list, lest the provider's filter
// should miss a label that it stores otherwise than it was sent. False: it failed, and says
// nothing.
Task<bool> LookUp(EffectContext& context, Search& search, bool whole_list) {
  const absl::Time deadline = context.Now() + context.options.call_timeout;
  StatusOr<std::vector<Instance>> found = Unknown("not asked");
  if (whole_list) {
    found = co_await context.link.provider.ListInstances(deadline);
  } else {
    found = co_await context.link.provider.FindByLabel(search.label, deadline);
  }
  context.reporter.Report("list", found.status());
  if (!found.ok()) co_return false;
  search.found = *std::move(found);
  std::erase_if(search.found, [&](const Instance& i) { return i.label != search.label; });
  if (search.found.empty()) ++search.lookups;
  co_return true;
}

Task<void> Settle(EffectContext& context, WorkerId worker, std::string cause) {
  const worker::State* state = context.FindWorker(worker);
  if (!IsLaunching(state)) co_return;
  Search search{.label = state->identity.label};
  const specpb::Timers timers = context.TimersOf(state->identity.fleet);
  const absl::Duration settle = SecondsOr(timers.launch_settle_s(), context.options.launch_settle);
  const absl::Duration every = SecondsOr(timers.launch_lookup_s(), context.options.lookup_every);
  const absl::Time begun = context.link.rt.Steady();
  while (true) {
    const absl::Duration waited = context.link.rt.Steady() - begun;
    const bool last = waited >= settle && search.lookups + 1 >= context.options.lookups_min;
    // A failed look-up says nothing, however long it goes on.
    const bool complete = co_await LookUp(context, search, last);
    if (!IsLaunching(context.FindWorker(worker))) co_return;
    if (complete && !search.found.empty()) {
      worker::LaunchAnswered answer{OldestOf(search.found), eventpb::LaunchAccepted::LOOKUP};
      (void)co_await context.Tell(worker, std::move(answer), cause);
      co_return;
    }
    if (complete && last) {
      const worker::LaunchSettledAbsent absent{search.lookups, waited};
      (void)co_await context.Tell(worker, absent, cause);
      co_return;
    }
    const double factor = context.link.rt.rng().Between(1 - kJitter, 1 + kJitter);
    const bool going = co_await context.group.Sleep(every * factor);
    if (!going) co_return;
  }
}

Task<void> Lost(EffectContext& context, WorkerId worker, std::string detail, std::string cause) {
  worker::LaunchLost lost{std::move(detail)};
  const Status told = co_await context.Tell(worker, std::move(lost), cause);
  if (told.code() == StatusCode::kFailedPrecondition) co_return;  // settled meanwhile
  co_await Settle(context, std::move(worker), std::move(cause));
}

Task<void> Refused(EffectContext& context, WorkerId worker, Reason::Reason reason,
                   std::string detail, std::string cause) {
  worker::LaunchRefused refused{reason, std::move(detail)};
  (void)co_await context.Tell(std::move(worker), std::move(refused), std::move(cause));
}

}  // namespace

Task<void> Launch(EffectContext& context, WorkerId worker, std::string cause) {
  const worker::State* state = context.FindWorker(worker);
  if (!IsLaunching(state)) co_return;
  const fleet::State* fleet = context.world().FindFleet(state->identity.fleet);
  if (fleet == nullptr || !fleet->active()) {
    co_await Refused(context, std::move(worker), Reason::CANCELLED, "the fleet is down", cause);
    co_return;
  }
  StatusOr<LaunchSpec> spec = MakeLaunchSpec(fleet->spec, state->identity, context.link.secrets);
  if (!spec.ok()) {
    std::string detail(Message(spec.status()));
    co_await Refused(context, std::move(worker), Reason::SECRET_MISSING, std::move(detail), cause);
    co_return;
  }
  const absl::Duration timeout =
      SecondsOr(fleet->spec.timers().launch_timeout_s(), context.options.launch_timeout);
  const absl::Time deadline = context.Now() + timeout;
  const StatusOr<Launched> launched =
      co_await context.link.provider.Launch(*std::move(spec), deadline);
  context.reporter.Report("create", launched.status());
  if (launched.ok()) {
    worker::LaunchAnswered answer{launched->instance, eventpb::LaunchAccepted::ANSWER};
    const Status told = co_await context.Tell(worker, std::move(answer), cause);
    // An answer that names another worker's instance says nothing of this launch.
    const bool odd = told.code() == StatusCode::kFailedPrecondition;
    if (odd && IsLaunching(context.FindWorker(worker))) {
      std::string why(Message(told));
      co_await Lost(context, std::move(worker), std::move(why), std::move(cause));
    }
    co_return;
  }
  std::string detail(Message(launched.status()));
  const Reason::Reason reason = ReasonOf(TroubleOf(launched.status()));
  if (reason == Reason::REASON_UNSPECIFIED) {
    co_await Lost(context, std::move(worker), std::move(detail), std::move(cause));
  } else {
    co_await Refused(context, std::move(worker), reason, std::move(detail), std::move(cause));
  }
}

Task<void> ResumeLaunch(EffectContext& context, WorkerId worker) {
  if (MUSTER_CANARY("restart-launches-again")) {
    std::string cause;
    co_await Launch(context, std::move(worker), std::move(cause));
    co_return;
  }
  co_await Lost(context, std::move(worker), "muster was restarted before the answer was recorded",
                "");
}

}  // namespace muster
