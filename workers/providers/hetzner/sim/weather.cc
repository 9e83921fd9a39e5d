// Which traps a storm sets, and how often they fire.
#include <algorithm>

#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster::hetznersim {

namespace {

struct Chance {
  Trap trap;
  double chance;
  double value = 0;
};

constexpr Chance kChances[] = {
    // The wire, for every call.
    {Trap::kHangBefore, 0.005},
    {Trap::kResetBefore, 0.02},
    {Trap::kServerErrorBefore, 0.01},
    {Trap::kMaintenance, 0.01},
    {Trap::kQuota, 0.005, 30},
    {Trap::kQuotaPlural, 0.005, 30},
    {Trap::kProxyPage, 0.01},
    {Trap::kUnknownCode, 0.002, 599},
    {Trap::kHangAfter, 0.01},
    {Trap::kResetAfter, 0.02},
    {Trap::kTruncateAfter, 0.01},
    {Trap::kServerErrorAfter, 0.01},
    {Trap::kSlow, 0.02, 5},
    {Trap::kEmptyBody, 0.005},
    {Trap::kTrailingGarbage, 0.005},
    {Trap::kTruncatedJson, 0.005},
    {Trap::kWrongContentType, 0.01},
    {Trap::kUnknownKeys, 0.05},
    {Trap::kRawUtf8, 0.02},
    // Lists and the market.
    {Trap::kEmptyListIsArray, 0.1},
    {Trap::kListGarblesRow, 0.01},
    {Trap::kServerLag, 0.5, 90},
    {Trap::kStrangeStatus, 0.01},
    {Trap::kPriceRises, 0.05},
    {Trap::kNotHourly, 0.02},
    // Orders.
    {Trap::kProductGone400, 0.03},
    {Trap::kProductGone404, 0.03},
    {Trap::kOrderPrecondition, 0.01},
    {Trap::kOrderUnlisted, 0.3, 60},
    {Trap::kNeverDelivered, 0.02},
    {Trap::kDeliverySlow, 0.05},
    {Trap::kCancelledBySupport, 0.02},
    {Trap::kHostKeysMd5, 0.02},
    {Trap::kHostKeysMissing, 0.02},
    {Trap::kWrongHostKey, 0.03},
    {Trap::kKeyConflict, 0.01},
    // Boots.
    {Trap::kRescueIgnored, 0.05},
    {Trap::kRescueOtherKey, 0.03},
    {Trap::kRescueFails, 0.03},
    {Trap::kRescueKeysLate, 0.1, 120},
    {Trap::kBootsDisk, 0.05},
    {Trap::kSlowBoot, 0.1},
    {Trap::kBootHangs, 0.03},
    {Trap::kResetIgnored, 0.05},
    {Trap::kResetManualActive, 0.02},
    {Trap::kResetFails, 0.03},
    // Giving back.
    {Trap::kCancelConflict, 0.02},
    {Trap::kCancelIgnored, 0.05},
    {Trap::kCancelNowRefused, 0.02},
    {Trap::kRevokeConflict, 0.02},
    {Trap::kRevokeAnswers, 0.2},
    {Trap::kReservationSpelt, 0.2},
};

}  // namespace

std::vector<Fault> StormFaults(double how_much) {
  std::vector<Fault> faults;
  for (const Chance& each : kChances) {
    Fault fault{.trap = each.trap};
    fault.chance = std::min(1.0, each.chance * how_much);
    fault.value = each.value;
    faults.push_back(std::move(fault));
  }
  return faults;
}

}  // namespace muster::hetznersim
