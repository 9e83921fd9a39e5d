// Recorded markets as files: what is written is read back, and a wrong file is told in full.
#include "services/files/market_file.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kSmall[] = R"(muster_market: 1
provider: vast
from: 2026-11-14T00:00:00Z
to: 2026-11-15T00:00:00Z
machines:
  - id: 20019
    gpu: RTX 3070
    listings:
      - {seen: 2026-11-14T00:00:00Z, gone: 2026-11-14T09:20:00Z, price: $0.0617/h}
    rentals:
      - {boot: 95s, ran: 40m, rate: 2.31/s, failed: stall}
)";

std::string ErrorOf(std::string text, std::string_view found = "", std::string_view instead = "") {
  if (!found.empty()) {
    const std::size_t at = text.find(found);
    EXPECT_NE(at, std::string::npos) << found;
    text.replace(at, found.size(), instead);
  }
  const auto record = ParseMarketFile(text, "m.yaml");
  return record.ok() ? "accepted" : std::string(Message(record.status()));
}

MarketRecord Full() {
  MarketRecord record;
  record.provider = ProviderName("vast");
  record.from = absl::FromUnixSeconds(1'763'078'400);
  record.to = record.from + absl::Hours(50);
  MarketRecord::Machine machine;
  machine.id = MachineId("20019");
  machine.host = "81234";
  machine.gpu = GpuName("RTX 4070 Ti");
  machine.gpus = 2;
  machine.offers = 3;
  machine.reliability = 0.9873;
  machine.cuda = 12.4;
  machine.inet_down_mbps = 812.5;
  machine.inet_up_mbps = 300;
  machine.disk_gb = 420;
  machine.remaining = absl::Hours(300);
  machine.location = "\"Sweden\", SE: north\\";
  machine.listings = {{absl::ZeroDuration(), absl::Hours(3), MicroUsdPerHour(61'700)},
                      {absl::Hours(3), absl::Hours(50), MicroUsdPerHour(66'001)}};
  machine.rentals = {{absl::Seconds(95), absl::Minutes(312), 2.315, ""},
                     {absl::ZeroDuration(), absl::ZeroDuration(), 0, "stuck_boot"}};
  record.machines.push_back(machine);
  machine.id = MachineId("7");
  machine.location.clear();
  machine.rentals.clear();
  record.machines.push_back(std::move(machine));
  return record;
}

TEST(MarketFile, WhatIsWrittenAsYamlIsReadBack) {
  const auto read = ParseMarketFile(FormatMarketFile(Full(), MarketForm::kYaml), "m.yaml");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, Full());
}

TEST(MarketFile, WhatIsWrittenAsJsonIsReadBack) {
  const auto read = ParseMarketFile(FormatMarketFile(Full(), MarketForm::kJson), "m.json");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, Full());
}

TEST(MarketFile, WhatIsLeftOutHasADefault) {
  const auto read = ParseMarketFile(kSmall, "m.yaml");
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->machines.size(), 1u);
  const MarketRecord::Machine& machine = read->machines[0];
  EXPECT_EQ(machine.gpus, 1);
  EXPECT_EQ(machine.offers, 1);
  EXPECT_EQ(machine.listings[0].gone, absl::Minutes(560));
  EXPECT_EQ(machine.rentals[0].failed, "stall");
}

TEST(MarketFile, AnUnknownKeyIsRefusedWithItsPlaceAndTheNearestKnownOne) {
  EXPECT_THAT(ErrorOf(kSmall, "    gpu:", "    reliabilty: 90%\n    gpu:"),
              AllOf(HasSubstr("m.yaml:7:5: machines[0].reliabilty"), HasSubstr("reliability")));
  EXPECT_THAT(ErrorOf(kSmall, "price: $0", "cost: 1, price: $0"), HasSubstr("m.yaml:9:"));
}

TEST(MarketFile, AnotherVersionIsRefusedAndNothingElseIsSaid) {
  EXPECT_EQ(ErrorOf(kSmall, "muster_market: 1", "muster_market: 2\nnew_key: 1"),
            "m.yaml:1:16: muster_market: \"2\" is a version that this muster does not read; "
            "expected 1");
  EXPECT_THAT(ErrorOf(kSmall, "muster_market: 1\n", ""), HasSubstr("muster_market: is missing"));
}

TEST(MarketFile, WrongValuesAreToldWithWhatWasExpected) {
  EXPECT_THAT(ErrorOf(kSmall, "$0.0617/h", "0.0617"), HasSubstr("m.yaml:9"));
  EXPECT_THAT(ErrorOf(kSmall, "failed: stall", "failed: staal"), HasSubstr("did you mean"));
  EXPECT_THAT(ErrorOf(kSmall, "from: 2026-11-14T00:00:00Z", "from: monday"),
              HasSubstr("2026-11-21T03:14:07Z"));
  EXPECT_THAT(ErrorOf(kSmall, "gone: 2026-11-14T09:20:00Z", "gone: 2026-11-13T09:20:00Z"),
              HasSubstr("lies outside the recording"));
  EXPECT_THAT(ErrorOf(kSmall, "gone: 2026-11-14T09:20:00Z", "gone: 2026-11-14T00:00:00Z"),
              HasSubstr("is not after 'seen'"));
  EXPECT_THAT(ErrorOf(kSmall, "gpu: RTX 3070", "gpus: 0"),
              AllOf(HasSubstr("gpu: is missing"), HasSubstr("expected 1 to 64")));
  EXPECT_THAT(ErrorOf(""), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf("- 1\n"), HasSubstr("is a list"));
}

}  // namespace
}  // namespace muster
