// HostNotes: writes into the machines' streams what the workers' streams say about them: a strike
// when a worker was condemned with one, and what the machine did while it was ours.
//
// Each note is keyed by its worker, so writing it twice (after a crash, say) gives the first
// result. Reactor thread; the Runtime and the Handler must outlive it.
#pragma once

#include <memory>

#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"

namespace muster {

class HostNotes {
 public:
  HostNotes(Runtime& rt, Handler& handler);

  // One event was written and folded.
  void Heard(const Written& written);
  // Writes what a crash may have kept from being written: of workers on their way out.
  void TakeUp();
  void Stop();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace muster
