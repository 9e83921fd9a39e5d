// SSH keys.
#include <openssl/evp.h>

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "workers/providers/hetzner/sim/api.h"

namespace muster::hetznersim {

namespace {

struct KeyKind {
  const char* wire;  // "ssh-ed25519"
  const char* type;
  int size;
};
constexpr KeyKind kKinds[] = {{"ssh-ed25519", "ED25519", 256},
                              {"ecdsa-sha2-nistp256", "ECDSA", 256},
                              {"ssh-rsa", "RSA", 3072}};

std::string Md5Colons(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), &digest[0], &size, EVP_md5(), nullptr);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += Cat(i == 0 ? "" : ":", absl::Hex(digest[i], absl::kZeroPad2));
  }
  return text;
}

// The base64 in the middle of RFC 4716 text; "" when it is none.
std::string BlobOfRfc4716(const std::string& text) {
  std::string blob;
  bool inside = false;
  for (const auto& line : absl::StrSplit(text, absl::ByAnyChar("\r\n"), absl::SkipEmpty())) {
    if (absl::StartsWith(line, "----")) {
      inside = !inside;
    } else if (inside && !absl::StrContains(line, ":")) {
      blob += std::string(line);
    }
  }
  return blob;
}

// nullopt = no public key.
std::optional<Key> ReadKey(const std::string& data) {
  std::string blob64;
  if (absl::StartsWith(data, "---- BEGIN SSH2")) {
    blob64 = BlobOfRfc4716(data);
  } else {
    const std::vector<std::string> words =
        absl::StrSplit(data, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
    if (words.size() >= 2) blob64 = words[1];
  }
  std::string blob;
  if (!absl::Base64Unescape(blob64, &blob)) return std::nullopt;
  for (const KeyKind& kind : kKinds) {
    // A blob begins with its kind, as a string with a length before it.
    const std::string wire(kind.wire);
    if (blob.size() < 4 + wire.size() || blob.substr(4, wire.size()) != wire) continue;
    Key key;
    key.type = kind.type;
    key.size = kind.size;
    key.fingerprint = Md5Colons(blob);
    key.data = Cat(wire, " ", blob64);
    return key;
  }
  return std::nullopt;
}

SimReply NoSuchKey() { return ErrorReply(404, "NOT_FOUND", "key not found"); }

Key* Find(World& world, const Call& call) {
  const auto found = world.keys.find(call.name);
  return found == world.keys.end() ? nullptr : &found->second;
}

}  // namespace

SimReply ListKeys(World& world, const Call&, bool) {
  std::vector<Json> rows;
  for (const auto& [fingerprint, key] : world.keys) rows.push_back(KeyJson(key, true));
  return ListReply(world, "key", std::move(rows), "NOT_FOUND");
}

SimReply AddKey(World& world, const Call& call, bool) {
  std::vector<std::string> missing;
  for (const char* field : {"name", "data"}) {
    if (call.Field(field).empty()) missing.emplace_back(field);
  }
  if (!missing.empty()) return InvalidInput(missing, {});
  std::optional<Key> key = ReadKey(call.Field("data"));
  if (!key.has_value()) return InvalidInput({}, {"data"});
  if (world.keys.count(key->fingerprint) > 0 || world.Fire(Trap::kKeyConflict) != nullptr) {
    return ErrorReply(409, "KEY_ALREADY_EXISTS", "the supplied key already exists");
  }
  key->name = call.Field("name");
  key->created = world.now();
  world.keys[key->fingerprint] = *key;
  return JsonReply(201, {{"key", KeyJson(*key, true)}});
}

SimReply ShowKey(World& world, const Call& call, bool) {
  const Key* key = Find(world, call);
  return key == nullptr ? NoSuchKey() : JsonReply(200, {{"key", KeyJson(*key, true)}});
}

SimReply RenameKey(World& world, const Call& call, bool) {
  Key* const key = Find(world, call);
  if (key == nullptr) return NoSuchKey();
  if (call.Field("name").empty()) return InvalidInput({"name"}, {});
  key->name = call.Field("name");
  return JsonReply(200, {{"key", KeyJson(*key, true)}});
}

SimReply DeleteKey(World& world, const Call& call, bool) {
  if (world.keys.erase(call.name) == 0) return NoSuchKey();
  return Reply(200, "", "application/json");
}

}  // namespace muster::hetznersim
