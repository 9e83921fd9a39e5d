// VastSim: Vast.ai as a pure state machine: a market, contracts that boot, work and fail, their
// logs, a ledger of every micro-dollar, rate limits, a journal of every call, and each wire trap
// as a named switch. Written from the documentation of the API, sharing nothing with the adapter.
//
//   vastsim::VastSim sim({.seed = 7, .machines = 20}, rt.Now());
//   SimHttpClient http(rt, sim);
//   sim.SetFault({.trap = vastsim::Trap::kResetAfter, .endpoint = "PUT asks/{id}", .times = 1});
//
// The same controls are reachable over HTTP under /control/ (README.md). Not thread-safe. Time
// comes in with Handle and Advance and never moves backwards; everything follows from the seed
// and the order of calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/units.h"
#include "workers/ports/sim_server.h"

namespace muster::vastsim {

enum class Trap {
#define TRAP(name, wire, what) name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
};
enum class Failure {
#define FAILURE(name, wire, what) name,
#include "workers/providers/vast/sim/failures.def"
#undef FAILURE
};
std::string_view TrapName(Trap trap);
std::optional<Trap> TrapFromName(std::string_view name);
std::string_view FailureName(Failure failure);
std::optional<Failure> FailureFromName(std::string_view name);

struct GpuKind {
  std::string name;  // "RTX 3070 Ti"
  int ram_mb = 0;
  int compute_cap = 0;      // 860 = 8.6
  double usd_per_hour = 0;  // typical, one GPU without storage
  double games_per_s = 0;   // of the zeb worker on a good day
};
std::vector<GpuKind> DefaultGpus();

// How one instance, or every instance of a machine, goes wrong.
struct FailureSpec {
  Failure how = Failure::kStall;
  absl::Duration after;                    // from now; for a machine: from the worker's start
  absl::Duration span = absl::Minutes(5);  // how long what ends by itself lasts
  std::string text;                        // error line or status, "" = the usual one
};

// A trap that is set. It fires for calls that match, at most `times`, after `skip` matches.
struct Fault {
  Trap trap = Trap::kHangBefore;
  std::string endpoint;       // "PUT asks/{id}", "GET v1/instances"...; "" = any
  std::int64_t instance = 0;  // 0 = any
  int skip = 0;
  int times = -1;     // -1 = until cleared
  double chance = 1;  // of firing, from the seed
  double value = 0;   // 0 = the default named in traps.def
  std::string text;
};

struct VastSimOptions {
  std::uint64_t seed = 1;

  // Who may call. Scoped keys hold some of misc, instance_read, instance_write, user_read.
  std::vector<std::string> api_keys = {"sim-key"};
  std::map<std::string, std::set<std::string>> scoped_keys;
  double credit_usd = 25;

  // The market. Machines have 1, 2 or 4 GPUs; renting some of them voids offers that overlap.
  int machines = 80;
  std::vector<GpuKind> gpus = DefaultGpus();
  absl::Duration churn_interval = absl::Minutes(5);  // zero: prices and machines stand still
  double churn_share = 0.03;                         // of the machines come or go each time
  double price_step = 0.02;                          // how far a price moves each time
  // Played back instead of all that; looked at every churn_interval, repeated when it is over.
  std::shared_ptr<const MarketRecord> record;
  // The machines offering the most games per dollar, on which every instance fails like this.
  int bad_machines = 0;
  FailureSpec bad_machine = {.how = Failure::kStall, .after = absl::Minutes(8)};

  // Lives. Drawn uniformly between the bounds for each contract.
  absl::Duration boot_min = absl::Minutes(1), boot_max = absl::Minutes(3);
  absl::Duration setup_min = absl::Minutes(1), setup_max = absl::Minutes(2);
  // Hosts and workers that fail by themselves: of all boots this share never ends, and a running
  // instance meets this many failures per hour, of every kind that a market knows.
  double stuck_boot_share = 0;
  double failures_per_hour = 0;
  int games_per_batch = 256;
  absl::Duration log_ready_min = absl::Milliseconds(400), log_ready_max = absl::Milliseconds(1500);
  int log_lines_kept = 1000;

  // The wire.
  bool v0_list = false;  // the retired list answers 200 instead of 410
  bool rate_limits = true;
  bool refusal_restarts_interval = false;  // a refused call pushes the next one back
  absl::Duration create_penalty;           // lock-out after a refused create
  std::map<std::string, absl::Duration> intervals = DefaultIntervals();  // endpoint -> minimum
  int searches_per_minute = 10;
  std::int64_t first_instance = 21'900'000;
  std::int64_t first_offer = 31'800'000;
  std::size_t journal_max = 200'000;  // older entries are dropped

