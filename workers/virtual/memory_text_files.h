// MemoryTextFiles: text files of a world without a disk.
#pragma once

#include <map>
#include <string>

#include "workers/ports/text_files.h"

namespace muster {

class MemoryTextFiles final : public TextFiles {
 public:
  StatusOr<std::string> Read(const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return NotFound(Cat(path, " is not there"));
    return found->second;
  }
  Status Write(const std::string& path, std::string_view text) override {
    if (!fail_next.ok()) return std::exchange(fail_next, Status());
    files[path] = std::string(text);
    return {};
  }

  std::map<std::string, std::string> files;
  Status fail_next;  // of the next Write
};

}  // namespace muster
