// HeadSink: a place outside muster where signed heads of the log are kept, so that a log that was
// cut or rewritten can be told. Reactor thread.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

class HeadSink {
 public:
  virtual ~HeadSink() = default;

  // What it is called in the log: "file".
  virtual std::string_view place() const = 0;
  // Hands over one line. OK only when it has arrived, as far as this place can tell. An error says
  // why; the same line is handed over again later, so a place may see a line twice.
  virtual Task<Status> Deliver(std::string line) = 0;
};

}  // namespace muster
