// Outbox: what one target is to be told next, and how far it is served once it was. A value; knows
// no clock and no store, so the same log gives the same messages, also when it is read again after
// a crash.
//
//   for each notice of the log that is for this target: box.See(notice); box.Pass(position)
//   box.Close(now)                      // summaries whose time has come
//   if (!box.empty()) ... deliver box.front().message ... box.Arrived(), write down box.done()
//
// Repeats (the same kind of the same subject within `repeat_after`, by the log's clock) are held
// back and told in a summary when that time is over. More than `digest_above` messages at once are
// told as one digest, which whoever owns the outbox makes from the log.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "eventstore/base/units.h"
#include "queries/notices/notice.h"
#include "workers/ports/notice_target.h"

namespace muster::notify {

struct OutboxOptions {
  absl::Duration repeat_after = absl::Minutes(15);
  int digest_above = 10;
};

// A notice that was told, and its repeats that were not.
struct Window {
  queries::Notice first;
  absl::Time until;
  int more = 0;
  Position newest = 0;  // of the repeats
};

// Everything up to `position` is told, or held back in a window.
struct Progress {
  Position position = 0;
  std::map<std::string, Window> windows;  // by Notice::Key
};

NoticeMessage MessageOf(const queries::Notice& notice);
NoticeMessage SummaryOf(const Window& window);

class Outbox {
 public:
  struct Item {
    NoticeMessage message;
    int held_back = 0;  // notices that it tells of without telling them
    Progress after;     // once it has arrived
  };

  explicit Outbox(OutboxOptions options = {}, Progress done = {});

  // REQUIRES: positions ascend
  void See(const queries::Notice& notice);
  // Everything up to `position` was looked at.
  void Pass(Position position);
  // No event recorded before `now` is still to come.
  void Close(absl::Time now);

  bool empty() const { return ready_.empty() && !overflow_; }
  // REQUIRES: !empty() and not only a digest is left. The first message; it stays the first until
  // Arrived or Restart.
  const Item& front() const { return ready_.front(); }
  void Arrived();
  // Goes on as if everything up to `done` were told and nothing after it read.
  void Restart(Progress done);

  // More waits than is told one by one.
  bool TooMany() const { return overflow_ || Waiting() > options_.digest_above; }
  int Waiting() const { return static_cast<int>(ready_.size()) + not_kept_; }
  const Progress& done() const { return done_; }
  Position read() const { return read_.position; }
  // When the next summary is due; InfiniteFuture when there is none.
  absl::Time next_close() const;

 private:
  void CloseBefore(absl::Time now);
  void Add(NoticeMessage message, int held_back);

  OutboxOptions options_;
  Progress done_;
  Progress read_;  // as if everything ready had arrived
  std::deque<Item> ready_;
  bool overflow_ = false;  // messages are only counted: it takes a digest
  int not_kept_ = 0;
};

// So many messages may go at once, and so many per hour after that.
struct AllowanceOptions {
  double per_hour = 30;
  double burst = 5;
};
class Allowance {
 public:
  Allowance(AllowanceOptions options, double left, absl::Time at);
  // When the next message may go.
  absl::Time Next(absl::Time now) const;
  void Take(absl::Time now);
  double Left(absl::Time now) const;

 private:
  AllowanceOptions options_;
  double left_;
  absl::Time at_;
};

}  // namespace muster::notify
