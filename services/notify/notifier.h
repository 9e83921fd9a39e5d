// Notifier: tells targets what happens, each at its own pace from its own place in the log.
//
//   the log -> notices -> rules -> outbox (repeats, digest) -> target -> NoticesServed in the log
//
// Promise: each notice that a rule sends to a target is told to it at least once, by itself, in a
// summary or in a digest; exactly once, if its arrival was written down before a crash. Between
// arrival and that event a crash tells the same message, with the same id, again. A target that is
// away holds up itself alone. Reactor thread; the ports must outlive it, and the Runtime's tasks be
// destroyed before it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "services/notify/outbox.h"
#include "services/notify/routing.h"
#include "workers/ports/backoff.h"
#include "workers/ports/notice_target.h"
#include "workers/ports/secrets.h"

namespace muster::notify {

struct NotifierOptions {
  std::vector<Rule> rules;
  OutboxOptions outbox;
  BackoffBounds retry{absl::Seconds(5), absl::Minutes(30)};
  int refusals_max = 3;          // a message refused so often for good is given up
  Position mark_every = 10'000;  // events without a message after which progress is written down
  absl::Duration look = absl::Seconds(30);  // at the latest something is looked at again
};

struct TargetStatus {
  std::string name;
  std::string type;
  Position position = 0;  // served up to here
  Position behind = 0;    // events after that
  int waiting = 0;        // messages
  absl::Time arrived_at = absl::InfinitePast();
  std::string error;  // of the newest attempt; empty: it arrived
  absl::Time error_at = absl::InfinitePast();
  absl::Time next_try = absl::InfinitePast();  // nothing is held up
  std::int64_t sent = 0;                       // since the start
  std::int64_t failed = 0;
  std::int64_t dropped = 0;  // notices not told one by one, and messages refused for good
};

struct TestResult {
  bool arrived = false;
  std::string answer;
  std::string message;
  absl::Duration took;
};

class Notifier {
 public:
  struct Ports {
    Runtime& rt;
    EventStore& store;
    Handler& handler;
    const Secrets& secrets;
  };
  struct Target {
    std::string name;
    std::unique_ptr<NoticeTarget> target;
    AllowanceOptions allowance;
  };
  Notifier(Ports ports, std::vector<Target> targets, NotifierOptions options = {});
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Spawns one task per target. Call once, after Handler::Load.
  void Start();

  // By name.
  std::vector<TargetStatus> Targets() const;
  // Sends a message that says that it is a test, beside everything else.
  // kNotFound  there is no such target; names those that there are
  Task<StatusOr<TestResult>> Test(std::string name);
  // What cannot be written into the log, because that is what is wrong: told to all targets of its
  // kind, once in the life of this object, and not remembered by it afterwards.
  void TellUnwritable(std::string text);

 private:
  struct Line;  // to one target

  Task<void> Serve(Line& line);
  Status Load(Line& line) const;
  Task<void> Fill(Line& line);
  Task<void> SendNext(Line& line);
  Task<void> SendEmergency(Line& line);
  Task<void> BeginDigest(Line& line);
  Task<void> Judge(Line& line, NoticeMessage message, Delivery delivery, int untold);
  Task<void> Record(Line& line, std::string message, bool dropped);
  Task<NoticeMessage> Compose(Line& line, int* untold);
  Task<Delivery> Deliver(Line& line, NoticeMessage message);
  absl::Time IdleUntil(const Line& line) const;

  const Ports ports_;
  const NotifierOptions options_;
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace muster::notify
