// Environment: turns a fleet's launch recipe and one intent into what the provider is given, with
// places filled in and secrets resolved at the last moment. Internal to workers/effects.
#pragma once

#include <string>
#include <string_view>

#include "commands/worker/state.h"
#include "workers/ports/provider.h"
#include "workers/ports/secrets.h"

namespace muster {

// Replaces {worker}, {index}, {fleet} and {upload_interval_s} in `text`; other braces stay.
std::string FillPlaces(std::string_view text, const specpb::FleetSpec& spec,
                       const worker::Identity& worker);

// kNotFound         a secret is missing; the message names the reference, never a value
// kInvalidArgument  a reference is malformed
StatusOr<LaunchSpec> MakeLaunchSpec(const specpb::FleetSpec& spec, const worker::Identity& worker,
                                    Secrets& secrets);

}  // namespace muster
