// Minimum intervals per endpoint and caller.
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

VastSimOptions Limited() {
  VastSimOptions options = SimDriver::Calm();
  options.rate_limits = true;
  return options;
}

int List(SimDriver& d) { return d.Do("GET", "/api/v1/instances/").status; }
int Create(SimDriver& d) { return d.CreateAt(d.sim.Offers()[0].id, "x").status; }

TEST(VastSimLimits, ACallAtTheIntervalPassesAndOneJustBeforeIsRefused) {
  SimDriver d(Limited());
  EXPECT_EQ(List(d), 200);
  d.Wait(absl::Seconds(1) - absl::Nanoseconds(1));
  EXPECT_EQ(List(d), 429);
  d.Wait(absl::Nanoseconds(1));
  EXPECT_EQ(List(d), 200);
}

TEST(VastSimLimits, FourCreatesAtOnceCannotAllPass) {
  SimDriver d(Limited());
  EXPECT_THAT((std::vector<int>{Create(d), Create(d), Create(d), Create(d)}),
              ElementsAre(200, 429, 429, 429));
  EXPECT_EQ(d.sim.Instances().size(), 1u);
  d.Wait(absl::Milliseconds(4500));
  EXPECT_EQ(Create(d), 200);
}

TEST(VastSimLimits, GoByRouteNotByInstanceAndDestroyAnswersInJson) {
  SimDriver d(Limited());
  const std::int64_t one = d.sim.AddForeign({.label = "a"}), two = d.sim.AddForeign({.label = "b"});
  EXPECT_EQ(d.Do("DELETE", "/api/v0/instances/" + std::to_string(one) + "/").status, 200);
  const Answer second = d.Do("DELETE", "/api/v0/instances/" + std::to_string(two) + "/");
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.json["error"], "rate_limit_exceeded");
  EXPECT_EQ(FindHeader(second.headers, "Retry-After"), "");
}

TEST(VastSimLimits, OtherEndpointsSayItInPlainText) {
  SimDriver d(Limited());
  List(d);
  const Answer second = d.Do("GET", "/api/v1/instances/");
  EXPECT_EQ(FindHeader(second.headers, "Content-Type"), "text/plain");
  EXPECT_EQ(second.text, "API requests too frequent: endpoint threshold=1");
}

TEST(VastSimLimits, TenSearchesAMinuteHoweverTheyAreSpelt) {
  SimDriver d(Limited());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(d.Search().status, 200) << i;
  EXPECT_EQ(d.Do("PUT", "/api/v0/search/asks/", {{"q", nlohmann::json::object()}}).status, 429);
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(d.Search().status, 200);
}

TEST(VastSimLimits, EachKeyHasItsOwn) {
  VastSimOptions options = Limited();
  options.api_keys = {"sim-key", "other-key"};
  SimDriver d(options);
  EXPECT_EQ(List(d), 200);
  d.key = "other-key";
  EXPECT_EQ(List(d), 200);
}

TEST(VastSimLimits, ARefusedCallMayRestartTheIntervalOrLockTheCallerOut) {
  VastSimOptions options = Limited();
  options.refusal_restarts_interval = true;
  options.create_penalty = absl::Seconds(12);
  SimDriver d(options);
  List(d);
  d.Wait(absl::Milliseconds(600));
  EXPECT_EQ(List(d), 429);
  d.Wait(absl::Milliseconds(600));
  EXPECT_EQ(List(d), 429);
  Create(d);
  EXPECT_EQ(Create(d), 429);
  d.Wait(absl::Seconds(12) - absl::Nanoseconds(1));
  EXPECT_EQ(Create(d), 429);
}

TEST(VastSimLimits, HaveNoneForLogsUsersAndKeys) {
  SimDriver d(Limited());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(d.Do("GET", "/api/v0/users/current/").status, 200);
  }
}

}  // namespace
}  // namespace muster::vastsim
