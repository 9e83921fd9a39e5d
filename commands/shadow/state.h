// shadow/FLEET: what a candidate spec would have decided beside the live one, and the book of what
// would have come of it.
//
// The candidate has no hands: nothing that stands here is ever carried out, and the policy never
// looks at it. Values only; Evolve never fails and knows no clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster::shadow {

// So many disagreements within an hour are recorded; more are only counted.
inline constexpr int kPerHourMax = 240;

// A disagreement that lasts on at least one side.
struct Entry {
  eventpb::ShadowDisagreed what;
  absl::Time at;  // when it began
  // A live worker that the candidate would not have, or would not have had to pay any more.
  bool live_open = false;
  // A worker that only the book has.
  bool modelled = false;
};

struct Example {
  std::int64_t number = 0;
  Stamp at;
  std::string text;
  std::vector<std::uint64_t> evidence;
};
struct RuleCount {
  std::int64_t count = 0;
  std::vector<Example> newest;  // last first, three at most
};

struct State {
  FleetName fleet;
  specpb::FleetSpec candidate;
  std::string candidate_digest;
  bool running = false;
  Stamp started;
  MicroUsd live_spent_before;  // by the fleet until the start

  std::map<std::int64_t, Entry> open;  // by number
  std::int64_t disagreements = 0;      // the newest number
  std::map<std::string, RuleCount> by_rule;
  absl::Time hour_began = absl::InfinitePast();  // in which `in_hour` disagreements were recorded
  int in_hour = 0;
  Stamp last_upgrade;  // newest trial that the candidate would have begun

  // What ended sides cost more (or less) under the candidate: in all, and since midnight UTC.
  MicroUsd difference;
  std::int64_t day = 0;  // unix day of `difference_today`
  MicroUsd difference_today;

  std::int64_t moments = 0;
  std::int64_t agreements = 0;
  std::int64_t unrecorded = 0;
  absl::Time counted_to = absl::InfinitePast();
  MicroUsd live_counted, would_be_counted;  // up to then

  eventpb::ShadowEnded::How ended = eventpb::ShadowEnded::HOW_UNSPECIFIED;
  std::string ended_why;
  Stamp ended_at;

  std::uint64_t version = 0;
  std::uint64_t last_position = 0;
};

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

}  // namespace muster::shadow
