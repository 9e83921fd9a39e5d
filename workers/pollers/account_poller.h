// AccountPoller: watches the account's credit. Reactor thread.
#pragma once

#include "workers/pollers/poll_context.h"

namespace muster {

class AccountPoller {
 public:
  explicit AccountPoller(PollContext& context)
      : context_(context), turns_(context.group, context.link.rt) {}

  Task<void> Run();
  // Look soon: a launch was refused for lack of credit.
  void Hurry() { turns_.Hurry(absl::Seconds(10)); }
  void PollNow() { turns_.Hurry(absl::ZeroDuration()); }

 private:
  Task<void> PollOnce();

  PollContext& context_;
  Turns turns_;
};

}  // namespace muster
