#include "tests/storm/storm.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "tests/stage/crash_disk.h"
#include "tests/stage/outside.h"
#include "tests/storm/calamities.h"
#include "tests/storm/coverage.h"
#include "tests/storm/daemon.h"
#include "tests/storm/happenings.h"
#include "tests/storm/invariants.h"
#include "tests/storm/log_book.h"
#include "tests/storm/operators.h"
#include "tests/storm/servers.h"
#include "tests/storm/weather.h"
#include "tests/storm/why.h"

namespace muster::storm {
namespace {

using vastsim::Failure;

constexpr absl::Duration kLookEvery = absl::Minutes(15);
constexpr std::size_t kStoryLines = 30;
constexpr int kStartsMax = 5;                   // of which all but the last may crash
constexpr std::uint64_t kDecidedAnewEvery = 4;  // seeds; it takes as long as the storm itself

class Storm {
 public:
  explicit Storm(const StormOptions& options)
      : options_(options),
        weather_(DrawWeather(options.seed)),
        rng_(options.seed ^ 0xc4a05ULL),
        rt_(options.seed),
        sim_(weather_.market, rt_.Now()),
        server_(rt_, sim_),
        disk_(options.seed) {
    if (HasServers(options.seed, options.servers)) AddServers(weather_);
    if (options_.suit != nullptr) options_.suit(weather_);
    Restrict();
    rt_.SetOrder(VirtualRuntime::Order::kSeeded);
    if (rng_.Chance(0.5)) rt_.StepClock(absl::Minutes(30) * rng_.Between(-1, 1));
    server_.SetOrigin(kOrigin);
    server_.on_rent = [this] { LookAtRent(); };
    if (weather_.servers.has_value() && !options_.limits.without.contains("servers")) {
      servers_.emplace(
          rt_, weather_, options_.limits, [this](const std::string& what) { Did(what); }, report_);
    }
    report_.seed = options.seed;
  }
  ~Storm() { rt_.DestroyTasks(); }

  StormReport Run() {
    started_ = rt_.TrueNow();
    Begin();
    if (!Fine()) return std::move(report_);
    for (const FleetDraw& fleet : weather_.fleets) operators_.Apply(fleet);
    for (const vastsim::Fault& fault : weather_.faults) sim_.SetFault(fault);
    Rage();
    if (Fine()) Calm();
    if (Fine()) TakeDown();
    Finish();
    return std::move(report_);
  }

 private:
  bool Fine() const { return report_.broken.empty(); }
  bool Broke(const std::string& broken) {
    if (!broken.empty() && Fine()) report_.broken = broken;
    return !broken.empty();
  }
  // The first of `all` that is broken now; "" = none.
  std::string FirstBrokenNow(const std::vector<Invariant>& all) {
    const Ground ground(sim_);
    days_.Look(ground, rt_.Now());
    return FirstBroken(all, {weather_, sim_, ground, book_, deeds_, days_, rt_.Now()});
  }

  void Did(const std::string& what) {
    const Position at = log_at();
    acts_.emplace_back(at, Cat(FormatClock(rt_.Now()), " storm: ", what));
  }
  Position log_at() { return daemon_ == nullptr ? 0 : daemon_->store().Head(); }

  void Restrict() {
    if (options_.length.has_value()) weather_.length = *options_.length;
    const Limits& limits = options_.limits;
    std::erase_if(weather_.faults, [&](const vastsim::Fault& fault) {
      return limits.without.contains(std::string(vastsim::TrapName(fault.trap)));
    });
    double* const rates[] = {&weather_.rates.crash,      &weather_.rates.act,
                             &weather_.rates.burst,      &weather_.rates.credit_end,
                             &weather_.rates.price_rise, &weather_.rates.clock_step,
                             &weather_.rates.failure,    &weather_.rates.more,
                             &weather_.rates.forget,     &weather_.rates.calamity};
    static_assert(std::size(rates) == std::size(kHappenings));
    for (std::size_t i = 0; i < std::size(rates); ++i) {
      if (limits.without.contains(kHappenings[i])) *rates[i] = 0;
    }
    if (limits.fleets.has_value() && *limits.fleets < static_cast<int>(weather_.fleets.size())) {
      weather_.fleets.resize(static_cast<std::size_t>(*limits.fleets));
    }
    for (FleetDraw& fleet : weather_.fleets) {
      fleet.workers = std::min(fleet.workers, limits.workers.value_or(fleet.workers));
      report_.workers = std::max(report_.workers, fleet.workers);
    }
    report_.fleets = static_cast<int>(weather_.fleets.size());
    report_.rage = weather_.length;
  }

