#include "workers/os/os_text_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace muster {
namespace {

constexpr std::size_t kBytesMax = 1u << 20;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Status Failed(const char* what, const std::string& path) {
  const int error = errno;
  const std::string text = Cat("cannot ", what, " ", path, ": ", std::strerror(error));
  return error == ENOSPC || error == EDQUOT ? ResourceExhausted(text) : Unavailable(text);
}

Status WriteAll(const File& file, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file.fd(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(file.fd()) == 0 ? Status() : Failed("sync", path);
}

Status SyncFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0 || fsync(opened.fd()) != 0) return Failed("sync the folder of", path);
  return {};
}

}  // namespace

StatusOr<std::string> OsTextFiles::Read(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd() < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return absent ? NotFound(Cat(path, " is not there")) : Failed("open", path);
  }
  struct stat about = {};
  if (fstat(file.fd(), &about) != 0) return Failed("look at", path);
  if (!S_ISREG(about.st_mode)) return Unavailable(Cat(path, " is no file"));
  std::string text;
  char buffer[16'384];
  while (true) {
    const ssize_t got = read(file.fd(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kBytesMax) return Unavailable(Cat(path, " is larger than 1 MiB"));
  }
}

Status OsTextFiles::Write(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());  // of a crash before
  {
    const File file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (file.fd() < 0) return Failed("make", fresh);
    const Status written = WriteAll(file, fresh, text);
    // The umask of whoever started us is no reason to hide it from Nix.
    if (!written.ok() || fchmod(file.fd(), 0644) != 0) {
      const Status why = written.ok() ? Failed("open up", fresh) : written;
      unlink(fresh.c_str());
      return why;
    }
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    const Status why = Failed("make", path);
    unlink(fresh.c_str());
    return why;
  }
  return SyncFolderOf(path);
}

}  // namespace muster
