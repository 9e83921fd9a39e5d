#include "workers/ports/rate_limiter.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "eventstore/base/check.h"

namespace muster {
namespace {

// A refusal without a wait on an endpoint without an interval.
constexpr absl::Duration kThrottleWaitMin = absl::Seconds(1);
// Doubling ends here, so that a long outage does not leave an endpoint closed for hours.
constexpr absl::Duration kThrottleWaitMax = absl::Minutes(5);

// Who waits, best first: by priority, then by arrival.
using Turn = std::pair<CallPriority, std::uint64_t>;

struct Gate {
  absl::Time next = absl::InfinitePast();  // nobody passes earlier
  absl::Duration closed_for;               // the span that led to `next`

  void CloseUntil(absl::Time time, absl::Time now) {
    next = time;
    closed_for = time - now;
  }
  // After a step backwards of the clock nobody waits longer than was meant.
  void FollowClock(absl::Time now) {
    if (next - now > closed_for) next = now + closed_for;
  }
  absl::Duration Wait(absl::Time now) const {
    return std::clamp(next - now, absl::ZeroDuration(), closed_for);
  }
};

struct Endpoint {
  absl::Duration interval;
  RateLimits::Quota quota;
  std::deque<absl::Time> spent;  // slots taken, the newest `quota.calls` - 1 of them
  Gate all;
  Gate looks;  // for those who only look, beside `all`: closed while the reserve alone is left
  int refusals_in_a_row = 0;
  std::int64_t throttled_total = 0;
  std::map<Turn, Signal*> queue;

  absl::Time NextFor(CallPriority priority) const {
    const bool look = priority == CallPriority::kObserve || priority == CallPriority::kSearch;
    return look ? std::max(all.next, looks.next) : all.next;
  }
  void FollowClock(absl::Time now) {
    all.FollowClock(now);
    looks.FollowClock(now);
  }
};

// A place in the queue for as long as the waiting coroutine's frame lives.
class Place {
 public:
  Place(Endpoint& endpoint, Turn turn, Signal& signal) : endpoint_(endpoint), turn_(turn) {
    endpoint_.queue.emplace(turn, &signal);
  }
  Place(const Place&) = delete;
  ~Place() {
    const bool led = leads();
    endpoint_.queue.erase(turn_);
    if (led && !endpoint_.queue.empty()) endpoint_.queue.begin()->second->NotifyAll();
  }
  bool leads() const { return endpoint_.queue.begin()->first == turn_; }

 private:
  Endpoint& endpoint_;
  const Turn turn_;
};

class RateLimiterImpl final : public RateLimiter {
 public:
  RateLimiterImpl(Runtime& rt, RateLimits limits) : rt_(rt), limits_(std::move(limits)) {
    for (const auto& [name, interval] : limits_.intervals) Find(name);
    for (const auto& [name, quota] : limits_.quotas) Find(name);
  }

  Task<Status> Acquire(std::string name, CallPriority priority, absl::Time deadline) override {
    Endpoint& endpoint = Find(name);
    const absl::Time now = rt_.Now();
    endpoint.FollowClock(now);
    if (deadline < now) co_return Late(name);
    if (endpoint.queue.empty() && endpoint.NextFor(priority) <= now) {
      Take(endpoint);
      co_return absl::OkStatus();
    }
    const bool got = co_await WaitForTurn(endpoint, {priority, arrivals_++}, deadline);
    if (!got) co_return Late(name);
    co_return absl::OkStatus();
  }

  void Throttled(std::string_view name, absl::Duration wait) override {
    Endpoint& endpoint = Find(name);
    const absl::Time now = rt_.Now();
    endpoint.FollowClock(now);
    ++endpoint.throttled_total;
    // What the provider names is a least wait; refused again after it, ours grows past it.
    absl::Duration grown = std::max(endpoint.interval, kThrottleWaitMin);
    for (int i = 0; i < endpoint.refusals_in_a_row && grown < kThrottleWaitMax; ++i) grown *= 2;
    grown = std::min(grown, std::max(kThrottleWaitMax, endpoint.interval));
    if (wait > absl::ZeroDuration() && endpoint.refusals_in_a_row == 0) grown = wait;
    ++endpoint.refusals_in_a_row;
    const absl::Time next = now + std::max(wait, grown);
    if (next > endpoint.all.next) endpoint.all.CloseUntil(next, now);
  }