  // ---- the program ------------------------------------------------------------------------------

  // Opens what the disk holds and starts on it; a crash may come while that goes on.
  void Begin(bool may_crash = false) {
    for (int start = 1; Fine(); ++start) {
      auto store = disk_.Open(rt_);
      if (!store.ok()) {
        Broke(Cat("TheLogOpens: ", Message(store.status())));
        return;
      }
      CheckNothingLost(**store);
      daemon_ = std::make_unique<Daemon>(rt_, weights_, *std::move(store), weather_.account_budget,
                                         keys_, servers_ ? &servers_->outside() : nullptr);
      if (!may_crash || start == kStartsMax || !rng_.Chance(0.3)) break;
      Did("crash while starting");
      ++report_.crash_kinds["start"];
      begun_.reset();
      rt_.Spawn("start", Start());
      rt_.RunSteps(1 + rng_.Below(40), absl::Minutes(1));
      End(PickLoss());
    }
    if (!Fine()) return;
    begun_.reset();
    rt_.Spawn("start", Start());
    rt_.RunUntil([&] { return begun_.has_value(); }, absl::Hours(1));
    const Status begun = begun_.value_or(DeadlineExceeded("an hour was not enough"));
    if (!begun.ok()) Broke(Cat("Starts: ", Message(begun)));
    if (servers_ && Fine()) servers_->Begin(*daemon_->hands(), daemon_->store());
  }
  Task<void> Start() {
    Status begun = co_await daemon_->Start();
    begun_ = std::move(begun);
  }
  CrashDisk::Loss PickLoss() {
    return rng_.Chance(0.5) ? CrashDisk::Loss::kPower : CrashDisk::Loss::kProcess;
  }
  // The program ends here, between two steps.
  void End(CrashDisk::Loss loss) {
    ++report_.crashes;
    disk_.Cut();
    const EventStore& store = daemon_->store();
    acknowledged_ = store.Head();
    acknowledged_hash_ = HashAt(store, acknowledged_);
    rt_.DestroyTasks();
    if (servers_) servers_->End();
    daemon_.reset();
    disk_.Crash(loss);
    report_.bytes_at_risk = disk_.bytes_at_risk();
    report_.bytes_left = disk_.bytes_left();
  }
  void Crash() {
    ++report_.happened["crash"];
    const CrashDisk::Loss loss = PickLoss();
    const char* what = loss == CrashDisk::Loss::kPower ? "the power goes" : "the process is killed";
    if (rng_.Chance(0.4)) {
      Did(Cat(what, ", while the log is written"));
      ++report_.crash_kinds["write"];
      disk_.CutAfter(1 + static_cast<int>(rng_.Below(12)), [this] { rt_.Halt(); });
      rt_.RunFor(absl::Minutes(10));
    } else {
      Did(Cat(what, ", between two steps"));
      ++report_.crash_kinds["step"];
      rt_.RunSteps(1 + rng_.Below(300), absl::Minutes(10));
    }
    End(loss);
    Begin(/*may_crash=*/true);
    if (Fine()) Pass(absl::Seconds(40));
  }
  static std::string HashAt(const EventStore& store, Position position) {
    std::string hash;
    if (position == 0) return hash;
    (void)store.ReadAll(position - 1, 1, [&](const RecordedEvent& each) {
      hash = ToHex(each.hash);
      return true;
    });
    return hash;
  }
  // What a reader could see before is there still, and is the same.
  void CheckNothingLost(const EventStore& store) {
    if (store.Head() < acknowledged_ || HashAt(store, acknowledged_) != acknowledged_hash_) {
      Broke(Cat("NothingAcknowledgedIsLost: the log was at ", acknowledged_,
                " before the crash, is at ", store.Head(), " now"));
    }
  }

