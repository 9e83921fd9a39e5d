// The command path of the API under virtual time: handler and policy are the daemon's own, the
// providers are hooks.
#include "services/grpc/command_api.h"

#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "services/files/fleet_file.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/ports/secret_mask.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Caller kAlice{"operator:alice"};

Instance Running(const std::string& id, const std::string& label) {
  Instance instance;
  instance.id = InstanceId(id);
  instance.label = label;
  instance.machine = MachineId("77");
  instance.gpu = GpuName("RTX 3070");
  instance.actual = ActualStatus::kRunning;
  instance.price = MicroUsdPerHour(60'000);
  instance.price_known = true;
  return instance;
}

class CommandApiTest : public ::testing::Test {
 protected:
  CommandApiTest() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    policy_.Start();
    CommandHooks hooks;
    hooks.providers = {ProviderName("vast")};
    hooks.missing_secrets = [this](const specpb::FleetSpec&) { return missing_; };
    hooks.mask = [this](std::string_view text) { return mask_.Mask(text); };
    hooks.list_instances = [this](ProviderName,
                                  absl::Time) -> Task<StatusOr<std::vector<Instance>>> {
      co_return instances_;
    };
    hooks.store = &store_;
    api_ = std::make_unique<CommandApi>(rt_, handler_, policy_, std::move(hooks));
  }
  ~CommandApiTest() override { rt_.DestroyTasks(); }

  static api::ApplyFleetRequest Zeb(int workers) {
    const auto spec = ParseFleetFile(
        Cat("name: zeb\nworkers: ", workers, "\nlaunch: {onstart: echo hello}\n"), "zeb.yaml");
    EXPECT_THAT(spec, IsOk());
    api::ApplyFleetRequest request;
    *request.mutable_spec() = *spec;
    return request;
  }
  StatusOr<api::Operation> Apply(const api::ApplyFleetRequest& request) {
    return rt_.Run(api_->ApplyFleet(request, kAlice));
  }
  // Takes one running instance into the fleet: a live worker without a provider.
  WorkerId Adopted(const std::string& instance, const std::string& label) {
    instances_.push_back(Running(instance, label));
    api::AdoptInstancesRequest request;
    request.set_fleet("zeb");
    request.add_instances(instance);
    EXPECT_THAT(rt_.Run(api_->AdoptInstances(request, kAlice)), IsOk());
    const auto found = handler_.world().by_instance.find(InstanceId(instance));
    EXPECT_NE(found, handler_.world().by_instance.end());
    return found == handler_.world().by_instance.end() ? WorkerId() : found->second;
  }
  StatusOr<api::Operation> Destroy(const WorkerId& worker) {
    api::DestroyWorkerRequest request;
    request.set_worker(worker.str());
    return rt_.Run(api_->DestroyWorker(request, kAlice));
  }
  int Wanted() { return handler_.world().FindFleet(FleetName("zeb"))->wanted(); }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  PolicyDriver policy_{rt_, handler_, {}};
  std::vector<std::pair<std::string, std::string>> missing_;
  std::vector<Instance> instances_;
  SecretMask mask_;
  std::unique_ptr<CommandApi> api_;
};

// The market for plans: seen at once, or never.
TEST_F(CommandApiTest, APlanComesWhileItsClientStillWaitsThoughTheSearchHangs) {
  api_ = nullptr;
  CommandHooks hooks;
  hooks.providers = {ProviderName("vast")};
  hooks.search_market = [this](specpb::FleetSpec, absl::Time deadline) -> Task<Status> {
    co_await rt_.SleepUntil(deadline);
    co_return Unavailable("no answer");
  };
  hooks.list_instances = [this](ProviderName,
                                absl::Time deadline) -> Task<StatusOr<std::vector<Instance>>> {
    co_await rt_.SleepUntil(deadline);
    co_return Unavailable("no answer");
  };
  CommandApi api(rt_, handler_, policy_, std::move(hooks));
  api::ApplyFleetRequest request = Zeb(2);
  request.set_validate_only(true);
  Caller caller = kAlice;
  caller.until = rt_.Now() + absl::Seconds(30);
  const auto planned = rt_.Run(api.ApplyFleet(request, caller));
  EXPECT_LT(rt_.Now(), caller.until - absl::Seconds(2));
  ASSERT_THAT(planned, IsOk());
  std::string notes;
  for (const std::string& note : planned->plan().refusals()) notes += Cat(note, "\n");
  EXPECT_THAT(notes, ::testing::HasSubstr("the market could not be searched (no answer)"));
  EXPECT_THAT(notes, ::testing::HasSubstr("instances could not be listed (no answer)"));
}

