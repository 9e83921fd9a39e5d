// Where the tests find the source tree and the built programs. Kept in one object file, so that
// no other test's compilation depends on where the checkout lies.
#pragma once

#include <string>

namespace muster {

// Absolute, without a slash at the end.
const std::string& SourceDir();
const std::string& BinDir();

}  // namespace muster