  // ---- looking ----------------------------------------------------------------------------------

  void ReadOn() {
    const Status read = book_.ReadOn(daemon_->store(), rt_.Now() - server_.TrueTime(rt_.Now()));
    if (!read.ok()) Broke(Cat("TheLogIsReadable: ", Message(read)));
    for (const vastsim::JournalEntry& entry : sim_.Journal()) {
      deeds_.Note(entry);
      if (entry.traps.empty()) continue;
      for (const auto trap : absl::StrSplit(entry.traps, ',')) {
        ++report_.faults[std::string(trap)];
      }
    }
    sim_.ClearJournal();
  }
  void LookAtRent() {
    if (daemon_ == nullptr || !Fine()) return;
    ReadOn();
    for (const vastsim::InstanceView& each : sim_.Instances()) deeds_.NoteRent(each);
    Broke(FirstBrokenNow(WhenRented()));
    rare_.Born();
  }
  void Look() {
    sim_.Advance(server_.TrueTime(rt_.Now()));
    ReadOn();
    if (Fine()) Broke(FirstBrokenNow(Always()));
    if (servers_ && Fine()) Broke(servers_->Look());
  }
  void LookAtLog(const std::vector<Invariant>& all = OfTheLog()) {
    rt_.RunFor(absl::Milliseconds(1));
    Look();
    if (!Fine()) return;
    const Ground ground(sim_);
    const Program program{daemon_->world(), daemon_->projector().models(),
                          daemon_->projector().status(), daemon_->store()};
    Broke(FirstBroken(all, {weather_, sim_, ground, book_, deeds_, days_, rt_.Now(), &program}));
  }
  void Pass(absl::Duration span) {
    // Days are counted from midnight to midnight, so nobody may look past one.
    const absl::Duration day = absl::Hours(24);
    const absl::Duration to_midnight = day - (rt_.Now() - absl::UnixEpoch()) % day;
    if (span > to_midnight) {
      Pass(to_midnight);
      span -= to_midnight;
    }
    rt_.RunUntil([&] { return !Fine(); }, span);
    Look();
  }

  // ---- what happens -----------------------------------------------------------------------------

  void Burst() {
    const vastsim::Fault fault = DrawBurst(rng_.Next());
    if (options_.limits.without.contains(std::string(vastsim::TrapName(fault.trap)))) return;
    ++report_.happened["burst"];
    Did(Cat("burst of ", vastsim::TrapName(fault.trap)));
    sim_.SetFault(fault);
    Pass(absl::Minutes(2) + absl::Minutes(25) * rng_.Unit());
    sim_.ClearFaults(fault.trap);
    for (const vastsim::Fault& lasting : weather_.faults) {
      if (lasting.trap == fault.trap) sim_.SetFault(lasting);
    }
  }
  void EndCredit(absl::Duration span) {
    Did("credit ends");
    sim_.SetCredit(0);
    deeds_.credit_out.emplace_back(server_.TrueTime(rt_.Now()), absl::InfiniteFuture());
    Pass(span);
    Did("credit is back");
    deeds_.credit_out.back().second = server_.TrueTime(rt_.Now());
    sim_.SetCredit(50);
  }
  void RaisePrice() {
    const auto living = sim_.Instances();
    if (living.empty()) return;
    const vastsim::InstanceView& one = living[rng_.Below(living.size())];
    ++report_.happened["price"];
    Did(Cat("price of ", one.id, " rises"));
    const double price = one.usd_per_hour * rng_.Between(1.1, 3);
    deeds_.prices_set[one.id].push_back({server_.TrueTime(rt_.Now()), price});
    (void)sim_.SetPrice(one.id, price);
  }
  void StepClock() {
    ++report_.happened["clock"];
    const double seconds = rng_.Chance(0.7) ? rng_.Between(-60, 60) : rng_.Between(-900, 240);
    Did(Cat("the clock is set by ", static_cast<int>(seconds), " s"));
    SetClock(absl::Seconds(seconds));
    deeds_.clock_moved += absl::Seconds(std::abs(seconds));
    deeds_.clock_set_back += seconds < 0 ? 1 : 0;
  }
  void SetClock(absl::Duration by) {
    Look();  // what was recorded before is read by the clock of before
    if (by >= absl::Hours(1)) deeds_.leapt = server_.TrueTime(rt_.Now());
    rt_.StepClock(by);
  }
  void FailOne() {
    constexpr Failure kKinds[] = {
#define FAILURE(name, wire, what) Failure::name,
#include "workers/providers/vast/sim/failures.def"
#undef FAILURE
    };
    auto living = sim_.Instances();
    std::erase_if(living, [&](const auto& each) { return deeds_.strangers.contains(each.id); });
    if (living.empty()) return;
    const vastsim::InstanceView& one = living[rng_.Below(living.size())];
    const Failure how = kKinds[rng_.Below(std::size(kKinds))];
    ++report_.happened["failure"];
    Did(Cat("instance ", one.id, " gets ", vastsim::FailureName(how)));
    (void)sim_.FailWorker(one.id, {.how = how, .span = absl::Minutes(30) * rng_.Unit()});
  }

