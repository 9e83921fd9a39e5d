// Invariants of the log by itself, and of what is folded from it.
#include "commands/snapshot.h"
#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "tests/stage/causes.h"
#include "tests/storm/invariants.h"

namespace muster::storm {

std::string EveryDecisionHasEvidenceBeforeIt(const Facts& facts) {
  return facts.book.evidence_problem();
}
std::string NoSecretInTheLog(const Facts& facts) { return facts.book.secret_problem(); }
std::string NoKeyGivenToOthers(const Facts& facts) {
  const int leaked = facts.sim.KeysLeaked();
  return leaked == 0 ? "" : Cat("the API key went to a log host ", leaked, " times");
}

std::string EveryDeedHasACause(const Facts& facts) {
  MUSTER_CHECK(facts.program != nullptr);
  return DeedWithoutCause(facts.program->store);
}

std::string FoldingAnewGivesTheSameWorld(const Facts& facts) {
  MUSTER_CHECK(facts.program != nullptr);
  const std::string live = Digest(facts.program->world);
  if (live != Digest(facts.book.world())) return "the live World is not the fold of the log";
  LogBook anew({});
  const Status read = anew.ReadOn(facts.program->store);
  if (!read.ok()) return std::string(Message(read));
  if (live != Digest(anew.world())) return "two folds of one log differ";
  const StatusOr<World> parsed = ParseWorld(SerializeWorld(facts.program->world));
  if (!parsed.ok()) return std::string(Message(parsed.status()));
  return live == Digest(*parsed) ? "" : "a snapshot of the World is not the World";
}

std::string RebuiltReadModelsAreTheLiveOnes(const Facts& facts) {
  MUSTER_CHECK(facts.program != nullptr);
  const queries::ReadModels& live = facts.program->models;
  if (!facts.program->following.ok()) return std::string(Message(facts.program->following));
  if (live.position() != facts.program->store.Head()) return "";  // still reading
  queries::ReadModels anew(facts.program->store);
  Status bad;
  const Status read = facts.program->store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& each) {
    bad = anew.Apply(each);
    return bad.ok();
  });
  if (!read.ok() || !bad.ok()) return std::string(Message(read.ok() ? bad : read));
  return anew.Digest() == live.Digest() ? "" : "the rebuilt models differ";
}

}  // namespace muster::storm
