// Money: what fleets and the account really cost, by the simulator's ledger; with what a trap or a
// deed of the storm made dearer than agreed left out, contract by contract.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "muster/spec/v1/fleet.pb.h"
#include "tests/storm/deeds.h"
#include "tests/storm/ground.h"
#include "tests/storm/log_book.h"

namespace muster::storm {

// What each contract had cost at the last two midnights UTC, by our clock. Look often, and at every
// midnight.
class DayBook {
 public:
  void Look(const Ground& ground, absl::Time ours);
  double Today(const vastsim::LedgerLine& line) const;  // in $

 private:
  std::int64_t day_ = -1;
  std::map<std::int64_t, double> at_midnight_, last_;
};

// Whose a contract is, by the log, which alone can know; "" = nobody's.
std::string FleetOf(const LogBook& book, std::int64_t instance, const std::string& label);
// The second contract of one call that rented twice.
bool IsExtra(const LogBook& book, const Deeds& deeds, const Ground& ground, std::int64_t instance,
             const std::string& label);
// No client could have prevented this contract from costing what it costs: it was rented without
// being asked for, or goes on though its end was ordered.
bool OutOfOurHands(const LogBook& book, const Deeds& deeds, const Ground& ground,
                   std::int64_t instance, const std::string& label);
// $/h as agreed when it was rented; what is billed now where that is less.
double AgreedPrice(const LogBook& book, const vastsim::InstanceView& each);

struct Spending {
  double burn = 0;   // $/h of what lives
  double asked = 0;  // $/h of what was asked for and does not live yet
  double today = 0;  // $
  double total = 0;  // $
  int living = 0;
  bool all_condemned = true;  // all that lives
  double slack_per_hour = 0;  // $/h of everything that lived within the hour: for bounds
};
// Of one fleet, or of all when `fleet` is "".
Spending SpendingOf(const std::string& fleet, const LogBook& book, const Deeds& deeds,
                    const Ground& ground, const DayBook& days);

// The loosest limits that held within the last 20 minutes before `at`: what was allowed when it was
// decided stays allowed while it is being carried out.
specpb::Budget LoosestBudget(const std::vector<BudgetChange>& changes, absl::Time at);

}  // namespace muster::storm
