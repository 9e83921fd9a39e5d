// Which dedicated servers could be ordered, as clients see them.
#include "services/grpc/convert.h"
#include "tests/services/grpc/query_testing.h"

namespace muster::grpc_api {
namespace {

using Market = ::muster::spec::v1::ServerMarket;
using testing::HasSubstr;

class FindServersTest : public testing::Test, public QueryBench {
 protected:
  FindServersTest() {
    server_offers = {Offer("1", 100, 10'000), Offer("2", 50, 2'000), Offer("3", 60, 20'000)};
    server_offers[2].gpu = "GPU - NVIDIA RTX 4000 SFF Ada Generation";
    server_offers[2].gpu_ada = true;
    server_offers[2].next_reduction = rt().Now() + absl::Hours(2);
    server_offers.push_back(Offer("EX44@FSN1", 39, 0));
    server_offers.back().channel = ServerChannel::kStandard;
  }
  static ServerOffer Offer(std::string id, std::int64_t eur, double points) {
    ServerOffer offer;
    offer.id = OfferId(std::move(id));
    offer.name = Cat("SB", eur);
    offer.cpu = "Intel Core i5-13500";
    offer.cores = 14;
    offer.benchmark = points;
    offer.memory_gb = 64;
    offer.disk_gb = 1920;
    offer.disks = 2;
    offer.location = "FSN1-DC22";
    offer.price.month.micros = eur * 1'000'000;
    offer.price.hour = Money{eur * 1'603};
    offer.description = {"Intel Core i5-13500"};
    return offer;
  }
  static api::FindServersRequest Request() {
    api::FindServersRequest request;
    request.set_provider("hetzner");
    return request;
  }
  static std::vector<std::string> Ids(const api::FindServersResponse& answer) {
    std::vector<std::string> ids;
    for (const api::ServerOffer& offer : answer.offers()) ids.push_back(offer.offer());
    return ids;
  }
};

TEST_F(FindServersTest, TheCheapestComeFirstOrTheCheapestForTheirPoints) {
  api::FindServersRequest request = Request();
  auto answer = Ask(api.FindServers(request));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(Ids(*answer), testing::ElementsAre("2", "3", "1"));
  EXPECT_EQ(answer->found(), 3);
  EXPECT_EQ(answer->offers(0).micros_per_month(), 50'000'000);
  EXPECT_EQ(answer->offers(0).micros_per_hour(), 80'150);
  EXPECT_EQ(answer->offers(0).currency(), "EUR");
  EXPECT_FALSE(answer->offers(0).has_next_reduction());
  EXPECT_EQ(FromTimestamp(answer->offers(1).next_reduction()), rt().Now() + absl::Hours(2));
  request.mutable_market()->set_rank(Market::PRICE_PER_BENCHMARK);
  answer = Ask(api.FindServers(request));
  EXPECT_THAT(Ids(*answer), testing::ElementsAre("3", "1", "2"));
  EXPECT_EQ(answer->offers(0).micros_per_point(), 3'000);
}

TEST_F(FindServersTest, WhatDoesNotFitIsToldOnlyWhenAskedFor) {
  api::FindServersRequest request = Request();
  request.mutable_market()->set_gpu(Market::GPU_ADA);
  EXPECT_THAT(Ids(*Ask(api.FindServers(request))), testing::ElementsAre("3"));
  request.set_include_refused(true);
  const auto answer = Ask(api.FindServers(request));
  EXPECT_THAT(Ids(*answer), testing::ElementsAre("3", "2", "1"));
  EXPECT_EQ(answer->offers(0).refused(), "");
  EXPECT_EQ(answer->offers(1).refused(), "no GPU");
}

TEST_F(FindServersTest, TheListsAreSeparateAndShortOnesShort) {
  api::FindServersRequest request = Request();
  request.mutable_market()->set_channel(Market::STANDARD);
  EXPECT_THAT(Ids(*Ask(api.FindServers(request))), testing::ElementsAre("EX44@FSN1"));
  request = Request();
  request.set_limit(1);
  const auto answer = Ask(api.FindServers(request));
  EXPECT_THAT(Ids(*answer), testing::ElementsAre("2"));
  EXPECT_EQ(answer->found(), 3);
}

TEST_F(FindServersTest, AnotherProviderIsRefusedByName) {
  api::FindServersRequest request;
  request.set_provider("nobody");
  EXPECT_THAT(Ask(api.FindServers(request)),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("nobody")));
}

}  // namespace
}  // namespace muster::grpc_api
