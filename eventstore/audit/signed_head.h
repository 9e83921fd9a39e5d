// Signed heads: a line of text that says how far the log goes and what it hashes to, signed with
// the installation's ed25519 key. Kept elsewhere, it shows later that the log up to there was
// neither cut nor rewritten. log_format.md gives the form; deploy/audit checks it without muster.
//
// Values; the key is read-only once made. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/audit/chain_walk.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace muster::audit {

// What is signed.
struct Head {
  std::string installation;
  Position position = 0;
  EventHash hash{};  // of the event there
  EventHash root{};  // of the Merkle tree over all events up to there
  absl::Time signed_at;
};

class SigningKey {
 public:
  // kInternal  the library has no ed25519
  static StatusOr<SigningKey> Make();
  // kInvalidArgument  no ed25519 private key in PEM
  static StatusOr<SigningKey> FromPem(std::string_view pem);

  std::string PrivatePem() const;  // secret: for the key file only
  std::string PublicPem() const;
  std::string PublicHex() const;  // 64 digits
  std::string Sign(std::string_view text) const;

 private:
  explicit SigningKey(EVP_PKEY* key);
  std::shared_ptr<EVP_PKEY> key_;
};

// The public key in `text`: PEM, or 64 hex digits; white space around it is no matter. As hex.
// kInvalidArgument  neither
StatusOr<std::string> PublicKeyIn(std::string_view text);

struct SignedHead {
  Head head;
  std::string public_key;  // hex; the one that made the signature
  std::string text;        // the line, as it was signed and is kept
};

// One line of JSON.
SignedHead Sign(Head head, const SigningKey& key);

// Reads a head and checks its signature, by `public_key` (hex) or, when that is empty, by the key
// that the head names itself: then it only shows that nobody changed the line by accident.
// kInvalidArgument   no signed head
// kPermissionDenied  the signature is not by this key, or not of this text
StatusOr<SignedHead> ReadHead(std::string_view line, std::string_view public_key = "");

// Whether a log is the one that a head speaks of. Show it `walk` after each record and once more at
// the end.
class HeadCheck {
 public:
  explicit HeadCheck(Head head) : head_(std::move(head)) {}
  // kDataLoss  at the head's position the log has another hash, or another event before it
  Status See(const ChainWalk& walk) const;
  // kDataLoss  the log ends before the head: so many events are cut off
  Status End(const ChainWalk& walk) const;

 private:
  Head head_;
};

}  // namespace muster::audit