  void Passed(std::string_view name) override {
    Endpoint& endpoint = Find(name);
    const absl::Time now = rt_.Now();
    endpoint.FollowClock(now);
    endpoint.refusals_in_a_row = 0;
    const absl::Time next = now + endpoint.interval;
    if (next > endpoint.all.next) endpoint.all.CloseUntil(next, now);
  }

  std::map<std::string, Budget> Budgets() const override {
    std::map<std::string, Budget> budgets;
    const absl::Time now = rt_.Now();
    for (const auto& [name, endpoint] : endpoints_) {
      budgets[name] = {.wait = endpoint.all.Wait(now),
                       .waiting = static_cast<int>(endpoint.queue.size()),
                       .throttled_total = endpoint.throttled_total};
    }
    return budgets;
  }

 private:
  static Status Late(std::string_view name) {
    return DeadlineExceeded(Cat("no free slot for ", name, " in time; not sent"));
  }

  Endpoint& Find(std::string_view name) {
    if (const auto known = endpoints_.find(name); known != endpoints_.end()) return known->second;
    Endpoint& endpoint = endpoints_[std::string(name)];
    const auto listed = limits_.intervals.find(std::string(name));
    endpoint.interval =
        listed != limits_.intervals.end() ? listed->second : limits_.interval_default;
    const auto quota = limits_.quotas.find(std::string(name));
    if (quota != limits_.quotas.end()) endpoint.quota = quota->second;
    const int reserve = endpoint.quota.reserve;
    MUSTER_CHECK(reserve == 0 || (reserve > 0 && reserve < endpoint.quota.calls));
    return endpoint;
  }

  void Take(Endpoint& endpoint) {
    const absl::Time now = rt_.Now();
    absl::Time next = now + endpoint.interval;
    const auto calls = static_cast<std::size_t>(endpoint.quota.calls);
    if (calls > 0) {
      std::deque<absl::Time>& spent = endpoint.spent;
      spent.push_back(now);
      // A quota is used up until the oldest of its calls has left the window; of those who look
      // it is, when so many calls as are not reserved are in it, whosever they are.
      const std::size_t for_looks = calls - static_cast<std::size_t>(endpoint.quota.reserve);
      if (spent.size() >= for_looks) {
        endpoint.looks.CloseUntil(spent[spent.size() - for_looks] + endpoint.quota.window, now);
      }
      if (spent.size() >= calls) {
        next = std::max(next, spent.front() + endpoint.quota.window);
        spent.pop_front();
      }
    }
    endpoint.all.CloseUntil(next, now);
  }

  // False when `deadline` came first.
  Task<bool> WaitForTurn(Endpoint& endpoint, Turn turn, absl::Time deadline) {
    const std::unique_ptr<Signal> signal = rt_.MakeSignal();
    const Place place(endpoint, turn, *signal);
    while (true) {
      const absl::Time next = endpoint.NextFor(turn.first);
      if (place.leads() && next <= rt_.Now()) break;
      const bool for_slot = place.leads() && next <= deadline;
      const absl::Time until = for_slot ? next : deadline;
      const bool notified = co_await signal->WaitUntil(until);
      if (notified) continue;
      if (!for_slot) co_return false;
      // Waited the whole span, whatever the clock shows now; unless the slot moved meanwhile.
      if (place.leads() && endpoint.NextFor(turn.first) == until) break;
    }
    Take(endpoint);
    co_return true;
  }

  Runtime& rt_;
  const RateLimits limits_;
  std::uint64_t arrivals_ = 0;
  std::map<std::string, Endpoint, std::less<>> endpoints_;  // nodes stay where they are
};

}  // namespace

std::unique_ptr<RateLimiter> MakeRateLimiter(Runtime& rt, RateLimits limits) {
  return std::make_unique<RateLimiterImpl>(rt, std::move(limits));
}

}  // namespace muster
