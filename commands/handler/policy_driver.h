// PolicyDriver: lets the fleet policy act. It listens to the Handler, plans when something relevant
// changed or a clock ran out, and hands each decision to the Handler as a command.
//
// Owns the policy's derived view of the World, nothing else: it can be dropped and made again at
// any time. Reactor thread. The Runtime and the Handler must outlive it; it may be destroyed at any
// time between two of the reactor's turns (its coroutine keeps what it needs and ends by itself).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "commands/fleet/plan/options.h"
#include "commands/fleet/plan/plan.h"
#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"

namespace muster {

class PolicyDriver {
 public:
  struct Options {
    fleet::PlanOptions plan;
    // After a store error the policy stands still this long before it plans again.
    absl::Duration store_retry = absl::Seconds(30);
  };

  PolicyDriver(Runtime& rt, Handler& handler, Options options);
  ~PolicyDriver();
  PolicyDriver(const PolicyDriver&) = delete;
  PolicyDriver& operator=(const PolicyDriver&) = delete;

  // Starts planning. REQUIRES: Handler::Load has returned OK; called once.
  void Start();
  // Decides nothing more. The fleets go on running as they are.
  void Stop();
  // While a Hold lives nothing is planned: for a change of several streams, between which the
  // policy would see a worker too many or too few. Pause returns once the pass under way has ended.
  class Hold;
  Task<Hold> Pause();
  // True while a plan is being made or its decisions are being written.
  bool busy() const;

  // Called with each plan before any of it is carried out, on the World that it was made from. It
  // must not block. REQUIRES: before Start
  using Watcher = std::function<void(const fleet::PlanResult& plan, absl::Time now)>;
  void Watch(Watcher watcher);

  // Since Start, for metrics: decisions written, and refused or failed ones, by rule.
  const std::map<std::string, std::int64_t>& decisions_by_rule() const;
  const std::map<std::string, std::int64_t>& refusals_by_rule() const;
  std::int64_t passes() const;
  absl::Duration last_pass() const;  // virtual or wall time spent writing the last plan

  struct Core;  // shared with the coroutines, which may end after the driver

 private:
  std::shared_ptr<Core> core_;
};

// Moves; reactor thread. May outlive the driver.
class PolicyDriver::Hold {
 public:
  explicit Hold(std::shared_ptr<Core> core);
  Hold(Hold&& other) noexcept = default;
  Hold& operator=(Hold&&) = delete;
  ~Hold();

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace muster
