#include "services/notify/outbox.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace muster::notify {

NoticeMessage MessageOf(const queries::Notice& notice) {
  NoticeMessage message;
  message.id = notice.event;
  message.kind = std::string(notice.kind->name);
  message.state = notice.state;
  message.severity = std::string(SeverityWord(notice.severity));
  message.subject = notice.subject;
  message.fleet = notice.fleet;
  message.rule = notice.rule;
  message.text = notice.text;
  message.explain = notice.explain;
  message.position = notice.position;
  message.at = notice.at;
  return message;
}

NoticeMessage SummaryOf(const Window& window) {
  NoticeMessage message = MessageOf(window.first);
  message.form = NoticeMessage::Form::kSummary;
  message.id += "+more";
  message.text += Cat("; and ", window.more, " more until ", FormatUtc(window.until));
  message.more = window.more;
  message.since_position = window.first.position;
  message.position = window.newest;
  return message;
}

Outbox::Outbox(OutboxOptions options, Progress done)
    : options_(options), done_(std::move(done)), read_(done_) {}

void Outbox::Add(NoticeMessage message, int held_back) {
  if (overflow_) {
    ++not_kept_;
    return;
  }
  ready_.push_back({std::move(message), held_back, read_});
  // From here on nothing is told one by one, so nothing needs to be kept.
  overflow_ = Waiting() > options_.digest_above;
}

void Outbox::See(const queries::Notice& notice) {
  // What falls due before this notice must not count it as told.
  read_.position = notice.position - 1;
  if (!overflow_) CloseBefore(notice.at);
  read_.position = notice.position;
  if (overflow_) {
    ++not_kept_;
    return;
  }
  const auto [window, fresh] = read_.windows.try_emplace(notice.Key());
  if (fresh) {
    window->second = {notice, notice.at + options_.repeat_after, 0, 0};
    Add(MessageOf(notice), 0);
  } else {
    ++window->second.more;
    window->second.newest = notice.position;
  }
}

void Outbox::Pass(Position position) {
  read_.position = position;
  if (empty()) done_ = read_;
}

void Outbox::CloseBefore(absl::Time now) {
  std::vector<Window> over;
  for (auto it = read_.windows.begin(); it != read_.windows.end();) {
    if (it->second.until <= now) {
      if (it->second.more > 0) over.push_back(std::move(it->second));
      it = read_.windows.erase(it);
    } else {
      ++it;
    }
  }
  // Each summary's progress must still hold the windows whose summaries come after it.
  for (std::size_t i = over.size(); i-- > 0;) read_.windows.emplace(over[i].first.Key(), over[i]);
  for (const Window& window : over) {
    read_.windows.erase(window.first.Key());
    Add(SummaryOf(window), window.more);
  }
}

void Outbox::Close(absl::Time now) {
  if (overflow_) return;
  CloseBefore(now);
  if (empty()) done_ = read_;
}

void Outbox::Arrived() {
  done_ = std::move(ready_.front().after);
  ready_.pop_front();
  if (empty()) done_ = read_;
}

void Outbox::Restart(Progress done) {
  ready_.clear();
  overflow_ = false;
  not_kept_ = 0;
  read_ = done;
  done_ = std::move(done);
}

absl::Time Outbox::next_close() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, window] : read_.windows) {
    if (window.more > 0) next = std::min(next, window.until);
  }
  return next;
}

Allowance::Allowance(AllowanceOptions options, double left, absl::Time at)
    : options_(options), left_(std::clamp(left, 0.0, options.burst)), at_(at) {}

double Allowance::Left(absl::Time now) const {
  const double grown = absl::ToDoubleHours(std::max(now - at_, absl::ZeroDuration()));
  return std::min(options_.burst, left_ + grown * options_.per_hour);
}

absl::Time Allowance::Next(absl::Time now) const {
  // A hair less than one: the clock counts whole nanoseconds.
  const double missing = 1 - 1e-6 - Left(now);
  return missing <= 0 ? now : now + absl::Hours(missing / options_.per_hour);
}

void Allowance::Take(absl::Time now) {
  left_ = std::max(0.0, Left(now) - 1);
  at_ = now;
}

}  // namespace muster::notify
