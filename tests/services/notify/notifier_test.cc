// Told at least once, by the same name after a crash, exactly once where the log has the arrival.
#include "services/notify/notifier.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/services/notify/receiver.h"
#include "tests/support/canary.h"
#include "tests/support/pch.h"

namespace muster::notify {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Mood = Receiver::Mood;

class Notices : public testing::Test {
 protected:
  Life Begin(const std::map<std::string, Receiver*>& targets, NotifierOptions options = {},
             AllowanceOptions allowance = {}) {
    return Life(rt, log, targets, std::move(options), allowance);
  }
  // Lets the targets begin at the head of the log.
  void Settle() { rt.RunFor(absl::Milliseconds(1)); }

  VirtualRuntime rt{1};
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  Receiver pager{rt}, phone{rt};
};

TEST_F(Notices, ATargetIsToldWhatHappensFromItsFirstStartOn) {
  Life life = Begin({{"pager", &pager}});
  life.Raise("fleet/before");
  life.Start();
  Settle();
  life.Raise("fleet/a");
  rt.RunFor(absl::Seconds(1));
  ASSERT_THAT(pager.bodies, SizeIs(1));
  EXPECT_THAT(pager.bodies[0], HasSubstr(R"("subject":"fleet/a")"));
  EXPECT_THAT(pager.bodies[0], HasSubstr(R"("text":"2 of 8 healthy, fleet/a")"));
  EXPECT_THAT(pager.bodies[0], HasSubstr(R"("severity":"warning")"));
  EXPECT_THAT(pager.bodies[0], HasSubstr(Cat(R"("id":")", pager.ids[0], R"(")")));
}

TEST_F(Notices, WhatHappenedWhileTheDaemonWasDownIsToldByTheNextOne) {
  {
    Life life = Begin({{"pager", &pager}});
    life.Start();
    Settle();
  }
  {
    Life life = Begin({});
    life.Raise("fleet/a");
  }
  Life life = Begin({{"pager", &pager}});
  life.Start();
  rt.RunFor(absl::Seconds(1));
  EXPECT_THAT(pager.bodies, ElementsAre(HasSubstr("fleet/a")));
}

TEST_F(Notices, ADeadTargetHoldsUpNoOther) {
  pager.mood = Mood::kDead;
  Life life = Begin({{"pager", &pager}, {"phone", &phone}});
  life.Start();
  Settle();
  life.Raise("fleet/a");
  rt.RunFor(absl::Seconds(1));
  EXPECT_THAT(phone.bodies, SizeIs(1));
  EXPECT_THAT(pager.bodies, IsEmpty());
  rt.RunFor(absl::Seconds(30));
  EXPECT_THAT(life.StatusOf("pager").error, HasSubstr("no answer"));
  EXPECT_EQ(life.StatusOf("pager").waiting, 1);
  EXPECT_GT(life.StatusOf("pager").behind, 0u);
  EXPECT_EQ(life.StatusOf("phone").waiting, 0);
}

TEST_F(Notices, ARepeatIsHeldBackAndToldInASummaryThatCounts) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  for (int i = 0; i < 15; ++i) {
    life.Raise("fleet/a");
    rt.RunFor(absl::Seconds(10));
  }
  EXPECT_THAT(pager.bodies, SizeIs(1));
  rt.RunFor(absl::Minutes(15));
  ASSERT_THAT(pager.bodies, SizeIs(2));
  EXPECT_THAT(pager.bodies[1], HasSubstr("and 14 more"));
  EXPECT_THAT(pager.bodies[1], HasSubstr(R"("more":14)"));
  EXPECT_EQ(life.StatusOf("pager").dropped, 14);
  life.Raise("fleet/a");
  rt.RunFor(absl::Seconds(1));
  EXPECT_THAT(pager.bodies, SizeIs(3)) << "after the window it is news again";
}

TEST_F(Notices, RepeatsHeldBackBeforeARestartAreCountedAfterIt) {
  {
    Life life = Begin({{"pager", &pager}});
    life.Start();
    Settle();
    for (int i = 0; i < 3; ++i) life.Raise("fleet/a");
    rt.RunFor(absl::Minutes(5));
  }
  Life life = Begin({{"pager", &pager}});
  life.Start();
  life.Raise("fleet/a");
  rt.RunFor(absl::Minutes(20));
  ASSERT_THAT(pager.bodies, SizeIs(2));
  EXPECT_THAT(pager.bodies[1], HasSubstr("and 3 more"));
}

