// Proof that one event is in the log a signed head speaks of, without the rest of the log.
//
// It holds the stored record, the hash before it, and the path of the event's hash to the root that
// the head signs: for n events log2(n) hashes, so a kilobyte or two for a million. Making one takes
// a pass over the hashes up to the head; checking one takes some twenty of SHA-256. Pure.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/audit/merkle.h"
#include "eventstore/audit/signed_head.h"

namespace muster::audit {

// Shown all records up to the head's, makes the proof.
class ProofMaker {
 public:
  // kInvalidArgument  `position` is 0 or behind the head
  static StatusOr<ProofMaker> For(Position position, SignedHead head);
  // kDataLoss  as ChainWalk and HeadCheck: the log is not the head's
  Status Take(std::string_view record);
  bool done() const { return walk_.position() == head_.head.position; }
  // JSON, in one line. REQUIRES: done()
  std::string Proof() const;

 private:
  ProofMaker(Position position, SignedHead head);
  Position position_;
  SignedHead head_;
  ChainWalk walk_;
  MerklePath path_;
  EventHash previous_{};
  std::string record_;
};

struct ProvedEvent {
  RecordedEvent event;
  bool redacted = false;  // the payload was taken out; the envelope is proved
  SignedHead head;
};
// What `proof` proves, checked from the bytes up. `public_key` as for ReadHead.
// kInvalidArgument   no proof
// kPermissionDenied  as ReadHead
// kDataLoss          the record is not in the log of the head, or was changed
StatusOr<ProvedEvent> CheckProof(std::string_view proof, std::string_view public_key = "");

}  // namespace muster::audit
