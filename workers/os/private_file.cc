#include "workers/os/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace muster {
namespace {

class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
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

StatusOr<std::string> ReadPrivate(const File& file, const std::string& path) {
  struct stat about = {};
  if (fstat(file.fd(), &about) != 0) return Failed("look at", path);
  if ((about.st_mode & 077) != 0) {
    return FailedPrecondition(Cat(path, " may be read by others: chmod 600, and ask who has"));
  }
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(file.fd(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

StatusOr<std::string> ReadOrMakePrivateFile(const std::string& path,
                                            const std::function<StatusOr<std::string>()>& make) {
  {
    const File there(path, O_RDONLY);
    if (there.fd() >= 0) return ReadPrivate(there, path);
    if (errno != ENOENT) return Failed("open", path);
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string text, make());
  // Complete under another name first: a crash must not leave half a key.
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  {
    const File file(fresh, O_WRONLY | O_CREAT | O_EXCL);
    if (file.fd() < 0) return Failed("make", fresh);
    MUSTER_RETURN_IF_ERROR(WriteAll(file, fresh, text));
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) return Failed("make", path);
  const std::size_t slash = path.rfind('/');
  const File folder(slash == std::string::npos ? "." : path.substr(0, slash + 1),
                    O_RDONLY | O_DIRECTORY);
  if (folder.fd() < 0 || fsync(folder.fd()) != 0) return Failed("sync the folder of", path);
  return text;
}

Status AppendLine(const std::string& path, const std::string& line) {
  const File file(path, O_WRONLY | O_CREAT | O_APPEND);
  if (file.fd() < 0) return Failed("open", path);
  return WriteAll(file, path, line + "\n");
}

}  // namespace muster
