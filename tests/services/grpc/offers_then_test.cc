// The offers of a moment of the past are those that the policy had before it then, judged as it
// judged them: handler and policy are the daemon's own, in virtual time.
#include "commands/handler/policy_driver.h"
#include "eventstore/base/rng.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "services/files/fleet_file.h"
#include "services/grpc/plan_convert.h"
#include "services/grpc/query_api.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

using ::testing::HasSubstr;

const FleetName kZeb("zeb");
const ProviderName kVast("vast");

Offer OneOffer(int id, std::int64_t price) {
  Offer offer;
  offer.id = OfferId(Cat(7000 + id));
  offer.machine = MachineId(Cat(100 + id));
  offer.gpu = GpuName(id % 3 == 0 ? "RTX 4090" : "RTX 3070");
  offer.gpus = 1;
  offer.price = MicroUsdPerHour(price);
  offer.reliability = 0.99;
  offer.cuda = 12.4;
  offer.inet_down_mbps = offer.inet_up_mbps = 900;
  offer.remaining = absl::Hours(999);
  offer.disk_free_gb = 100;
  return offer;
}

class OffersThen : public ::testing::Test {
 protected:
  OffersThen() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    policy_.Start();
    EXPECT_THAT(rt_.Run(projector_.Start()), IsOk());
    hooks_.list_offers =
        [](const api::ListOffersRequest&) -> Task<StatusOr<api::ListOffersResponse>> {
      ADD_FAILURE() << "the provider was asked";
      co_return Unavailable("");
    };
  }
  ~OffersThen() override { rt_.DestroyTasks(); }

  void Apply(int workers, const std::string& price) {
    const auto spec =
        ParseFleetFile(Cat("name: zeb\nworkers: ", workers, "\nmarket: {price_max: ", price,
                           ", gpus: {RTX 3070: 2.4 games/s}}\nlaunch: {onstart: echo hello}\n"),
                       "zeb.yaml");
    ASSERT_THAT(spec, IsOk());
    Run(handler_.Fleet(kZeb, fleet::Apply{*spec}, {.actor = "operator:a"}));
  }
  void Run(Task<StatusOr<Outcome>> command) { EXPECT_THAT(rt_.Run(std::move(command)), IsOk()); }
  void Market(std::vector<Offer> offers) {
    const int found = static_cast<int>(offers.size());
    Run(handler_.Account(kVast, account::ObserveList{}, {.actor = "poller:list"}));
    Run(handler_.Account(kVast, account::ObserveOffers{std::move(offers), found, "q"},
                         {.actor = "poller:market"}));
  }
  api::ListOffersRequest Asked() const {
    api::ListOffersRequest request;
    request.set_fleet("zeb");
    request.set_include_refused(true);
    return request;
  }
  // What the policy sees at this moment, as the API would tell it.
  api::ListOffersResponse Seen() {
    const World& world = handler_.world();
    api::ListOffersResponse seen = ToOffers(world, world.FindFleet(kZeb)->spec, Asked(), rt_.Now());
    seen.set_position(world.FindAccount(kVast)->offers_seen.position);
    return seen;
  }
  StatusOr<api::ListOffersResponse> Ask(const api::ListOffersRequest& request) {
    rt_.RunUntilIdle();
    return rt_.Run(api_->ListOffers(request));
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  PolicyDriver policy_{rt_, handler_, {}};
  queries::Projector projector_{rt_, store_};
  TailKeeper tails_{rt_, {}};
  QueryHooks hooks_;
  std::unique_ptr<QueryApi> api_;
};

TEST_F(OffersThen, AreByteForByteWhatThePolicySawAtRandomMoments) {
  struct Then {
    absl::Time at;
    std::string bytes;
  };
  std::vector<Then> moments;
  Rng rng(4);
  Apply(3, "$0.09/h");
  for (int i = 0; i < 60; ++i) {
    if (rng.Below(3) == 0 || i == 0) {
      std::vector<Offer> offers;
      for (int n = 0; n < 12; ++n) {
        offers.push_back(OneOffer(n, 50'000 + static_cast<std::int64_t>(rng.Below(70'000))));
      }
      Market(std::move(offers));
    }
    if (rng.Below(9) == 0) Apply(2 + static_cast<int>(rng.Below(4)), "$0.07/h");
    rt_.RunFor(absl::Seconds(1 + static_cast<int>(rng.Below(200))));
    for (const auto& [id, worker] : handler_.world().WorkersInOrder()) {
      if (!std::holds_alternative<worker::Launching>(worker->phase) || rng.Below(2) == 0) continue;
      Run(handler_.Worker(id, worker::LaunchAnswered{InstanceId(Cat("i-", id.str()))},
                          {.actor = "effects"}));
      break;
    }
    rt_.RunFor(absl::Seconds(1));
    moments.push_back({rt_.Now(), Seen().SerializeAsString()});
    rt_.RunFor(absl::Seconds(1));  // a moment is all that was recorded at its time
  }
  rt_.RunFor(absl::Hours(3));
  api_ = std::make_unique<QueryApi>(rt_, store_, projector_, tails_, hooks_);
  int taken = 0;
  for (const Then& then : moments) {
    api::ListOffersRequest request = Asked();
    *request.mutable_as_of()->mutable_time() = ToTimestamp(then.at);
    const auto answer = Ask(request);
    ASSERT_THAT(answer, IsOk());
    EXPECT_TRUE(answer->SerializeAsString() == then.bytes) << FormatUtc(then.at);
    for (const api::Offer& offer : answer->offers()) taken += offer.verdict().empty() ? 1 : 0;
  }
  EXPECT_GT(taken, 0);
}

TEST_F(OffersThen, SayHowOldTheyWereAndWhereTheyStand) {
  Apply(0, "$0.09/h");
  Market({OneOffer(1, 60'000), OneOffer(2, 100'000)});
  const Position recorded = store_.Head();
  const absl::Time seen = rt_.Now();
  rt_.RunFor(absl::Minutes(4));
  api_ = std::make_unique<QueryApi>(rt_, store_, projector_, tails_, hooks_);
  api::ListOffersRequest request = Asked();
  request.mutable_as_of()->set_seconds_ago(60);
  const auto answer = Ask(request);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->position(), recorded);
  EXPECT_EQ(FromTimestamp(answer->seen_at()), seen);
  EXPECT_EQ(answer->found(), 2);
  ASSERT_EQ(answer->offers_size(), 2);
  EXPECT_EQ(answer->offers(0).verdict(), "");
  EXPECT_THAT(answer->offers(1).verdict(), HasSubstr("price"));
  request.set_include_refused(false);
  EXPECT_EQ(Ask(request)->offers_size(), 1);
}

TEST_F(OffersThen, OfAMomentBeforeAnyWasSeenOrOfNoFleetAreNotFound) {
  Apply(0, "$0.09/h");
  const Position applied = store_.Head();
  Market({OneOffer(1, 60'000)});
  api_ = std::make_unique<QueryApi>(rt_, store_, projector_, tails_, hooks_);
  api::ListOffersRequest request = Asked();
  request.mutable_as_of()->set_position(applied);
  const auto early = Ask(request);
  EXPECT_THAT(early, StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(std::string(Message(early.status())), HasSubstr("no offers of vast were recorded"));
  request.set_fleet("other");
  EXPECT_THAT(Ask(request), StatusIs(StatusCode::kNotFound));
  request.set_fleet("zeb");
  request.mutable_as_of()->set_position(store_.Head() + 1);
  EXPECT_THAT(Ask(request), StatusIs(StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace muster::grpc_api
