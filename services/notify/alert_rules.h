// Alert rules: conditions over what muster shows, with the numbers, and the book of those that
// hold. Pure values: the same states and times give the same alerts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/context.h"
#include "queries/fleet_status/model.h"

namespace muster::notify {

struct AlertThresholds {
  double short_below = 0.75;  // of the workers wanted
  absl::Duration short_for = absl::Minutes(30);
  double budget_near = 0.9;  // of the day
  std::int64_t disk_low_bytes = 2'000'000'000;
  absl::Duration blind_for = absl::Minutes(15);
  absl::Duration builder_silent_for = absl::Minutes(15);
};

struct ProviderView {
  ProviderName name;
  bool in_use = false;                       // some fleet rents there
  absl::Time listed = absl::InfinitePast();  // the newest complete list
};

struct BuilderView {
  std::string name;    // of a server in service
  std::string detail;  // why it was not reached when it was looked at last; empty = it was
};

struct AlertInputs {
  std::vector<queries::FleetStatus> fleets;
  std::vector<ProviderView> providers;
  std::vector<BuilderView> builders;
  absl::Time watching_since;          // nothing can have been observed before
  std::int64_t disk_free_bytes = -1;  // negative: not known
  std::string chain_problem;          // empty: the log is as it was written, as far as was looked
};

// Kind and subject: what an alert is about.
using AlertKey = std::pair<std::string, std::string>;

struct Condition {
  AlertKey key;
  std::string fleet;
  eventpb::Evidence evidence;
  absl::Duration hold;  // so long before it is an alert
};

class AlertBook {
 public:
  explicit AlertBook(AlertThresholds thresholds = {}) : thresholds_(thresholds) {}

  // From the log: what was raised, and not ended.
  void Fold(const eventpb::EventBody& body, std::uint64_t position);
  // A fleet is short since then, as the log has it.
  void BeginShort(const FleetName& fleet, absl::Time since);

  // The events to write now. Writing them and folding them is the caller's part; until then the
  // same are given again.
  Events Decide(const AlertInputs& inputs, absl::Time now);

  bool IsRaised(const AlertKey& key) const;
  const AlertThresholds& thresholds() const { return thresholds_; }

 private:
  struct Entry {
    absl::Time since = absl::InfiniteFuture();
    std::uint64_t raised = 0;  // position; 0 = not
    std::string fleet;
  };
  std::vector<Condition> Holding(const AlertInputs& inputs, absl::Time now) const;
  std::optional<Condition> Short(const queries::FleetStatus& fleet) const;
  std::optional<Condition> BudgetNear(const queries::FleetStatus& fleet) const;
  std::optional<Condition> BudgetReached(const queries::FleetStatus& fleet) const;
  std::optional<Condition> Blind(const ProviderView& provider, absl::Time watching_since,
                                 absl::Time now) const;
  std::optional<Condition> Silent(const BuilderView& builder) const;
  std::optional<Condition> DiskLow(std::int64_t free_bytes) const;

  AlertThresholds thresholds_;
  std::map<AlertKey, Entry> entries_;
};

// Whether so many healthy ones are too few.
bool IsShort(int healthy, int wanted, double below);

}  // namespace muster::notify
