#include "eventstore/base/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "eventstore/base/check.h"

namespace muster {

Sha256Digest Sha256(std::initializer_list<std::string_view> parts) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(EVP_MD* method) const { EVP_MD_free(method); }
  };
  // Left to itself, OpenSSL looks the method up for every digest, which costs more than hashing.
  static const std::unique_ptr<EVP_MD, Free> method(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  // One context per thread: the hash chain asks for a digest twice per event.
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  // Fails only when there is no memory or no SHA-256 in the library.
  MUSTER_CHECK(context != nullptr && method != nullptr);
  MUSTER_CHECK(EVP_DigestInit_ex2(context.get(), method.get(), nullptr) == 1);
  for (const std::string_view part : parts) {
    MUSTER_CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  Sha256Digest digest{};
  MUSTER_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return digest;
}

Sha256Digest Sha256(std::string_view data) { return Sha256({data}); }

Sha256Digest HmacSha256(std::string_view key, std::string_view data) {
  constexpr std::size_t kBlock = 64;
  std::string padded(key.size() > kBlock ? Bytes(Sha256(key)) : key);
  padded.resize(kBlock, '\0');
  const auto mixed = [&padded](char with) {
    std::string out = padded;
    for (char& c : out) c = static_cast<char>(c ^ with);
    return out;
  };
  const Sha256Digest inner = Sha256({mixed(0x36), data});
  return Sha256({mixed(0x5c), Bytes(inner)});
}

std::string ToHex(const Sha256Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const std::uint8_t byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string Sha256Hex(std::string_view data) { return ToHex(Sha256(data)); }

}  // namespace muster
