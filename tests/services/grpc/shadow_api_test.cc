// Shadows as clients see them: handler, policy and driver are the daemon's own, in virtual time.
#include "commands/shadow/driver.h"
#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "services/files/fleet_file.h"
#include "services/grpc/command_api.h"
#include "services/grpc/query_api.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Caller kAlice{"operator:alice"};

Task<StatusOr<std::uint64_t>> Pen(Handler& handler, FleetName name, shadow::Command command) {
  const StatusOr<Outcome> outcome =
      co_await handler.Shadow(std::move(name), std::move(command), {.actor = "shadow"});
  if (!outcome.ok()) co_return outcome.status();
  co_return outcome->position;
}

class ShadowApiTest : public ::testing::Test {
 protected:
  ShadowApiTest() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    policy_.Watch(
        [this](const fleet::PlanResult& plan, absl::Time now) { driver_.Look(plan, now); });
    policy_.Start();
    EXPECT_THAT(rt_.Run(projector_.Start()), IsOk());
    CommandHooks hooks;
    hooks.providers = {ProviderName("vast")};
    hooks.missing_secrets = [this](const specpb::FleetSpec&) { return missing_; };
    hooks.flush_shadow = [this](FleetName name) { return driver_.Flush(std::move(name)); };
    commands_ = std::make_unique<CommandApi>(rt_, handler_, policy_, std::move(hooks));
    QueryHooks asked;
    asked.world = [this]() -> const World& { return handler_.world(); };
    asked.shadow_counts = [this](const FleetName& name) { return driver_.Pending(name); };
    queries_ = std::make_unique<QueryApi>(rt_, store_, projector_, tails_, std::move(asked));
  }
  ~ShadowApiTest() override { rt_.DestroyTasks(); }

  static specpb::FleetSpec Spec(int workers, const std::string& price = "$0.12/h") {
    const auto spec =
        ParseFleetFile(Cat("name: zeb\nworkers: ", workers, "\nmarket: {price_max: ", price,
                           "}\nlaunch: {onstart: echo hello}\n"),
                       "zeb.yaml");
    EXPECT_THAT(spec, IsOk());
    return *spec;
  }
  void Apply(const specpb::FleetSpec& spec) {
    api::ApplyFleetRequest request;
    *request.mutable_spec() = spec;
    EXPECT_THAT(rt_.Run(commands_->ApplyFleet(request, kAlice)), IsOk());
  }
  void Market(int count) {
    std::vector<Offer> offers;
    for (int i = 0; i < count; ++i) {
      Offer offer;
      offer.id = OfferId(Cat("o", i));
      offer.machine = MachineId(Cat("m", i));
      offer.gpu = GpuName("RTX 3070");
      offer.gpus = 1;
      offer.price = MicroUsdPerHour(50'000 + 1'000 * i);
      offer.reliability = 0.99;
      offer.cuda = 12.8;
      offer.inet_down_mbps = offer.inet_up_mbps = 900;
      offer.remaining = absl::Hours(999);
      offer.disk_free_gb = 100;
      offers.push_back(std::move(offer));
    }
    Origin origin;
    origin.actor = "poller:market";
    account::Command list = account::ObserveList{};
    EXPECT_THAT(rt_.Run(handler_.Account(ProviderName("vast"), std::move(list), origin)), IsOk());
    account::Command search = account::ObserveOffers{std::move(offers), count, "q"};
    EXPECT_THAT(rt_.Run(handler_.Account(ProviderName("vast"), std::move(search), origin)), IsOk());
    rt_.RunFor(absl::Seconds(20));
  }
  StatusOr<api::Shadow> Start(const specpb::FleetSpec& spec, const std::string& id = "start-1",
                              bool validate_only = false) {
    api::StartShadowRequest request;
    *request.mutable_spec() = spec;
    request.set_request_id(id);
    request.set_validate_only(validate_only);
    return rt_.Run(commands_->StartShadow(request, kAlice));
  }
  StatusOr<api::Operation> Promote(const std::string& plan = "", bool validate_only = false,
                                   const std::string& id = "promote-1") {
    api::PromoteShadowRequest request;
    request.set_fleet("zeb");
    request.set_plan_id(plan);
    request.set_request_id(id);
    request.set_validate_only(validate_only);
    return rt_.Run(commands_->PromoteShadow(request, kAlice));
  }
  StatusOr<api::Shadow> Stop(const std::string& id = "stop-1") {
    api::StopShadowRequest request;
    request.set_fleet("zeb");
    request.set_reason("seen enough");
    request.set_request_id(id);
    return rt_.Run(commands_->StopShadow(request, kAlice));
  }
  std::vector<api::Shadow> Report(api::AsOf as_of = {}) {
    api::ListShadowsRequest request;
    *request.mutable_as_of() = std::move(as_of);
    const auto answer = rt_.Run(queries_->ListShadows(request));
    EXPECT_THAT(answer, IsOk());
    return {answer->shadows().begin(), answer->shadows().end()};
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  PolicyDriver policy_{rt_, handler_, {}};
  shadow::Driver driver_{{.rt = rt_,
                          .world = [this]() -> const World& { return handler_.world(); },
                          .write =
                              [this](FleetName name, shadow::Command command) {
                                return Pen(handler_, std::move(name), std::move(command));
                              }},
                         {}};
  queries::Projector projector_{rt_, store_};
  TailKeeper tails_{rt_, {}};
  std::vector<std::pair<std::string, std::string>> missing_;
  std::unique_ptr<CommandApi> commands_;
  std::unique_ptr<QueryApi> queries_;
};

