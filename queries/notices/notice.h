// Notice: what of the log a person should be told, in the reader's words. Pure but for looking up
// which fleet a worker is of, which its stream says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eventstore/base/strings.h"
#include "eventstore/event_store.h"
#include "eventstore/events/notice_kinds.h"
#include "queries/projection.h"

namespace muster::queries {

struct Notice {
  Position position = 0;
  std::string event;  // id
  absl::Time at;      // when it was recorded
  const NoticeKind* kind = nullptr;
  Severity severity = Severity::kInfo;
  std::string state;    // "happened", "began", "ended"
  std::string subject;  // "worker/k7f2q"
  std::string part;     // of the subject: an instance, an endpoint; may be empty
  std::string fleet;    // may be empty
  std::string rule;     // may be empty
  std::string text;     // one line
  std::string explain;  // the command that tells more

  // Of all that say the same of the same.
  std::string Key() const {
    return Cat(kind->name, " ", state, " ", subject, " ", part, " ", rule);
  }
};

// Whether events of this type may be notices: saves decoding most of a log.
bool MayBeNotice(std::string_view type);

// nullopt: nothing that anybody waits for. `store` is asked for the fleet of a worker.
std::optional<Notice> NoticeOf(const EventStore& store, const RecordedEvent& recorded);

}  // namespace muster::queries
