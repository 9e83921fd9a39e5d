// What a ServerSpec must be, whoever sent it: defaults and validation.
//
// Used for builder files and by the server for specs from other clients, so both know the same
// rules. Field paths are those of the message, "market.price_max_micros_per_month". Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/files/spec_check.h"

namespace muster {

namespace spec::v1 {
class ServerSpec;
}

// Everything that is wrong with `spec`, in the message's order; empty when it can be ordered. What
// FillServerDefaults would fill is wrong here: fill first.
std::vector<Violation> ValidateServerSpec(const specpb::ServerSpec& spec);

// Sets what was left out, where zero has no meaning, and adds BuilderFeature() to the supported
// features. Filling twice changes nothing.
void FillServerDefaults(specpb::ServerSpec& spec);

// "muster-NAME": a feature that this builder supports and no other machine does. A probe that
// requires it was built there or not at all; a feature such as cuda may be had elsewhere too.
std::string BuilderFeature(std::string_view name);

// The path of a field of the message as a builder file spells it: "market.memory_gb_min" ->
// "market.memory_min".
std::string ServerFilePathOf(std::string_view message_path);

}  // namespace muster
