// OsProgramRunner: programs as children of this process, one thread for each while it runs.
//
// Reactor thread; it must outlive the tasks that wait in it, and the Runtime it. Destroying it
// kills what still runs.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <thread>

#include "eventstore/base/runtime.h"
#include "workers/ports/program.h"

namespace muster {

class OsProgramRunner final : public ProgramRunner {
 public:
  explicit OsProgramRunner(Runtime& rt) : rt_(rt) {}
  ~OsProgramRunner() override;

  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override;

 private:
  struct Child {
    std::atomic<bool> cancelled = false;
    std::thread thread;
    bool ended = false;  // reactor thread
  };
  void Sweep();

  Runtime& rt_;
  std::list<std::shared_ptr<Child>> children_;
};

}  // namespace muster