TEST_F(Notices, AWeekOfSilenceEndsInOneBoundedDigest) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  pager.mood = Mood::kDead;
  for (int i = 0; i < 10'000; ++i) {
    life.Raise(Cat("fleet/f", i));
    if (i % 1000 == 0) rt.RunFor(absl::Hours(16));
  }
  rt.RunFor(absl::Hours(8));
  EXPECT_LT(pager.tries, 600) << "half an hour between tries";
  pager.mood = Mood::kFine;
  rt.RunFor(absl::Hours(1));
  ASSERT_THAT(pager.bodies, SizeIs(2)) << "what was tried last, and the rest";
  EXPECT_THAT(pager.bodies[0], HasSubstr("fleet/f0\""));
  EXPECT_THAT(pager.bodies[1], HasSubstr(R"("counts":{"fleet-short":9999})"));
  EXPECT_THAT(pager.bodies[1], HasSubstr("and 9989 more"));
  EXPECT_LT(pager.bodies[1].size(), 4000u);
  EXPECT_EQ(life.StatusOf("pager").waiting, 0);
  EXPECT_LT(life.Served("pager").size(), 10u) << "progress is bounded by what is sent";
}

TEST_F(Notices, ADigestIsTheSameOneAfterACrashThatCameBeforeItsRecord) {
  NotifierOptions options;
  options.outbox.digest_above = 2;
  {
    Life life = Begin({{"pager", &pager}}, options);
    life.Start();
    Settle();
    for (int i = 0; i < 5; ++i) life.Spawn(Cat("fleet/f", i));
    pager.mood = Mood::kSilent;
    rt.RunFor(absl::Milliseconds(60));  // it has arrived, and nobody knows
  }
  ASSERT_THAT(pager.ids, SizeIs(1));
  pager.mood = Mood::kFine;
  Life life = Begin({{"pager", &pager}}, options);
  life.Raise("fleet/later");
  life.Start();
  rt.RunFor(absl::Minutes(1));
  ASSERT_THAT(pager.ids, SizeIs(3));
  EXPECT_EQ(pager.ids[1], pager.ids[0]);
  EXPECT_EQ(pager.bodies[1], pager.bodies[0]);
  EXPECT_THAT(pager.bodies[2], HasSubstr("fleet/later"));
}

TEST_F(Notices, WhatMayHaveArrivedIsTriedAgainAsItselfAndNeverInADigest) {
  NotifierOptions options;
  options.outbox.digest_above = 2;
  Life life = Begin({{"pager", &pager}}, options);
  life.Start();
  Settle();
  pager.moods = {Mood::kSilent};
  life.Raise("fleet/first");
  rt.RunFor(absl::Seconds(1));
  for (int i = 0; i < 5; ++i) life.Raise(Cat("fleet/f", i));
  rt.RunFor(absl::Minutes(1));
  ASSERT_THAT(pager.ids, SizeIs(3));
  EXPECT_EQ(pager.ids[0], pager.ids[1]);
  EXPECT_THAT(pager.bodies[2], HasSubstr(R"("form":"digest")"));
  EXPECT_THAT(pager.bodies[2], Not(HasSubstr("fleet/first")));
}

TEST_F(Notices, MessagesGoAtTheTargetsRateAndTheRestWaits) {
  Life life = Begin({{"pager", &pager}}, {}, {.per_hour = 6, .burst = 2});
  life.Start();
  Settle();
  for (int i = 0; i < 5; ++i) life.Raise(Cat("fleet/f", i));
  rt.RunFor(absl::Minutes(1));
  EXPECT_THAT(pager.ids, SizeIs(2));
  EXPECT_GT(life.StatusOf("pager").next_try, rt.Now());
  rt.RunFor(absl::Minutes(10));
  EXPECT_THAT(pager.ids, SizeIs(3));
  rt.RunFor(absl::Minutes(20));
  EXPECT_THAT(pager.ids, SizeIs(5));
}

TEST_F(Notices, ARestartGivesATargetNoFreshAllowance) {
  const AllowanceOptions slow{.per_hour = 6, .burst = 2};
  for (int life_no = 0; life_no < 4; ++life_no) {
    Life life = Begin({{"pager", &pager}}, {}, slow);
    life.Start();
    Settle();
    for (int i = 0; i < 2; ++i) life.Raise(Cat("fleet/f", life_no, "-", i));
    rt.RunFor(absl::Minutes(1));
  }
  EXPECT_THAT(pager.ids, SizeIs(2));
}