TEST_F(CommandApiTest, ApplyingWhatWasJustPlannedSearchesTheMarketOnce) {
  api_ = nullptr;
  int searches = 0;
  CommandHooks hooks;
  hooks.providers = {ProviderName("vast")};
  hooks.search_market = [this, &searches](specpb::FleetSpec, absl::Time) -> Task<Status> {
    ++searches;
    account::Command observed = account::ObserveOffers{.query_digest = "plan"};
    const auto written =
        co_await handler_.Account(ProviderName("vast"), std::move(observed), {.actor = "test"});
    co_return written.status();
  };
  CommandApi api(rt_, handler_, policy_, std::move(hooks));
  api::ApplyFleetRequest request = Zeb(2);
  request.set_validate_only(true);
  ASSERT_THAT(rt_.Run(api.ApplyFleet(request, kAlice)), IsOk());
  EXPECT_EQ(searches, 1);
  ASSERT_THAT(rt_.Run(api.ApplyFleet(request, kAlice)), IsOk());
  EXPECT_EQ(searches, 1);
  // Another market, or offers that grew old, are looked at anew.
  request.mutable_spec()->mutable_market()->set_price_max_micro_usd_per_hour(50'000);
  ASSERT_THAT(rt_.Run(api.ApplyFleet(request, kAlice)), IsOk());
  EXPECT_EQ(searches, 2);
  rt_.RunFor(absl::Minutes(3));
  ASSERT_THAT(rt_.Run(api.ApplyFleet(request, kAlice)), IsOk());
  EXPECT_EQ(searches, 3);
}

TEST_F(CommandApiTest, ValidateOnlyPlansAndWritesNothing) {
  api::ApplyFleetRequest request = Zeb(2);
  request.set_validate_only(true);
  const Position before = store_.Head();
  const auto planned = Apply(request);
  ASSERT_THAT(planned, IsOk());
  EXPECT_TRUE(planned->done());
  EXPECT_EQ(planned->name(), "");
  EXPECT_FALSE(planned->plan().steps().empty());
  EXPECT_EQ(store_.Head(), before);
}

// The log of a new installation knows nothing of what the old scripts left running.
TEST_F(CommandApiTest, ThePlanOfANewFleetNamesWhatRunsUnderItsLabelAlready) {
  api::ApplyFleetRequest request = Zeb(2);
  request.set_validate_only(true);
  instances_ = {Running("31", "zeb-worker-vast-0"), Running("32", "somebody-else")};
  instances_[0].started_at = rt_.Now() - absl::Hours(3);
  const auto planned = Apply(request);
  ASSERT_THAT(planned, IsOk());
  std::string notes;
  for (const std::string& note : planned->plan().refusals()) notes += Cat(note, "\n");
  EXPECT_THAT(notes, ::testing::HasSubstr("instance 31 (zeb-worker-vast-0, RTX 3070, $0.06/h, up "
                                          "3h00m, $0.18 so far) runs under this fleet's label"));
  EXPECT_THAT(notes, ::testing::Not(::testing::HasSubstr("somebody-else")));
  // Once the fleet is there the poller finds its strays.
  request.set_validate_only(false);
  ASSERT_THAT(Apply(request), IsOk());
  request.set_validate_only(true);
  const auto again = Apply(request);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->plan().refusals().empty() ||
              again->plan().refusals(0).find("instance 31") == std::string::npos);
}

