#include "workers/os/os_key_store.h"

#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "workers/os/private_file.h"

namespace muster {
namespace {

StatusOr<std::string> Fresh(std::string_view comment) {
  std::string seed(32, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(seed.data()), static_cast<int>(seed.size())) !=
      1) {
    return Unavailable("the system gives no random bytes");
  }
  return MakeSshKeyPair(seed, comment).private_key;
}

StatusOr<SshKeyPair> Read(std::string text, const std::string& path) {
  StatusOr<std::string> bare = PublicKeyOf(text);
  if (!bare.ok()) return FailedPrecondition(Cat(path, ": ", Message(bare.status())));
  return SshKeyPair{std::move(text), *std::move(bare)};
}

}  // namespace

StatusOr<SshKeyPair> OsKeyStore::GetOrMake(const std::string& name) {
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return Unavailable(Cat("cannot make ", folder_, ": ", std::strerror(errno)));
  }
  const std::string path = Cat(folder_, "/", name);
  MUSTER_ASSIGN_OR_RETURN(std::string text,
                          ReadOrMakePrivateFile(path, [&] { return Fresh(name); }));
  return Read(std::move(text), path);
}

StatusOr<SshKeyPair> OsKeyStore::Get(const std::string& name) {
  const std::string path = Cat(folder_, "/", name);
  const Status none = NotFound(Cat("there is no key ", path));
  if (access(path.c_str(), F_OK) != 0) return none;
  MUSTER_ASSIGN_OR_RETURN(
      std::string text,
      ReadOrMakePrivateFile(path, [&]() -> StatusOr<std::string> { return none; }));
  return Read(std::move(text), path);
}

Status OsKeyStore::Forget(const std::string& name) {
  const std::string path = Cat(folder_, "/", name);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return Unavailable(Cat("cannot remove ", path, ": ", std::strerror(errno)));
}

}  // namespace muster
