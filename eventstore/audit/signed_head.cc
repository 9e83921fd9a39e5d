#include "eventstore/audit/signed_head.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "eventstore/audit/hex.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"

namespace muster::audit {
namespace {

constexpr char kFormat[] = "muster-head 1";
constexpr std::size_t kKeyBytes = 32;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> Reading(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
std::string Written(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string RawPublic(const EVP_PKEY& key) {
  std::string raw(kKeyBytes, '\0');
  std::size_t size = raw.size();
  MUSTER_CHECK(
      EVP_PKEY_get_raw_public_key(&key, reinterpret_cast<unsigned char*>(raw.data()), &size) == 1);
  return raw;
}

bool Verifies(std::string_view public_hex, std::string_view text, std::string_view signature) {
  const std::string raw = BytesOfHex(public_hex).value_or("");
  const Owned<EVP_PKEY> key(EVP_PKEY_new_raw_public_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(raw.data()), raw.size()));
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (key == nullptr || context == nullptr) return false;
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

// The bytes that are signed; also what the openssl command is given.
std::string Statement(const std::string& installation, Position position, const std::string& hash,
                      const std::string& root, const std::string& signed_at) {
  return Cat(kFormat, "\ninstallation ", installation, "\nposition ", position, "\nhash ", hash,
             "\nroot ", root, "\nsigned_at ", signed_at, "\n");
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string Text(const nlohmann::json& head, const char* key) {
  const auto found = head.find(key);
  return found != head.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool HasLineBreak(std::string_view text) {
  return text.find_first_of("\n\r") != std::string_view::npos;
}

}  // namespace

SigningKey::SigningKey(EVP_PKEY* key) : key_(key, Free()) {}

StatusOr<SigningKey> SigningKey::Make() {
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_keygen(context.get(), &key) != 1) {
    return Internal("OpenSSL makes no ed25519 key");
  }
  return SigningKey(key);
}

StatusOr<SigningKey> SigningKey::FromPem(std::string_view pem) {
  const Owned<BIO> bio = Reading(pem);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return InvalidArgument("holds no ed25519 private key in PEM");
  }
  return SigningKey(key.release());
}

std::string SigningKey::PrivatePem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  MUSTER_CHECK(
      PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Written(*bio);
}

std::string SigningKey::PublicPem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  MUSTER_CHECK(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
  return Written(*bio);
}

std::string SigningKey::PublicHex() const { return HexOf(RawPublic(*key_)); }

std::string SigningKey::Sign(std::string_view text) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  MUSTER_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  MUSTER_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                              &size, reinterpret_cast<const unsigned char*>(text.data()),
                              text.size()) == 1);
  return signature;
}

StatusOr<std::string> PublicKeyIn(std::string_view text) {
  const std::string_view bare = Trim(text);
  if (HashOfHex(bare).has_value()) return HexOf(*BytesOfHex(bare));
  const Owned<BIO> bio = Reading(bare);
  const Owned<EVP_PKEY> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return InvalidArgument("holds no ed25519 public key: expected PEM, or 64 hex digits");
  }
  return HexOf(RawPublic(*key));
}

SignedHead Sign(Head head, const SigningKey& key) {
  const std::string hash = ToHex(head.hash);
  const std::string root = ToHex(head.root);
  const std::string signed_at = TimeText(head.signed_at);
  const std::string signature =
      key.Sign(Statement(head.installation, head.position, hash, root, signed_at));
  nlohmann::ordered_json line;
  line["format"] = kFormat;
  line["installation"] = head.installation;
  line["position"] = head.position;
  line["hash"] = hash;
  line["root"] = root;
  line["signed_at"] = signed_at;
  line["key"] = key.PublicHex();
  line["signature"] = HexOf(signature);
  return {std::move(head), key.PublicHex(), line.dump()};
}

StatusOr<SignedHead> ReadHead(std::string_view line, std::string_view public_key) {
  const nlohmann::json json = nlohmann::json::parse(Trim(line), nullptr, false);
  if (!json.is_object() || Text(json, "format") != kFormat) {
    return InvalidArgument(Cat("no signed head: expected a line of JSON of the format \"", kFormat,
                               "\", as 'muster audit head' prints it"));
  }
  SignedHead out;
  out.text = std::string(Trim(line));
  out.public_key = Text(json, "key");
  const std::string signed_at = Text(json, "signed_at");
  const auto position = json.find("position");
  const auto hash = HashOfHex(Text(json, "hash"));
  const auto root = HashOfHex(Text(json, "root"));
  const auto signature = BytesOfHex(Text(json, "signature"));
  std::string problem;
  out.head.installation = Text(json, "installation");
  if (position == json.end() || !position->is_number_unsigned() || !hash || !root || !signature ||
      HasLineBreak(out.head.installation) ||
      !absl::ParseTime(absl::RFC3339_full, signed_at, &out.head.signed_at, &problem)) {
    return InvalidArgument("no signed head: a field is missing or malformed");
  }
  out.head.position = position->get<Position>();
  out.head.hash = *hash;
  out.head.root = *root;
  if (!public_key.empty() && public_key != out.public_key) {
    return PermissionDenied(
        Cat("the head was signed with the key ", out.public_key, ", not with ", public_key));
  }
  const std::string statement =
      Statement(out.head.installation, out.head.position, ToHex(*hash), ToHex(*root), signed_at);
  if (!Verifies(out.public_key, statement, *signature)) {
    return PermissionDenied("the signature of the head is not right: the line was changed");
  }
  return out;
}

Status HeadCheck::See(const ChainWalk& walk) const {
  if (walk.position() != head_.position) return {};
  if (walk.hash() == head_.hash && (!walk.whole() || walk.Root() == head_.root)) return {};
  return DataLoss(Cat("event ", head_.position, " has the hash ", ToHex(walk.hash()),
                      ", the head signed at ", TimeText(head_.signed_at), " says ",
                      ToHex(head_.hash), ": this log was rewritten at or before ", head_.position));
}

Status HeadCheck::End(const ChainWalk& walk) const {
  if (walk.position() >= head_.position) return {};
  return DataLoss(Cat("event ", walk.position() + 1, " is missing: the log ends at ",
                      walk.position(), ", the head signed at ", TimeText(head_.signed_at),
                      " says it went to ", head_.position, ": ", head_.position - walk.position(),
                      " events are cut off"));
}

}  // namespace muster::audit
