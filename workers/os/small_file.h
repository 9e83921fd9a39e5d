// Small files of this machine, read and written whole. Every call blocks; any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

// An open file descriptor, closed at the end. Negative when there is none: errno says why.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// "cannot WHAT PATH: ...", after errno.
//
// kResourceExhausted  no room
// kUnavailable        anything else
Status FileTrouble(std::string_view what, const std::string& path);

// The rest of the file; `path` is for errors.
//
// kUnavailable  it cannot be read, or has more than `bytes_max`, whole MiB
StatusOr<std::string> ReadToEnd(const Descriptor& file, const std::string& path,
                                std::size_t bytes_max);

// Returns when `text` is on the disk. Errors as FileTrouble.
Status WriteAndSync(const Descriptor& file, const std::string& path, std::string_view text);

// The file `path` with this text and mode, whatever the umask is: complete under another name
// first, and on the disk when this returns. A crash leaves the old one or the new one. Errors as
// FileTrouble.
Status ReplaceFile(const std::string& path, std::string_view text, mode_t mode);

}  // namespace muster
