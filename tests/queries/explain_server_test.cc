// The life of a dedicated server, told from its stream.
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kStream[] = "server/m7k2aaaa";

class ExplainServer : public ::testing::Test {
 protected:
  template <class Message>
  Position Write(const Message& message, Position cause = 0) {
    return log.After(absl::Minutes(5)).Write(kStream, message, cause == 0 ? "" : Cat("e", cause));
  }
  Position Plan(const std::string& stream = kStream) {
    eventpb::ServerPlanned planned;
    planned.mutable_spec()->set_name("builder-01");
    planned.mutable_spec()->set_provider("hetzner");
    return log.Write(stream, planned);
  }
  Position Order(Position plan) {
    eventpb::ServerOrderRequested order;
    order.mutable_offer()->set_offer("3100001");
    order.mutable_offer()->set_name("SB64");
    order.mutable_offer()->set_cpu("Ryzen 9");
    order.mutable_offer()->mutable_price()->set_currency("EUR");
    order.mutable_offer()->mutable_price()->set_micros_per_month(48'000'000);
    order.set_orders_today(1);
    order.set_plan_id("7f3a");
    order.mutable_evidence()->set_rule("operator");
    order.mutable_evidence()->add_positions(plan);
    return Write(order, plan);
  }
  Position Ask(eventpb::ServerStep step) {
    eventpb::ServerStepRequested asked;
    asked.set_step(step);
    asked.set_attempt(1);
    asked.set_plan_id("p1");
    return Write(asked);
  }
  std::vector<std::string> Told(const std::string& subject) {
    const auto explanation = log.Models()->Explain(subject);
    EXPECT_THAT(explanation, IsOk());
    std::vector<std::string> told;
    if (!explanation.ok()) return told;
    told.push_back(explanation->title);
    for (const ExplainLine& line : explanation->lines) {
      told.push_back(
          Cat(line.position, " ", line.text, line.detail.empty() ? "" : "  ", line.detail));
    }
    return told;
  }

  LogBuilder log;
};

TEST_F(ExplainServer, TellsEachOutcomeWithTheIntentThatItCameOf) {
  const Position plan = Plan();
  const Position order = Order(plan);
  eventpb::ServerOrderAccepted accepted;
  accepted.set_order("B1");
  Write(accepted, order);
  eventpb::ServerDelivered delivered;
  delivered.set_server("321");
  delivered.set_ipv4("203.0.113.10");
  Write(delivered, order);
  const Position inspect = Ask(eventpb::INSPECT);
  eventpb::ServerStepFailed failed;
  failed.set_step(eventpb::INSPECT);
  failed.set_detail("no answer on port 22");
  failed.set_next("muster server step builder-01 rescue");
  Write(failed, inspect);
  eventpb::BuilderObserved well;
  well.set_reached(true);
  for (int i = 0; i < 60; ++i) Write(well);  // which must not push out what was decided
  eventpb::BuilderObserved away;
  away.set_detail("connection refused");
  Write(away);
  EXPECT_THAT(Told("server/builder-01"),
              ElementsAre("server/builder-01 (server/m7k2aaaa)   newest 17:30:00",
                          "1 server builder-01 planned at hetzner",
                          "2 order of offer 3100001 (SB64, Ryzen 9) at 48.00 EUR a month; order 1 "
                          "of the day (plan 7f3a)  (cause 1)",
                          "3 order B1 accepted  (cause 2)",
                          "4 delivered as server 321 at 203.0.113.10; no host keys were published"
                          "  (cause 2)",
                          "5 inspect asked for (plan p1)",
                          "6 inspect failed: no answer on port 22; next: muster server step "
                          "builder-01 rescue  (cause 5)",
                          "67 does not answer: connection refused"));
  EXPECT_EQ(Told(kStream).size(), Told("server/builder-01").size());
  const auto lines = log.Models()->Explain(kStream)->lines;
  EXPECT_THAT(lines[1].evidence, ElementsAre(plan));
  // One event of it: what it was drawn from, and what came of it.
  EXPECT_THAT(Told("2"), ElementsAre(HasSubstr("event 2 of server/m7k2aaaa"), HasSubstr("1 server"),
                                     HasSubstr("2 order of"), HasSubstr("3 order B1"),
                                     HasSubstr("4 delivered")));
}

