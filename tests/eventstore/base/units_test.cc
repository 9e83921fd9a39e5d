#include "eventstore/base/units.h"

#include <limits>

#include "tests/support/pch.h"

namespace muster {
namespace {

TEST(Units, CostRoundsUpToTheMicroDollar) {
  EXPECT_EQ(Cost(MicroUsdPerHour(90'000), absl::Minutes(20)), MicroUsd(30'000));
  EXPECT_EQ(Cost(MicroUsdPerHour(1), absl::Seconds(1)), MicroUsd(1));
  EXPECT_EQ(Cost(MicroUsdPerHour(90'000), -absl::Hours(1)), MicroUsd(0));
}

TEST(Units, BadNumbersAreAbsentNotFree) {
  EXPECT_EQ(MicrosFromDouble(std::numeric_limits<double>::quiet_NaN()), std::nullopt);
  EXPECT_EQ(MicrosFromDouble(std::numeric_limits<double>::infinity()), std::nullopt);
  EXPECT_EQ(MicrosFromDouble(0.081225), 81'225);
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(FormatUsd(MicroUsd(18'000'000)), "$18.00");
  EXPECT_EQ(FormatUsd(MicroUsd(-81'225)), "-$0.0812");
  EXPECT_EQ(FormatSpan(absl::Seconds(904)), "15m04s");
  EXPECT_EQ(FormatSpan(absl::Hours(26)), "1d2h");
}

}  // namespace
}  // namespace muster
