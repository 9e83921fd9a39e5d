// TextFiles: small files that people and other programs read, replaced as a whole.
//
// Not for keys (workers/os/private_file.h) nor for the log. Blocks for a moment. The real one is
// workers/os/os_text_files, one in memory is workers/virtual/memory_text_files.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

class TextFiles {
 public:
  virtual ~TextFiles() = default;

  // kNotFound     there is none
  // kUnavailable  it cannot be read, as the message says, or is no text of at most 1 MiB
  virtual StatusOr<std::string> Read(const std::string& path) = 0;

  // Whoever reads meanwhile sees the old text or all of the new one; it is on the disk when this
  // returns. Everybody may read it. The folder has to be there.
  //
  // kUnavailable, kResourceExhausted  the old text is still there
  virtual Status Write(const std::string& path, std::string_view text) = 0;
};

}  // namespace muster
