#include "tests/storm/server_storm.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "commands/handler/log_fold.h"
#include "commands/snapshot.h"
#include "tests/stage/causes.h"
#include "tests/stage/server_causes.h"
#include "tests/stage/server_life.h"
#include "tests/stage/server_promises.h"

namespace muster {
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

ServerWeather weather_so_far;

class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : rt_(seed), rng_(seed ^ 0x5e57e5), outside_(rt_, Options(seed)) {}

  std::string Run() {
    Begin();
    LoseReply();
    for (int turn = 0; turn < 150 && broken_.empty(); ++turn) Turn(/*calm=*/false);
    outside_.sim.ClearFaults();
    outside_.sim.DeliverAll();
    for (const auto& [number, machine] : outside_.machines.machines()) Mend(number);
    for (int turn = 0; turn < 700 && broken_.empty() && !state().InService(); ++turn) Turn(true);
    if (broken_.empty() && !state().InService()) {
      Break(Cat("after the calm it is not in service but ", server::StateText(state()), ": ",
                server::NextText(state()), "; ", state().order_detail));
    }
    weather_so_far.served += broken_.empty();
    if (broken_.empty()) GiveBack();
    Fold();
    if (broken_.empty()) broken_ = DeedWithoutCause(life_->store());
    if (broken_.empty()) broken_ = CallWithoutIntent(life_->store(), outside_.sim);
    return broken_;
  }

 private:
  static hetznersim::HetznerSimOptions Options(std::uint64_t seed) {
    hetznersim::HetznerSimOptions options = ServerOutside::Calm();
    options.seed = seed;
    options.products = 12;
    return options;
  }

  const server::State& state() const { return life_->hands().At(); }

  void Begin() {
    life_ = std::make_unique<ServerLife>(rt_, outside_, log_);
    const Status started = rt_.Run(life_->Start());
    if (!started.ok()) Break(Cat("it does not start: ", Message(started)));
  }
  void Crash() {
    ++weather_so_far.crashes;
    rt_.DestroyTasks();
    life_.reset();
    Begin();
  }

  void Break(std::string what) {
    if (broken_.empty()) broken_ = Cat(FormatUtc(rt_.Now()), " ", what);
  }

  void Turn(bool calm) {
    rt_.RunFor(absl::Seconds(rng_.Between(1, calm ? 40 : 90)));
    outside_.sim.Advance(rt_.Now());
    if (!calm && rng_.Chance(0.25)) SetFault();
    if (!calm && rng_.Chance(0.05)) LoseReply();
    if (!calm && rng_.Chance(0.1)) HurtMachine();
    if (rng_.Chance(calm ? 0.02 : 0.15)) Crash();
    if (broken_.empty()) Operate(calm);
    Check();
  }

  void SetFault() {
    hetznersim::Fault fault{.trap = kServiceFaults[rng_.Below(kServiceFaults.size())]};
    fault.times = 1 + static_cast<int>(rng_.Below(2));
    if (fault.trap == Trap::kOrderUnlisted || fault.trap == Trap::kServerLag) fault.value = 90;
    outside_.sim.SetFault(fault);
  }

  // The worst that can happen to an order.
  void LoseReply() {
    constexpr std::array kLost = {Trap::kResetBefore, Trap::kResetAfter, Trap::kHangAfter,
                                  Trap::kServerErrorAfter};
    hetznersim::Fault fault{
        .trap = kLost[rng_.Below(kLost.size())], .endpoint = hetznersim::kOrderAuction, .times = 1};
    outside_.sim.SetFault(fault);
  }

