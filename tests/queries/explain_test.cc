#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

struct Story {
  Position poll, condemned, requested, answered, absent, ended;
};

// The story of the design: a worker makes no progress, is condemned, destroyed and confirmed gone.
Story Tell(LogBuilder& log) {
  Story at{};
  log.SetClock("2026-11-21T02:40:00Z");
  log.Fleet("zeb-large", {.workers = 8});
  log.Launch("k7f2q", "zeb-large", {});
  log.Accept("k7f2q", "123");
  log.SetClock("2026-11-21T02:59:03Z").Read("k7f2q", {.counter = 311, .rate = 4.2});
  log.SetClock("2026-11-21T03:13:59Z");
  at.poll = log.Read(
      "k7f2q",
      {.counter = 311, .rate = 4.2, .agreeing = 3, .first_seen = At("2026-11-21T02:59:03Z")});
  log.SetClock("2026-11-21T03:14:07Z");
  eventpb::WorkerCondemned condemned;
  *condemned.mutable_evidence() =
      MakeEvidence("no-progress", "15m04s >= 15m", {MakeMeasure("since_progress", 904, 900, "s")},
                   {at.poll}, "zeb-large@v12");
  condemned.set_replace(true);
  at.condemned = log.Write("worker/k7f2q", condemned);
  at.requested = log.Write("worker/k7f2q", eventpb::DestroyRequested(), Cat("e", at.condemned));
  eventpb::DestroyAnswered answered;
  answered.set_answer(eventpb::DestroyAnswered::ACCEPTED);
  answered.set_detail("200");
  at.answered = log.Write("worker/k7f2q", answered);
  eventpb::InstanceAbsent absent;
  absent.set_complete_lists(2);
  at.absent = log.After(absl::Minutes(1)).Write("worker/k7f2q", absent);
  at.ended = log.End("k7f2q");
  return at;
}

const ExplainLine* Line(const Explanation& explanation, Position position) {
  for (const ExplainLine& line : explanation.lines) {
    if (line.position == position) return &line;
  }
  return nullptr;
}

