#include "workers/pollers/instance_poller.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "workers/pollers/strays.h"

namespace muster {
namespace {

// Pages come 25 rows at a time, and no faster than one a second.
constexpr int kRowsPerPage = 25;
// Most of what a list says is nothing new and is decided on the spot: thousands in a row would keep
// everybody else waiting.
constexpr int kToldAtATime = 64;

bool Unconfirmed(const worker::State& state) {
  if (std::holds_alternative<worker::Destroying>(state.phase)) return true;
  const worker::Live* live = state.live();
  return live != nullptr && live->seen.absent_lists > 0;
}

}  // namespace

// A worker whose instance a list begun now must show.
struct InstancePoller::Expected {
  WorkerId worker;
  InstanceId instance;
  bool new_rental = false;  // lists may not show it yet
};

std::vector<InstancePoller::Expected> InstancePoller::ExpectedNow() const {
  std::vector<Expected> expected;
  const absl::Time now = context_.Now();
  for (const auto& [id, instance_worker] : context_.world().by_instance) {
    const worker::State* state = context_.world().FindWorker(instance_worker);
    if (state == nullptr || state->identity.provider != context_.provider()) continue;
    const worker::Live* live = state->live();
    // Decide asks again, by a clock that has been followed.
    const bool new_rental = live != nullptr && !live->seen.instance.seen() &&
                            now < live->accepted.at + context_.options.list_lag;
    expected.push_back({instance_worker, id, new_rental});
  }
  std::sort(expected.begin(), expected.end(),
            [](const Expected& a, const Expected& b) { return a.worker < b.worker; });
  return expected;
}

absl::Duration InstancePoller::Interval() const {
  const absl::Duration calm =
      context_.Interval(&specpb::Timers::list_poll_s, context_.options.list_poll);
  const World& world = context_.world();
  const bool hurried =
      std::any_of(world.by_instance.begin(), world.by_instance.end(), [&](const auto& entry) {
        const worker::State* state = world.FindWorker(entry.second);
        return state != nullptr && state->identity.provider == context_.provider() &&
               Unconfirmed(*state);
      });
  return hurried ? std::min(calm, context_.options.list_poll_hurried) : calm;
}

Task<void> InstancePoller::Run() {
  while (true) {
    const bool due = co_await turns_.Next([this] { return Interval(); });
    if (!due) co_return;
    co_await PollOnce();
  }
}

Task<void> InstancePoller::PollOnce() {
  std::vector<Expected> expected = ExpectedNow();
  const absl::Time begun = context_.Steady();
  const int pages = static_cast<int>(expected.size()) / kRowsPerPage;
  const absl::Duration allowed = context_.options.call_timeout + pages * absl::Seconds(3);
  const absl::Time deadline = context_.Now() + allowed;
  Task<StatusOr<std::vector<Instance>>> call = context_.link.provider.ListInstances(deadline);
  StatusOr<std::vector<Instance>> list = co_await context_.group.Away(std::move(call));
  if (context_.group.stopping()) co_return;
  context_.reporter.Report("list", list.status());
  if (!list.ok()) {
    ++failures_;
    co_await TellFailure(std::move(expected), std::string(Message(list.status())), begun);
    co_return;
  }
  failures_ = 0;
  context_.freshness.list = context_.WallAt(begun);
  // A list of many pages takes longer than its interval.
  const absl::Duration took = std::min(context_.Steady() - begun, allowed);
  const absl::Duration calm =
      context_.Interval(&specpb::Timers::list_poll_s, context_.options.list_poll);
  unwatched_ = looks_.Unwatched(begun, std::max({calm, took, took_}));
  took_ = took;
  looks_.Looked(begun);
  co_await TellList(std::move(expected), *std::move(list), begun);
}

Task<void> InstancePoller::TellFailure(std::vector<Expected> expected, std::string detail,
                                       absl::Time begun) {
  int told = 0;
  for (const Expected& one : expected) {
    if (++told % kToldAtATime == 0) co_await context_.link.rt.SleepFor(absl::ZeroDuration());
    if (context_.group.stopping()) co_return;
    worker::ObserveFailure failure{"instance", detail, context_.WallAt(begun), failures_};
    co_await TellWorker(one.worker, std::move(failure));
  }
}

Task<void> InstancePoller::TellList(std::vector<Expected> expected, std::vector<Instance> list,
                                    absl::Time begun) {
  absl::flat_hash_map<InstanceId, const Instance*> listed;
  for (const Instance& instance : list) listed[instance.id] = &instance;
  int told = 0;
  for (const Expected& one : expected) {
    if (++told % kToldAtATime == 0) co_await context_.link.rt.SleepFor(absl::ZeroDuration());
    if (context_.group.stopping()) co_return;
    const absl::Time at = context_.WallAt(begun);  // the clock may step between two of them
    const auto found = listed.find(one.instance);
    if (found != listed.end()) {
      worker::ObserveInstance seen = Seen(one.worker, *found->second, at);
      co_await TellWorker(one.worker, std::move(seen));
    } else if (!one.new_rental) {
      const worker::ObserveAbsence absent{.definite = false, .at = at};
      co_await TellWorker(one.worker, absent);
    }
  }
  absl::erase_if(blank_, [&](const auto& entry) {
    const worker::State* state = context_.world().FindWorker(entry.first);
    return state == nullptr || !state->open();
  });
  account::ObserveList observed;
  for (const Instance& instance : list) observed.instances.push_back(instance.id);
  observed.strays = FindStrays(context_.world(), context_.provider(), list);
  Origin origin{.actor = "poller:list"};
  const StatusOr<Outcome> outcome = co_await context_.link.handler.Account(
      context_.provider(), std::move(observed), std::move(origin));
  (void)outcome.ok();  // not stored: the next list says the same
}

worker::ObserveInstance InstancePoller::Seen(const WorkerId& worker, const Instance& row,
                                             absl::Time at) {
  worker::ObserveInstance seen{row, at, TimersOf(worker), unwatched_};
  if (worker::TellsNothing(row)) {
    seen.blank = ++blank_[worker];
  } else if (blank_.erase(worker) > 0) {
    seen.unwatched = std::nullopt;  // the log knows when it was last told something
  }
  return seen;
}

specpb::Timers InstancePoller::TimersOf(const WorkerId& id) const {
  const worker::State* state = context_.world().FindWorker(id);
  const fleet::State* fleet =
      state != nullptr ? context_.world().FindFleet(state->identity.fleet) : nullptr;
  return fleet != nullptr ? fleet->spec.timers() : specpb::Timers();
}

Task<void> InstancePoller::TellWorker(WorkerId worker, worker::Command command) {
  Origin origin{.actor = "poller:list"};
  const StatusOr<Outcome> outcome = co_await context_.link.handler.Worker(
      std::move(worker), std::move(command), std::move(origin));
  (void)outcome.ok();  // refused: the worker moved on since the list was begun
}

}  // namespace muster
