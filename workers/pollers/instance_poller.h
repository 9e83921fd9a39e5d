// InstancePoller: the account's list of instances, turned into what each worker's stream and the
// account's stream are to know.
//
// Only a complete list says anything. Those it shows are observed; those it lacks are absent, but
// only if they were there to be listed when the list was begun. What bears our mark and belongs to
// no open worker is a stray. Reactor thread.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "workers/pollers/poll_context.h"

namespace muster {

class InstancePoller {
 public:
  explicit InstancePoller(PollContext& context)
      : context_(context), turns_(context.group, context.link.rt) {}

  Task<void> Run();
  // Look soon: something is being destroyed or waits to be confirmed.
  void Hurry() { turns_.Hurry(context_.options.list_poll_hurried); }
  // To be told of each worker that the log says something new of, and at the start of all.
  void Heard(const WorkerId& id, const worker::State& state);
  void PollNow() { turns_.Hurry(absl::ZeroDuration()); }

 private:
  struct Expected;
  Task<std::vector<Expected>> ExpectedNow() const;
  bool AddExpected(const FleetName& fleet, WorkerId& last, std::vector<Expected>& expected) const;
  absl::Duration Interval() const;
  Task<void> PollOnce();
  // `begun`: by the steady clock.
  Task<void> TellFailure(std::vector<Expected> expected, std::string detail, absl::Time begun);
  Task<void> TellList(std::vector<Expected> expected, std::vector<Instance> list, absl::Time begun);
  // Others get their turn.
  Task<void> Yield() const { return context_.link.rt.SleepFor(absl::ZeroDuration()); }
  // What a row of the list is to the worker.
  worker::ObserveInstance Seen(const WorkerId& worker, const Instance& row, absl::Time at);
  specpb::Timers TimersOf(const WorkerId& id) const;
  Task<void> TellWorker(WorkerId worker, worker::Command command);

  PollContext& context_;
  Turns turns_;
  std::set<WorkerId> unconfirmed_;  // whose end the next list is to confirm
  int failures_ = 0;
  absl::flat_hash_map<WorkerId, int> blank_;  // rows in a row that told nothing
  Looks looks_;
  absl::Duration took_;                      // the newest complete list
  std::optional<absl::Duration> unwatched_;  // before it; see worker::ObserveInstance
};

}  // namespace muster