TEST_F(ExplainServer, ABuildGoesByItsIdOrItsDerivation) {
  Plan();
  eventpb::ServerStepDone registered;
  registered.set_step(eventpb::REGISTER);
  registered.set_text("registered as ssh-ng://builder@192.0.2.7");
  const Position line = Write(registered);
  const auto build = [&](const std::string& id, Position asked) {
    eventpb::ServerBuildRequested request;
    request.set_step(eventpb::VALIDATE);
    request.set_attempt(1);
    request.set_build(id);
    request.set_derivation(Cat("muster-probe-", id));
    request.set_system("x86_64-linux");
    request.set_store("ssh-ng://builder@192.0.2.7");
    request.add_features("cuda");
    request.mutable_evidence()->add_positions(line);
    request.mutable_evidence()->add_positions(asked);
    return Write(request, asked);
  };
  const Position asked = Ask(eventpb::VALIDATE);
  build("k7f2aaaa", asked);
  EXPECT_THAT(Told("build/k7f2aaaa"),
              ElementsAre(HasSubstr("build/k7f2aaaa on server/builder-01   under way since"),
                          HasSubstr("2 register done"), HasSubstr("3 validate asked for"),
                          "4 build k7f2aaaa asked for: muster-probe-k7f2aaaa for x86_64-linux, "
                          "only on ssh-ng://builder@192.0.2.7, which alone has cuda  (cause 3)"));
  build("m3xabbbb", asked);  // muster was restarted
  eventpb::ServerStepFailed failed;
  failed.set_step(eventpb::VALIDATE);
  failed.set_attempt(1);
  failed.set_detail("nobody answers: HTTP 503: <html><body>gone</body></html>");
  failed.set_build("m3xabbbb");
  Write(failed);
  EXPECT_THAT(Told("build/k7f2aaaa"),
              ElementsAre(HasSubstr("given up, and another was asked for"), HasSubstr("2 reg"),
                          HasSubstr("3 val"), HasSubstr("4 build k7f2aaaa"),
                          HasSubstr("5 build m3xabbbb asked for")));
  const std::vector<std::string> told = Told("build/m3xabbbb");
  EXPECT_THAT(
      told,
      ElementsAre(HasSubstr("   failed "), HasSubstr("2 reg"), HasSubstr("3 val"),
                  HasSubstr("5 build m3xabbbb"),
                  "6 validate failed: nobody answers: HTTP 503: (a web page); build m3xabbbb  "
                  "(cause 3)"));
  for (const std::string& form :
       {std::string("muster-probe-m3xabbbb"), std::string("/nix/store/0a-muster-probe-m3xabbbb"),
        std::string("/nix/store/0a-muster-probe-m3xabbbb.drv")}) {
    EXPECT_EQ(Told(Cat("build/", form)), told) << form;
  }
  const auto other = log.Models()->Explain("build/zzzz");
  EXPECT_THAT(other, StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(std::string(Message(other.status())),
            "nothing was ever recorded of build/zzzz; newest first there is build/m3xabbbb, "
            "build/k7f2aaaa");
}

TEST_F(ExplainServer, ANameMeansTheNewestServerThatBearsIt) {
  Plan();
  Plan("server/m7k2bbbb");
  EXPECT_THAT(Told("server/builder-01"), ElementsAre(HasSubstr("(server/m7k2bbbb)"),
                                                     "2 server builder-01 planned at hetzner"));
  const auto other = log.Models()->Explain("server/builder-02");
  EXPECT_THAT(other, StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(std::string(Message(other.status())),
              HasSubstr("there is server/m7k2aaaa, server/m7k2bbbb"));
}

}  // namespace
}  // namespace muster::queries
