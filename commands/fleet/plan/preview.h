// Preview: what an operator's change would do now, by the very code that would do it.
//
// Pure. The change is decided and folded on a copy of the World, the policy is run on the copy
// until it has nothing more to decide, and what it decided is returned with prices. Nothing is
// written and nobody is called.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "commands/fleet/plan/options.h"
#include "commands/fleet/plan/ranking.h"
#include "commands/world.h"
#include "eventstore/base/status.h"

namespace muster::fleet {

struct ApplyChange {
  specpb::FleetSpec spec;
  // Running instances that bear the label of a fleet the log does not know yet: as the first list
  // after the change will find them.
  std::vector<account::Orphan> strays;
};
struct ScaleChange {
  FleetName fleet;
  int workers = 0;
};
struct DownChange {
  FleetName fleet;
  std::string reason;
};
struct ReplaceChange {
  WorkerId worker;
  std::string reason;
  bool strike = false;
};
struct DestroyChange {
  WorkerId worker;
  std::string reason;
  bool keep_size = false;
};
// Running instances of the fleet's account, taken into the fleet as they are.
struct AdoptChange {
  FleetName fleet;
  std::vector<Instance> instances;
};

using Change =
    std::variant<ApplyChange, ScaleChange, DownChange, ReplaceChange, DestroyChange, AdoptChange>;

struct PreviewStep {
  enum class Action { kAdd, kDestroy, kChange, kKeep, kRefused };
  Action action = Action::kKeep;
  std::string text;     // in full, for people
  WorkerId worker;      // empty for a stray, which is none yet
  InstanceId instance;  // of strays
  OfferId offer;
  GpuName gpu;
  MicroUsdPerHour price;
  double expected_rate_per_s = 0;
  std::string rule;
};

struct Preview {
  std::string id;  // short, of the digest of the steps: "7f3a"
  FleetName fleet;
  std::uint64_t position = 0;  // of the log it was made from
  absl::Duration offers_age;   // infinite when no offers were ever seen
  std::vector<PreviewStep> steps;
  int adds = 0;
  int destroys = 0;
  MicroUsdPerHour burn_change;
  MicroUsd worst_case;          // if muster stops now, until `worst_case_until`
  absl::Time worst_case_until;  // the next midnight UTC
  // Guards that stop parts of it, with the numbers, and warnings of what it does besides. A step
  // that is refused says what will not be done, these say why.
  std::vector<std::string> refusals;
};

// kNotFound            no such fleet or worker
// kInvalidArgument     the change makes no sense (see fleet::Decide)
// kFailedPrecondition  the worker cannot be destroyed in its phase, or is being destroyed already
StatusOr<Preview> PlanPreview(const World& world, const Change& change, const PlanOptions& options,
                              absl::Time now);

// One offer as the policy sees it for one fleet.
struct OfferVerdict {
  Offer offer;
  double expected_rate_per_s = 0;
  std::string expected_from;    // "measured n=37", "fleet table", "gpu default"
  MicroUsd cost_per_unit_rate;  // $/h per (unit/s); 0 = unknown
  std::string verdict;          // "" = would be taken; else why not: "price over $0.09/h"
};
// All offers last seen for the fleet's account: the acceptable ones first, best first.
std::vector<OfferVerdict> JudgeOffers(const World& world, const specpb::FleetSpec& spec,
                                      absl::Time now);

// The verdict of an operator's replace or destroy, for worker::Condemn.
struct OperatorAsk {
  std::string reason;
  bool replace = true;
  bool strike = false;  // of full weight, whatever else is suspended
};
eventpb::WorkerCondemned OperatorVerdict(const worker::State& worker, const OperatorAsk& ask);

// Strays whose label is exactly `prefix` followed by an index (a token may follow the index).
std::vector<account::Orphan> AdoptableByPrefix(const World& world, const ProviderName& provider,
                                               std::string_view prefix);
// An instance of a list as a stray of `fleet`, as the poller would find it.
account::Orphan StrayOf(const Instance& instance, const FleetName& fleet, absl::Time now);
// "31 (zeb-worker-vast-0, RTX 3070, $0.06/h, up 3h00m, $0.18 so far)", up by the provider's clock;
// what the provider does not say is left out.
std::string DescribeInstance(const Instance& instance, absl::Time now);

// Makes the events that take strays into one fleet, for worker::Adopt. A stray gets the index its
// label names when that slot is free, else the lowest free one; no index is given twice by one
// object, so the events of several may be made before the first is written. World and fleet are
// borrowed and must stay as they are meanwhile.
class Adoptions {
 public:
  Adoptions(const World& world, const State& fleet);
  eventpb::WorkerAdopted Of(const account::Orphan& stray);

 private:
  const State& fleet_;
  const Measurements measured_;
  std::set<int> used_;
  int free_ = 0;  // all below are used
};
// Of a single one.
eventpb::WorkerAdopted AdoptionOf(const World& world, const State& fleet,
                                  const account::Orphan& stray);

// A worker's id and token: the installation's four letters and `random` (five of a-z, 2-7).
WorkerId MakeWorkerId(const World& world, std::string_view random);

}  // namespace muster::fleet
