#include "services/notify/digest.h"

#include <algorithm>

namespace muster::notify {

void Digest::Add(const queries::Notice& notice) {
  ++count_;
  ++counts_[std::string(notice.kind->name)];
  worst_ = std::max(worst_, notice.severity);
  first_ = std::min(first_, notice.at);
  last_ = std::max(last_, notice.at);
  std::deque<std::string>& lines = newest_[static_cast<std::size_t>(notice.severity)];
  lines.push_back(Cat(FormatUtc(notice.at), " ", SeverityWord(notice.severity), " ",
                      notice.kind->name, notice.state == "ended" ? " over" : "", " ",
                      notice.subject, ": ", notice.text));
  if (lines.size() > lines_max_) lines.pop_front();
}

void Digest::AddRepeats(const Window& window) {
  if (window.more == 0) return;
  count_ += window.more;
  counts_[std::string(window.first.kind->name)] += window.more;
  worst_ = std::max(worst_, window.first.severity);
  first_ = std::min(first_, window.first.at);
  last_ = std::max(last_, window.first.at);
}

int Digest::Unspelt() const {
  std::size_t lines = 0;
  for (const auto& some : newest_) lines += some.size();
  return count_ - static_cast<int>(std::min(lines, lines_max_));
}

NoticeMessage Digest::Message(std::string_view installation, Position after, Position until) const {
  NoticeMessage message;
  message.form = NoticeMessage::Form::kDigest;
  message.id = Cat(installation, "-digest-", after + 1, "-", until);
  message.kind = "digest";
  message.state = "happened";
  message.severity = std::string(SeverityWord(worst_));
  message.since_position = after + 1;
  message.position = until;
  message.at = count_ == 0 ? absl::UnixEpoch() : last_;
  message.counts = counts_;
  message.explain = Cat("muster events --after ", after);
  std::string kinds;
  for (const auto& [kind, count] : counts_) {
    kinds += Cat(kinds.empty() ? "" : ", ", count, " ", kind);
  }
  message.text = Cat(count_, " notices");
  if (count_ > 0) message.text += Cat(" since ", FormatUtc(first_), ": ", kinds);
  for (std::size_t severity = newest_.size(); severity-- > 0;) {
    for (auto line = newest_[severity].rbegin(); line != newest_[severity].rend(); ++line) {
      if (message.lines.size() < lines_max_) message.lines.push_back(*line);
    }
  }
  if (const int more = Unspelt(); more > 0) {
    message.more = more;
    message.lines.push_back(Cat("and ", more, " more"));
  }
  return message;
}

}  // namespace muster::notify
