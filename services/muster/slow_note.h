// SlowNote: tells who waits for an answer that it is being worked on. While it lives it owns a
// thread, which writes to `err` at most once; nobody else may write there in that time.
#pragma once

#include <ostream>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace muster::cli {

class SlowNote {
 public:
  // Writes `text` as a line of its own once `patience` has passed.
  SlowNote(std::ostream& err, absl::Duration patience, std::string text);
  ~SlowNote();
  SlowNote(const SlowNote&) = delete;
  SlowNote& operator=(const SlowNote&) = delete;

 private:
  absl::Notification answered_;
  std::thread thread_;
};

}  // namespace muster::cli
