// Happenings: more of what a storm does: to the market, to keys and weights, with instances of
// others, and by operators who repeat and contradict themselves. Borrows all it is given.
#pragma once

#include <functional>
#include <string>

#include "eventstore/base/rng.h"
#include "tests/storm/daemon.h"
#include "tests/storm/deeds.h"
#include "tests/storm/storm.h"
#include "tests/storm/weather.h"

namespace muster::storm {

// The provider, and beside it the place where a fleet's weights lie.
class Weights final : public SimServer {
 public:
  explicit Weights(SimServer& market) : market_(market) {}
  SimReply Handle(const HttpRequest& request, absl::Time now) override;
  void SetOrigin(std::string origin) override { market_.SetOrigin(std::move(origin)); }

  int status = 200;  // of every look at the weights

 private:
  SimServer& market_;
};

struct Stage {
  VirtualRuntime& rt;
  vastsim::VastSim& sim;
  Weights& weights;
  const Weather& weather;
  Deeds& deeds;
  Rng& rng;
  std::function<Daemon*()> daemon;
  std::function<absl::Time(absl::Time)> true_time;  // of a time by our clock
  std::function<void(const std::string&)> did;      // writes it into the story
  std::function<void(absl::Duration)> pass;         // lets the world go on
  std::function<void(absl::Duration)> set_clock;    // by so much
  std::function<void(absl::Duration)> end_credit;   // for so long
  std::function<void()> end_a_worker;               // as an operator asks for it
  Keys& keys;                                       // that the program is given
  StormReport& report;
};

// Ends a trap that was set for a while; what lasts through the whole storm goes on.
void Restore(const Stage& stage, vastsim::Trap trap);

class Happenings {
 public:
  explicit Happenings(Stage stage) : stage_(std::move(stage)) {}

  // One of them, drawn.
  void One();
  // The next list leaves out one instance, as if there were one less.
  void ForgetOne();
  // Ends what was begun; what lies about and nobody took in is taken away by whoever left it.
  void Calm();

 private:
  void AddStranger();
  void AddStray();
  void LoseWeights();
  void RevokeKey();
  void HideMarket();
  void SellMarket();
  void RaiseOffers();
  void ImportBadHosts();
  void Adopt();
  void RepeatYourself();
  void ChangeSpec();

  const FleetDraw& AnyFleet();
  double Cents(int low, int high);  // in $

  Stage stage_;
  int request_ids_ = 0;
};

}  // namespace muster::storm
