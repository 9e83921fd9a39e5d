#include "commands/worker/status_text.h"

#include "commands/worker/assess.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

struct Case {
  const char* text;
  specpb::Fault fault;
};
const Case kCases[] = {
    {"Error response from daemon: manifest for pytorch:9 not found: manifest unknown: manifest "
     "unknown",
     specpb::OURS},
    {"Error response from daemon: pull access denied for acme/private, repository does not exist",
     specpb::OURS},
    {"unauthorized: authentication required", specpb::OURS},
    {"failed to resolve reference \"docker.io/acme/x:1\": not found", specpb::OURS},
    {"OCI runtime create failed: exec: \"bash\": executable file not found in $PATH", specpb::OURS},
    {"Error: OCI runtime create failed: container_linux.go:380", specpb::MACHINE},
    {"nvidia-container-cli: initialization error: nvml error: driver not loaded", specpb::MACHINE},
    {"MANIFEST UNKNOWN", specpb::OURS},
};

TEST(StatusText, NamesWhoseFaultItIs) {
  for (const Case& one : kCases) {
    EXPECT_EQ(JudgeStatusText(one.text).fault, one.fault) << one.text;
  }
}
TEST(StatusText, OrdinaryWordsBlameNobody) {
  for (const char* text : {"", "success, running pytorch/pytorch:2.6.0", "Pulling layer 7 of 12",
                           "Verifying Checksum", "unauthorized"}) {
    EXPECT_EQ(JudgeStatusText(text).fault, specpb::FAULT_UNSPECIFIED) << text;
    EXPECT_EQ(JudgeStatusText(text).words, "") << text;
  }
}

Assessment Judge(ActualStatus actual, const char* text, bool proven) {
  static const specpb::FleetSpec spec = [] {
    specpb::FleetSpec made;
    *made.mutable_timers() = TestTimers();
    made.mutable_timers()->set_offline_s(600);
    return made;
  }();
  State state = LiveWorker();
  Instance instance = Running();
  instance.actual = actual;
  instance.status_message = text;
  for (const double at : {100.0, 500.0, 710.0}) {
    Given(state, {Wrap(MakeInstanceObserved(instance))}, At(at));
  }
  Surroundings around;
  around.spec = &spec;
  around.program_proven = proven;
  return Assess(state, around, At(710));
}

TEST(StatusText, DecidesTheStrikeOfAWorkerThatDoesNotComeUpOrWentDown) {
  struct Place {
    ActualStatus actual;
    const char* rule;
  };
  for (const Place& place :
       {Place{ActualStatus::kLoading, "stuck-boot"}, Place{ActualStatus::kCreated, "stuck-boot"},
        Place{ActualStatus::kExited, "offline"}, Place{ActualStatus::kStopped, "offline"},
        Place{ActualStatus::kOffline, "offline"}}) {
    for (const Case& one : kCases) {
      for (const bool proven : {false, true}) {
        const Assessment judged = Judge(place.actual, one.text, proven);
        ASSERT_TRUE(judged.verdict.has_value()) << place.rule << " " << one.text;
        EXPECT_EQ(judged.verdict->rule, place.rule);
        EXPECT_EQ(judged.verdict->fault, one.fault) << one.text;
        EXPECT_EQ(judged.verdict->strike_weight, one.fault == specpb::MACHINE ? 1 : 0);
        // Whoever reads the verdict reads the words.
        EXPECT_NE(judged.verdict->evidence.summary().find(JudgeStatusText(one.text).words),
                  std::string::npos);
        EXPECT_NE(judged.verdict->evidence.summary().find(std::string(one.text).substr(0, 40)),
                  std::string::npos);
      }
    }
  }
}

TEST(StatusText, WithoutWordsItIsAsBefore) {
  EXPECT_EQ(Judge(ActualStatus::kLoading, "Pulling layer 7", false).verdict->fault,
            specpb::MACHINE);
  EXPECT_EQ(Judge(ActualStatus::kExited, "", false).verdict->fault, specpb::OURS);
  EXPECT_EQ(Judge(ActualStatus::kExited, "", true).verdict->fault, specpb::MACHINE);
  EXPECT_EQ(Judge(ActualStatus::kStopped, "", true).verdict->fault, specpb::NOBODY);
}

}  // namespace
}  // namespace muster::worker
