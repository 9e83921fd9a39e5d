#include "commands/server/offers.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::server {
namespace {

using Market = specpb::ServerMarket;

ServerOffer AnOffer(std::string_view id, std::int64_t month_eur, double benchmark = 10'000) {
  ServerOffer offer;
  offer.id = OfferId(id);
  offer.cpu = "Intel Core i5-13500";
  offer.cores = 14;
  offer.benchmark = benchmark;
  offer.memory_gb = 64;
  offer.disk_gb = 512;
  offer.disks = 2;
  offer.location = "FSN1-DC22";
  offer.price.month.micros = month_eur * 1'000'000;
  offer.price.hour = Money{month_eur * 1'600};
  return offer;
}
std::vector<std::string> Ids(const std::vector<JudgedOffer>& judged) {
  std::vector<std::string> ids;
  for (const JudgedOffer& one : judged) {
    if (one.refused.empty()) ids.push_back(one.offer.id.str());
  }
  return ids;
}
std::string Verdict(const Market& market, const ServerOffer& offer) {
  return JudgeServerOffers(market, {offer})[0].refused;
}

TEST(ServerOffers, TheCheapestFirstTiesByBenchmark) {
  const auto judged = JudgeServerOffers(
      {}, {AnOffer("dear", 60), AnOffer("slow", 40, 8'000), AnOffer("fast", 40, 9'000)});
  EXPECT_THAT(Ids(judged), testing::ElementsAre("fast", "slow", "dear"));
}
TEST(ServerOffers, ByPricePerPointThoseWithoutABenchmarkAreLast) {
  Market market;
  market.set_rank(Market::PRICE_PER_BENCHMARK);
  const auto judged = JudgeServerOffers(
      market, {AnOffer("none", 20, 0), AnOffer("a", 40, 10'000), AnOffer("b", 60, 30'000)});
  EXPECT_THAT(Ids(judged), testing::ElementsAre("b", "a", "none"));
  EXPECT_DOUBLE_EQ(judged[0].micros_per_point, 2'000);
}
TEST(ServerOffers, EveryLimitAtAndJustOver) {
  const ServerOffer offer = AnOffer("a", 40);
  Market market;
  market.set_cores_min(14);
  market.set_memory_gb_min(64);
  market.set_disk_gb_min(512);
  market.set_disks_min(2);
  market.set_benchmark_min(10'000);
  market.set_price_max_micros_per_month(40'000'000);
  market.add_locations("fsn1");
  EXPECT_EQ(Verdict(market, offer), "");
  const auto with = [&](auto change) {
    Market changed = market;
    change(changed);
    return Verdict(changed, offer);
  };
  EXPECT_EQ(with([](Market& m) { m.set_cores_min(15); }), "14 cores < 15");
  EXPECT_EQ(with([](Market& m) { m.set_memory_gb_min(65); }), "64 GB memory < 65 GB");
  EXPECT_EQ(with([](Market& m) { m.set_disk_gb_min(513); }), "512 GB a disk < 513 GB");
  EXPECT_EQ(with([](Market& m) { m.set_disks_min(3); }), "2 disks < 3");
  EXPECT_EQ(with([](Market& m) { m.set_benchmark_min(10'001); }), "benchmark 10000 < 10001");
  EXPECT_EQ(with([](Market& m) { m.set_price_max_micros_per_month(39'999'999); }),
            "40.00 EUR a month > 39.9999 EUR");
  EXPECT_EQ(with([](Market& m) { *m.mutable_locations(0) = "FSN1-DC2"; }),
            "stands in FSN1-DC22, not FSN1-DC2");
  EXPECT_EQ(with([](Market& m) { m.set_offer("b"); }), "not the one named");
  EXPECT_EQ(with([](Market& m) { m.set_currency("USD"); }), "sold in EUR, the limits are in USD");
}
TEST(ServerOffers, CoresThatNobodyKnowsDoNotFitALimit) {
  ServerOffer offer = AnOffer("a", 40);
  offer.cores = 0;
  EXPECT_EQ(Verdict({}, offer), "");
  Market market;
  market.set_cores_min(1);
  EXPECT_EQ(Verdict(market, offer), "nobody knows the cores of Intel Core i5-13500");
}
TEST(ServerOffers, GpuClasses) {
  const ServerOffer bare = AnOffer("a", 40);
  ServerOffer old = bare, ada = bare;
  old.gpu = "GeForce GTX 1080";
  ada.gpu = "RTX 4000 SFF Ada";
  ada.gpu_ada = true;
  Market market;
  market.set_gpu(Market::GPU_ANY);
  EXPECT_EQ(Verdict(market, bare), "no GPU");
  EXPECT_EQ(Verdict(market, old), "");
  market.set_gpu(Market::GPU_ADA);
  EXPECT_EQ(Verdict(market, old), "not Ada (GeForce GTX 1080)");
  EXPECT_EQ(Verdict(market, ada), "");
  market.set_gpu(Market::GPU_NONE);
  EXPECT_EQ(Verdict(market, bare), "");
  EXPECT_EQ(Verdict(market, ada), "has a GPU (RTX 4000 SFF Ada)");
}
TEST(ServerOffers, TheAddressCountsWhereOneIsWanted) {
  ServerOffer offer = AnOffer("a", 40);
  Market market;
  market.set_ipv4(true);
  EXPECT_EQ(Verdict(market, offer), "no IPv4 address to be had with it");
  offer.ipv4 = ServerPrice{.month = Money{1'700'000}, .hour = Money{2'700}};
  market.set_price_max_micros_per_month(41'000'000);
  EXPECT_EQ(Verdict(market, offer), "41.70 EUR a month > 41.00 EUR");
  market.set_price_max_micros_per_month(0);
  const auto taken = MakeServerOfferTaken(JudgeServerOffers(market, {offer})[0], true);
  EXPECT_EQ(taken.price().micros_per_month(), 41'700'000);
  EXPECT_EQ(taken.price().micros_per_hour(), 66'700);
}
TEST(ServerOffers, NoSetupIsPaidThatNobodyAllowed) {
  ServerOffer offer = AnOffer("GEX44", 184);
  offer.price.setup.micros = 79'000'000;
  EXPECT_EQ(Verdict({}, offer), "setup 79.00 EUR > 0.00 EUR");
  Market market;
  market.set_setup_max_micros(79'000'000);
  EXPECT_EQ(Verdict(market, offer), "");
}

}  // namespace
}  // namespace muster::server
