// The log in the reader's words: events as lines, and why something was done. Plain values.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/event_store.h"

namespace muster::queries {

struct EventLine {
  RecordedEvent recorded;  // envelope and payload as stored
  std::string text;        // one line
};

struct EventQuery {
  StreamId stream;  // empty = all
  FleetName fleet;  // empty = all; its own events, its workers' and strikes it caused
  Position after = 0;
  int page_size = 0;               // 0 = 100, at most 1000
  bool newest_first = false;       // then `after` is a position to go back from; 0 = the head
  std::vector<std::string> types;  // "worker.condemned"; empty = all
  int look_max = 20'000;           // at so many events, wanted or not, the page ends
};
struct EventPage {
  std::vector<EventLine> events;
  Position next_after = 0;  // 0 = no more
};

// One step of "observation -> rule with numbers -> decision -> effect -> confirmation".
struct ExplainLine {
  Position position = 0;
  absl::Time at = absl::InfinitePast();
  std::string text;                // "rule no-progress: 15m04s >= 15m"
  std::string detail;              // right column: "(policy v12)"
  std::vector<Position> evidence;  // what it was drawn from
  std::string type;                // "worker.condemned"
};
struct Explanation {
  std::string title;               // "worker/k7f2q   destroyed 03:14:07"
  std::vector<ExplainLine> lines;  // in log order
};

}  // namespace muster::queries
