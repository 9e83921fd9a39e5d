// Explain with why_not: whom it asks about, at which moment, and its refusals. The reasons
// themselves: tests/commands/fleet/plan/why_not_test.cc.
#include "commands/handler/log_fold.h"
#include "services/grpc/query_api.h"
#include "tests/queries/random_log.h"
#include "tests/services/grpc/query_testing.h"

namespace muster::grpc_api {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class WhyNot : public ::testing::Test {
 protected:
  WhyNot() {
    bench_.log.Fleet("zeb", {.workers = 1});
    bench_.log.Launch("k7f2q", "zeb", {});
    accepted_ = bench_.log.Accept("k7f2q", "123");
    bench_.After(absl::Minutes(5));
    eventpb::OffersObserved offers;
    offers.set_found(1);
    auto& offer = *offers.add_offers();
    offer.set_offer("777");
    offer.set_machine("m1");
    offer.set_gpu("RTX 3070");
    offer.set_price_micro_usd_per_hour(70'000);
    bench_.log.Write("account/vast", offers);
    hooks_.world = [this]() -> const World& { return *world_; };
  }

  api::ExplainRequest Ask(const std::string& why_not, const std::string& subject = "") {
    api::ExplainRequest request;
    request.set_subject(subject);
    request.set_why_not(why_not);
    return request;
  }
  StatusOr<api::ExplainResponse> Answer(const api::ExplainRequest& request) {
    const Position head = bench_.log.store().Head();
    world_ = *bench_.rt().Run(WorldAt(bench_.rt(), bench_.log.store(), head));
    QueryApi api(bench_.rt(), bench_.log.store(), bench_.projector, bench_.tails, hooks_);
    return bench_.Ask(api.Explain(request));
  }
  std::vector<std::string> Texts(const api::ExplainRequest& request) {
    const auto answer = Answer(request);
    EXPECT_THAT(answer, IsOk());
    std::vector<std::string> texts;
    if (!answer.ok()) return texts;
    for (const auto& line : answer->lines()) texts.push_back(line.text());
    return texts;
  }

  QueryBench bench_;
  QueryHooks hooks_;
  std::shared_ptr<const World> world_;
  Position accepted_ = 0;
};

TEST_F(WhyNot, AnOfferIsAskedAboutTheOnlyFleetOrTheOneThatIsNamed) {
  EXPECT_THAT(Texts(Ask("offer/777")),
              Contains(HasSubstr("refused: GPU RTX 3070 not in the list")));
  EXPECT_THAT(Texts(Ask("777", "zeb")),
              Contains(HasSubstr("refused: GPU RTX 3070 not in the list")));
  bench_.log.Fleet("other", {.workers = 1});
  const Status which = Answer(Ask("offer/777")).status();
  EXPECT_THAT(which, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Texts(Ask("offer/777", "fleet/zeb")),
              Contains(HasSubstr("refused: GPU RTX 3070 not in the list")));
  EXPECT_THAT(Answer(Ask("offer/777", "fleet/none")), StatusIs(StatusCode::kNotFound));
}

TEST_F(WhyNot, AWorkerIsFoundByItsPrefix) {
  EXPECT_THAT(Texts(Ask("worker/k7")), Contains(HasSubstr("not offline")));
  EXPECT_THAT(Texts(Ask("k7f2q")), Contains(HasSubstr("not offline")));
  EXPECT_THAT(Answer(Ask("worker/zzz")), StatusIs(StatusCode::kNotFound));
}

TEST_F(WhyNot, OfThePastAsksTheWorldOfThatMoment) {
  bench_.log.Read("k7f2q", {.counter = 3, .rate = 2});
  EXPECT_THAT(Texts(Ask("worker/k7f2q")), Contains(HasSubstr("not no-progress")));
  api::ExplainRequest before = Ask("worker/k7f2q");
  before.mutable_as_of()->set_position(accepted_);
  const std::vector<std::string> then = Texts(before);
  EXPECT_THAT(then, Contains(HasSubstr("nothing of its log was read yet")));
  EXPECT_THAT(then, Not(Contains(HasSubstr("not no-progress"))));
}

TEST_F(WhyNot, WithoutAPolicyIsRefused) {
  hooks_.world = nullptr;
  EXPECT_THAT(Answer(Ask("offer/777")), StatusIs(StatusCode::kUnavailable));
}

TEST_F(WhyNot, OfAMomentThatNeverWasIsRefused) {
  api::ExplainRequest never = Ask("worker/k7f2q");
  never.mutable_as_of()->set_position(999);
  EXPECT_THAT(Answer(never), StatusIs(StatusCode::kOutOfRange));
}

TEST(Diff, TakesTwoMomentsAndSaysWhichTheyWere) {
  QueryBench bench;
  const Position applied = bench.log.Fleet("zeb", {.workers = 1});
  bench.After(absl::Minutes(5));
  const Position launched = bench.log.Launch("k7f2q", "zeb", {});
  api::DiffRequest request;
  EXPECT_THAT(bench.Ask(bench.api.Diff(request)), StatusIs(StatusCode::kInvalidArgument));
  request.mutable_from()->set_position(applied);
  const auto answer = bench.Ask(bench.api.Diff(request));
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->from().position(), applied);
  EXPECT_EQ(answer->to().position(), launched);
  bool came = false;
  for (const auto& change : answer->changes()) {
    came = came || (change.subject() == "worker/k7f2q" && change.field() == "phase" &&
                    change.before().empty() && change.after() == "launching");
  }
  EXPECT_TRUE(came);
  request.mutable_to()->set_position(applied);
  EXPECT_EQ(bench.Ask(bench.api.Diff(request))->changes_size(), 0);
  request.set_fleet("none");
  EXPECT_THAT(bench.Ask(bench.api.Diff(request)), StatusIs(StatusCode::kNotFound));
}

// Everything that --at can be asked of, as bytes.
std::vector<std::string> AllAnswers(QueryBench& bench, const api::AsOf& moment) {
  std::vector<std::string> answers;
  const auto keep = [&](const auto& answer) {
    answers.push_back(answer.ok() ? answer->SerializeAsString() : Cat(answer.status().code()));
  };
  api::ListFleetsRequest fleets;
  fleets.set_include_ended(true);
  *fleets.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.ListFleets(fleets)));
  api::ListWorkersRequest workers;
  workers.set_include_ended(true);
  *workers.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.ListWorkers(workers)));
  api::ListHostsRequest hosts;
  *hosts.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.ListHosts(hosts)));
  api::GetCostRequest cost;
  *cost.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.GetCost(cost)));
  api::GetEfficiencyRequest efficiency;
  *efficiency.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.GetEfficiency(efficiency)));
  api::ListEventsRequest events;
  events.set_newest_first(true);
  events.set_page_size(50);
  *events.mutable_as_of() = moment;
  keep(bench.Ask(bench.api.ListEvents(events)));
  for (const std::string subject : {"fleet/f0", "w1", "host/vast/1", "account/vast"}) {
    api::ExplainRequest explain;
    explain.set_subject(subject);
    *explain.mutable_as_of() = moment;
    keep(bench.Ask(bench.api.Explain(explain)));
  }
  return answers;
}

TEST(QueriesOfThePast, AnswerByteForByteWhatWasAnsweredThen) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    QueryBench bench;
    Rng rng(seed);
    std::vector<std::vector<std::string>> then;
    for (int i = 0; i < 80; ++i) {
      bench.After(absl::Seconds(rng.Below(3600)));
      ASSERT_NO_FATAL_FAILURE(queries::WriteRandomEvent(bench.log, rng));
      then.push_back(AllAnswers(bench, {}));
    }
    for (std::size_t i = 0; i < then.size(); ++i) {
      api::AsOf moment;
      moment.set_position(i + 1);
      EXPECT_EQ(AllAnswers(bench, moment), then[i]) << "seed " << seed << ", position " << i + 1;
    }
  }
}

}  // namespace
}  // namespace muster::grpc_api
