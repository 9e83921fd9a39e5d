#include "services/grpc/plan_convert.h"

#include "tests/support/pch.h"

namespace muster::grpc_api {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(BadHostsFile, CountsALineAsAStrike) {
  const BadHosts parsed = ParseBadHosts("5512\n77\n5512\n");
  EXPECT_THAT(parsed.strikes, ElementsAre(Pair(MachineId("5512"), 2), Pair(MachineId("77"), 1)));
  EXPECT_TRUE(parsed.problems.empty());
}

TEST(BadHostsFile, SkipsCommentsBlanksAndCarriageReturns) {
  const BadHosts parsed = ParseBadHosts("# old list\n\n  12 \r\n13 # slow disk");
  EXPECT_THAT(parsed.strikes, ElementsAre(Pair(MachineId("12"), 1), Pair(MachineId("13"), 1)));
}

TEST(BadHostsFile, NamesTheLineThatIsNoMachine) {
  const BadHosts parsed = ParseBadHosts("12\nabc\n99999999999999999999\n-4\n");
  EXPECT_THAT(parsed.strikes, ElementsAre(Pair(MachineId("12"), 1)));
  ASSERT_EQ(parsed.problems.size(), 3u);
  EXPECT_EQ(parsed.problems[0], "line 2: 'abc' is no machine id: expected digits");
}

}  // namespace
}  // namespace muster::grpc_api
