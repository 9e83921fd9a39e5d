// Labels and keys: how a worker is named at the provider and what its program is called. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "commands/context.h"
#include "eventstore/base/ids.h"

namespace muster::fleet {

// spec.launch.label with {fleet} and {index} filled in: "zeb-worker-vast-3".
std::string BareLabel(const specpb::FleetSpec& spec, int index);
// The same with "." and the token behind it: what the provider is given.
std::string LabelFor(const specpb::FleetSpec& spec, int index, const WorkerId& token);

// The index that `label` names in this fleet, token or not; nullopt when it is no label of the
// fleet. The whole label counts: "zeb-worker-vast-1" is not a prefix of anything.
std::optional<int> IndexFromLabel(const specpb::FleetSpec& spec, std::string_view label);
// As above for a bare prefix that is followed by an index.
std::optional<int> IndexAfterPrefix(std::string_view prefix, std::string_view label);
// The text behind the last '.', where a token of ours would be; "" when there is none.
std::string_view TokenIn(std::string_view label);

// Names the program a fleet runs, so that measurements of one never speak for another: the image
// and what it is told, without secrets.
std::string WorkKey(const specpb::FleetSpec& spec);

}  // namespace muster::fleet
