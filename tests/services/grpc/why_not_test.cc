// Explain with why_not: whom it asks about, at which moment, and its refusals. The reasons
// themselves: tests/commands/fleet/plan/why_not_test.cc.
#include "commands/handler/log_fold.h"
#include "services/grpc/query_api.h"
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

}  // namespace
}  // namespace muster::grpc_api
