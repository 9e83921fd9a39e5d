// NoticeTarget: somebody outside muster who is told what happens: a web hook, a chat, a program.
// Reactor thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/task.h"

namespace muster {

// What a person is told, and a program may read. All text is masked by whoever makes it.
struct NoticeMessage {
  enum class Form {
    kNotice,   // one thing that happened
    kSummary,  // that it happened again, `more` times
    kDigest,   // too much to tell one by one: `counts` by kind, and the most important `lines`
    kTest,
  };
  Form form = Form::kNotice;
  // The same for every delivery of the same message, also after a crash: who has seen it may drop
  // the repeat.
  std::string id;
  std::string installation;
  std::string kind;                  // "worker-condemned"; see eventstore/events/notice_kinds.h
  std::string state;                 // "happened", "began", "ended"
  std::string severity;              // "critical"
  std::string subject;               // "worker/k7f2q"
  std::string fleet;                 // may be empty
  std::string rule;                  // of the decision, may be empty
  std::string text;                  // in the reader's words, one line
  std::string explain;               // the command that tells more
  std::uint64_t position = 0;        // in the log; of a digest or summary the last
  std::uint64_t since_position = 0;  // of a digest or summary the first
  absl::Time at = absl::UnixEpoch();
  int more = 0;
  std::map<std::string, int> counts;
  std::vector<std::string> lines;
};

// The words of Form: "notice", "summary", "digest", "test".
std::string_view FormWord(NoticeMessage::Form form);
// The message on one line, or for a digest several, as a chat shows it.
std::string NoticeText(const NoticeMessage& message);
std::string NoticeTitle(const NoticeMessage& message);

struct Delivery {
  enum class Result {
    kArrived,
    kFailed,   // not, or nobody can tell: to be tried again
    kRefused,  // the target wants this message never, however often it is tried
  };
  Result result = Result::kFailed;
  std::string answer;                                 // "HTTP 204"; masked, short
  absl::Duration retry_after = absl::ZeroDuration();  // as the target asks
};

class NoticeTarget {
 public:
  virtual ~NoticeTarget() = default;

  virtual std::string_view type() const = 0;  // "webhook"
  // Hands the message over once. Ends by a deadline of its own.
  virtual Task<Delivery> Deliver(NoticeMessage message) = 0;
};

}  // namespace muster
