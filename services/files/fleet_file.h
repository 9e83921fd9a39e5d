// Fleet files: YAML for people, mapped onto FleetSpec.
//
// Human units only ("$0.09/h", "10m", "15GB", "95%"); what is left out gets the runbook's values
// (see FillDefaults). Every error names file, line, column, field, value and what was expected,
// and all of them are reported, one per line. Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

namespace spec::v1 {
class FleetSpec;
}
namespace specpb = spec::v1;

// The fleet of the file at `path`. `onstart_file` is read relative to the file's folder.
//
// kNotFound         the file (or its onstart_file) cannot be read
// kInvalidArgument  it says something wrong: the message tells the user all of it
StatusOr<specpb::FleetSpec> LoadFleetFile(const std::string& path);

// As LoadFleetFile, for text at hand. Reads no other file, so `onstart_file` is refused.
StatusOr<specpb::FleetSpec> ParseFleetFile(std::string_view text, std::string_view file_name);

// `spec` as a complete fleet file, every key spelt out. Parses back to the same spec.
// REQUIRES: FillDefaults was applied, and ValidateSpec finds nothing
std::string FormatFleetFile(const specpb::FleetSpec& spec);

// "fleet.yaml:12" for the field at `file_path` ("launch.env.HF_TOKEN", "preflight.weights.bearer")
// in the fleet file at `path`; the nearest key above it when the field itself is not written there,
// and `path` alone when the file cannot be read.
std::string PlaceInFile(const std::string& path, std::string_view file_path);

}  // namespace muster
