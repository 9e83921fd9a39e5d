// Servers: the part of a storm that has to do with dedicated servers, beside the fleets and in the
// same program: what stands outside, an operator who wants a builder or two, and the weather of
// both.
//
// All of it is drawn from the seed by itself, so that a seed gives the same fleets with servers
// and, as far as chance goes, without. The operator and the weather are tasks of the runtime: a
// crash takes them away, Begin brings them back. Reactor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "eventstore/base/rng.h"
#include "tests/stage/server_causes.h"
#include "tests/stage/server_hands.h"
#include "tests/stage/server_promises.h"
#include "tests/storm/storm.h"
#include "tests/storm/weather.h"

namespace muster::storm {

class Servers {
 public:
  // `did` is told what is done to them.
  // REQUIRES: weather.servers
  Servers(VirtualRuntime& rt, const Weather& weather, const Limits& limits,
          std::function<void(const std::string&)> did, StormReport& report);

  ServerOutside& outside() { return outside_; }

  // The program has started.
  void Begin(ServerHands& hands, const EventStore& store);
  // It is over.
  void End() {
    hands_ = nullptr;
    calls_.Unwatch();
  }
  // The weather is fine from now on.
  void Calm();
  // They are not wanted any more.
  void TakeDown() { wanted_ = false; }

  // What is broken, or was at any time that their operator looked; "" = nothing.
  std::string Look();
  // What is not yet as is wanted in the calm: in service, or given back; "" = nothing.
  std::string Missing() const;

 private:
  Task<void> Live();
  void Check();
  void MakeWeather(const std::string& name);
  void SetFault();
  void Hurt(const std::string& name);
  Task<void> Operate(std::string name);
  Task<void> GoOn(std::string name);
  Task<void> Order(std::string name);
  std::string Later() const;
  void Count(const char* what) { ++report_.happened[Cat("server ", what)]; }

  VirtualRuntime& rt_;
  const Limits& limits_;
  const std::function<void(const std::string&)> did_;
  StormReport& report_;
  const ServerRates rates_;
  Rng rng_;
  ServerOutside outside_;
  ServerPromises promises_;
  ServerCalls calls_;
  std::vector<std::string> names_;
  ServerHands* hands_ = nullptr;
  const EventStore* store_ = nullptr;
  std::string broken_;
  std::size_t journal_read_ = 0;
  std::set<std::string> impostors_;  // seen, by machine and boot
  int orders_ = 0;
  bool calm_ = false;
  bool wanted_ = true;
};

}  // namespace muster::storm
