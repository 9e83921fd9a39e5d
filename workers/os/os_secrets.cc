#include "workers/os/os_secrets.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "workers/ports/secret_mask.h"

namespace muster {
namespace {

// A larger file is not a secret but a mistake.
constexpr std::size_t kFileBytesMax = 64 << 10;

class OsSecrets final : public Secrets {
 public:
  StatusOr<std::string> Resolve(std::string_view ref) override {
    // The text itself stays out of the message: it may be a secret put in the wrong place.
    if (!IsSecretRef(ref)) return InvalidArgument("not a secret reference (env:NAME, file:PATH)");
    MUSTER_ASSIGN_OR_RETURN(std::string value, Read(ref));
    if (!value.empty() && value.back() == '\n') value.pop_back();
    if (!value.empty() && value.back() == '\r') value.pop_back();
    if (value.empty()) return NotFound(Cat(ref, " is empty"));
    Learn(value);
    return value;
  }
  void Learn(std::string_view value) override {
    absl::MutexLock lock(&mutex_);
    mask_.Learn(value);
  }
  std::string Mask(std::string_view text) const override {
    absl::MutexLock lock(&mutex_);
    return mask_.Mask(text);
  }

 private:
  static StatusOr<std::string> Read(std::string_view ref) {
    const std::size_t colon = ref.find(':');
    const std::string name(ref.substr(colon + 1));
    if (ref.substr(0, colon) == "env") {
      const char* value = std::getenv(name.c_str());
      if (value == nullptr) return NotFound(Cat(ref, " is not set"));
      return std::string(value);
    }
    std::ifstream file(name, std::ios::binary);
    std::string value(kFileBytesMax + 1, '\0');
    file.read(value.data(), static_cast<std::streamsize>(value.size()));
    if (!file.eof() && file.gcount() == 0) return NotFound(Cat(ref, " cannot be read"));
    value.resize(static_cast<std::size_t>(file.gcount()));
    if (value.size() > kFileBytesMax) return NotFound(Cat(ref, " is too large for a secret"));
    return value;
  }

  mutable absl::Mutex mutex_;
  SecretMask mask_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Secrets> MakeOsSecrets() { return std::make_unique<OsSecrets>(); }

}  // namespace muster
