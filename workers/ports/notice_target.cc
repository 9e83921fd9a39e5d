#include "workers/ports/notice_target.h"

#include "eventstore/base/strings.h"

namespace muster {

std::string_view FormWord(NoticeMessage::Form form) {
  using Form = NoticeMessage::Form;
  switch (form) {
    case Form::kNotice:
      return "notice";
    case Form::kSummary:
      return "summary";
    case Form::kDigest:
      return "digest";
    case Form::kTest:
      return "test";
  }
  return "";
}

std::string NoticeTitle(const NoticeMessage& message) {
  const std::string_view over = message.state == "ended" ? " is over" : "";
  const std::string who = message.fleet.empty() ? "" : Cat(message.fleet, ": ");
  return Cat("muster ", message.severity, ": ", who, message.kind, over);
}

std::string NoticeText(const NoticeMessage& message) {
  std::string text = Cat(message.subject, message.subject.empty() ? "" : ": ", message.text);
  for (const std::string& line : message.lines) text += Cat("\n- ", line);
  if (!message.explain.empty()) text += Cat("\n", message.explain);
  return text;
}

}  // namespace muster
