#include "tests/support/paths.h"

namespace muster {

const std::string& SourceDir() {
  static const std::string path = MUSTER_SOURCE_DIR;
  return path;
}

const std::string& BinDir() {
  static const std::string path = MUSTER_BIN_DIR;
  return path;
}

}  // namespace muster
