// CommandTarget: notices for a program of the operator's: the message as JSON on its standard
// input, nothing in its arguments that the configuration does not say. Exit 0 = it arrived; 65
// (EX_DATAERR) = never send this one again; anything else = try again. Reactor thread.
#pragma once

#include <string>
#include <vector>

#include "workers/ports/notice_target.h"
#include "workers/ports/program.h"
#include "workers/ports/secrets.h"

namespace muster {

class CommandTarget final : public NoticeTarget {
 public:
  // The ports must outlive it.
  CommandTarget(ProgramRunner& programs, const Secrets& secrets, std::vector<std::string> argv,
                absl::Duration patience);

  std::string_view type() const override { return "command"; }
  Task<Delivery> Deliver(NoticeMessage message) override;

 private:
  ProgramRunner& programs_;
  const Secrets& secrets_;
  const std::vector<std::string> argv_;
  const absl::Duration patience_;
};

}  // namespace muster
