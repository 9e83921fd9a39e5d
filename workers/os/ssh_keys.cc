#include "workers/os/ssh_keys.h"

#include <cstdint>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster {
namespace {

constexpr std::string_view kNoRsa =
    "RSA cannot be used (libssh2 1.10 knows only its SHA-1 signatures, which servers refuse): "
    "make an ed25519 key";

// Reads the length-prefixed strings that keys are made of.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  std::optional<std::uint32_t> Number() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(4);
    return value;
  }
  std::optional<std::string_view> Text() {
    const std::optional<std::uint32_t> size = Number();
    if (!size.has_value() || *size > rest_.size()) return std::nullopt;
    const std::string_view text = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return text;
  }

 private:
  std::string_view rest_;
};

StatusOr<std::string> ReadFingerprint(std::string_view text) {
  std::string_view bare = Trim(text);
  if (bare.starts_with("SHA256:")) bare.remove_prefix(7);
  std::string raw;
  if (!absl::Base64Unescape(ToAbsl(bare), &raw) || raw.size() != 32) {
    return InvalidArgument(Cat("host key fingerprint \"", Ellipsize(ToValidUtf8(text), 60),
                               "\" is not SHA-256 in base64, as ssh-keygen -l prints it"));
  }
  return raw;
}

Status ReadPublicKey(std::string_view text, PinnedHostKey& pinned) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(Trim(text)), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const auto bad = [] {
    return InvalidArgument("the pinned host key is not a public key like \"ssh-ed25519 AAAA...\"");
  };
  if (words.size() < 2 || !absl::Base64Unescape(words[1], &pinned.blob)) return bad();
  const std::optional<std::string_view> kind = Fields(pinned.blob).Text();
  if (kind != words[0]) return bad();
  if (words[0] == "ssh-rsa") return InvalidArgument(Cat("the pinned host key: ", kNoRsa));
  pinned.kinds = words[0];
  return absl::OkStatus();
}

// "openssh-key-v1", cipher, key derivation, its options, number of keys, the first public key.
Status CheckOpenSshForm(std::string_view body) {
  constexpr std::string_view kMagic("openssh-key-v1\0", 15);
  const Status bad = InvalidArgument("the identity is not a private key in OpenSSH's form");
  std::string packed, bytes;
  for (const char c : body) {
    if (c != '\n' && c != '\r') packed += c;
  }
  if (!absl::Base64Unescape(packed, &bytes) || !bytes.starts_with(kMagic)) return bad;
  Fields fields(std::string_view(bytes).substr(kMagic.size()));
  const auto cipher = fields.Text();
  const auto derivation = fields.Text();
  const auto options = fields.Text();
  const auto count = fields.Number();
  const auto public_key = fields.Text();
  if (!cipher || !derivation || !options || !count || !public_key) return bad;
  if (*cipher != "none") return InvalidArgument("the identity wants a passphrase");
  if (Fields(*public_key).Text() == "ssh-rsa") {
    return InvalidArgument(Cat("the identity: ", kNoRsa));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<PinnedHostKey> ReadPin(const HostKeyPin& pin) {
  if (pin.sha256.empty() == pin.public_key.empty()) {
    return InvalidArgument("a host key is pinned by fingerprints or by the whole key, one of both");
  }
  PinnedHostKey pinned;
  if (!pin.public_key.empty()) {
    MUSTER_RETURN_IF_ERROR(ReadPublicKey(pin.public_key, pinned));
    return pinned;
  }
  for (const std::string& each : pin.sha256) {
    StatusOr<std::string> raw = ReadFingerprint(each);
    if (!raw.ok()) return raw.status();
    pinned.sha256.push_back(*std::move(raw));
  }
  // Any may be the one that was told. Without a wish the library would prefer ecdsa.
  pinned.kinds = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
  return pinned;
}

Status CheckIdentity(std::string_view identity) {
  const std::string_view text = Trim(identity);
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kOpenSsh = "-----BEGIN OPENSSH PRIVATE KEY-----";
  if (!text.starts_with(kBegin)) return InvalidArgument("the identity is not a private key");
  if (text.starts_with(kOpenSsh)) {
    const std::string_view rest = text.substr(kOpenSsh.size());
    return CheckOpenSshForm(rest.substr(0, rest.find("-----END")));
  }
  const std::string_view head = text.substr(0, text.find('\n'));
  if (head.find("RSA PRIVATE KEY") != std::string_view::npos) {
    return InvalidArgument(Cat("the identity: ", kNoRsa));
  }
  if (text.find("ENCRYPTED") != std::string_view::npos) {
    return InvalidArgument("the identity wants a passphrase");
  }
  return absl::OkStatus();
}

std::string Fingerprint(std::string_view raw) {
  std::string text = absl::Base64Escape(ToAbsl(raw));
  while (text.ends_with('=')) text.pop_back();
  return Cat("SHA256:", text);
}

}  // namespace muster
