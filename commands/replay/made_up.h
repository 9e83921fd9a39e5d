// MadeUp: how workers go on of which the log tells no more: rented here and never live, kept here
// and ended live, or ended here and kept live. The small model that README.md describes.
//
// Deterministic: no chance, no clock. Borrows the world it is of, the trial and the habits, which
// must outlive it; what happens is told through `fold` alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "commands/replay/scan.h"
#include "commands/world.h"

namespace muster::replay {

class MadeUp {
 public:
  using FoldFn = std::function<void(const WorkerId&, const eventpb::EventBody&, absl::Time)>;
  // How many workers the model stands for.
  struct Counts {
    std::int64_t rented = 0;  // never live
    std::int64_t kept = 0;    // beyond their recorded end
    std::int64_t ended = 0;   // not, or not so, in the log
  };

  MadeUp(const World& world, const FleetName& fleet, const specpb::FleetSpec& spec,
         const Habits& habits, FoldFn fold);

  bool Has(const WorkerId& id) const { return made_.contains(id); }
  const Counts& counts() const { return counts_; }

  // Its launch was asked for at `at`: it takes what launches there usually take.
  void Rent(const WorkerId& id, const eventpb::OfferTaken& offer, absl::Time at);
  // It goes on as it was last seen. Nothing happens when it is not live.
  void Keep(const WorkerId& id, absl::Time at);
  // It was condemned at `at`, and goes as machines there usually go.
  void Leave(const WorkerId& id, const MachineId& machine, absl::Time at);
  // It was started again. Nothing happens to one that is not made up.
  void Start(const WorkerId& id);

  // Lets all of them go on to `at`; `next` says when there is something to do.
  void Advance(absl::Time at);
  absl::Time next() const;
  // The clock was set.
  void Shift(absl::Duration by);

 private:
  struct Made {
    bool leaving = false, taken = false;            // condemned; the order taken
    bool accepted = true, up = true, works = true;  // stages of one that was never rented
    bool grows = false;                             // its counter
    absl::Time accept_at, up_at, work_at, look_at, taken_at, ended_at;
    bool has_log = false;
    eventpb::LogObserved log;
    eventpb::InstanceObserved sight;
    absl::Time Next() const;
  };

  absl::Duration Usually(Habits::Span span, const MachineId& machine) const;
  absl::Duration LookEvery() const;
  void Step(const WorkerId& id, Made& made, absl::Time at);
  void Look(const WorkerId& id, Made& made, absl::Time at);

  const World& world_;
  const FleetName& fleet_;
  const specpb::FleetSpec& spec_;  // the trial's
  const Habits& habits_;
  const FoldFn fold_;
  std::map<WorkerId, Made> made_;
  Counts counts_;
};

}  // namespace muster::replay