TEST_F(CommandApiTest, ARequestThatHoldsTheValueOfASecretIsRefusedByFieldAndNeverRepeatsIt) {
  mask_.Learn("canary-value");
  ASSERT_THAT(Apply(Zeb(2)), IsOk());
  const WorkerId worker = Adopted("7001", "zeb-worker-vast-0");
  const Position before = store_.Head();
  api::ApplyFleetRequest literal = Zeb(2);
  literal.mutable_spec()->mutable_launch()->set_onstart("export KEY=canary-value");
  api::DestroyWorkerRequest destroy;
  destroy.set_worker(worker.str());
  destroy.set_reason("leaked canary-value");
  api::DownFleetRequest down;
  down.set_fleet("zeb");
  down.set_request_id("canary-value");
  const Status refused[] = {Apply(literal).status(),
                            rt_.Run(api_->DestroyWorker(destroy, kAlice)).status(),
                            rt_.Run(api_->DownFleet(down, kAlice)).status()};
  const char* fields[] = {"spec.launch.onstart", "reason", "request_id"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(refused[i], StatusIs(StatusCode::kInvalidArgument, HasSubstr(fields[i])));
    EXPECT_THAT(std::string(Message(refused[i])), Not(HasSubstr("canary-value")));
  }
  EXPECT_EQ(store_.Head(), before);
}

TEST_F(CommandApiTest, ARequestIdGetsItsFirstAnswerAgainAndActsOnce) {
  api::ApplyFleetRequest request = Zeb(2);
  request.set_request_id("r-1");
  const auto first = Apply(request);
  ASSERT_THAT(first, IsOk());
  const auto again = Apply(request);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(handler_.world().FindFleet(FleetName("zeb"))->fleet_version, 1);
}

TEST_F(CommandApiTest, ARequestIdUsedForSomethingElseIsRefused) {
  api::ApplyFleetRequest request = Zeb(2);
  request.set_request_id("r-1");
  ASSERT_THAT(Apply(request), IsOk());
  api::ApplyFleetRequest other = Zeb(3);
  other.set_request_id("r-1");
  const auto refused = Apply(other);
  EXPECT_THAT(refused, StatusIs(StatusCode::kAlreadyExists));
  EXPECT_EQ(ReasonOf(refused.status()), "REQUEST_ID_REUSED");
  EXPECT_EQ(Wanted(), 2);
}

TEST_F(CommandApiTest, AStalePlanIsRefusedAndChangesNothing) {
  api::ApplyFleetRequest request = Zeb(2);
  request.set_plan_id("ffff");
  const auto refused = Apply(request);
  EXPECT_THAT(refused, StatusIs(StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(refused.status()), "PLAN_STALE");
  EXPECT_EQ(handler_.world().FindFleet(FleetName("zeb")), nullptr);
}

TEST_F(CommandApiTest, WrongSpecsNameTheirFields) {
  api::ApplyFleetRequest request = Zeb(2);
  request.mutable_spec()->set_provider("nowhere");
  request.mutable_spec()->set_workers(-1);
  missing_ = {{"launch.env.HF_TOKEN", "env:HF_TOKEN is not set"}};
  const auto refused = Apply(request);
  EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument,
                                ::testing::AllOf(HasSubstr("spec.workers"),
                                                 HasSubstr("spec.provider: 'nowhere'"),
                                                 HasSubstr("spec.launch.env.HF_TOKEN"))));
}

TEST_F(CommandApiTest, AMissingSecretIsSaidBeforeAnythingIsRented) {
  missing_ = {{"launch.env.HF_TOKEN", "env:HF_TOKEN is not set"}};
  EXPECT_THAT(Apply(Zeb(1)), StatusIs(StatusCode::kInvalidArgument, HasSubstr("env:HF_TOKEN")));
  EXPECT_EQ(handler_.world().FindFleet(FleetName("zeb")), nullptr);
}

