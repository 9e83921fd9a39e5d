// LogPollers: one coroutine per live worker, each with its own clock and its own hung calls.
//
// A good poll keeps the tail, draws the facts and reports them (ObserveLog); a failed one is
// reported as such and changes nothing that is known. Reactor thread.
#pragma once

#include <map>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "workers/pollers/log_facts.h"
#include "workers/pollers/poll_context.h"

namespace muster {

class LogPollers {
 public:
  explicit LogPollers(PollContext& context) : context_(context) {}

  // Begins to poll `worker` unless that is done already. It ends by itself when the worker is no
  // longer live. `spread` is waited at most before the first poll.
  void Begin(const WorkerId& worker, absl::Duration spread);
  int running() const { return static_cast<int>(polled_.size()); }

 private:
  struct Memory;
  Task<void> Poll(WorkerId worker, absl::Duration first_wait, std::shared_ptr<const void> alive);
  Task<void> PollOnce(WorkerId worker, InstanceId instance, Memory& memory);
  // Whether the `silent` log of a worker of which so much is known is not to be believed yet.
  bool IsDoubtful(bool silent, const worker::Observed& known, absl::Time at,
                  absl::Duration interval, Memory& memory);
  Task<void> Tell(WorkerId worker, worker::Command command);
  const worker::State* LiveWorker(const WorkerId& worker) const;
  // The rules of the worker's fleet as it is specified now.
  StatusOr<std::shared_ptr<const LogRules>> RulesOf(const FleetName& fleet);

  PollContext& context_;
  absl::flat_hash_set<WorkerId> polled_;
  struct Rules {
    std::int64_t fleet_version = -1;
    StatusOr<std::shared_ptr<const LogRules>> rules = Status(StatusCode::kUnknown, "");
  };
  std::map<FleetName, Rules> rules_;
  absl::Time spoke_at_ = absl::InfinitePast();  // when one that runs was last heard, steady clock
};

}  // namespace muster
