// Operators: those who apply, scale and take down fleets, and replace, destroy and pardon. Borrows
// all it is given.
#pragma once

#include <string>

#include "tests/storm/happenings.h"

namespace muster::storm {

class Operators {
 public:
  explicit Operators(Stage stage) : stage_(std::move(stage)) {}

  void Apply(const FleetDraw& fleet);
  void Down(const std::string& fleet);
  // Asks for one of the open workers to be replaced or destroyed, if there is one.
  void EndAWorker();
  // Any of what operators do, drawn.
  void Act();
  // Starts, promotes or stops a candidate beside a fleet. `draw` is of its own, so that storms
  // without shadows go as they did.
  void Shadow(Rng& draw);

 private:
  void Scale(const std::string& fleet, int workers);
  void Pardon();

  Stage stage_;
  int shadow_requests_ = 0;
};

}  // namespace muster::storm