TEST_F(CommandApiTest, AdoptsByPrefixWithoutTouchingAndOnce) {
  ASSERT_THAT(Apply(Zeb(2)), IsOk());
  instances_ = {Running("11", "old-worker-0"), Running("12", "old-worker-1"),
                Running("13", "old-worker-x"), Running("14", "older-worker-1")};
  api::AdoptInstancesRequest request;
  request.set_fleet("zeb");
  request.set_label_prefix("old-worker-");
  ASSERT_THAT(rt_.Run(api_->AdoptInstances(request, kAlice)), IsOk());
  EXPECT_EQ(handler_.world().by_instance.size(), 2u);
  ASSERT_THAT(rt_.Run(api_->AdoptInstances(request, kAlice)), IsOk());
  EXPECT_EQ(handler_.world().by_instance.size(), 2u);
  request.clear_label_prefix();
  request.add_instances("99");
  EXPECT_THAT(rt_.Run(api_->AdoptInstances(request, kAlice)),
              StatusIs(StatusCode::kNotFound, HasSubstr("99")));
}

TEST_F(CommandApiTest, DestroyingAWorkerTwiceShrinksTheFleetOnce) {
  ASSERT_THAT(Apply(Zeb(3)), IsOk());
  const WorkerId worker = Adopted("11", "old-0");
  ASSERT_THAT(Destroy(worker), IsOk());
  EXPECT_EQ(Wanted(), 2);
  (void)Destroy(worker);
  EXPECT_EQ(Wanted(), 2);
}

TEST_F(CommandApiTest, DestroyingWhatIsBeingReplacedLeavesTheFleetItsSize) {
  ASSERT_THAT(Apply(Zeb(3)), IsOk());
  const WorkerId worker = Adopted("11", "old-0");
  api::ReplaceWorkerRequest replace;
  replace.set_worker(worker.str());
  ASSERT_THAT(rt_.Run(api_->ReplaceWorker(replace, kAlice)), IsOk());
  EXPECT_THAT(Destroy(worker), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_EQ(Wanted(), 3);
}

TEST_F(CommandApiTest, KeepSizeReplaces) {
  ASSERT_THAT(Apply(Zeb(3)), IsOk());
  api::DestroyWorkerRequest request;
  request.set_worker(Adopted("11", "old-0").str());
  request.set_keep_size(true);
  ASSERT_THAT(rt_.Run(api_->DestroyWorker(request, kAlice)), IsOk());
  EXPECT_EQ(Wanted(), 3);
}

TEST_F(CommandApiTest, UnknownFleetsAndWorkersAreNotFound) {
  api::ScaleFleetRequest scale;
  scale.set_fleet("nowhere");
  const auto no_fleet = rt_.Run(api_->ScaleFleet(scale, kAlice));
  EXPECT_THAT(no_fleet, StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(no_fleet.status()), "FLEET_NOT_FOUND");
  const auto no_worker = Destroy(WorkerId("nobody"));
  EXPECT_THAT(no_worker, StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(no_worker.status()), "WORKER_NOT_FOUND");
}

TEST_F(CommandApiTest, BadHostsAreImportedAndPardoned) {
  api::ImportBadHostsRequest import;
  import.set_provider("vast");
  import.set_file_name("bad-hosts.txt");
  import.set_content("5512\n5512\nabc\n");
  const auto imported = rt_.Run(api_->ImportBadHosts(import, kAlice));
  ASSERT_THAT(imported, IsOk());
  EXPECT_EQ(imported->machines(), 1);
  EXPECT_EQ(imported->strikes(), 2);
  EXPECT_EQ(imported->problems_size(), 1);
  api::PardonHostRequest pardon;
  pardon.set_provider("vast");
  pardon.set_machine("5512");
  pardon.set_reason("repaired");
  ASSERT_THAT(rt_.Run(api_->PardonHost(pardon, kAlice)), IsOk());
  const host::State* host = handler_.world().FindHost(ProviderName("vast"), MachineId("5512"));
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->LiveStrikes(rt_.Now()), 0);
}

