// Report: what one simulated run came to. A pure function of its log (and of what the simulated
// provider charged), so the numbers are those that the daemon itself would have shown.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/units.h"
#include "eventstore/event_store.h"
#include "muster/spec/v1/fleet.pb.h"

namespace muster::simulate {

struct Report {
  // One hour of the run (the last one may be shorter).
  struct Hour {
    double working = 0;  // workers at work, on average
    double rented = 0;   // machines paid for, on average
    MicroUsd spent;
    double units = 0;  // of work
    absl::Duration at_target;
    absl::Duration length;
  };
  // What the fleet waited for.
  struct Wait {
    absl::Duration total;
    std::string detail;  // the newest, with its numbers
  };

  std::string fleet;
  std::string work_unit;
  std::uint64_t seed = 0;
  absl::Time start;
  absl::Duration span;
  int wanted = 0;
  std::vector<Hour> hours;

  absl::Duration to_full = absl::InfiniteDuration();  // infinite: never were all at work
  double availability = 0;            // share of the time with all wanted workers at work
  double availability_once_full = 0;  // the same, from the first time on
  double working_mean = 0;
  MicroUsd spent;
  MicroUsd charged;  // what the simulated provider took for the same machines
  MicroUsdPerHour burn_mean;
  MicroUsdPerHour burn_max;
  MicroUsd day_max;  // of the UTC days
  double units = 0;
  MicroUsd lost;     // paid to machines that failed, after the last work seen of them
  int launches = 0;  // that were accepted
  std::map<std::string, int> refused;   // launches, by reason
  std::map<std::string, int> replaced;  // workers, by rule
  std::map<std::string, int> ended;     // workers given up without replacement, by rule
  int strikes = 0;
  int credit_waits = 0;
  absl::Duration credit_wait;
  std::map<std::string, Wait> waits;  // by kind, "OFFERS"
  int worst_hour = -1;                // of `hours`, after the fleet was full; -1 = none
  std::uint64_t events = 0;
  std::string digest;  // of the log

  // Dollars per 1,000 units of work; 0 = no work was done.
  double UsdPerThousand() const;
  double LostShare() const;
};

// From the log of a run of one fleet that began at `start` and was ended after `span`.
// kDataLoss, kUnimplemented  an event that cannot be read
StatusOr<Report> MakeReport(const EventStore& log, const spec::v1::FleetSpec& fleet,
                            absl::Time start, absl::Duration span);

// A number of interest over several runs.
struct Quantity {
  std::string name;  // "spend"
  std::string key;   // "spent_usd"
  std::string unit;  // "$", "%", "s", "" = a count
  double (*of)(const Report&);
};
const std::vector<Quantity>& Quantities();

struct Spread {
  double p10 = 0, median = 0, p90 = 0;
};
// Of `values`, interpolated; infinite ones are larger than all others. REQUIRES: not empty
Spread SpreadOf(std::vector<double> values);

}  // namespace muster::simulate
