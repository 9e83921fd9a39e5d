#include "tests/storm/ground.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"

namespace muster::storm {
namespace {

using vastsim::Failure;
using vastsim::FailureSeen;
using vastsim::InstanceView;

// An outage ends by itself within half an hour, and shows in what is seen a while longer.
constexpr absl::Duration kOutageMax = absl::Minutes(46);

// A destroy is carried out at the very moment that it was decided.
constexpr absl::Duration kAtOnce = absl::Seconds(1);

bool IsOneOf(Failure how, std::initializer_list<Failure> kinds) {
  return std::find(kinds.begin(), kinds.end(), how) != kinds.end();
}

// Failures that stop the worker for good, so that a batch after them shows that they passed.
bool StopsForGood(Failure how) {
  return !IsOneOf(how, {Failure::kOffline, Failure::kUnknown, Failure::kSlowWorker,
                        Failure::kUploadsFail, Failure::kRepair, Failure::kStopped});
}

bool HadPassed(const InstanceView& instance, const FailureSeen& seen, absl::Time at) {
  if (IsOneOf(seen.how, {Failure::kOffline, Failure::kUnknown})) {
    return !seen.for_good && at > seen.at + kOutageMax;
  }
  return StopsForGood(seen.how) && instance.last_batch > seen.at &&
         instance.last_batch + absl::Minutes(5) > at;
}

}  // namespace

Ground::Ground(const vastsim::VastSim& sim)
    : now(sim.now()), living(sim.Instances()), past(sim.PastInstances()), ledger(sim.Ledger()) {
  for (const InstanceView& each : living) by_id_[each.id] = &each;
  for (const InstanceView& each : past) by_id_[each.id] = &each;
}

const InstanceView* Ground::Find(std::int64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}
const InstanceView* Ground::Find(const std::string& id) const {
  return Find(static_cast<std::int64_t>(std::strtoll(id.c_str(), nullptr, 10)));
}

std::vector<const InstanceView*> Ground::LivingAt(absl::Time at) const {
  std::vector<const InstanceView*> out;
  for (const auto& [id, each] : by_id_) {
    if (each->created <= at && each->ended + kAtOnce > at) out.push_back(each);
  }
  return out;
}

std::vector<const InstanceView*> Ground::LivedBetween(absl::Time from, absl::Time to) const {
  std::vector<const InstanceView*> out;
  for (const auto& [id, each] : by_id_) {
    if (each->created <= to && each->ended > from) out.push_back(each);
  }
  return out;
}

std::string Tell(const InstanceView& each) {
  std::string text = Cat("instance ", each.id, " (", each.label, ", machine ", each.machine, ", ",
                         each.batches, " batches");
  for (const FailureSeen& seen : each.failures) {
    text += Cat(", ", vastsim::FailureName(seen.how), " at ", FormatClock(seen.at));
  }
  return Cat(text, ")");
}

std::string TokenOf(const std::string& label) {
  const std::size_t dot = label.rfind('.');
  return dot == std::string::npos ? "" : label.substr(dot + 1);
}
std::string PlaceOf(const std::string& label) { return label.substr(0, label.rfind('.')); }

bool Explains(const std::string& rule, Failure how) {
  using F = Failure;
  if (rule == "fatal-error") return IsOneOf(how, {F::kFatalError, F::kRecoveredError});
  if (rule == "broken-launch") return how == F::kLaunchBroken;
  const bool no_container =
      IsOneOf(how, {F::kStuckBoot, F::kOffline, F::kUnknown, F::kExit, F::kImageError,
                    F::kHostError, F::kStopped, F::kStrangeStatus});
  if (rule == "offline") return no_container;
  const bool silent =
      no_container || IsOneOf(how, {F::kStall, F::kStuckSetup, F::kFatalError, F::kLaunchBroken});
  if (rule == "stuck-boot" || rule == "stuck-setup") return silent;
  if (rule == "stuck-warmup" || rule == "no-progress") return silent || how == F::kSlowWorker;
  if (rule == "upgrade-failed") return silent || how == F::kSlowWorker || how == F::kRecoveredError;
  return false;
}

bool MachinesOwn(const InstanceView& instance, Failure how) {
  if (how == Failure::kLaunchBroken) return instance.batches > 0;
  return !IsOneOf(how, {Failure::kImageError, Failure::kStopped, Failure::kVanish,
                        Failure::kUploadsFail, Failure::kRepair});
}

bool HadFailure(const InstanceView& instance, const std::string& rule, absl::Time at,
                bool machines_own) {
  return std::any_of(
      instance.failures.begin(), instance.failures.end(), [&](const FailureSeen& seen) {
        return seen.at <= at && Explains(rule, seen.how) &&
               (!machines_own || MachinesOwn(instance, seen.how)) && !HadPassed(instance, seen, at);
      });
}

}  // namespace muster::storm
