// The log reads what the container prints, a list what the provider last heard of it: what is
// judged while the two disagree.
#include "commands/worker/assess.h"
#include "tests/commands/given.h"
#include "tests/commands/worker/patient.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

using H = eventpb::WorkerHealthChanged;

TEST(ListAndLog, AListThatStillSaysLoadingIsNoGroundAgainstAWorkerWhoseLogWentOn) {
  for (const ActualStatus actual :
       {ActualStatus::kNone, ActualStatus::kCreated, ActualStatus::kLoading}) {
    Patient patient;
    patient.See(20, actual);
    patient.Log(560, LogFacts("setup"));
    patient.See(630, actual);
    patient.Log(640, LogFacts("setup"));
    EXPECT_EQ(patient.Ask(640).health, H::SETUP) << ActualStatusName(actual);
    EXPECT_EQ(patient.Rule(640), "");
    // Its set-up has a clock of its own, which the list does not wind.
    patient.See(1155, actual);
    patient.Log(1159, LogFacts("setup"));
    EXPECT_EQ(patient.Rule(1159), "");
    patient.Log(1160, LogFacts("setup"));
    EXPECT_EQ(patient.Rule(1160), "stuck-setup");
  }
}

TEST(ListAndLog, AMachineThatFellBackToLoadingIsDown) {
  for (const double off : {-1.0, 0.0, 1.0}) {
    Patient patient;
    patient.See(50, ActualStatus::kRunning);
    patient.Log(60, LogFacts("setup"));
    patient.See(100, ActualStatus::kLoading);
    patient.Log(690 + off, LogFacts("setup"));
    patient.See(700 + off, ActualStatus::kLoading);
    const Assessment judged = patient.Ask(700 + off);
    EXPECT_EQ(judged.health, H::OFFLINE);
    EXPECT_EQ(judged.verdict.has_value(), off >= 0) << off;
    if (judged.verdict) {
      EXPECT_EQ(judged.verdict->rule, "offline");
    }
  }
}

}  // namespace
}  // namespace muster::worker
