// LogBook: the log as an auditor reads it: every event once, in order, by nobody's code but the
// codec's. Outlives crashes. What it says of the world is what muster claims; what is true stands
// in the simulator (invariants.h compares the two). Of each decision it keeps how the log stood
// when it was taken, so that it can be judged by what was known then.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/event_store.h"

namespace muster::storm {

// All times are the provider's: the log's, less what our clock was ahead when they were read.
struct Intent {
  std::string worker;
  std::string fleet;
  std::string label;
  Position position = 0;
  absl::Time at;
  absl::Time by_our_clock;
  MicroUsdPerHour price;
  std::string replaces;  // worker
  bool trial = false;
  bool probe = false;
  bool credit_wait = false;   // the account waited for credit
  bool offer_known = false;   // among the offers of the newest search, at this price
  absl::Duration offers_age;  // of that search
};
struct Condemned {
  std::string worker;
  std::string rule;
  std::string actor;
  std::string fleet;
  std::string summary;
  Position position = 0;
  absl::Time at;
  int index = -1;  // the worker's place
  double strike_weight = 0;
  // As the log stood then.
  worker::Health health = eventpb::WorkerHealthChanged::HEALTH_UNSPECIFIED;
  int log_failures = 0, list_failures = 0;  // failed observations since the last good one
  bool adopted = false;
  bool fleet_active = false;
  int wanted = 0;
  int launching = 0;  // intents of the fleet not settled yet
  MicroUsdPerHour launching_burn;
  MicroUsdPerHour price_max;
  specpb::Budget budget;
  bool quota = false;
};
struct Struck {
  std::string worker;
  std::string rule;
  std::string machine;
  Position position = 0;
  absl::Time at;
};
struct Ended {
  std::string worker;
  eventpb::WorkerEnded::How how = eventpb::WorkerEnded::HOW_UNSPECIFIED;
  MicroUsd spent;
  Position position = 0;
  absl::Time at;
};
struct BudgetChange {
  absl::Time at;
  specpb::Budget budget;
};
struct Wanted {
  absl::Time at;
  int workers = 0;
};
struct PriceSeen {
  absl::Time at;
  MicroUsdPerHour price;
};

class LogBook {
 public:
  // `secrets`: texts that must not be in any event.
  explicit LogBook(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}

  // Reads what came since; our clock was `ahead` of the provider's all the while.
  // kDataLoss, kUnimplemented: as EventStore and the codec.
  Status ReadOn(const EventStore& store, absl::Duration ahead = absl::ZeroDuration());

  const World& world() const { return world_; }  // folded from the log alone
  const std::map<std::string, Intent>& intents() const { return intents_; }         // by token
  const std::map<std::string, Condemned>& condemned() const { return condemned_; }  // by worker
  // Workers that asked for the destruction of an instance, and those that said it was theirs.
  const std::map<std::string, std::set<std::string>>& destroyers() const { return destroyers_; }
  const std::map<std::string, std::set<std::string>>& instances_of() const { return instances_; }
  const std::map<std::string, std::string>& worker_of_instance() const { return worker_of_; }
  const std::map<std::string, std::string>& fleet_of_worker() const { return fleet_of_; }
  const std::map<std::string, absl::Time>& adopted() const { return adopted_; }  // by worker
  const std::map<std::string, Ended>& ended() const { return ended_; }           // by worker
  const std::map<std::string, std::vector<PriceSeen>>& prices() const { return prices_; }
  const std::map<std::string, std::vector<BudgetChange>>& budgets() const { return budgets_; }
  const std::map<std::string, std::vector<Wanted>>& wanted() const { return wanted_; }
  const std::vector<Struck>& struck() const { return struck_; }
  const std::vector<absl::Time>& credit_waits_ended() const { return credit_ended_; }
  const std::map<std::string, int>& rules() const { return rules_; }  // how often each decided
  const std::map<std::string, int>& rules_condemned() const { return rules_condemned_; }

  // What is wrong with the log by itself; "" = nothing so far.
  const std::string& evidence_problem() const { return evidence_problem_; }
  const std::string& secret_problem() const { return secret_problem_; }

 private:
  void Note(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void NoteWorker(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void NoteIntent(const RecordedEvent& recorded, const eventpb::LaunchRequested& intent);
  void NoteVerdict(const RecordedEvent& recorded, const eventpb::WorkerCondemned& verdict);
  void CheckEvidence(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void CheckCited(const RecordedEvent& recorded, const eventpb::EventBody& body,
                  const eventpb::Evidence& evidence, const std::string& where);
  void CheckSecrets(const RecordedEvent& recorded);
  // The log keeps whole microseconds, and clocks drift: never before what led to it.
  absl::Time At(const RecordedEvent& recorded) const {
    return recorded.event.occurred_at - ahead_ + absl::Milliseconds(250);
  }

  const std::vector<std::string> secrets_;
  absl::Duration ahead_;
  World world_;
  std::map<std::string, Intent> intents_;
  std::map<std::string, Condemned> condemned_;
  std::map<std::string, std::string> fleet_of_;   // worker -> fleet
  std::map<std::string, std::string> worker_of_;  // instance -> worker
  std::map<std::string, std::set<std::string>> destroyers_, instances_;
  std::map<std::string, absl::Time> adopted_;
  std::map<std::string, Ended> ended_;
  std::map<std::string, std::vector<PriceSeen>> prices_;
  std::map<std::string, std::vector<BudgetChange>> budgets_;
  std::map<std::string, std::vector<Wanted>> wanted_;
  std::vector<Struck> struck_;
  std::vector<absl::Time> credit_ended_;
  std::map<std::string, int> rules_, rules_condemned_;
  std::vector<std::string> streams_;  // [n] is the stream of position n + 1
  std::string evidence_problem_, secret_problem_;
};

}  // namespace muster::storm
