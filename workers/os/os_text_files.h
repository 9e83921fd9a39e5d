// OsTextFiles: text files on the disk. Any thread; no state.
#pragma once

#include "workers/ports/text_files.h"

namespace muster {

class OsTextFiles final : public TextFiles {
 public:
  StatusOr<std::string> Read(const std::string& path) override;
  Status Write(const std::string& path, std::string_view text) override;
};

}  // namespace muster
