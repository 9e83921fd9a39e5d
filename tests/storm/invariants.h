// Invariants: what must hold of a storm, each a named function.
//
// What exists, works and costs is read from the simulator; what was intended and why, from the log;
// what else may be a reason (an operator, a price, a trap), from what the storm itself did. None
// believes muster about the world.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/storm/daemon.h"
#include "tests/storm/log_book.h"
#include "tests/storm/weather.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::storm {

// What the storm did on its own account. Requests that came to nothing count too.
struct Deeds {
  std::set<std::string> fleets_shrunk;   // scaled down, or taken down
  std::set<std::string> workers_named;   // an operator asked for their end
  std::set<std::int64_t> prices_raised;  // instances
  std::set<std::string> rented_twice;    // labels, by the trap of that name
  std::set<std::string> traps_fired;
};

struct Facts {
  const Weather& weather;
  const vastsim::VastSim& sim;
  const LogBook& book;
  const Deeds& deeds;
  Daemon& daemon;
};

struct Invariant {
  const char* name;
  std::string (*broken)(const Facts& facts);  // "" = it holds
};

// After each rent, before the renter hears of it.
const std::vector<Invariant>& WhenRented();
// At every moment.
const std::vector<Invariant>& Always();
// Once the faults are over and the time to converge has passed.
const std::vector<Invariant>& AfterCalm();
// Costly: at the end, and now and then.
const std::vector<Invariant>& OfTheLog();

// Each by itself, for tests with planted bugs.
std::string NoContractWithoutIntent(const Facts& facts);
std::string NeverTwoLivingForOneToken(const Facts& facts);
std::string EveryDestroyWasDecided(const Facts& facts);
std::string NobodyProducingIsDestroyedWithoutAReason(const Facts& facts);
std::string StrikesOnlyForFailuresOfTheMachine(const Facts& facts);
std::string BurnWithinTheBudget(const Facts& facts);
std::string EveryDecisionHasEvidenceBeforeIt(const Facts& facts);
std::string NoSecretInTheLog(const Facts& facts);
std::string NoKeyGivenToOthers(const Facts& facts);
std::string NothingOfAnEndedFleetIsLeft(const Facts& facts);
std::string TargetReached(const Facts& facts);
std::string OneMachineForEachOpenWorker(const Facts& facts);
std::string FoldingAnewGivesTheSameWorld(const Facts& facts);
std::string RebuiltReadModelsAreTheLiveOnes(const Facts& facts);

// "name: what is wrong" of the first that is broken; "" = all hold.
std::string FirstBroken(const std::vector<Invariant>& all, const Facts& facts);

// "zeb-worker-vast-3.m7k2abcde" -> "m7k2abcde"; "" when there is no token.
std::string TokenOf(const std::string& label);

}  // namespace muster::storm