  static std::map<std::string, absl::Duration> DefaultIntervals();
};

// Options from text settings, named like the members above (README.md).
// kInvalidArgument  an unknown name or an impossible value; the message says what was expected
StatusOr<VastSimOptions> OptionsFrom(const SimSpec& spec);

// One call as it was served. Holds no key and no body.
struct JournalEntry {
  absl::Time at;
  std::string method;
  std::string path;      // without the query
  std::string endpoint;  // "DELETE instances/{id}", "" = no such route
  int status = 0;        // of the answer, even if the client never saw it
  SimReply::Cut cut = SimReply::Cut::kNone;
  std::string traps;   // names of the traps that fired, comma-separated
  std::string caller;  // "key1", "key2"... in the order of the options; "" = none
  std::int64_t instance = 0;
  std::int64_t offer = 0;
  std::string label;
  bool key_in_url = false;
};

// What one contract has cost up to the time of asking.
struct LedgerLine {
  std::int64_t instance = 0;
  std::string label;
  std::int64_t machine = 0;
  absl::Time created;
  absl::Time ended;  // InfiniteFuture while it lives
  MicroUsd gpu;
  MicroUsd storage;
  MicroUsd total;  // gpu + storage before rounding, then rounded down
};

struct OfferView {
  std::int64_t id = 0;
  std::int64_t machine = 0;
  std::string gpu;
  int gpus = 0;
  double usd_per_hour = 0;  // without storage
  double storage_usd_per_gb_month = 0;
  bool verified = true;
};

// A failure as it struck an instance, whatever the client came to see of it.
struct FailureSeen {
  Failure how = Failure::kStall;
  absl::Time at;
  bool for_good = false;  // an outage without an end
};

struct InstanceView {
  std::int64_t id = 0;
  std::string label;
  std::int64_t machine = 0;
  std::int64_t offer = 0;
  std::string gpu;
  int gpus = 1;
  std::string actual;  // "" = null
  std::string intended;
  std::string status_message;
  double usd_per_hour = 0;  // as listed
  absl::Time created;
  absl::Time ended;       // InfiniteFuture while it lives
  std::string end_cause;  // "destroyed", "vanished"
  std::int64_t batches = 0;
  absl::Time last_batch;              // InfinitePast: none yet
  std::vector<FailureSeen> failures;  // oldest first; a stop for lack of credit is a kStopped
  bool bad_machine = false;
};

// An instance that is there without anybody having created it through the API.
struct ForeignSpec {
  std::string label;
  std::string gpu = "RTX 3070";
  std::string status = "running";
  double usd_per_hour = 0.06;
  absl::Duration age = absl::Hours(1);
};

class World;

class VastSim final : public SimServer {
 public:
  VastSim(VastSimOptions options, absl::Time start);
  ~VastSim() override;

  SimReply Handle(const HttpRequest& request, absl::Time now) override;
  void SetOrigin(std::string origin) override;

  // Lets the world go on to `now` (a no-op when that has passed).
  void Advance(absl::Time now);
  absl::Time now() const;
  // Moves the simulator's own clock ahead of the one that Handle is given, for good.
  void SkipTime(absl::Duration span);

  // Sets a trap; several may be set at once, the oldest that matches fires first.
  void SetFault(Fault fault);
  // Clears one trap, or all; returns how many were set.
  int ClearFaults(std::optional<Trap> trap = std::nullopt);

  // kNotFound  no such living instance (machine)
  Status FailWorker(std::int64_t instance, FailureSpec spec);
  Status FailWorker(std::int64_t instance, Failure how) {
    return FailWorker(instance, FailureSpec{.how = how});
  }
  // Every present and later instance of the machine fails like this; kRepair heals the machine.
  Status FailMachine(std::int64_t machine, const FailureSpec& spec);
  // From now on nothing fails by itself; what was due to fail already still does, and bad machines
  // stay bad.
  void EndFailures();
  // Replaces what the worker prints by `lines`, from now on exactly these.
  Status ScriptLog(std::int64_t instance, const std::vector<std::string>& lines);
  Status SetPrice(std::int64_t instance, double usd_per_hour);  // of a running contract
  Status SetOfferPrice(std::int64_t offer, double usd_per_hour);
  Status RemoveOffer(std::int64_t offer);  // somebody else rents it
  std::int64_t AddForeign(const ForeignSpec& spec);

  // From now on exactly these may call; those of before are unknown.
  void SetKeys(std::vector<std::string> keys);
  void SetCredit(double usd);
  void AddCredit(double usd);
  double credit_usd() const;

  std::vector<OfferView> Offers() const;
  std::vector<InstanceView> Instances() const;      // alive
  std::vector<InstanceView> PastInstances() const;  // destroyed and vanished
  std::vector<LedgerLine> Ledger() const;           // of all contracts that ever were
  MicroUsd Spent() const;
  std::vector<JournalEntry> Journal() const;
  void ClearJournal();
  // How often a log object was asked for with an Authorization header: a leaked key.
  int KeysLeaked() const;

 private:
  std::unique_ptr<World> world_;
  absl::Duration skipped_;
};

}  // namespace muster::vastsim
