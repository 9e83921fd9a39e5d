#include "services/muster/slow_note.h"

#include <sstream>

#include "tests/support/pch.h"

namespace muster::cli {
namespace {

// A stream that tells when a line of it was flushed.
class Lines final : public std::stringbuf {
 public:
  void WaitForLine() { flushed_.WaitForNotification(); }

 private:
  int sync() override {
    flushed_.Notify();
    return 0;
  }
  absl::Notification flushed_;
};

TEST(SlowNote, IsWrittenOnceWhilePatienceRunsOut) {
  Lines lines;
  std::ostream err(&lines);
  {
    const SlowNote note(err, absl::ZeroDuration(), "still at it");
    lines.WaitForLine();
  }
  EXPECT_EQ(lines.str(), "still at it\n");
}

TEST(SlowNote, IsNotWrittenToWhoGotAnAnswerInTime) {
  std::ostringstream err;
  {
    const SlowNote note(err, absl::InfiniteDuration(), "still at it");
  }
  EXPECT_EQ(err.str(), "");
}

}  // namespace
}  // namespace muster::cli