  void HurtMachine() {
    auto* machine = outside_.machines.Find(state().number);
    if (machine == nullptr) return;
    VirtualMachines::Faults& faults = machine->faults;
    switch (rng_.Below(7)) {
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
  void Mend(const std::string& number) {
    if (auto* machine = outside_.machines.Find(ServerNumber(number))) machine->faults = {};
  }

  // ---- an operator ----

  void Operate(bool calm) {
    if (state().id.empty() || state().ended_already()) return Order();
    if (!calm && rng_.Chance(0.03))
      return (void)rt_.Run(life_->hands().Cancel(rng_.Chance(0.5) ? "now" : Later()));
    if (!state().cancel_set.empty() && state().cancel_set != "now") {
      return (void)rt_.Run(life_->hands().Revoke());
    }
    const OrderPhase phase = state().order_phase;
    if (phase == OrderPhase::kRefused || phase == OrderPhase::kNotFound) return Order();
    if (phase == OrderPhase::kInDoubt) return Settle();
    if (!calm && rng_.Chance(0.05)) return Ask(eventpb::RESCUE);
    const server::Step next = server::NextStep(state());
    if (next == eventpb::SERVER_STEP_UNSPECIFIED) return;
    // What a plan no longer fits is looked at anew, and a machine that fails goes back to rescue.
    const bool tried = state().At(next).Failed() && state().At(next).attempts > 2 &&
                       state().At(next).failed.position > state().At(eventpb::RESCUE).done.position;
    Ask(tried && next != eventpb::VALIDATE && next != eventpb::REGISTER ? eventpb::RESCUE : next);
  }

  std::string Later() const {
    return absl::FormatTime("%Y-%m-%d", rt_.Now() + absl::Hours(24 * 20), absl::UTCTimeZone());
  }
  void Order() {
    const Status ordered = rt_.Run(life_->hands().Order(ABuilder()));
    weather_so_far.orders += ordered.ok();
  }
  void Ask(server::Step step) {
    const Status asked = rt_.Run(life_->hands().Step(step));
    weather_so_far.installs += asked.ok() && step == eventpb::PREPARE;
  }
  void Settle() { (void)rt_.Run(life_->hands().Settle()); }

  void GiveBack() {
    ++weather_so_far.given_back;
    const ServerId id = state().id;
    // An earlier change may be under way, or the quota used up: an operator asks again.
    Status asked = rt_.Run(life_->hands().Cancel("now"));
    for (int turn = 0; turn < 120 && !asked.ok(); ++turn) {
      rt_.RunFor(absl::Minutes(1));
      asked = rt_.Run(life_->hands().Cancel("now"));
    }
    if (!asked.ok()) return Break(Cat("it cannot be given back: ", Message(asked)));
    for (int turn = 0; turn < 200 && !life_->hands().world().FindServer(id)->ended_already();
         ++turn) {
      rt_.RunFor(absl::Seconds(30));
      outside_.sim.Advance(rt_.Now());
      Check();
    }
    if (!life_->hands().world().FindServer(id)->ended_already()) Break("it does not end");
    for (const auto& server : outside_.sim.Servers()) {
      Break(Cat("server ", server.number, " is still paid for at the end"));
    }
  }

  // ---- what must hold at every moment ----

  void Check() {
    const Status read = promises_.ReadOn(life_->store());
    if (!read.ok()) return Break(Cat("the log cannot be read: ", Message(read)));
    const std::string broken = promises_.Broken(outside_, life_->hands().world());
    if (!broken.empty()) Break(broken);
    for (const auto& [number, machine] : outside_.machines.machines()) {
      weather_so_far.wrong_keys += machine.impostor;
    }
    weather_so_far.unclear += state().order_phase == OrderPhase::kUnclear;
  }

  void Fold() {
    if (!broken_.empty()) return;
    World anew;
    const Status folded =
        FoldLog(life_->store(), life_->store().Head(), life_->store().Head() + 1, anew);
    if (!folded.ok() || Digest(anew) != Digest(life_->hands().world())) {
      Break("the log does not fold into the World");
    }
  }

  VirtualRuntime rt_;
  Rng rng_;
  ServerOutside outside_;
  const std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::unique_ptr<ServerLife> life_;
  ServerPromises promises_;
  std::string broken_;
};

}  // namespace

std::string RunServerStorm(std::uint64_t seed) {
  Storm storm(seed);
  return storm.Run();
}

const ServerWeather& WeatherSoFar() { return weather_so_far; }

}  // namespace muster