TEST_F(ShadowApiTest, ReportsWhereTheCandidateDiffersAndWhatItSupposes) {
  Apply(Spec(1));
  ASSERT_THAT(Start(Spec(3)), IsOk());
  Market(9);
  const auto reports = Report();
  ASSERT_EQ(reports.size(), 1u);
  const api::Shadow& report = reports[0];
  EXPECT_EQ(report.state(), api::Shadow::RUNNING);
  EXPECT_GT(report.moments(), 0);
  EXPECT_EQ(report.agreements(), 1);
  EXPECT_EQ(report.disagreements(), 2);
  EXPECT_EQ(report.open(), 2);
  EXPECT_EQ(report.would_be_workers(), 3);
  EXPECT_EQ(report.modelled_workers(), 2);
  EXPECT_THAT(report.differences(), ElementsAre("workers: 1 -> 3"));
  ASSERT_EQ(report.rules_size(), 1);
  EXPECT_EQ(report.rules(0).rule(), "replenish");
  ASSERT_EQ(report.rules(0).examples_size(), 2);
  EXPECT_THAT(report.rules(0).examples(0).text(), HasSubstr("candidate would rent RTX 3070"));
  EXPECT_GT(report.rules(0).examples(0).position(), 0u);
  EXPECT_GT(report.rules(0).examples(0).evidence_size(), 0);
  EXPECT_THAT(report.exact(), Not(IsEmpty()));
  EXPECT_THAT(report.modelled(), Not(IsEmpty()));
}

TEST_F(ShadowApiTest, AReportOfThePastIsTheReportOfThen) {
  Apply(Spec(1));
  ASSERT_THAT(Start(Spec(3)), IsOk());
  const Position then = store_.Head();
  Market(9);
  api::AsOf as_of;
  as_of.set_position(then);
  const auto reports = Report(as_of);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].disagreements(), 0);
  as_of.set_position(1);
  EXPECT_THAT(Report(as_of), IsEmpty());
}

TEST_F(ShadowApiTest, ASecondOneIsRefusedWithWhatToDo) {
  Apply(Spec(1));
  ASSERT_THAT(Start(Spec(3)), IsOk());
  const auto second = Start(Spec(4), "start-2");
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(second.status()), "SHADOW_RUNS");
  const auto again = Start(Spec(3));  // the same request
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(Report().size(), 1u);
}

TEST_F(ShadowApiTest, ACandidateIsRefusedAsApplyingItWouldBe) {
  EXPECT_EQ(ReasonOf(Start(Spec(1)).status()), "FLEET_NOT_FOUND");
  Apply(Spec(1));
  specpb::FleetSpec bad = Spec(1);
  bad.set_workers(-3);
  EXPECT_EQ(Start(bad).status().code(), StatusCode::kInvalidArgument);
  bad = Spec(1);
  bad.set_provider("hetzner");
  EXPECT_EQ(Start(bad).status().code(), StatusCode::kInvalidArgument);
  missing_ = {{"launch.env.HF_TOKEN", "is not set"}};
  EXPECT_EQ(Start(Spec(1)).status().code(), StatusCode::kInvalidArgument);
  missing_.clear();
  EXPECT_THAT(Report(), IsEmpty());
  EXPECT_THAT(Start(Spec(2), "dry", /*validate_only=*/true), IsOk());
  EXPECT_THAT(Report(), IsEmpty());
}

