// The market as the log saw it: when offers came and went, and what became of workers there.
#include "queries/market/record.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

using Listing = MarketRecord::Listing;
using testing::ElementsAre;
using testing::IsEmpty;

struct Shown {
  std::string machine;
  std::int64_t price = 60'000;
};

class Market {
 public:
  Market& Look(std::vector<Shown> offers, const std::string& digest = "q") {
    eventpb::OffersObserved look;
    look.set_query_digest(digest);
    for (const Shown& shown : offers) {
      eventpb::OfferSeen& offer = *look.add_offers();
      offer.set_offer(Cat(++next_offer_));
      offer.set_machine(shown.machine);
      offer.set_gpu("RTX 3070");
      offer.set_gpus(1);
      offer.set_price_micro_usd_per_hour(shown.price);
    }
    log.Write("account/vast", look);
    return *this;
  }
  Market& After(int minutes) {
    log.After(absl::Minutes(minutes));
    return *this;
  }
  MarketRecord Record(absl::Time since = absl::InfinitePast()) {
    const auto record = RecordMarket(log.store(), ProviderName("vast"), since, log.now());
    EXPECT_THAT(record, IsOk());
    return *record;
  }
  std::vector<Listing> ListingsOf(std::string_view machine) {
    for (const auto& each : Record().machines) {
      if (each.id.str() == machine) return each.listings;
    }
    return {};
  }
  LogBuilder log;

 private:
  int next_offer_ = 0;
};

Listing From(int seen_minutes, int gone_minutes, std::int64_t price = 60'000) {
  return {absl::Minutes(seen_minutes), absl::Minutes(gone_minutes), MicroUsdPerHour(price)};
}

TEST(MarketRecord, AnOfferStaysUntilALookLacksIt) {
  Market m;
  m.Look({{"1"}, {"2"}}).After(5).Look({{"1"}, {"2"}}).After(5).Look({{"1"}}).After(5);
  m.Look({{"1"}});
  EXPECT_THAT(m.ListingsOf("2"), ElementsAre(From(0, 10)));
  EXPECT_THAT(m.ListingsOf("1"), ElementsAre(From(0, 15)));
}

TEST(MarketRecord, AnotherPriceIsAnotherListingButADriftIsNot) {
  Market m;
  m.Look({{"1", 60'000}}).After(5).Look({{"1", 60'600}}).After(5).Look({{"1", 60'700}});
  EXPECT_THAT(m.ListingsOf("1"),
              ElementsAre(From(0, 10),
                          Listing{absl::Minutes(10), absl::Seconds(601), MicroUsdPerHour(60'700)}));
}

TEST(MarketRecord, ALookByAnotherQueryEndsNothing) {
  Market m;
  m.Look({{"1"}, {"2"}}).After(5).Look({{"2"}}, "other").After(5).Look({{"2"}}, "plan").After(5);
  m.Look({{"1"}, {"2"}});
  EXPECT_THAT(m.ListingsOf("1"), ElementsAre(From(0, 15)));
}

TEST(MarketRecord, APauseOfMoreThanFifteenMinutesEndsEverything) {
  Market m;
  m.Look({{"1"}}).After(15).Look({{"1"}}).After(16).Look({{"1"}}).After(5).Look({{"1"}});
  EXPECT_THAT(m.ListingsOf("1"), ElementsAre(From(0, 15), From(31, 36)));
}

TEST(MarketRecord, WhatMayLieBehindTheCutOfALookIsNotGone) {
  Market m;
  std::vector<Shown> cheap;
  for (int i = 0; i < 32; ++i) cheap.push_back({Cat("c", i), 50'000});
  m.Look({{"1"}}).After(5).Look(cheap).After(5).Look({{"1"}});
  EXPECT_THAT(m.ListingsOf("1"), ElementsAre(From(0, 10)));
  cheap.pop_back();
  m.After(5).Look(cheap);
  EXPECT_THAT(m.ListingsOf("1"), ElementsAre(From(0, 15)));
}

// A worker's life on the machine of the one offer there is; `body` is what happens in between.
template <class Body>
std::vector<MarketRecord::Rental> RentalsAfter(Market& m, Body body) {
  m.Look({{"5512"}}).After(1);
  eventpb::LaunchRequested launch;
  launch.set_fleet("zeb");
  launch.set_provider("vast");
  launch.mutable_offer()->set_machine("5512");
  launch.mutable_offer()->set_gpus(1);
  m.log.Write("worker/k7f2q", launch);
  m.log.Accept("k7f2q", "123");
  body();
  const MarketRecord record = m.Record();
  EXPECT_EQ(record.machines.size(), 1u);
  return record.machines.empty() ? std::vector<MarketRecord::Rental>{} : record.machines[0].rentals;
}

void Condemn(Market& m, const std::string& rule) {
  eventpb::WorkerCondemned condemned;
  condemned.mutable_evidence()->set_rule(rule);
  m.log.Write("worker/k7f2q", condemned);
}

TEST(MarketRecord, AMachineWeRentedStaysWhileWeHaveIt) {
  Market m;
  RentalsAfter(m, [&] {
    m.Look({}).After(10).Look({}).After(5);
    m.log.End("k7f2q");
    m.After(5).Look({{"5512"}}).After(5).Look({});
  });
  EXPECT_THAT(m.ListingsOf("5512"), ElementsAre(From(0, 26)));
}

TEST(MarketRecord, ARentalHoldsBootWorkAndHowItFailed) {
  Market m;
  const auto rentals = RentalsAfter(m, [&] {
    m.After(2).log.Read("k7f2q", {.phase = "setup"});
    m.After(3).log.Read("k7f2q", {.counter = 1, .rate = 2.0});
    m.After(15).log.Read("k7f2q", {.counter = 2, .rate = 3.0});
    m.After(20).log.Read("k7f2q", {.counter = 2});
    Condemn(m, "no-progress");
    m.After(1).log.End("k7f2q");
  });
  EXPECT_THAT(rentals,
              ElementsAre(MarketRecord::Rental{absl::Minutes(2), absl::Minutes(18), 2.5, "stall"}));
}

TEST(MarketRecord, ABootThatNeverEndedHasNoSignOfLife) {
  Market m;
  const auto rentals = RentalsAfter(m, [&] {
    m.After(10);
    Condemn(m, "stuck-boot");
    m.After(1).log.End("k7f2q");
  });
  EXPECT_THAT(rentals, ElementsAre(MarketRecord::Rental{absl::ZeroDuration(), absl::ZeroDuration(),
                                                        0, "stuck_boot"}));
}

TEST(MarketRecord, WhatWeEndedForReasonsOfOurOwnDidNotFail) {
  Market m;
  const auto rentals = RentalsAfter(m, [&] {
    m.After(2).log.Read("k7f2q", {.counter = 1, .rate = 2.0});
    m.After(30);
    Condemn(m, "downscale");
    m.log.End("k7f2q");
  });
  EXPECT_THAT(rentals,
              ElementsAre(MarketRecord::Rental{absl::Minutes(2), absl::Minutes(30), 2.0, ""}));
}

TEST(MarketRecord, OnlyTheAskedSpanIsInIt) {
  Market m;
  m.Look({{"1"}}).After(5).Look({{"2"}});
  const MarketRecord record = m.Record(m.log.now());
  ASSERT_EQ(record.machines.size(), 1u);
  EXPECT_EQ(record.machines[0].id.str(), "2");
  EXPECT_EQ(record.from, record.to);
  m.After(60);
  EXPECT_THAT(m.Record(m.log.now()).machines, IsEmpty());
}

}  // namespace
}  // namespace muster::queries
