#include "workers/os/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "workers/os/small_file.h"

namespace muster {
namespace {

constexpr std::size_t kBytesMax = 1u << 20;

StatusOr<std::string> ReadPrivate(const Descriptor& file, const std::string& path) {
  struct stat about = {};
  if (fstat(file.get(), &about) != 0) return FileTrouble("look at", path);
  if ((about.st_mode & 077) != 0) {
    return FailedPrecondition(Cat(path, " may be read by others: chmod 600, and ask who has"));
  }
  return ReadToEnd(file, path, kBytesMax);
}

}  // namespace

StatusOr<std::string> ReadOrMakePrivateFile(const std::string& path,
                                            const std::function<StatusOr<std::string>()>& make) {
  {
    const Descriptor there(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (there.get() >= 0) return ReadPrivate(there, path);
    if (errno != ENOENT) return FileTrouble("open", path);
  }
  MUSTER_ASSIGN_OR_RETURN(std::string text, make());
  MUSTER_RETURN_IF_ERROR(ReplaceFile(path, text, 0600));
  return text;
}

Status AppendLine(const std::string& path, const std::string& line) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file.get() < 0) return FileTrouble("open", path);
  return WriteAndSync(file, path, line + "\n");
}

}  // namespace muster
