#include "services/muster/slow_note.h"

#include <utility>

namespace muster::cli {

SlowNote::SlowNote(std::ostream& err, absl::Duration patience, std::string text)
    : thread_([this, &err, patience, line = std::move(text)] {
        if (!answered_.WaitForNotificationWithTimeout(patience)) err << line << std::endl;
      }) {}

SlowNote::~SlowNote() {
  answered_.Notify();
  thread_.join();
}

}  // namespace muster::cli
