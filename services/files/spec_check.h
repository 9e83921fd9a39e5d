// What a FleetSpec must be, whoever sent it: defaults, validation and comparison.
//
// Used for fleet files and by the server for specs from other clients, so both know the same
// rules. Field paths are those of the message, "market.price_max_micro_usd_per_hour". Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster {

namespace spec::v1 {
class FleetSpec;
}
namespace specpb = spec::v1;

struct Violation {
  std::string field;        // "timers.boot_s", "market.gpus[2].name"
  std::string description;  // what it is and what was expected; never holds a secret
};

// Everything that is wrong with `spec`, in the message's order; empty when it can be applied. What
// FillDefaults would fill is wrong here: fill first.
std::vector<Violation> ValidateSpec(const specpb::FleetSpec& spec);

// Sets what was left out (absent sections, and zeros where zero has no meaning) to the runbook's
// values. Never touches name and workers, nor a zero that means "none", "any" or "for ever" in a
// section that is present. Filling twice changes nothing.
void FillDefaults(specpb::FleetSpec& spec);

// The differences for people, one line each in the words of fleet files:
// "market.price_max: $0.09/h -> $0.10/h". Empty when the two mean the same.
std::vector<std::string> DiffSpecs(const specpb::FleetSpec& before, const specpb::FleetSpec& after);

// The path of a field of the message as a fleet file spells it: "timers.boot_s" -> "timers.boot".
std::string FilePathOf(std::string_view message_path);

// The GPU names Vast.ai is known to use.
const std::vector<std::string>& KnownGpus();

}  // namespace muster
