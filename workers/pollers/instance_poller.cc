#include "workers/pollers/instance_poller.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "workers/pollers/strays.h"

namespace muster {
namespace {

// Pages come 25 rows at a time, and no faster than one a second.
constexpr int kRowsPerPage = 25;
// Thousands of rows in a row would keep everybody else waiting: so many at a time are told to their
// workers (most is nothing new, and decided on the spot), or merely looked at.
constexpr std::size_t kToldAtATime = 64;
constexpr std::size_t kLookedAtAtATime = 512;

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

// Adds the next of the fleet's workers behind `last`; false when there is none left.
bool InstancePoller::AddExpected(const FleetName& fleet, WorkerId& last,
                                 std::vector<Expected>& expected) const {
  const auto open = context_.world().open_by_fleet.find(fleet);
  if (open == context_.world().open_by_fleet.end()) return false;
  const absl::Time now = context_.Now();
  auto id = open->second.upper_bound(last);
  for (std::size_t left = kLookedAtAtATime; left > 0 && id != open->second.end(); --left, ++id) {
    last = *id;
    const worker::State* state = context_.world().FindWorker(last);
    if (state == nullptr || state->identity.provider != context_.provider()) continue;
    if (state->instance.empty()) continue;
    const worker::Live* live = state->live();
    // Decide asks again, by a clock that has been followed.
    const bool new_rental = live != nullptr && !live->seen.instance.seen() &&
                            now < live->accepted.at + context_.options.list_lag;
    expected.push_back({last, state->instance, new_rental});
  }
  return id != open->second.end();
}

// Who comes while the others are looked at is not expected, who goes is refused the news.
Task<std::vector<InstancePoller::Expected>> InstancePoller::ExpectedNow() const {
  std::vector<FleetName> fleets;
  for (const auto& [name, open] : context_.world().open_by_fleet) fleets.push_back(name);
  std::vector<Expected> expected;
  for (const FleetName& fleet : fleets) {
    const auto before = static_cast<std::ptrdiff_t>(expected.size());
    WorkerId last;
    while (AddExpected(fleet, last, expected)) co_await Yield();
    std::inplace_merge(expected.begin(), expected.begin() + before, expected.end(),
                       [](const Expected& a, const Expected& b) { return a.worker < b.worker; });
  }
  co_return expected;
}

void InstancePoller::Heard(const WorkerId& id, const worker::State& state) {
  if (!state.instance.empty() && Unconfirmed(state)) {
    unconfirmed_.insert(id);
  } else {
    unconfirmed_.erase(id);
  }
}

absl::Duration InstancePoller::Interval() const {
  const absl::Duration calm =
      context_.Interval(&specpb::Timers::list_poll_s, context_.options.list_poll);
  return unconfirmed_.empty() ? calm : std::min(calm, context_.options.list_poll_hurried);
}

Task<void> InstancePoller::Run() {
  while (true) {
    const bool due = co_await turns_.Next([this] { return Interval(); });
    if (!due) co_return;
    co_await PollOnce();
  }
}

Task<void> InstancePoller::PollOnce() {
  std::vector<Expected> expected = co_await ExpectedNow();
  if (context_.group.stopping()) co_return;
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
  std::size_t told = 0;
  for (const Expected& one : expected) {
    if (++told % kToldAtATime == 0) co_await Yield();
    if (context_.group.stopping()) co_return;
    worker::ObserveFailure failure{"instance", detail, context_.WallAt(begun), failures_};
    co_await TellWorker(one.worker, std::move(failure));
  }
}

Task<void> InstancePoller::TellList(std::vector<Expected> expected, std::vector<Instance> list,
                                    absl::Time begun) {
  absl::flat_hash_map<InstanceId, const Instance*> listed;
  for (const Instance& instance : list) {
    listed[instance.id] = &instance;
    if (listed.size() % kLookedAtAtATime == 0) co_await Yield();
  }
  std::size_t told = 0;
  for (const Expected& one : expected) {
    if (++told % kToldAtATime == 0) co_await Yield();
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
  const std::span<const Instance> rows(list);
  for (std::size_t from = 0; from < rows.size(); from += kLookedAtAtATime) {
    if (from > 0) co_await Yield();
    if (context_.group.stopping()) co_return;
    const auto some = rows.subspan(from, std::min(kLookedAtAtATime, rows.size() - from));
    for (const Instance& instance : some) observed.instances.push_back(instance.id);
    std::vector<eventpb::OrphanFound> strays =
        FindStrays(context_.world(), context_.provider(), some);
    std::move(strays.begin(), strays.end(), std::back_inserter(observed.strays));
  }
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
