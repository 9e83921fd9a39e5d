// Units as people write them: each text has one value, and each value a text that gives it back.
#include "services/files/human_units.h"

#include "eventstore/base/rng.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

TEST(HumanUnits, MoneyIsExactToTheMillionth) {
  EXPECT_THAT(ParsePrice("$0.09/h"), IsOkAndHolds(90'000));
  EXPECT_THAT(ParsePrice(" $0.081225/hr "), IsOkAndHolds(81'225));
  EXPECT_THAT(ParsePrice("$.5/hour"), IsOkAndHolds(500'000));
  EXPECT_THAT(ParsePrice("$1/h"), IsOkAndHolds(1'000'000));
  EXPECT_THAT(ParsePrice("$0.0812251/h"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseMoney("$18", "day"), IsOkAndHolds(18'000'000));
  EXPECT_THAT(ParseMoney("$18.00/d", "day"), IsOkAndHolds(18'000'000));
  EXPECT_THAT(ParseMoney("$18/h", "day"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseMoney("$1000001", ""), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(PriceText(90'000), "$0.09/h");
  EXPECT_EQ(PriceText(81'225), "$0.081225/h");
  EXPECT_EQ(MoneyText(18'000'000), "$18.00");
  EXPECT_EQ(MoneyText(500'000), "$0.50");
}

TEST(HumanUnits, SpansGoFromLargeToSmall) {
  EXPECT_THAT(ParseSpan("10m"), IsOkAndHolds(600));
  EXPECT_THAT(ParseSpan("1d2h3m4s"), IsOkAndHolds(93'784));
  EXPECT_THAT(ParseSpan("90m"), IsOkAndHolds(5400));
  for (const char* bad :
       {"", "10", "m", "10 m", "1m1h", "1m1m", "1.5h", "-1m", "9999999999999999s"}) {
    EXPECT_THAT(ParseSpan(bad), StatusIs(StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_EQ(SpanText(5400), "1h30m");
  EXPECT_EQ(SpanText(0), "0s");
}

TEST(HumanUnits, ARateNamesItsWork) {
  EXPECT_THAT(ParseRate("1.8 games/s", "games"), IsOkAndHolds(1.8));
  EXPECT_THAT(ParseRate("1.8/s", "games"), IsOkAndHolds(1.8));
  EXPECT_THAT(ParseRate("1.8 steps/s", "games"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseRate("1.8", "games"), StatusIs(StatusCode::kInvalidArgument));
}

TEST(HumanUnits, EveryValueHasATextThatGivesItBack) {
  Rng rng(3);
  for (int i = 0; i < 5000; ++i) {
    const auto micros = static_cast<std::int64_t>(rng.Below(128'000'000));
    EXPECT_THAT(ParsePrice(PriceText(micros)), IsOkAndHolds(micros));
    const auto seconds = static_cast<std::int64_t>(rng.Below(1 << (1 + rng.Below(30))));
    EXPECT_THAT(ParseSpan(SpanText(seconds)), IsOkAndHolds(seconds));
    const double ratio = rng.Chance(0.5) ? rng.Unit() : static_cast<double>(rng.Below(101)) / 100;
    EXPECT_THAT(ParseRatio(RatioText(ratio)), IsOkAndHolds(ratio)) << RatioText(ratio);
    const double rate = rng.Between(0, 1) * static_cast<double>(1ull << rng.Below(30));
    EXPECT_THAT(ParseRate(RateText(rate, "games"), "games"), IsOkAndHolds(rate));
    EXPECT_THAT(ParseBandwidthMbps(BandwidthText(rate)), IsOkAndHolds(rate));
    EXPECT_THAT(ParseNumber(NumberText(rate)), IsOkAndHolds(rate));
  }
}

}  // namespace
}  // namespace muster
