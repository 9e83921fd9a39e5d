// Builder files: YAML for people, mapped onto ServerSpec: which dedicated server to order, what to
// install on it, and what kind of Nix builder it is to be.
//
// Human units only ("200.00 EUR/month", "64GB", "10m"); what is left out gets the values of
// FillServerDefaults. Every error names file, line, column, field, value and what was expected, and
// all of them are reported, one per line. Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

namespace spec::v1 {
class ServerSpec;
}
namespace specpb = spec::v1;

// The server of the file at `path`. Key files that it names are read relative to its folder.
//
// kNotFound         the file cannot be read
// kInvalidArgument  it says something wrong: the message tells the user all of it
StatusOr<specpb::ServerSpec> LoadBuilderFile(const std::string& path);

// As LoadBuilderFile, for text at hand. Reads no other file, so `authorized_keys_file` is refused.
StatusOr<specpb::ServerSpec> ParseBuilderFile(std::string_view text, std::string_view file_name);

}  // namespace muster
