// ServerStage: dedicated servers from end to end in virtual time: what stands outside, and over it
// one life after the other of the working program, with an operator who wants one builder.
//
//   ServerStage stage(/*seed=*/1);
//   stage.Live();
//   EXPECT_TRUE(stage.RunUntilInService());
//
// What a crash takes away is the life; the log and all that stands outside stay. Reactor thread.
#pragma once

#include <memory>
#include <string>

#include "tests/stage/server_life.h"
#include "tests/stage/server_promises.h"

namespace muster {

class ServerStage {
 public:
  explicit ServerStage(std::uint64_t seed);
  ~ServerStage();

  // The program starts, and the operator with it.
  void Live();
  // It ends where it stands, as by kill -9.
  void Crash();
  // Until the builder serves; false when it does not within `span_max`.
  bool RunUntilInService(absl::Duration span_max = absl::Hours(6));
  // The same after so many crashes, each after a few steps, at most `steps_max`.
  bool RunCrashingUntilInService(std::uint64_t steps_max, int crashes);
  // Asks for the end of it at once, and waits for that; false when it did not come.
  bool GiveBack();

  const server::State* state() const;
  VirtualMachines::Machine* machine();
  // What must hold whatever happened; "" or what is wrong.
  std::string Violations();

  ServerOutside& outside() { return outside_; }
  hetznersim::HetznerSim& sim() { return outside_.sim; }
  VirtualRuntime& rt() { return rt_; }
  int interventions() const { return interventions_; }  // times somebody had to look

 private:
  Task<void> Operate();
  // What `muster server up` does, and a person who asks for the rescue system again where it stops.
  Task<void> OperateOnce();

  VirtualRuntime rt_;
  ServerOutside outside_;
  const std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::unique_ptr<ServerLife> life_;
  ServerPromises promises_;
  bool loaded_ = false;  // the life
  int interventions_ = 0;
  bool giving_back_ = false;
};

}  // namespace muster