// The position of the newest event of this type.
Position Newest(const EventStore& store, std::string_view type) {
  Position found = 0;
  EXPECT_THAT(store.ReadAll(0, 1000,
                            [&](const RecordedEvent& event) {
                              if (event.event.type == type) found = event.position;
                              return true;
                            }),
              IsOk());
  return found;
}

TEST_F(CommandApiTest, ARedactionIsAnEventFirstAndTheNextStartReadsWhatWasPutInstead) {
  ASSERT_THAT(Apply(Zeb(2)), IsOk());
  api::ApplyFleetRequest second = Zeb(2);
  second.mutable_spec()->mutable_launch()->set_onstart("echo goodbye");
  const Position old_spec = Newest(store_, "fleet.applied");
  api::RedactPayloadRequest request;
  request.set_position(old_spec);
  request.add_fields("spec.launch.onstart");
  request.set_reason("a name in it");
  EXPECT_THAT(rt_.Run(api_->RedactPayload(request, kAlice)),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("runs by this very version")));
  ASSERT_THAT(Apply(second), IsOk());
  request.set_validate_only(true);
  const Position before = store_.Head();
  EXPECT_EQ(rt_.Run(api_->RedactPayload(request, kAlice))->fields(0),
            "fleet_applied.spec.launch.onstart");
  EXPECT_EQ(store_.Head(), before);
  request.set_validate_only(false);
  request.set_request_id("once");
  const auto done = rt_.Run(api_->RedactPayload(request, kAlice));
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->position(), Newest(store_, "audit.payload_redacted"));
  EXPECT_EQ(rt_.Run(api_->RedactPayload(request, kAlice))->position(), done->position());
  EXPECT_THAT(store_.Verify(0), IsOk());
  Handler again(rt_, store_);
  ASSERT_THAT(rt_.Run(again.Load()), IsOk());
  EXPECT_EQ(again.world().FindFleet(FleetName("zeb"))->spec.launch().onstart(), "echo goodbye");
}

TEST_F(CommandApiTest, ARedactionThatCameToAnEarlyEndIsFinishedByTheNextStart) {
  ASSERT_THAT(Apply(Zeb(1)), IsOk());
  eventpb::PayloadRedacted told;  // the event is there, the payload still is
  told.set_position(1);
  eventpb::InstallationCreated created;
  created.set_id("m7k2");
  told.set_replacement(EncodeEvent(Wrap(created)));
  ASSERT_THAT(rt_.Run(handler_.Audit(
                  [told](const DecideContext&) -> StatusOr<Events> { return Events{Wrap(told)}; },
                  {.actor = "operator:alice"})),
              IsOk());
  Handler again(rt_, store_);
  ASSERT_THAT(rt_.Run(again.Load()), IsOk());
  EXPECT_EQ(again.world().installation, "m7k2");
  EXPECT_THAT(store_.Verify(0), IsOk());
}

TEST_F(CommandApiTest, ARedactionWithoutAReasonOrOfNothingIsRefused) {
  ASSERT_THAT(Apply(Zeb(1)), IsOk());
  api::RedactPayloadRequest request;
  request.set_position(Newest(store_, "fleet.applied"));
  request.add_fields("spec.launch.onstart");
  EXPECT_THAT(rt_.Run(api_->RedactPayload(request, kAlice)),
              StatusIs(StatusCode::kInvalidArgument));
  request.set_reason("why");
  request.set_fields(0, "spec.name");
  EXPECT_THAT(rt_.Run(api_->RedactPayload(request, kAlice)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("holds no free text")));
  request.set_position(10'000);
  EXPECT_THAT(rt_.Run(api_->RedactPayload(request, kAlice)), StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace muster::grpc_api
