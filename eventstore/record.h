// Record: how one event becomes bytes, and its link in the hash chain. The same for every store, so
// that the same appends give the same hashes; log_format.md describes it for foreign readers.
//
//   record = crc32c | hash | header length | header | kind | payload
//   hash   = SHA-256(previous hash || header || SHA-256(payload))
//
// Pure, thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "eventstore/event_store.h"

namespace muster {

inline constexpr EventHash kGenesisHash{};          // h(0): 32 zero bytes
inline constexpr std::size_t kNameBytesMax = 1024;  // of a stream, an id, a type, an actor, ...
inline constexpr std::size_t kPayloadBytesMax = 16u << 20;

// Whether a store takes these events for `stream`: names of 1 to kNameBytesMax bytes (actor, cause
// and correlation may be empty), payloads within kPayloadBytesMax, no id twice.
// REQUIRES: !events.empty()
//
// kInvalidArgument  names what is wrong; a bug or a foreign text that was not checked
Status CheckAppend(const StreamId& stream, const std::vector<NewEvent>& events);

// The time as the log keeps it: whole microseconds.
absl::Time ToLogTime(absl::Time time);

// Replaces `header` with the header of `event`: everything but payload and hash.
void EncodeHeader(const RecordedEvent& event, std::string& header);

// h(n) for an event with this header and payload that follows `previous`.
EventHash ChainHash(const EventHash& previous, std::string_view header, std::string_view payload);

// Replaces `record` with the stored form. `header` is EncodeHeader's of the same event, whose hash
// is set.
void EncodeRecord(const RecordedEvent& event, std::string_view header, std::string& record);

// Reads a stored record into `event`, reusing its memory. A pruned payload reads as empty.
//
// kDataLoss  the bytes are not what was written; says why, `event` is unspecified
Status DecodeRecord(std::string_view record, RecordedEvent& event);

// A record taken apart, whatever stands in it. The views are into the record.
struct RecordView {
  std::string_view hash;    // 32 bytes
  std::string_view header;  // as EncodeHeader makes it
  bool pruned = false;
  std::string_view payload;  // or the 32 bytes of its digest, when pruned
  EventHash PayloadDigest() const;
};
// kDataLoss  the bytes are not what was written; says why
StatusOr<RecordView> ViewRecord(std::string_view record);

// `record` with the digest in the place of its payload; as it is when it is pruned already.
// kDataLoss  as ViewRecord
StatusOr<std::string> PruneRecord(std::string_view record);

// Whether `record` (which DecodeRecord accepts) follows an event with hash `previous`. Holds for
// pruned records too: they keep the digest of what was taken out.
bool ChainHolds(std::string_view record, const EventHash& previous);

}  // namespace muster
