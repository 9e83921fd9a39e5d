#include "eventstore/base/openssh_key.h"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"

namespace muster {
namespace {

constexpr std::string_view kKind = "ssh-ed25519";
constexpr std::string_view kMagic("openssh-key-v1\0", 15);
constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----\n";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kLine = 70;

// "string" of RFC 4251: its length in four bytes, then the bytes.
std::string Field(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 255);
  return out += text;
}

std::string PublicOf(std::string_view seed) {
  using Free = decltype(&EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY, Free> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                   reinterpret_cast<const unsigned char*>(seed.data()),
                                   seed.size()),
      &EVP_PKEY_free);
  MUSTER_CHECK(key != nullptr);
  std::string out(kKeyBytes, '\0');
  std::size_t size = out.size();
  MUSTER_CHECK(EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(out.data()),
                                           &size) == 1);
  return out;
}

std::string Blob(std::string_view public_bytes) { return Field(kKind) + Field(public_bytes); }

std::string Base64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

// The decoded second word; "" when there is none.
std::string BlobOf(std::string_view public_key) {
  const std::vector<std::string> words = absl::StrSplit(ToAbsl(public_key), ' ', absl::SkipEmpty());
  std::string blob;
  if (words.size() < 2 || !absl::Base64Unescape(words[1], &blob)) return "";
  return blob.starts_with(Field(words[0])) ? blob : "";  // it names its kind itself
}

std::string Digest(const EVP_MD* kind, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned size = 0;
  MUSTER_CHECK(EVP_Digest(bytes.data(), bytes.size(), raw.data(), &size, kind, nullptr) == 1);
  return {reinterpret_cast<const char*>(raw.data()), size};
}

}  // namespace

SshKeyPair MakeSshKeyPair(std::string_view seed, std::string_view comment) {
  MUSTER_CHECK(seed.size() == kKeyBytes);
  const std::string pub = PublicOf(seed);
  // Two equal numbers tell a right passphrase from a wrong one; there is none, so any will do.
  std::string secret = std::string(8, '\1') + Field(kKind) + Field(pub) +
                       Field(std::string(seed) + pub) + Field(comment);
  for (char pad = 1; secret.size() % 8 != 0; ++pad) secret += pad;
  const std::string body = std::string(kMagic) + Field("none") + Field("none") + Field("") +
                           std::string("\0\0\0\1", 4) + Field(Blob(pub)) + Field(secret);
  const std::string text = Base64(body);
  SshKeyPair pair;
  pair.private_key = kBegin;
  for (std::size_t at = 0; at < text.size(); at += kLine) {
    pair.private_key += text.substr(at, kLine) + "\n";
  }
  pair.private_key += kEnd;
  pair.public_key = Cat(kKind, " ", Base64(Blob(pub)), comment.empty() ? "" : " ", comment);
  return pair;
}

StatusOr<std::string> PublicKeyOf(std::string_view private_key) {
  const Status none = InvalidArgument("no private ed25519 key in OpenSSH's form");
  const std::size_t begin = private_key.find(kBegin), end = private_key.find(kEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return none;
  const std::string_view text =
      private_key.substr(begin + kBegin.size(), end - begin - kBegin.size());
  std::string body;
  if (!absl::Base64Unescape(ToAbsl(text), &body)) return none;
  const std::string head =
      std::string(kMagic) + Field("none") + Field("none") + Field("") + std::string("\0\0\0\1", 4);
  const std::size_t blob_size = Blob(std::string(kKeyBytes, 'x')).size();
  if (!body.starts_with(head) || body.size() < head.size() + 4 + blob_size) return none;
  const std::string blob = body.substr(head.size() + 4, blob_size);
  if (!blob.starts_with(Field(kKind))) return none;
  return Cat(kKind, " ", Base64(blob));
}

std::string KeyMd5(std::string_view public_key) {
  const std::string blob = BlobOf(public_key);
  if (blob.empty()) return "";
  std::vector<std::string> bytes;
  for (const char c : Digest(EVP_md5(), blob)) {
    bytes.push_back(absl::BytesToHexString(absl::string_view(&c, 1)));
  }
  return absl::StrJoin(bytes, ":");
}

std::string KeySha256(std::string_view public_key) {
  const std::string blob = BlobOf(public_key);
  if (blob.empty()) return "";
  std::string text = Base64(Digest(EVP_sha256(), blob));
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace muster