  void Happen() {
    const Rates& rates = weather_.rates;
    double which = rng_.Unit() * rates.total();
    const Limits& limits = options_.limits;
    if ((which -= rates.crash) < 0) {
      if (report_.crashes < limits.crashes.value_or(report_.crashes + 1)) Crash();
      return;
    }
    if ((which -= rates.act) < 0) {
      if (report_.requests < limits.requests.value_or(report_.requests + 1)) operators_.Act();
      return;
    }
    if ((which -= rates.burst) < 0) return Burst();
    if ((which -= rates.credit_end) < 0) {
      ++report_.happened["credit"];
      return EndCredit(absl::Minutes(5) + absl::Minutes(90) * rng_.Unit());
    }
    if ((which -= rates.price_rise) < 0) return RaisePrice();
    if ((which -= rates.clock_step) < 0) return StepClock();
    if ((which -= rates.failure) < 0) return FailOne();
    if ((which -= rates.forget) < 0) {
      ++report_.happened["forget"];
      return more_.ForgetOne();
    }
    if ((which -= rates.calamity) < 0) {
      ++report_.happened["calamity"];
      return rare_.One(limits);
    }
    ++report_.happened["more"];
    more_.One();
  }

  // ---- phases -----------------------------------------------------------------------------------

  void Rage() {
    const absl::Time end = rt_.TrueNow() + weather_.length;
    const double total = weather_.rates.total();
    int passes = 0;
    while (Fine() && server_.TrueTime(rt_.Now()) < end) {
      absl::Duration wait = kLookEvery;
      bool happens = false;
      if (total > 0) {
        const absl::Duration next = absl::Hours(-std::log(1 - rng_.Unit()) / total);
        happens = next < kLookEvery;
        wait = std::min(next, kLookEvery);
      }
      Pass(wait);
      if (happens && Fine()) Happen();
      if (shadows_ && Fine() && shadow_rng_.Chance(0.1)) operators_.Shadow(shadow_rng_);
      if (++passes % 16 == 0 && Fine()) LookAtLog();
    }
  }

  // Runs until nothing of AfterCalm is broken.
  void Settle(absl::Duration within) {
    const absl::Time end = rt_.Now() + within;
    std::string broken;
    do {
      Pass(absl::Minutes(5));
      if (!Fine()) return;
      broken = FirstBrokenNow(AfterCalm());
      if (broken.empty() && servers_) broken = servers_->Missing();
    } while (!broken.empty() && rt_.Now() < end);
    if (!broken.empty()) Broke(Cat(broken, " (", FormatSpan(within), " after the last fault)"));
  }
  void Calm() {
    Did("calm");
    sim_.ClearFaults();
    sim_.EndFailures();
    sim_.SetCredit(100);
    more_.Calm();
    if (servers_) servers_->Calm();
    Settle(kCalm);
    if (Fine()) LookAtLog();
  }
  void TakeDown() {
    for (const FleetDraw& fleet : weather_.fleets) operators_.Down(fleet.name);
    if (servers_) servers_->TakeDown();
    Pass(absl::Minutes(1));
    if (Fine()) Settle(kEnd);
    if (Fine()) LookAtLog();
    if (Fine() && options_.seed % kDecidedAnewEvery == 0) LookAtLog(OfTheWholeLog());
  }

