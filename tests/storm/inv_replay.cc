// The log, decided anew: by the same policies over what was seen, every decision must come again.
// What a log of faults, crashes and stepping clocks does not give again
// cannot be explained or tried with another policy either.
#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "services/replay/run.h"
#include "tests/storm/invariants.h"

namespace muster::storm {

std::string TheLogIsDecidedAnew(const Facts& facts) {
  MUSTER_CHECK(facts.program != nullptr);
  ReplayQuestion question;
  question.until = facts.program->store.Head();
  question.plan.account_budgets[ProviderName("vast")] = facts.weather.account_budget;
  ReplayRun run(std::move(question), ReadFrom(facts.program->store), World());
  for (bool done = false; !done;) {
    const StatusOr<bool> went = run.Step(10'000);
    if (!went.ok()) return std::string(Message(went.status()));
    done = *went;
  }
  const replay::Report& report = run.report();
  if (!report.unreproduced.empty()) {
    const replay::Sided& first = report.unreproduced.front();
    return Cat(report.decisions - report.reproduced, " of ", report.decisions,
               " decisions do not come again; the first at ", first.position, ": ", first.act.line);
  }
  return report.digest == report.digest_replayed ? "" : "the digests differ";
}

}  // namespace muster::storm
