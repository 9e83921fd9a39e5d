#include "workers/ports/sim_route.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/ports/sim_settings.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(SimRoute, AUrlIsTakenApartWithOrWithoutItsOrigin) {
  const SimPath whole = SplitUrl("http://127.0.0.1:80/key/a%2Fb?x=1");
  EXPECT_EQ(whole.path, "/key/a%2Fb");
  EXPECT_THAT(whole.segments, ElementsAre("key", "a/b"));
  EXPECT_EQ(whole.query, "x=1");
  EXPECT_THAT(SplitUrl("/key//b").segments, ElementsAre("key", "b"));
  EXPECT_EQ(SplitUrl("http://127.0.0.1").path, "/");
}

TEST(SimRoute, FormsAreDecodedAndWhatIsNoEscapeStays) {
  EXPECT_THAT(ReadForm("a%5B%5D=x+y&b&&c=1=2"),
              ElementsAre(Pair("a[]", "x y"), Pair("b", ""), Pair("c", "1=2")));
  EXPECT_EQ(DecodeForm("100%"), "100%");
  EXPECT_EQ(DecodeForm("%zz%4"), "%zz%4");
}

TEST(SimRoute, ARouteMatchesSegmentForSegment) {
  std::int64_t id = 0;
  std::string name;
  EXPECT_TRUE(MatchRoute("server/{id}/{name}", {"server", "17", "eth0"}, &id, &name));
  EXPECT_EQ(id, 17);
  EXPECT_EQ(name, "eth0");
  EXPECT_FALSE(MatchRoute("server/{id}", {"server", "x"}, &id, &name));
  EXPECT_FALSE(MatchRoute("server/{id}", {"server", "17", "eth0"}, &id, &name));
  EXPECT_FALSE(MatchRoute("server/{id}", {"key", "17"}, &id, &name));
}

struct Options {
  int machines = 1;
  bool limits = false;
  absl::Duration boot;
};

TEST(SimSettings, SetWhatIsNamedAndSayWhatWasExpected) {
  const SimSetters<Options> setters = {{"machines", SimNumber(&Options::machines, 100)},
                                       {"limits", SimFlag(&Options::limits)},
                                       {"boot", SimSpan(&Options::boot)}};
  const auto set = [&](std::map<std::string, std::string> settings, Options& options) {
    SimSpec spec;
    spec.settings = std::move(settings);
    return SetFrom(spec, setters, options);
  };
  Options options;
  ASSERT_THAT(set({{"machines", "100"}, {"limits", "true"}, {"boot", "90s"}}, options), IsOk());
  EXPECT_EQ(options.machines, 100);
  EXPECT_TRUE(options.limits);
  EXPECT_EQ(options.boot, absl::Seconds(90));
  EXPECT_THAT(set({{"machines", "101"}}, options),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("machines: expected a number from 0 to 100, not \"101\"")));
  EXPECT_THAT(set({{"boot", "-1s"}}, options), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(set({{"machine", "1"}}, options),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("boot, limits, machines")));
  EXPECT_EQ(options.machines, 100);
}

// An int that holds a thousand million million would be undefined.
TEST(SimSettings, ANumberFitsWhatItIsKeptIn) {
  Options options;
  EXPECT_THAT(SimNumber(&Options::machines)(options, "3000000000"),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(SimNumber(&Options::machines)(options, "nan"),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(options.machines, 1);
}

}  // namespace
}  // namespace muster