TEST(Explain, TellsTheDesignsSampleStory) {
  LogBuilder log;
  const Story at = Tell(log);
  const auto models = log.Models();
  const auto explanation = models->Explain("worker/k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->title, "worker/k7f2q   destroyed 03:15:07");
  const auto expect = [&](Position position, std::string_view text, std::string_view detail) {
    const ExplainLine* line = Line(*explanation, position);
    ASSERT_NE(line, nullptr) << text;
    EXPECT_EQ(line->text, text);
    EXPECT_EQ(line->detail, detail);
  };
  expect(at.poll, "log poll: batch still 311, as at 02:59:03, 4.2/s", "(3 polls agree)");
  expect(at.condemned, "rule no-progress: 15m04s >= 15m", "(policy v12)");
  expect(at.requested, "decision: replace, destroy requested", Cat("(cause ", at.condemned, ")"));
  expect(at.answered, "DELETE -> 200", "");
  expect(at.absent, "absent from 2 complete lists", "(confirmed)");
  expect(at.ended, "ended: destroyed", "(by 2 complete lists)");
  EXPECT_EQ(Line(*explanation, at.condemned)->evidence, std::vector<Position>{at.poll});
  for (std::size_t i = 1; i < explanation->lines.size(); ++i) {
    EXPECT_LT(explanation->lines[i - 1].position, explanation->lines[i].position);
  }
}

TEST(Explain, NamesTheStrikeAndTheReplacementThatFollowed) {
  LogBuilder log;
  Tell(log);
  eventpb::HostStruck struck;
  struck.set_worker("k7f2q");
  struck.set_cause("no-progress");
  struck.set_weight(1);
  const Position strike = log.Write("host/vast/5512", struck);
  const Position launch = log.Launch("m3xab", "zeb-large", {.replaces = "k7f2q"});
  const auto explanation = log.Models()->Explain("k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(Line(*explanation, strike)->text,
            "host/vast/5512: machine struck for no-progress, weight 1, for ever");
  ASSERT_NE(Line(*explanation, launch), nullptr);
  EXPECT_THAT(Line(*explanation, launch)->text, testing::HasSubstr("in place of worker/k7f2q"));
}

// A strike is drawn from the order to destroy; why that was given must stand there too.
TEST(Explain, OfAHostHoldsTheVerdictsUponWhichItsWorkersWent) {
  LogBuilder log;
  const Story at = Tell(log);
  eventpb::HostStruck struck;
  struck.set_worker("k7f2q");
  struck.set_cause("no-progress");
  struck.mutable_evidence()->set_rule("no-progress");
  struck.mutable_evidence()->add_positions(at.poll);
  struck.mutable_evidence()->add_positions(at.requested);
  const Position strike = log.Write("host/vast/5512", struck);
  for (const std::string subject : {std::string("host/vast/5512"), Cat(strike)}) {
    const auto explanation = log.Models()->Explain(subject);
    ASSERT_THAT(explanation, IsOk());
    ASSERT_NE(Line(*explanation, at.condemned), nullptr) << subject;
    EXPECT_EQ(Line(*explanation, at.condemned)->text,
              "worker/k7f2q: rule no-progress: 15m04s >= 15m");
    ASSERT_NE(Line(*explanation, at.requested), nullptr) << subject;
    EXPECT_EQ(Line(*explanation, at.requested)->detail, Cat("(cause ", at.condemned, ")"));
  }
}

TEST(Explain, OfAWorkerHoldsWhenItsAccountWaitedForCredit) {
  LogBuilder log;
  const auto wait = [&](bool begins) {
    if (!begins) return log.Write("account/vast", eventpb::CreditWaitEnded());
    eventpb::CreditWaitBegan began;
    began.set_detail("credit $0.00");
    return log.Write("account/vast", began);
  };
  const Position before = wait(true);
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  const Position began = wait(true), over = wait(false);
  log.End("k7f2q");
  const Position after = wait(true);
  const auto explanation = log.Models()->Explain("worker/k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(Line(*explanation, before), nullptr);
  EXPECT_NE(Line(*explanation, began), nullptr);
  EXPECT_NE(Line(*explanation, over), nullptr);
  EXPECT_EQ(Line(*explanation, after), nullptr);
}

TEST(Explain, AnErrorPageIsToldAsOneAndTheCallNamedOnce) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  eventpb::LaunchUnclear unclear;
  unclear.set_detail("PUT asks/{id}: HTTP 503: <html><head><title>503</title>");
  const Position asked = log.Write("worker/k7f2q", unclear);
  eventpb::DestroyAnswered answered;
  answered.set_detail("DELETE instances/{id}: HTTP 503: <html><head>");
  const Position destroyed = log.Write("worker/k7f2q", answered);
  const auto explanation = log.Models()->Explain("worker/k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(Line(*explanation, asked)->text,
            "launch unclear, looked up before any retry: PUT asks/{id}: HTTP 503: (a web page)");
  EXPECT_EQ(Line(*explanation, destroyed)->text, "DELETE -> HTTP 503: (a web page)");
}

TEST(Explain, OfALongStreamTellsTheNewestAndWhereTheRestIs) {
  LogBuilder log;
  for (int i = 0; i < 60; ++i) log.Fleet("zeb", {.workers = i});
  const auto explanation = log.Models()->Explain("fleet/zeb");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->lines.size(), 40u);
  EXPECT_THAT(explanation->title, testing::EndsWith("; what is older: muster events fleet/zeb"));
}

