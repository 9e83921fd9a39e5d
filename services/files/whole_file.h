// Files that people name, read as a whole. Blocks; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

// kNotFound  it cannot be read: the path, and what was expected there
StatusOr<std::string> ReadWholeFile(const std::string& path,
                                    std::string_view expected = "a readable file");

// Reads the files that a file speaks of.
using FileReader = std::function<StatusOr<std::string>(const std::string& name)>;

// Names are relative to the folder of `path`.
FileReader ReaderBeside(const std::string& path);

// For texts that lie in no folder: kInvalidArgument, expected `instead`.
FileReader NoReader(std::string_view instead);

}  // namespace muster
