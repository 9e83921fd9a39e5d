// Which invariants are looked at when.
#include "tests/storm/invariants.h"

#include "eventstore/base/strings.h"

namespace muster::storm {

#define MUSTER_INVARIANT(name) \
  Invariant { #name, name }

const std::vector<Invariant>& WhenRented() {
  static const std::vector<Invariant> all = {
      MUSTER_INVARIANT(NoContractWithoutIntent),  MUSTER_INVARIANT(NeverTwoLivingForOneToken),
      MUSTER_INVARIANT(NoMoreIsRentedThanWanted), MUSTER_INVARIANT(BurnWithinTheBudget),
      MUSTER_INVARIANT(WorstCaseWithinTheBudget), MUSTER_INVARIANT(NoSpendWhileWaitingForCredit),
      MUSTER_INVARIANT(OffersAreFreshWhenTaken),  MUSTER_INVARIANT(UpgradesKeepTheirPace)};
  return all;
}
const std::vector<Invariant>& Always() {
  static const std::vector<Invariant> all = {
      MUSTER_INVARIANT(NoContractWithoutIntent),
      MUSTER_INVARIANT(NeverTwoLivingForOneToken),
      MUSTER_INVARIANT(EveryDestroyWasDecided),
      MUSTER_INVARIANT(NobodyProducingIsDestroyedWithoutAReason),
      MUSTER_INVARIANT(NobodyIsCondemnedUnseen),
      MUSTER_INVARIANT(StrikesOnlyForFailuresOfTheMachine),
      MUSTER_INVARIANT(WhoEndedIsGone),
      MUSTER_INVARIANT(StrangersAreLeftAlone),
      MUSTER_INVARIANT(TheLedgerIsWhatTheLogSays),
      MUSTER_INVARIANT(BurnWithinTheBudget),
      MUSTER_INVARIANT(SpentWithinTheBudget),
      MUSTER_INVARIANT(CreditWaitEndsWithCredit),
      MUSTER_INVARIANT(EveryDecisionHasEvidenceBeforeIt),
      MUSTER_INVARIANT(NoSecretInTheLog),
      MUSTER_INVARIANT(NoKeyGivenToOthers)};
  return all;
}
const std::vector<Invariant>& AfterCalm() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(NothingOfAnEndedFleetIsLeft),
                                             MUSTER_INVARIANT(TargetReached),
                                             MUSTER_INVARIANT(OneMachineForEachOpenWorker)};
  return all;
}
const std::vector<Invariant>& OfTheLog() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(EveryDeedHasACause),
                                             MUSTER_INVARIANT(FoldingAnewGivesTheSameWorld),
                                             MUSTER_INVARIANT(RebuiltReadModelsAreTheLiveOnes)};
  return all;
}
const std::vector<Invariant>& OfTheWholeLog() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(TheLogIsDecidedAnew)};
  return all;
}

#undef MUSTER_INVARIANT

std::string FirstBroken(const std::vector<Invariant>& all, const Facts& facts) {
  for (const Invariant& each : all) {
    const std::string broken = each.broken(facts);
    if (!broken.empty()) return Cat(each.name, ": ", broken);
  }
  return "";
}

}  // namespace muster::storm
