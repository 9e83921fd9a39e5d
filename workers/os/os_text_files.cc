#include "workers/os/os_text_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "workers/os/small_file.h"

namespace muster {
namespace {

constexpr std::size_t kBytesMax = 1u << 20;

}  // namespace

StatusOr<std::string> OsTextFiles::Read(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return absent ? NotFound(Cat(path, " is not there")) : FileTrouble("open", path);
  }
  struct stat about = {};
  if (fstat(file.get(), &about) != 0) return FileTrouble("look at", path);
  if (!S_ISREG(about.st_mode)) return Unavailable(Cat(path, " is no file"));
  return ReadToEnd(file, path, kBytesMax);
}

Status OsTextFiles::Write(const std::string& path, std::string_view text) {
  // The umask of whoever started us is no reason to hide it from Nix.
  return ReplaceFile(path, text, 0644);
}

}  // namespace muster
