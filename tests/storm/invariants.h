// Invariants: what must hold of a storm, each a named function.
//
// What exists, works, failed and costs is read from the simulator; what was intended and why, from
// the log; what else may be a reason (an operator, a price, a trap), from what the storm itself
// did. None believes muster about the world. tests/storm/planted/ has, for each, a bug that it must
// report.
#pragma once

#include <string>
#include <vector>

#include "eventstore/event_store.h"
#include "queries/read_models.h"
#include "tests/storm/deeds.h"
#include "tests/storm/ground.h"
#include "tests/storm/log_book.h"
#include "tests/storm/money.h"
#include "tests/storm/weather.h"

namespace muster::storm {

// What the running program holds in memory; borrowed.
struct Program {
  const World& world;
  const queries::ReadModels& models;
  Status following;  // of the read models
  const EventStore& store;
};

struct Facts {
  const Weather& weather;
  const vastsim::VastSim& sim;
  const Ground& ground;
  const LogBook& book;
  const Deeds& deeds;
  const DayBook& days;
  absl::Time ours;                   // now, by our clock
  const Program* program = nullptr;  // only OfTheLog asks for it
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
// Costlier: at the end of some storms.
const std::vector<Invariant>& OfTheWholeLog();

// Each by itself, for tests with planted bugs.
// Contracts and launches (inv_rents.cc).
std::string NoContractWithoutIntent(const Facts& facts);
std::string NeverTwoLivingForOneToken(const Facts& facts);
std::string NoMoreIsRentedThanWanted(const Facts& facts);
std::string OffersAreFreshWhenTaken(const Facts& facts);
std::string UpgradesKeepTheirPace(const Facts& facts);
std::string WhoEndedIsGone(const Facts& facts);
std::string StrangersAreLeftAlone(const Facts& facts);
std::string NothingOfAnEndedFleetIsLeft(const Facts& facts);
std::string TargetReached(const Facts& facts);
std::string OneMachineForEachOpenWorker(const Facts& facts);
// Verdicts (inv_verdicts.cc).
std::string EveryDestroyWasDecided(const Facts& facts);
std::string NobodyProducingIsDestroyedWithoutAReason(const Facts& facts);
std::string NobodyIsCondemnedUnseen(const Facts& facts);
std::string StrikesOnlyForFailuresOfTheMachine(const Facts& facts);
// Money (inv_money.cc).
std::string TheLedgerIsWhatTheLogSays(const Facts& facts);
std::string BurnWithinTheBudget(const Facts& facts);
std::string WorstCaseWithinTheBudget(const Facts& facts);
std::string SpentWithinTheBudget(const Facts& facts);
std::string NoSpendWhileWaitingForCredit(const Facts& facts);
std::string CreditWaitEndsWithCredit(const Facts& facts);
// The log by itself (inv_log.cc).
std::string EveryDecisionHasEvidenceBeforeIt(const Facts& facts);
std::string NoSecretInTheLog(const Facts& facts);
std::string NoKeyGivenToOthers(const Facts& facts);
std::string EveryDeedHasACause(const Facts& facts);
std::string FoldingAnewGivesTheSameWorld(const Facts& facts);
std::string RebuiltReadModelsAreTheLiveOnes(const Facts& facts);
std::string TheLogIsDecidedAnew(const Facts& facts);

// "name: what is wrong" of the first that is broken; "" = all hold.
std::string FirstBroken(const std::vector<Invariant>& all, const Facts& facts);

}  // namespace muster::storm
