// How far the input of a command is, and how fast it goes.
#include "workers/servers/doing.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using State = remote::RemoteProgress::State;

class DoingTest : public testing::Test {
 protected:
  void Tell(double at_s, State state, std::int64_t bytes) {
    doing_.Tell(id_, eventpb::PREPARE,
                {.index = 2,
                 .count = 14,
                 .name = "receive",
                 .state = state,
                 .bytes_taken = bytes,
                 .bytes_total = 1000},
                start_ + absl::Seconds(at_s));
  }
  ServerDoing At(double at_s) { return doing_.Of(id_, start_ + absl::Seconds(at_s)).value(); }

  const ServerId id_{"a"};
  const absl::Time start_ = absl::FromUnixSeconds(1000);
  Doing doing_;
};

TEST_F(DoingTest, NamesTheCommandAndHowLongItLasts) {
  EXPECT_EQ(doing_.Of(id_, start_), std::nullopt);
  Tell(0, State::kStarted, 0);
  EXPECT_EQ(At(3).command, 3);
  EXPECT_EQ(At(3).commands, 14);
  EXPECT_EQ(At(3).name, "receive");
  EXPECT_EQ(At(3).lasts, absl::Seconds(3));
  EXPECT_EQ(At(0).bytes_per_s, 0);
  EXPECT_EQ(doing_.Of(ServerId("b"), start_), std::nullopt);
  doing_.End(id_);
  EXPECT_EQ(doing_.Of(id_, start_), std::nullopt);
}

TEST_F(DoingTest, TheRateIsThatOfTheLastSeconds) {
  Tell(0, State::kStarted, 0);
  Tell(4.9, State::kMoved, 490);
  EXPECT_DOUBLE_EQ(At(4.9).bytes_per_s, 100);
  Tell(5, State::kMoved, 500);   // a span is over
  Tell(10, State::kMoved, 510);  // and the next: the first counts no more
  EXPECT_DOUBLE_EQ(At(10).bytes_per_s, 2);
  EXPECT_DOUBLE_EQ(At(25).bytes_per_s, 0.5) << "what stands still gets slower";
}

TEST_F(DoingTest, ANewCommandBeginsAnew) {
  Tell(0, State::kStarted, 0);
  Tell(10, State::kMoved, 1000);
  Tell(11, State::kStarted, 0);
  EXPECT_EQ(At(12).bytes_sent, 0);
  EXPECT_EQ(At(12).lasts, absl::Seconds(1));
  EXPECT_DOUBLE_EQ(At(12).bytes_per_s, 0);
}

}  // namespace
}  // namespace muster
