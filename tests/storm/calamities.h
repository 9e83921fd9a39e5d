// Calamities: what is rare and large. Machines that are gone for good, a key that is revoked and
// never comes back, a clock that leaps by a day, machines that fail alike, rentals that are broken
// from birth. Borrows all it is given.
#pragma once

#include <cstdint>
#include <string>

#include "eventstore/base/rng.h"
#include "tests/storm/happenings.h"

namespace muster::storm {

// Each is counted by itself, and can be left out by itself (--without).
inline constexpr const char* kCalamities[] = {"machine_gone", "new_key",       "leap",
                                              "no_secret",    "fail_alike",    "broken_births",
                                              "crowd",        "lasting_ghost", "queued_starts"};

class Calamities {
 public:
  // Has a chance of its own, so that what was drawn before there were any stays as it was.
  Calamities(Stage stage, std::uint64_t seed)
      : stage_(std::move(stage)), rng_(seed ^ 0xca1a317ULL) {}

  // One of them, drawn, unless it is left out.
  void One(const Limits& limits);
  // To be called after each rent.
  void Born();

 private:
  void LoseMachine();
  void ChangeKey();
  void Leap();
  void LoseSecret();
  void FailAlike();
  void BreakBirths();
  void Crowd();
  void KeepGhosts();
  void QueueStarts();

  // Without strangers.
  std::vector<vastsim::InstanceView> Ours() const;
  void SetKeys();

  Stage stage_;
  Rng rng_;
  bool births_broken_ = false;
  std::int64_t newest_ = 0;  // instance that was born
};

}  // namespace muster::storm
