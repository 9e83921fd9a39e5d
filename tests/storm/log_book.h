// LogBook: the log as an auditor reads it: every event once, in order, by nobody's code but the
// codec's. Outlives crashes. What it says of the world is what muster claims; what is true stands
// in the simulator (invariants.h compares the two).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/event_store.h"

namespace muster::storm {

struct Intent {
  std::string fleet;
  Position position = 0;
};
struct Condemned {
  std::string rule;
  std::string actor;
  std::string fleet;
  Position position = 0;
};
struct Struck {
  std::string worker;
  std::string rule;
  std::string machine;
  Position position = 0;
};

class LogBook {
 public:
  // `secrets`: texts that must not be in any event.
  explicit LogBook(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}

  // Reads what came since. kDataLoss, kUnimplemented: as EventStore and the codec.
  Status ReadOn(const EventStore& store);

  const World& world() const { return world_; }  // folded from the log alone
  const std::map<std::string, Intent>& intents() const { return intents_; }         // by token
  const std::map<std::string, Condemned>& condemned() const { return condemned_; }  // by worker
  // Workers that asked for the destruction of an instance, and those that said it was theirs.
  const std::map<std::string, std::set<std::string>>& destroyers() const { return destroyers_; }
  const std::map<std::string, std::set<std::string>>& instances_of() const { return instances_; }
  const std::vector<Struck>& struck() const { return struck_; }
  // The lowest price limit that each fleet ever had, in $/h.
  const std::map<std::string, double>& price_max_least() const { return price_max_least_; }
  const std::map<std::string, int>& rules() const { return rules_; }  // how often each decided
  const std::map<std::string, int>& rules_condemned() const { return rules_condemned_; }

  // What is wrong with the log by itself; "" = nothing so far.
  const std::string& evidence_problem() const { return evidence_problem_; }
  const std::string& secret_problem() const { return secret_problem_; }

 private:
  void Note(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void NoteWorker(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void CheckEvidence(const RecordedEvent& recorded, const eventpb::EventBody& body);
  void CheckSecrets(const RecordedEvent& recorded);

  const std::vector<std::string> secrets_;
  World world_;
  std::map<std::string, Intent> intents_;
  std::map<std::string, Condemned> condemned_;
  std::map<std::string, std::string> fleet_of_;  // worker -> fleet
  std::map<std::string, std::set<std::string>> destroyers_, instances_;
  std::vector<Struck> struck_;
  std::map<std::string, double> price_max_least_;
  std::map<std::string, int> rules_, rules_condemned_;
  std::string evidence_problem_, secret_problem_;
};

}  // namespace muster::storm
