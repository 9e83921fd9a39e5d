// Digest: many notices in one message of bounded size: how many of each kind, and the most
// important ones in their own words. A value.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>

#include "queries/notices/notice.h"
#include "services/notify/outbox.h"
#include "workers/ports/notice_target.h"

namespace muster::notify {

class Digest {
 public:
  explicit Digest(std::size_t lines_max = 10) : lines_max_(lines_max) {}

  void Add(const queries::Notice& notice);
  // Repeats that were held back before.
  void AddRepeats(const Window& window);
  int count() const { return count_; }
  // Of the notices in (after, until]. Gives the number of those that it does not spell out, too.
  NoticeMessage Message(std::string_view installation, Position after, Position until) const;
  int Unspelt() const;

 private:
  std::size_t lines_max_;
  int count_ = 0;
  std::map<std::string, int> counts_;
  std::array<std::deque<std::string>, 3> newest_;  // by severity
  Severity worst_ = Severity::kInfo;
  absl::Time first_ = absl::InfiniteFuture();
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace muster::notify
