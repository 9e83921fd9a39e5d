#include "eventstore/events/wait_end.h"

#include "tests/support/pch.h"

namespace muster {
namespace {

TEST(WaitEnd, SaysWhoEndsItAndWhenItIsLookedAtAgain) {
  EXPECT_EQ(WaitEnd("unclear", "muster", "20s"), "muster resolves it, next look in 20s");
  EXPECT_EQ(WaitEnd("unclear", "muster", ""), "muster resolves it");
  EXPECT_EQ(WaitEnd("throttle", "provider", "40s"), "up to the provider, next try in 40s");
  EXPECT_EQ(WaitEnd("offers", "provider", ""), "up to the market");
}

TEST(WaitEnd, TellsTheOperatorWhatToDoWhereThatIsKnown) {
  EXPECT_EQ(WaitEnd("credit", "operator", "4m"), "you: add credit, next try in 4m");
  EXPECT_EQ(WaitEnd("auth", "operator", ""), "you: renew the key");
  EXPECT_EQ(WaitEnd("secrets", "operator", ""), "you: correct the reference");
  EXPECT_EQ(WaitEnd("budget", "operator", "3h12m"), "up to you, next try in 3h12m");
}

TEST(WaitEnd, OfAnOwnerThatIsNotKnownTheNameAndOfNobodyTheTimeAlone) {
  EXPECT_EQ(WaitEnd("offers", "registry", "4m"), "registry, next try in 4m");
  EXPECT_EQ(WaitEnd("offers", "", "4m"), "next try in 4m");
  EXPECT_EQ(WaitEnd("offers", "", ""), "");
}

}  // namespace
}  // namespace muster