TEST_F(Notices, AMessageThatIsRefusedForGoodIsGivenUpAndTheNextGoesOn) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  pager.moods = {Mood::kPicky, Mood::kPicky, Mood::kPicky};
  life.Raise("fleet/bad");
  life.Raise("fleet/good");
  rt.RunFor(absl::Minutes(5));
  EXPECT_EQ(pager.tries, 4);
  EXPECT_THAT(pager.bodies, ElementsAre(HasSubstr("fleet/good")));
  EXPECT_EQ(life.StatusOf("pager").dropped, 1);
  const auto served = life.Served("pager");
  EXPECT_TRUE(std::any_of(served.begin(), served.end(), [](const auto& e) { return e.dropped(); }));
}

TEST_F(Notices, OneLessRefusalIsNoReasonToGiveUp) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  pager.moods = {Mood::kPicky, Mood::kPicky};
  life.Raise("fleet/bad");
  rt.RunFor(absl::Minutes(5));
  EXPECT_THAT(pager.bodies, SizeIs(1));
}

TEST_F(Notices, AnOutageIsTriedLessAndLessOften) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  pager.mood = Mood::kSick;
  life.Raise("fleet/a");
  rt.RunFor(absl::Seconds(4));
  EXPECT_EQ(pager.tries, 1);
  rt.RunFor(absl::Seconds(3));
  EXPECT_EQ(pager.tries, 2);
  rt.RunFor(absl::Hours(10));
  EXPECT_GT(pager.tries, 20);
  EXPECT_LT(pager.tries, 40);
  EXPECT_THAT(life.StatusOf("pager").error, HasSubstr("HTTP 503: not today"));
}

TEST_F(Notices, AQuietLogGrowsByOneMarkPerSoManyEventsAndNoMore) {
  NotifierOptions options;
  options.mark_every = 20;
  Life life = Begin({{"pager", &pager}}, options);
  life.Start();
  Settle();
  for (int i = 0; i < 100; ++i) {
    account::ObserveCredit observed;
    observed.credit = MicroUsd(std::int64_t{1'000'000} * i);
    EXPECT_THAT(rt.Run(life.handler().Account(ProviderName("vast"), observed, {.actor = "poller"})),
                IsOk());
    rt.RunFor(absl::Seconds(1));
  }
  rt.RunFor(absl::Hours(1));
  EXPECT_GE(life.Served("pager").size(), 4u);
  EXPECT_LE(life.Served("pager").size(), 7u);
  EXPECT_EQ(life.StatusOf("pager").behind, 0u);
}

TEST_F(Notices, TheUnwritableLogIsToldBesideTheLog) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  life.store().FailNextAppend(Unavailable("the disk is gone"));
  account::ObserveCredit observed;
  observed.credit = MicroUsd(1);
  EXPECT_THAT(rt.Run(life.handler().Account(ProviderName("vast"), observed, {.actor = "poller"})),
              Not(IsOk()));
  EXPECT_THAT(life.handler().stopped(), Not(IsOk()));
  life.notifier().TellUnwritable("the disk is gone");
  pager.moods = {Mood::kSick};
  rt.RunFor(absl::Minutes(5));
  EXPECT_THAT(pager.bodies, ElementsAre(HasSubstr("log-unwritable")));
}

TEST_F(Notices, ATestMessageGoesAtOnceAndTellsWhatCameBack) {
  Life life = Begin({{"pager", &pager}});
  life.Start();
  Settle();
  const Position before = life.store().Head();
  const auto good = rt.Run(life.notifier().Test("pager"));
  ASSERT_THAT(good, IsOk());
  EXPECT_TRUE(good->arrived);
  EXPECT_EQ(good->answer, "HTTP 204");
  EXPECT_EQ(good->took, absl::Milliseconds(80));
  pager.moods = {Mood::kSick};
  const auto bad = rt.Run(life.notifier().Test("pager"));
  ASSERT_THAT(bad, IsOk());
  EXPECT_FALSE(bad->arrived);
  EXPECT_THAT(bad->answer, HasSubstr("HTTP 503"));
  EXPECT_EQ(life.store().Head(), before) << "nothing is written";
  EXPECT_THAT(rt.Run(life.notifier().Test("pagr")),
              StatusIs(StatusCode::kNotFound, HasSubstr("pager")));
}

