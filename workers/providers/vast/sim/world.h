// World: everything behind the simulated API. Time moves in AdvanceTo only, from one planned
// change to the next, with money accruing exactly in between. Pure; not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "workers/providers/vast/sim/contract.h"
#include "workers/providers/vast/sim/limits.h"
#include "workers/providers/vast/sim/market.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

// A log the host was asked for. The text is taken from the program when it is fetched.
struct LogObject {
  std::int64_t instance = 0;
  absl::Time asked;
  absl::Time ready;
  int tail = 1000;
  std::string filter;
  bool daemon = false;
};

class World {
 public:
  World(VastSimOptions options, absl::Time start);

  void AdvanceTo(absl::Time now);
  absl::Time now() const { return now_; }

  // Contracts. Rent REQUIRES: the offer exists.
  Contract& Rent(const OfferRow& offer, CreateOrder order, double extra_usd_per_hour);
  Contract& AddForeign(const ForeignSpec& spec);
  Contract* Find(std::int64_t id);  // living ones
  void End(Contract& contract, std::string cause);
  void RequestState(Contract& contract, std::string_view state);  // "running", "stopped"
  void StartLater(Contract& contract, absl::Duration wait);
  void Reboot(Contract& contract);
  void SetPrice(Contract& contract, double usd_per_hour);
  // Also used for a machine's built-in failure, once its worker runs.
  void PlanFailure(Contract& contract, FailureSpec spec);
  void Settle(Contract& contract);

  // Traps: the fault that fires for this call, counted down; nullptr = none. The pointer is
  // valid until the next call of Fire, SetFault or ClearFaults.
  const Fault* Fire(Trap trap, std::string_view endpoint, std::int64_t instance = 0);
  // As Fire, for the call being served.
  const Fault* Fire(Trap trap) { return Fire(trap, call_endpoint, call_instance); }

  double credit_usd() const;
  void SetCredit(double usd);

  VastSimOptions options;
  Market market;
  Limits limits;
  std::map<std::int64_t, Contract> living;
  std::map<std::int64_t, Contract> past;
  std::deque<Fault> faults;
  std::map<std::string, LogObject> logs;
  std::deque<std::string> log_order;  // oldest first
  std::deque<JournalEntry> journal;
  std::map<std::int64_t, std::string> ssh_keys;
  std::string origin = "http://sim.invalid";
  int keys_leaked = 0;
  // The call being served, for Fire and the journal.
  std::string call_endpoint;
  std::int64_t call_instance = 0;
  std::string fired;  // names of traps, comma-separated
  Rng rng;            // for what depends on the order of calls

 private:
  enum class Step { kStatus, kRunning, kFailure, kResume, kQueuedStart };
  struct Plan {
    std::int64_t contract = 0;
    int generation = 0;  // of the contract when planned; -1 = whatever happens
    Step step = Step::kStatus;
    std::string text;
    FailureSpec failure;
  };

  Contract& Adopt(Contract contract);
  void PlanBoot(Contract& contract, absl::Duration boot);
  void Schedule(Contract& contract, absl::Duration wait, Step step, std::string text = "",
                FailureSpec failure = {}, bool even_if_changed = false);
  void Execute(const Plan& plan);
  // What was planned for the contract's present run no longer comes, the end of an outage included.
  void Supersede(Contract& contract);
  void SetStatus(Contract& contract, std::optional<std::string> status);
  void Run(Contract& contract);
  void PlanFate(Contract& contract);
  void Fail(Contract& contract, const FailureSpec& spec);
  bool FailProgram(Contract& contract, const FailureSpec& spec);
  void FailHost(Contract& contract, const FailureSpec& spec);
  void Outage(Contract& contract, const char* status, absl::Duration span);
  void StopAllForCredit();
  absl::Time CreditRunsOut() const;
  void AccrueTo(absl::Time time);

  absl::Time now_;
  absl::Time next_churn_;
  std::multimap<absl::Time, Plan> plans_;
  MoneyTime credit_ = 0;              // may be negative
  std::int64_t micros_per_hour_ = 0;  // of all living contracts together
  bool out_of_credit_ = false;
  std::int64_t next_instance_;
};

}  // namespace muster::vastsim
