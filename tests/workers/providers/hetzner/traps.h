// HetznerTraps: the rig of the tests that meet every wire trap, and its short words.
#pragma once

#include <string_view>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/rig.h"

namespace muster {

class HetznerTraps : public testing::Test, public HetznerRig {
 protected:
  int Sent(std::string_view endpoint) const {
    int sent = 0;
    for (const hetznersim::JournalEntry& call : sim.Journal()) sent += call.endpoint == endpoint;
    return sent;
  }
  Status Rescue(const ServerNumber& number) {
    return rt.Run(provider->ActivateRescue(number, kKeyMd5, Soon()));
  }
  StatusOr<RescueSetting> Setting(const ServerNumber& number) {
    return rt.Run(provider->GetRescue(number, Soon()));
  }
  StatusOr<RescueBoot> Last(const ServerNumber& number) {
    return rt.Run(provider->LastRescue(number, Soon()));
  }
  Status Press(const ServerNumber& number, ResetKind kind = ResetKind::kHardware) {
    return rt.Run(provider->Reset(number, kind, Soon()));
  }
  Status CancelNow(const ServerNumber& number) {
    return rt.Run(provider->CancelServer(number, "now", "", Soon()));
  }
  StatusOr<Cancellation> Cancelled(const ServerNumber& number) {
    return rt.Run(provider->GetCancellation(number, Soon()));
  }
};

}  // namespace muster