TEST_F(Notices, NoPlantedSecretReachesATarget) {
  NotifierOptions options;
  options.outbox.digest_above = 12;
  Life life = Begin({{"pager", &pager}}, options);
  for (const Canary& canary : kCanaries) life.secrets.Learn(canary.value);
  life.Start();
  Settle();
  for (const Canary& canary : kCanaries) life.Raise(Cat("fleet/", canary.name, canary.value));
  rt.RunFor(absl::Hours(1));
  for (const Canary& canary : kCanaries) {  // too many: a digest
    life.Raise(Cat("fleet/", canary.value), "disk-low");
    life.Raise(Cat("fleet/", canary.value), "orphan");
  }
  rt.RunFor(absl::Hours(1));
  EXPECT_EQ(pager.bodies.size(), kCanaries.size() + 1);
  for (const HttpRequest& request : pager.requests) {
    EXPECT_THAT(FindCanaries(request.body), IsEmpty());
    for (const auto& [name, value] : request.headers) EXPECT_THAT(FindCanaries(value), IsEmpty());
  }
}

// ---- a crash between any two steps ------------------------------------------------------------

struct Crashed {
  bool crashed = false;                  // false: the run was over before
  std::vector<std::string> before;       // ids that had arrived
  std::set<std::string> written;         // ids whose arrival was in the log
  std::vector<std::string> ids, bodies;  // in the end
  int happened = 0;                      // notices in the log
};

// Of how many notices a message tells.
int Told(const std::string& body) {
  const auto json = nlohmann::json::parse(body);
  if (json["form"] == "summary") return json["more"];
  if (json["form"] == "notice") return 1;
  int told = 0;
  for (const auto& [kind, count] : json["counts"].items()) told += count.get<int>();
  return told;
}

// Things happen, a target has its troubles, and after `steps` steps everything ends at once and
// begins again.
Crashed CrashAfter(std::uint64_t steps) {
  VirtualRuntime rt{7};
  const auto log = std::make_shared<MemoryLog>();
  Receiver pager(rt);
  NotifierOptions options;
  options.outbox = {absl::Minutes(2), 3};
  Crashed out;
  const auto happen = [](Life& life) {
    for (const char* subject : {"fleet/a", "fleet/a", "fleet/b", "fleet/a"}) life.Spawn(subject);
  };
  {
    Life life(rt, log, {{"pager", &pager}}, options);
    life.Start();
    rt.RunFor(absl::Milliseconds(1));
    happen(life);
    pager.moods = {Mood::kFine, Mood::kSilent, Mood::kSick};
    const std::uint64_t begun = rt.steps();
    rt.RunSteps(steps, absl::Minutes(5));
    out.crashed = rt.steps() - begun >= steps;
    out.before = pager.ids;
    for (const auto& served : life.Served("pager")) out.written.insert(served.message());
  }
  Life life(rt, log, {{"pager", &pager}}, options);
  life.Start();
  rt.RunFor(absl::Minutes(5));
  for (int i = 0; i < 6; ++i) life.Raise(Cat("fleet/c", i));  // a digest at the end
  rt.RunFor(absl::Hours(1));
  out.ids = pager.ids;
  out.bodies = pager.bodies;
  out.happened = static_cast<int>(life.store().StreamVersion(AlertStream()));
  EXPECT_EQ(life.StatusOf("pager").waiting, 0);
  EXPECT_EQ(life.StatusOf("pager").behind, 0u);
  return out;
}

TEST(NoticesOverACrash, AreToldAtLeastOnceAndOnceOnlyWhereTheLogHasTheArrival) {
  std::uint64_t steps = 0;
  for (;; ++steps) {
    SCOPED_TRACE(Cat("crash after ", steps, " steps"));
    const Crashed run = CrashAfter(steps);
    std::map<std::string, std::set<std::string>> contents;
    for (std::size_t i = 0; i < run.ids.size(); ++i) {
      contents[run.ids[i]].insert(run.bodies[i]);
    }
    int told = 0;
    for (const auto& [id, bodies] : contents) {
      EXPECT_THAT(bodies, SizeIs(1)) << "the same name, another message: " << id;
      told += Told(*bodies.begin());
    }
    EXPECT_EQ(told, run.happened) << "who drops repeats by their id knows all, and each once";
    // What the log says has arrived is not sent again by the next life.
    for (std::size_t i = run.before.size(); i < run.ids.size(); ++i) {
      EXPECT_EQ(run.written.count(run.ids[i]), 0u) << run.ids[i];
    }
    if (!run.crashed) break;
    ASSERT_LT(steps, 5000u);
  }
  EXPECT_GT(steps, 40u) << "there was something to crash";
}

}  // namespace
}  // namespace muster::notify
