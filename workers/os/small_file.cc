#include "workers/os/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace muster {
namespace {

Status MakeFresh(const std::string& path, std::string_view text, mode_t mode) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return FileTrouble("make", path);
  MUSTER_RETURN_IF_ERROR(WriteAndSync(file, path, text));
  return fchmod(file.get(), mode) == 0 ? Status() : FileTrouble("open up", path);
}

Status SyncFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || fsync(opened.get()) != 0) return FileTrouble("sync the folder of", path);
  return {};
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Status FileTrouble(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = Cat("cannot ", what, " ", path, ": ", std::strerror(error));
  return error == ENOSPC || error == EDQUOT ? ResourceExhausted(text) : Unavailable(text);
}

StatusOr<std::string> ReadToEnd(const Descriptor& file, const std::string& path,
                                std::size_t bytes_max) {
  std::string text;
  char buffer[16'384];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileTrouble("read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return Unavailable(Cat(path, " is larger than ", bytes_max >> 20, " MiB"));
    }
  }
}

Status WriteAndSync(const Descriptor& file, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return FileTrouble("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(file.get()) == 0 ? Status() : FileTrouble("sync", path);
}

Status ReplaceFile(const std::string& path, std::string_view text, mode_t mode) {
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());  // of a crash before
  Status made = MakeFresh(fresh, text, mode);
  if (made.ok() && rename(fresh.c_str(), path.c_str()) != 0) made = FileTrouble("make", path);
  if (made.ok()) return SyncFolderOf(path);
  unlink(fresh.c_str());
  return made;
}

}  // namespace muster