TEST_F(ShadowApiTest, StopEndsItAndItsReportStays) {
  Apply(Spec(1));
  EXPECT_EQ(ReasonOf(Stop("none").status()), "SHADOW_NOT_FOUND");
  ASSERT_THAT(Start(Spec(3)), IsOk());
  Market(9);
  rt_.RunFor(absl::Minutes(10));
  const auto stopped = Stop();
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), api::Shadow::STOPPED);
  EXPECT_EQ(stopped->reason(), "seen enough");
  EXPECT_GT(stopped->moments(), 0);
  EXPECT_EQ(stopped->agreements(), 1);
  EXPECT_NEAR(static_cast<double>(stopped->would_be_spent_micro_usd()), (51'000 + 52'000) / 6.0,
              1'500);
  const auto again = Stop();  // the same request
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->SerializeAsString(), stopped->SerializeAsString());
  const Position head = store_.Head();
  rt_.RunFor(absl::Minutes(30));
  EXPECT_EQ(Report().at(0).state(), api::Shadow::STOPPED);
  EXPECT_EQ(Report().at(0).disagreements(), 2);
  EXPECT_EQ(handler_.world().FindShadow(FleetName("zeb"))->last_position, head - 1);
}

TEST_F(ShadowApiTest, PromoteAppliesTheCandidateWithItsPlanAndEndsTheShadow) {
  Apply(Spec(1));
  EXPECT_EQ(ReasonOf(Promote().status()), "SHADOW_NOT_FOUND");
  ASSERT_THAT(Start(Spec(3)), IsOk());
  Market(9);
  const auto planned = Promote("", /*validate_only=*/true);
  ASSERT_THAT(planned, IsOk());
  EXPECT_EQ(planned->plan().adds(), 2);
  EXPECT_EQ(ReasonOf(Promote("0000", false, "stale").status()), "PLAN_STALE");
  EXPECT_EQ(Report().at(0).state(), api::Shadow::RUNNING);
  EXPECT_EQ(handler_.world().FindFleet(FleetName("zeb"))->wanted(), 1);
  const auto done = Promote(planned->plan().id());
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(done->progress(), HasSubstr("candidate promoted: fleet zeb applied"));
  EXPECT_EQ(handler_.world().FindFleet(FleetName("zeb"))->wanted(), 3);
  EXPECT_EQ(Report().at(0).state(), api::Shadow::PROMOTED);
  const auto again = Promote(planned->plan().id());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), done->name());
}

TEST_F(ShadowApiTest, ItIsExplainedInTheReadersWordsAndCountsAsNoDecision) {
  Apply(Spec(1));
  ASSERT_THAT(Start(Spec(3)), IsOk());
  Market(9);
  ASSERT_THAT(Stop(), IsOk());
  rt_.RunUntilIdle();
  api::ExplainRequest request;
  request.set_subject("shadow/zeb");
  const auto own = rt_.Run(queries_->Explain(request));
  ASSERT_THAT(own, IsOk());
  EXPECT_THAT(own->DebugString(),
              testing::AllOf(HasSubstr("shadow started: a candidate is asked beside version 1"),
                             HasSubstr("shadow disagrees, 1: live: no launch"),
                             HasSubstr("shadow stopped: seen enough")));
  request.set_subject("fleet/zeb");
  const auto fleet = rt_.Run(queries_->Explain(request));
  ASSERT_THAT(fleet, IsOk());
  EXPECT_THAT(fleet->DebugString(), HasSubstr("shadow started"));
  EXPECT_THAT(fleet->DebugString(), Not(HasSubstr("disagrees")));
  std::int64_t decisions = 0;
  for (const auto& counted : projector_.models().Decisions()) decisions += counted.count;
  EXPECT_EQ(decisions, 1);  // the live launch
}

}  // namespace
}  // namespace muster::grpc_api