  void Finish() {
    if (daemon_ == nullptr) return;  // the log could not be opened again: that is the story
    ReadOn();
    report_.length = server_.TrueTime(rt_.Now()) - started_;
    report_.fleet_hours =
        absl::ToDoubleHours(report_.length) * static_cast<double>(weather_.fleets.size());
    report_.launched = static_cast<int>(sim_.Ledger().size());
    report_.condemned = book_.rules_condemned();
    report_.rules = book_.rules();
    const EventStore& store = daemon_->store();
    report_.events = store.Head();
    (void)store.ReadAll(store.Head() - 1, 1, [&](const RecordedEvent& last) {
      report_.digest = ToHex(last.hash);
      return true;
    });
    if (options_.trace) {
      for (const std::string& line : Story(store, 0)) std::fprintf(stderr, "%s\n", line.c_str());
    }
    if (options_.explain > 0) {
      for (const std::string& line : Chains(store, options_.explain)) {
        std::fprintf(stderr, "%s\n", line.c_str());
      }
    }
    report_.outcomes = OutcomesIn(store);
    if (Fine()) return;
    report_.why = Why(store, report_.broken);
    report_.story = Story(store, store.Head() > 200 ? store.Head() - 200 : 0);
    const std::size_t spare =
        report_.story.size() > kStoryLines ? report_.story.size() - kStoryLines : 0;
    report_.story.erase(report_.story.begin(),
                        report_.story.begin() + static_cast<std::ptrdiff_t>(spare));
  }
  // The log after `from`, a line an event, with what the storm did in between.
  std::vector<std::string> Story(const EventStore& store, Position from) {
    std::vector<std::string> lines;
    auto act = acts_.begin();
    while (act != acts_.end() && act->first < from) ++act;
    (void)store.ReadAll(from, SIZE_MAX, [&](const RecordedEvent& each) {
      while (act != acts_.end() && act->first < each.position) lines.push_back((act++)->second);
      if (each.event.type == "account.offers_observed") return true;
      const auto body = DecodeEvent(each.event.type, each.event.payload);
      lines.push_back(Cat(FormatClock(each.recorded_at), " ", each.position, " ", each.stream.str(),
                          " ", each.event.type, " ",
                          Ellipsize(body.ok() ? body->ShortDebugString() : "?", 300)));
      return true;
    });
    while (act != acts_.end()) lines.push_back((act++)->second);
    return lines;
  }

  const StormOptions options_;
  StormReport report_;
  Weather weather_;
  Rng rng_;  // of what happens; the program under test has its own
  Rng shadow_rng_{options_.seed ^ 0x5ad0e5ULL};
  const bool shadows_ = shadow_rng_.Chance(0.3) && !options_.limits.without.contains("shadow");
  VirtualRuntime rt_;
  vastsim::VastSim sim_;
  Outside server_;
  Weights weights_{server_};
  CrashDisk disk_;
  std::optional<Servers> servers_;
  std::unique_ptr<Daemon> daemon_;
  std::optional<Status> begun_;  // of the start under way
  Position acknowledged_ = 0;    // when the last life ended
  std::string acknowledged_hash_;
  LogBook book_{{kApiKey, kHfToken}};
  Deeds deeds_;
  DayBook days_;
  Keys keys_;
  const Stage stage_{rt_,
                     sim_,
                     weights_,
                     weather_,
                     deeds_,
                     rng_,
                     [this] { return daemon_.get(); },
                     [this](absl::Time ours) { return server_.TrueTime(ours); },
                     [this](const std::string& what) { Did(what); },
                     [this](absl::Duration span) { Pass(span); },
                     [this](absl::Duration by) { SetClock(by); },
                     [this](absl::Duration span) { EndCredit(span); },
                     [this] { operators_.EndAWorker(); },
                     keys_,
                     report_};
  Operators operators_{stage_};
  Happenings more_{stage_};
  Calamities rare_{stage_, options_.seed};
  absl::Time started_;
  std::vector<std::pair<Position, std::string>> acts_;
};

}  // namespace

StormReport RunStorm(const StormOptions& options) { return Storm(options).Run(); }

}  // namespace muster::storm
