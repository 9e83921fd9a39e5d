// Gates: what the state of an account allows the policy to do at all. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "commands/account/state.h"
#include "commands/context.h"

namespace muster::fleet {

struct Gate {
  bool may_destroy = true;  // false: the key is refused, nothing can be done
  bool may_launch = true;
  bool credit_wait = false;  // only a probe may be launched, when one is due
  bool may_probe = false;
  absl::Time next_probe = absl::InfiniteFuture();
  absl::Time reopens = absl::InfiniteFuture();  // when time alone may allow launches again
  std::vector<eventpb::Wait> waits;             // what stands in the way, with owner and deadline
};

// `account` may be null: nothing was ever seen of it.
Gate GateOf(const account::State* account, absl::Duration probe_interval, absl::Time now);

// The key is refused or the provider is down: its lists prove nothing.
bool ListsDoubtful(const account::State* account);
// Position of the event that put the account where it is (credit wait or trouble); 0 = none.
std::uint64_t AccountPosition(const account::State* account);

eventpb::Wait MakeWait(eventpb::Wait::Kind kind, std::string detail, std::string owner,
                       absl::Time until = absl::InfinitePast());

}  // namespace muster::fleet
