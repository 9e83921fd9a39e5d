// RateLimiter: when the next call to an endpoint may go out, and who goes first.
//
// One per account, shared by all who call it. An endpoint is (method, route template), "DELETE
// instances/{id}". Each has a minimum interval between calls, or a quota of calls within any span
// of some length, or both; waiting callers go by priority
// (destroy > create > observe > search), then first come first served. The last calls of a quota
// can be kept for those who destroy or create: who only looks never takes them. What the provider
// answers (throttled, and for how long) widens the interval for a while. What was sent before a
// restart is not known. Reactor thread; must outlive the tasks that wait in it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/runtime.h"
#include "eventstore/base/status.h"

namespace muster {

enum class CallPriority { kDestroy, kCreate, kObserve, kSearch };

struct RateLimits {
  struct Quota {
    int calls = 0;  // at most so many in any span of `window`
    absl::Duration window;
    // So many of them are for kDestroy and kCreate alone. REQUIRES: 0 <= reserve < calls
    int reserve = 0;
  };
  absl::Duration interval_default;                  // endpoints not listed
  std::map<std::string, absl::Duration> intervals;  // endpoint -> minimum interval
  std::map<std::string, Quota> quotas;              // endpoint -> quota; none when not listed
};

class RateLimiter {
 public:
  virtual ~RateLimiter() = default;

  // Returns OK when the caller may send now; its slot is taken.
  // kDeadlineExceeded  no slot before `deadline`: nothing was sent, try again later
  virtual Task<Status> Acquire(std::string endpoint, CallPriority priority,
                               absl::Time deadline) = 0;
  // The provider refused a call to `endpoint`: nobody calls it before now + `wait` (zero when it
  // named none), and from the second refusal in a row on, or when it named none, not before
  // now + the endpoint's interval doubled for each refusal in a row, at most 5 minutes.
  virtual void Throttled(std::string_view endpoint, absl::Duration wait) = 0;
  // A call to `endpoint` was answered: refusals in a row start from zero again, and the next call
  // keeps the interval from now on, too. The provider counts from when a call reached it, which can
  // be long after it was sent (a new connection), and surely was before the answer. A wait that
  // runs already is not shortened: the call may have left before the refusal.
  virtual void Passed(std::string_view endpoint) = 0;

  struct Budget {
    absl::Duration wait;  // until the next kDestroy or kCreate may go; zero = now
    int waiting = 0;      // callers in the queue
    std::int64_t throttled_total = 0;
  };
  virtual std::map<std::string, Budget> Budgets() const = 0;
};

std::unique_ptr<RateLimiter> MakeRateLimiter(Runtime& rt, RateLimits limits);

}  // namespace muster
