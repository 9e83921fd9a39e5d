#include "tests/storm/servers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_split.h"

namespace muster::storm {
namespace {

using hetznersim::Trap;
using server::OrderPhase;

// What the service does wrong. Each is set for one or two calls and then passes.
constexpr std::array kServiceFaults = {
    Trap::kHangBefore,         Trap::kResetBefore,     Trap::kServerErrorBefore,
    Trap::kMaintenance,        Trap::kQuota,           Trap::kProxyPage,
    Trap::kHangAfter,          Trap::kResetAfter,      Trap::kTruncateAfter,
    Trap::kServerErrorAfter,   Trap::kEmptyBody,       Trap::kTruncatedJson,
    Trap::kServerLag,          Trap::kProductGone400,  Trap::kPriceRises,
    Trap::kOrderUnlisted,      Trap::kDeliverySlow,    Trap::kNeverDelivered,
    Trap::kCancelledBySupport, Trap::kHostKeysMissing, Trap::kKeyConflict,
    Trap::kRescueIgnored,      Trap::kRescueOtherKey,  Trap::kRescueFails,
    Trap::kRescueKeysLate,     Trap::kBootsDisk,       Trap::kSlowBoot,
    Trap::kBootHangs,          Trap::kResetIgnored,    Trap::kResetFails,
    Trap::kCancelConflict,     Trap::kCancelIgnored,   Trap::kRevokeConflict,
    Trap::kListGarblesRow,     Trap::kWrongHostKey};

// The worst that can happen to an order.
constexpr std::array kLost = {Trap::kResetBefore, Trap::kResetAfter, Trap::kHangAfter,
                              Trap::kServerErrorAfter};

constexpr double kLookEvery_s = 90;  // at the latest
constexpr double kCalmLookEvery_s = 40;
// Of the 20 a day that the provider takes, some are left for the calm; and whoever wants to see
// what becomes of one gives none back after so many.
constexpr int kOrdersMax = 14;
constexpr int kOrdersOfWhims = 8;

hetznersim::HetznerSimOptions Service(std::uint64_t seed) {
  hetznersim::HetznerSimOptions options = ServerOutside::Calm();
  options.seed = seed;
  return options;
}

}  // namespace

Servers::Servers(VirtualRuntime& rt, const Weather& weather, const Limits& limits,
                 std::function<void(const std::string&)> did, StormReport& report)
    : rt_(rt),
      limits_(limits),
      did_(std::move(did)),
      report_(report),
      rates_(weather.servers.value()),
      rng_(weather.seed ^ 0x5e57ULL),
      outside_(rt, Service(weather.seed)) {
  names_.emplace_back(kBuilder);
  if (rng_.Chance(0.3)) names_.emplace_back("builder-02");
  outside_.image_takes = absl::Minutes(2) * rng_.Unit();
  if (rng_.Chance(0.4)) outside_.AddStranger();
}

void Servers::Begin(ServerHands& hands, const EventStore& store) {
  hands_ = &hands;
  store_ = &store;
  calls_.Watch(outside_.service, store);
  rt_.Spawn("servers", Live());
}

Task<void> Servers::Live() {
  for (;;) {
    const double most = calm_ ? kCalmLookEvery_s : kLookEvery_s;
    co_await rt_.SleepFor(absl::Seconds(rng_.Between(1, most)));
    outside_.sim.Advance(rt_.TrueNow());
    for (const std::string& name : names_) {
      if (!calm_) MakeWeather(name);
      co_await Operate(name);
    }
    Check();
  }
}

// ---- weather ----------------------------------------------------------------------------------

void Servers::MakeWeather(const std::string& name) {
  if (rng_.Chance(rates_.fault)) SetFault();
  if (rng_.Chance(rates_.lost_order)) {
    outside_.sim.SetFault({.trap = kLost[rng_.Below(kLost.size())],
                           .endpoint = hetznersim::kOrderAuction,
                           .times = 1});
  }
  if (rng_.Chance(rates_.hurt)) Hurt(name);
}

void Servers::SetFault() {
  hetznersim::Fault fault{.trap = kServiceFaults[rng_.Below(kServiceFaults.size())]};
  fault.times = 1 + static_cast<int>(rng_.Below(2));
  if (fault.trap == Trap::kOrderUnlisted || fault.trap == Trap::kServerLag) fault.value = 90;
  if (limits_.without.contains(Cat("robot_", hetznersim::TrapName(fault.trap)))) return;
  did_(Cat("robot gets ", hetznersim::TrapName(fault.trap)));
  outside_.sim.SetFault(std::move(fault));
}

void Servers::Hurt(const std::string& name) {
  auto* machine = outside_.machines.Find(hands_->At(name).number);
  if (machine == nullptr) return;
  VirtualMachines::Faults& faults = machine->faults;
  const std::uint64_t which = rng_.Below(7);
  did_(Cat("machine of ", name, " gets fault ", which));
  Count("hurt");
  switch (which) {
    case 0:
      faults.wrong_host_key = true;
      break;
    case 1:
      faults.silent = true;
      break;
    case 2:
      faults.swap_names = true;
      break;
    case 3:
      faults.hang_at = "prepare unpack";
      break;
    case 4:
      faults.break_after = "prepare unpack";
      break;
    case 5:
      faults.wrong_system = true;
      break;
    default:
      faults = {};
      break;
  }
}

void Servers::Calm() {
  calm_ = true;
  outside_.sim.ClearFaults();
  outside_.sim.DeliverAll();
  for (const auto& [number, machine] : outside_.machines.machines()) {
    outside_.machines.Find(ServerNumber(number))->faults = {};
  }
}

// ---- an operator ------------------------------------------------------------------------------

Task<void> Servers::Operate(std::string name) {
  const server::State& state = hands_->At(name);
  const bool none = state.id.empty() || state.ended_already() ||
                    state.order_phase == OrderPhase::kRefused ||
                    state.order_phase == OrderPhase::kNotFound;
  if (none && !wanted_) co_return;
  if (none) co_return co_await Order(std::move(name));
  if (state.order_phase == OrderPhase::kInDoubt) {
    (void)co_await hands_->Settle(name);
    co_return;
  }
  if (!wanted_) {
    if (state.cancel_wanted != "now" && state.cancel_set != "now") {
      const Status asked = co_await hands_->Cancel("now", name);
      if (asked.ok()) Count("given back");
    }
    co_return;
  }
  if (!calm_ && orders_ < kOrdersOfWhims && rng_.Chance(rates_.give_back)) {
    const Status asked = co_await hands_->Cancel(rng_.Chance(0.5) ? "now" : Later(), name);
    if (asked.ok()) Count("given back");
    co_return;
  }
  if (!state.cancel_set.empty() && state.cancel_set != "now") {
    (void)co_await hands_->Revoke(name);
    co_return;
  }
  co_await GoOn(std::move(name));
}

Task<void> Servers::GoOn(std::string name) {
  const server::State& state = hands_->At(name);
  server::Step next = server::NextStep(state);
  if (!calm_ && rng_.Chance(rates_.rescue)) {
    next = eventpb::RESCUE;
  } else if (next == eventpb::SERVER_STEP_UNSPECIFIED) {
    co_return;
  } else {
    // What a plan no longer fits is looked at anew, and a machine that fails goes back to rescue.
    const bool tried = state.At(next).Failed() && state.At(next).attempts > 2 &&
                       state.At(next).failed.position > state.At(eventpb::RESCUE).done.position;
    if (tried && next != eventpb::VALIDATE && next != eventpb::REGISTER) next = eventpb::RESCUE;
  }
  const Status asked = co_await hands_->Step(next, name);
  if (asked.ok() && next == eventpb::PREPARE) Count("install");
}

Task<void> Servers::Order(std::string name) {
  if (!calm_ && orders_ >= kOrdersMax) co_return;
  specpb::ServerSpec spec = ABuilder(name);
  const Status asked = co_await hands_->Order(std::move(spec));
  if (!asked.ok()) co_return;
  ++orders_;
  Count("order");
}

std::string Servers::Later() const {
  return absl::FormatTime("%Y-%m-%d", rt_.TrueNow() + absl::Hours(24 * 20), absl::UTCTimeZone());
}

// ---- looking ----------------------------------------------------------------------------------

void Servers::Check() {
  if (!broken_.empty()) return;
  for (const auto& [number, machine] : outside_.machines.machines()) {
    const bool fresh =
        machine.impostor && impostors_.insert(Cat(number, ".", machine.boots)).second;
    if (fresh) Count("impostor");
  }
  for (const std::string& name : names_) {
    if (hands_->At(name).order_phase == OrderPhase::kUnclear) Count("unclear");
  }
  const Status read = promises_.ReadOn(*store_);
  broken_ = read.ok() ? promises_.Broken(outside_, hands_->world())
                      : Cat("TheLogIsReadable: ", Message(read));
  if (broken_.empty()) broken_ = calls_.problem();
}

std::string Servers::Look() {
  outside_.sim.Advance(rt_.TrueNow());
  const std::vector<hetznersim::JournalEntry> calls = outside_.sim.Journal();
  for (; journal_read_ < calls.size(); ++journal_read_) {
    if (calls[journal_read_].traps.empty()) continue;
    for (const auto trap : absl::StrSplit(calls[journal_read_].traps, ',')) {
      ++report_.faults[Cat("robot_", std::string(trap))];
    }
  }
  Check();
  return broken_;
}

std::string Servers::Missing() const {
  for (const std::string& name : names_) {
    const server::State& state = hands_->At(name);
    if (wanted_ ? state.InService() : state.id.empty() || state.ended_already()) continue;
    const bool came_to_nothing =
        state.order_phase == OrderPhase::kRefused || state.order_phase == OrderPhase::kNotFound;
    if (!wanted_ && came_to_nothing) continue;
    return Cat(wanted_ ? "BuildersServe: " : "BuildersEnd: ", name, " is ",
               server::StateText(state), "; ", server::NextText(state), "; ", state.order_detail);
  }
  if (wanted_) return "";
  for (const auto& server : outside_.sim.Servers()) {
    if (outside_.strangers.contains(server.number)) continue;
    return Cat("BuildersEnd: server ", server.number, " is still paid for");
  }
  return "";
}

}  // namespace muster::storm