TEST(Explain, WhatTheLogDoesNotKnowIsToldWithWhatCanBeAsked) {
  LogBuilder log;
  log.See("k7f2q", 70'000);
  const auto models = log.Models();
  const auto build = models->Explain("build/x");
  EXPECT_THAT(build, StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(Message(build.status()),
            "nothing was ever recorded of build/x, nor of any other build (muster server validate "
            "asks for one); ask for worker/ID, fleet/NAME, host/PROVIDER/MACHINE, "
            "account/PROVIDER, shadow/FLEET, server/NAME, build/ID, command/ID or a position");
  EXPECT_THAT(models->Explain(""), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Explain, OfAKindThatIsThereNamesSomeOfThem) {
  LogBuilder log;
  for (const char* name : {"d", "a", "b", "c", "e"}) log.Fleet(name, {});
  EXPECT_EQ(
      Message(log.Models()->Explain("fleet/zeb").status()),
      "nothing was ever recorded of fleet/zeb; there is fleet/a, fleet/b, fleet/c and 2 more");
}

TEST(Explain, OfALiveWorkerEndsWithWhatIsThoughtOfIt) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  log.Health("k7f2q", eventpb::WorkerHealthChanged::SETUP);
  const Position health = log.Health("k7f2q", eventpb::WorkerHealthChanged::HEALTHY);
  const auto explanation = log.Models()->Explain("worker/k7");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->title, "worker/k7f2q   health HEALTHY 12:00:00");
  EXPECT_EQ(explanation->lines.back().position, health);
  EXPECT_EQ(explanation->lines.size(), 3u);  // the older health is not told
}

TEST(Explain, OfAPositionShowsItsEvidenceAndWhatCameOfIt) {
  LogBuilder log;
  const Story at = Tell(log);
  const auto explanation = log.Models()->Explain(Cat(at.condemned));
  ASSERT_THAT(explanation, IsOk());
  EXPECT_NE(Line(*explanation, at.poll), nullptr);
  EXPECT_NE(Line(*explanation, at.condemned), nullptr);
  EXPECT_NE(Line(*explanation, at.requested), nullptr);
  EXPECT_EQ(explanation->lines.size(), 3u);
}

TEST(Explain, OfAFleetTellsWhatWasDecidedForItsWorkersToo) {
  LogBuilder log;
  const Story at = Tell(log);
  const auto explanation = log.Models()->Explain("fleet/zeb-large");
  ASSERT_THAT(explanation, IsOk());
  ASSERT_NE(Line(*explanation, at.condemned), nullptr);
  EXPECT_EQ(Line(*explanation, at.condemned)->text,
            "worker/k7f2q: rule no-progress: 15m04s >= 15m");
  EXPECT_EQ(Line(*explanation, at.poll), nullptr);
  EXPECT_EQ(explanation->title, "fleet/zeb-large   newest 03:15:07");
}

TEST(Explain, OfACommandTellsWhoAskedWhatWasWrittenAndWhatFollowed) {
  LogBuilder log;
  log.SetCorrelation("request/r1");
  const Position applied = log.Fleet("zeb", {.workers = 1});
  eventpb::CommandAccepted accepted;
  accepted.set_request_id("r1");
  accepted.set_method("apply");
  const Position answered = log.Write("request/r1", accepted);
  log.SetCorrelation("");
  const Position launch = log.Launch("k7f2q", "zeb", {}, Cat("e", applied));
  const Position rented =
      log.Accept("k7f2q", "123", eventpb::LaunchAccepted::ANSWER, Cat("e", launch));
  log.Launch("m3xab", "zeb", {}, "e999");  // of another cause
  const auto explanation = log.Models()->Explain("command/r1");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->title,
            "command/r1   by test   not at its end: fleet zeb has not reached 1 healthy, "
            "worker/k7f2q is not healthy");
  std::vector<Position> positions;
  for (const ExplainLine& line : explanation->lines) positions.push_back(line.position);
  EXPECT_EQ(positions, (std::vector<Position>{applied, answered, launch, rented}));
  EXPECT_THAT(log.Models()->Explain("command/r2"), StatusIs(StatusCode::kNotFound));
}

TEST(Explain, OfWhatIsNotThereIsNotFound) {
  LogBuilder log;
  Tell(log);
  const auto models = log.Models();
  for (const std::string subject : {"worker/zzzz", "fleet/none", "host/vast/1", "account/vast",
                                    "999999", "0", "zzzz", "nonsense/x"}) {
    EXPECT_THAT(models->Explain(subject), StatusIs(StatusCode::kNotFound)) << subject;
  }
  EXPECT_THAT(models->Explain(""), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Explain, KeepsForeignTextOnOneLine) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  eventpb::LaunchRejected rejected;
  rejected.set_reason(eventpb::LaunchRejected::REJECTED);
  rejected.set_detail("bad\nthing\x1b[31m");
  log.Write("worker/k7f2q", rejected);
  const auto explanation = log.Models()->Explain("worker/k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->lines.back().text, "launch refused: request refused: bad thing [31m");
}

}  // namespace
}  // namespace muster::queries
