// LogCheck: a whole log checked record by record, its chain and, when there is one, against a head.
// Single-threaded, values only.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "eventstore/audit/signed_head.h"

namespace muster::audit {

class LogCheck {
 public:
  explicit LogCheck(std::optional<Head> head = std::nullopt, Position after = 0,
                    const EventHash& hash = {})
      : walk_(after, hash) {
    if (head.has_value()) head_.emplace(*std::move(head));
  }

  // kDataLoss  as ChainWalk and HeadCheck; nothing more is to be taken
  Status Take(std::string_view record) {
    bad_ = walk_.position() + 1;
    MUSTER_RETURN_IF_ERROR(walk_.Take(record));
    if (head_.has_value()) MUSTER_RETURN_IF_ERROR(head_->See(walk_));
    bad_ = 0;
    return {};
  }
  // After the last record.   kDataLoss  as HeadCheck
  Status End() {
    const Status ended = head_.has_value() ? head_->End(walk_) : Status();
    bad_ = ended.ok() ? 0 : walk_.position() + 1;
    return ended;
  }

  const ChainWalk& walk() const { return walk_; }
  // The first position at which the log is not as it was written, after an error; else 0.
  Position first_bad() const { return bad_; }

 private:
  ChainWalk walk_;
  std::optional<HeadCheck> head_;
  Position bad_ = 0;
};

}  // namespace muster::audit
