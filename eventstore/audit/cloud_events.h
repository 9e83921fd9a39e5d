// The log as CloudEvents 1.0, one JSON text an event, for the systems that auditors have already.
//
// `type`, `subject` and `id` are the log's own; position, chain hash, actor, cause and correlation
// are extension attributes. `data` is the event's message as JSON; where text was taken out of it
// later, `redacted` is true and `data` is what was put in its stead.
//
// Single-threaded; values only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"
#include "eventstore/events/codec.h"

namespace muster::audit {

// What stands in the place of redacted payloads, by position: collected from the events that tell
// of it, wherever they come from.
class Replacements {
 public:
  // Looks at any event; keeps what a PayloadRedacted says.
  void See(const RecordedEvent& event);
  const std::string* Find(Position position) const;

 private:
  std::map<Position, std::string> by_position_;
};

struct ExportFilter {
  Position since = 0;                            // from this one on; 0 = the first
  absl::Time since_time = absl::InfinitePast();  // recorded then or later
  std::string fleet;   // its own events, its workers', and what names it; "" = all
  std::string worker;  // its own events and what names it; "" = all
  std::string server;  // of this name or id: its own events; "" = all
};

class CloudEvents {
 public:
  CloudEvents(ExportFilter filter, Replacements replacements)
      : filter_(std::move(filter)), replacements_(std::move(replacements)) {}

  // The next record as JSON in one line; nullopt when the filter does not want it. Show it all
  // records from the first on: who belongs to whom is told by earlier events.
  //
  // kDataLoss       the record is damaged, or its payload does not parse
  // kUnimplemented  of a newer writer
  StatusOr<std::optional<std::string>> Take(std::string_view record);

 private:
  bool Wanted(const RecordedEvent& event, const eventpb::EventBody& body);
  std::string ToJson(const RecordedEvent& event, const eventpb::EventBody* body,
                     const EventHash& digest, bool redacted) const;

  const ExportFilter filter_;
  const Replacements replacements_;
  std::string installation_;
  std::set<std::string> workers_;  // of the fleet asked for
  std::set<std::string> servers_;  // streams of the name asked for
  RecordedEvent event_;
};

}  // namespace muster::audit
