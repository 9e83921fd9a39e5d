#include "workers/os/file_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "eventstore/base/strings.h"
#include "workers/os/small_file.h"

namespace muster {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;

class File {
 public:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  static Task<StatusOr<std::string>> Next(std::shared_ptr<File> file) { co_return file->Read(); }

 private:
  StatusOr<std::string> Read() {
    std::string piece(kPieceBytes, '\0');
    for (;;) {
      const ssize_t got = read(fd_.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return MakeStatus(absl::ErrnoToStatusCode(errno), Cat("reading ", path_));
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    }
  }

  const Descriptor fd_;
  const std::string path_;
};

}  // namespace

StatusOr<SshInput> OpenFileInput(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return MakeStatus(absl::ErrnoToStatusCode(errno), Cat("opening ", path));
  const auto file = std::make_shared<File>(fd, path);
  struct stat facts{};
  const bool known = fstat(fd, &facts) == 0;
  if (known && S_ISDIR(facts.st_mode)) return InvalidArgument(Cat(path, " is a folder"));
  SshInput input;
  input.next = [file] { return File::Next(file); };
  if (known && S_ISREG(facts.st_mode)) input.bytes = facts.st_size;
  return input;
}

}  // namespace muster
