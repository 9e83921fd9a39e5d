#include "workers/os/lookup_gate.h"

#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Entry = LookupGate::Entry;
using Result = LookupGate::Result;

class LookupGateTest : public testing::Test {
 protected:
  static Task<void> Call(LookupGateTest* t, std::string host, absl::Time deadline) {
    const Entry entry = co_await t->gate_.Enter(std::move(host), deadline);
    t->entries_.push_back(entry);
  }
  void Start(std::string host = "a", absl::Duration patience = absl::Hours(1)) {
    rt_.Spawn("call", Call(this, std::move(host), rt_.Now() + patience));
    rt_.RunUntilIdle();
  }
  std::vector<Entry> Entries() {
    rt_.RunUntilIdle();
    return std::exchange(entries_, {});
  }

  VirtualRuntime rt_{1};
  LookupGate gate_{rt_, absl::Seconds(50)};
  std::vector<Entry> entries_;
};

TEST_F(LookupGateTest, OneLeadsAndTheOthersGoOnceTheNameIsFound) {
  for (int i = 0; i < 3; ++i) Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
  gate_.Leave("a", Result::kFound);
  EXPECT_THAT(Entries(), ElementsAre(Entry::kGo, Entry::kGo));
}

TEST_F(LookupGateTest, AFoundNameIsKnownForAWhile) {
  Start();
  gate_.Leave("a", Result::kFound);
  rt_.RunFor(absl::Milliseconds(49'999));
  Start();
  rt_.RunFor(absl::Milliseconds(1));
  Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead, Entry::kGo, Entry::kLead));
}

TEST_F(LookupGateTest, HostsDoNotWaitForEachOther) {
  Start("a");
  Start("b");
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead, Entry::kLead));
}

TEST_F(LookupGateTest, AFailedLookupFailsWhoWaitedAndNobodyElse) {
  Start();
  Start();
  gate_.Leave("a", Result::kFailed);
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead, Entry::kFailed));
  Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
}

TEST_F(LookupGateTest, WithoutAnAnswerTheNextInLineLeads) {
  for (int i = 0; i < 3; ++i) Start();
  gate_.Leave("a", Result::kNone);
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead, Entry::kLead));
  gate_.Leave("a", Result::kNone);
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
  gate_.Leave("a", Result::kNone);
  Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
}

TEST_F(LookupGateTest, WhoeverIsLateLeavesTheLine) {
  Start();
  Start("a", absl::Seconds(1));
  Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
  rt_.RunFor(absl::Seconds(2));
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLate));
  gate_.Leave("a", Result::kNone);
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead));
}

TEST_F(LookupGateTest, ClosingSendsEverybodyAway) {
  Start();
  Start();
  gate_.Close();
  Start();
  EXPECT_THAT(Entries(), ElementsAre(Entry::kLead, Entry::kClosed, Entry::kClosed));
}

}  // namespace
}  // namespace muster
