#include "eventstore/record.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "eventstore/base/check.h"
#include "eventstore/base/crc32c.h"
#include "eventstore/base/sha256.h"

namespace muster {
namespace {

static_assert(std::endian::native == std::endian::little, "the log is little-endian");

// What stands after the header.
enum PayloadKind : std::uint8_t {
  kPayload = 1,  // the payload itself
  kPruned = 2,   // only its SHA-256: the payload was taken out, the chain still holds
};

constexpr std::size_t kCrcBytes = 4;

template <class T>
void Put(std::string& out, T number) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));
  out.append(bytes, sizeof(T));
}

void PutText(std::string& out, std::string_view text) {
  Put(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

// Takes values off the front; `ok` turns false for good when there were too few bytes.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view Take(std::size_t count) {
    ok = ok && rest.size() >= count;
    if (!ok) return {};
    const std::string_view taken = rest.substr(0, count);
    rest.remove_prefix(count);
    return taken;
  }
  template <class T>
  T Number() {
    T number{};
    const std::string_view bytes = Take(sizeof(T));
    if (ok) std::memcpy(&number, bytes.data(), sizeof(T));
    return number;
  }
  std::string_view Text() { return Take(Number<std::uint32_t>()); }
};

// The parts of a record whose checksum was found right, or why not.
struct Parts {
  std::string_view hash;
  std::string_view header;
  std::uint8_t kind = 0;
  std::string_view payload;
  const char* problem = nullptr;
};

Parts Split(std::string_view record) {
  Parts parts;
  Reader reader{record};
  const auto crc = reader.Number<std::uint32_t>();
  if (!reader.ok || Crc32c(reader.rest) != crc) {
    parts.problem = "its checksum does not match";
    return parts;
  }
  parts.hash = reader.Take(32);
  parts.header = reader.Text();
  parts.kind = reader.Number<std::uint8_t>();
  parts.payload = reader.rest;
  if (!reader.ok) parts.problem = "it ends too early";
  if (parts.kind != kPayload && parts.kind != kPruned) parts.problem = "its kind is not known";
  if (parts.kind == kPruned && parts.payload.size() != 32)
    parts.problem = "its digest is no digest";
  return parts;
}

// Ids are assigned from text without giving up the memory they hold.
template <class Tag>
void Assign(Id<Tag>& id, std::string_view text) {
  if (id.str() != text) id = Id<Tag>(text);
}

Status CheckName(std::string_view what, std::string_view name, bool may_be_empty) {
  if (name.empty() && !may_be_empty) return InvalidArgument(Cat("an event without ", what));
  if (name.size() <= kNameBytesMax) return {};
  return InvalidArgument(Cat(what, " of ", name.size(), " bytes; at most ", kNameBytesMax));
}

}  // namespace

Status CheckAppend(const StreamId& stream, const std::vector<NewEvent>& events) {
  MUSTER_CHECK(!events.empty());
  MUSTER_RETURN_IF_ERROR(CheckName("stream", stream.str(), false));
  for (const NewEvent& event : events) {
    MUSTER_RETURN_IF_ERROR(CheckName("id", event.id.str(), false));
    MUSTER_RETURN_IF_ERROR(CheckName("type", event.type, false));
    MUSTER_RETURN_IF_ERROR(CheckName("actor", event.actor, true));
    MUSTER_RETURN_IF_ERROR(CheckName("cause", event.cause, true));
    MUSTER_RETURN_IF_ERROR(CheckName("correlation", event.correlation, true));
    if (event.payload.size() > kPayloadBytesMax) {
      return InvalidArgument(Cat("payload of ", event.payload.size(), " bytes in event ",
                                 event.id.str(), "; at most ", kPayloadBytesMax));
    }
  }
  if (events.size() == 1) return {};
  absl::flat_hash_set<EventId> seen;
  for (const NewEvent& event : events) {
    if (!seen.insert(event.id).second) {
      return InvalidArgument(Cat("event id ", event.id.str(), " appears twice in one append"));
    }
  }
  return {};
}

absl::Time ToLogTime(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

void EncodeHeader(const RecordedEvent& event, std::string& header) {
  header.clear();
  Put<std::uint64_t>(header, event.position);
  Put<std::uint64_t>(header, event.version);
  Put<std::int64_t>(header, absl::ToUnixMicros(event.recorded_at));
  Put<std::int64_t>(header, absl::ToUnixMicros(event.event.occurred_at));
  PutText(header, event.stream.str());
  PutText(header, event.event.id.str());
  PutText(header, event.event.type);
  PutText(header, event.event.actor);
  PutText(header, event.event.cause);
  PutText(header, event.event.correlation);
}

EventHash ChainHash(const EventHash& previous, std::string_view header, std::string_view payload) {
  const Sha256Digest digest = Sha256(payload);
  return Sha256({Bytes(previous), header, Bytes(digest)});
}

void EncodeRecord(const RecordedEvent& event, std::string_view header, std::string& record) {
  record.assign(kCrcBytes, '\0');
  record.append(Bytes(event.hash));
  PutText(record, header);
  Put<std::uint8_t>(record, kPayload);
  record.append(event.event.payload);
  const std::uint32_t crc = Crc32c(std::string_view(record).substr(kCrcBytes));
  std::memcpy(record.data(), &crc, kCrcBytes);
}

Status DecodeRecord(std::string_view record, RecordedEvent& event) {
  const Parts parts = Split(record);
  if (parts.problem != nullptr) return DataLoss(parts.problem);
  std::memcpy(event.hash.data(), parts.hash.data(), event.hash.size());
  Reader reader{parts.header};
  event.position = reader.Number<std::uint64_t>();
  event.version = reader.Number<std::uint64_t>();
  event.recorded_at = absl::FromUnixMicros(reader.Number<std::int64_t>());
  event.event.occurred_at = absl::FromUnixMicros(reader.Number<std::int64_t>());
  Assign(event.stream, reader.Text());
  Assign(event.event.id, reader.Text());
  event.event.type.assign(reader.Text());
  event.event.actor.assign(reader.Text());
  event.event.cause.assign(reader.Text());
  event.event.correlation.assign(reader.Text());
  if (!reader.ok || !reader.rest.empty()) return DataLoss("its header is malformed");
  event.event.payload.assign(parts.kind == kPayload ? parts.payload : std::string_view());
  return {};
}

EventHash RecordView::PayloadDigest() const {
  if (!pruned) return Sha256(payload);
  EventHash digest{};
  std::memcpy(digest.data(), payload.data(), digest.size());
  return digest;
}

StatusOr<RecordView> ViewRecord(std::string_view record) {
  const Parts parts = Split(record);
  if (parts.problem != nullptr) return DataLoss(parts.problem);
  return RecordView{parts.hash, parts.header, parts.kind == kPruned, parts.payload};
}

StatusOr<std::string> PruneRecord(std::string_view record) {
  MUSTER_ASSIGN_OR_RETURN(const RecordView view, ViewRecord(record));
  const EventHash digest = view.PayloadDigest();
  std::string pruned(kCrcBytes, '\0');
  pruned.append(view.hash);
  PutText(pruned, view.header);
  Put<std::uint8_t>(pruned, kPruned);
  pruned.append(Bytes(digest));
  const std::uint32_t crc = Crc32c(std::string_view(pruned).substr(kCrcBytes));
  std::memcpy(pruned.data(), &crc, kCrcBytes);
  return pruned;
}

bool ChainHolds(std::string_view record, const EventHash& previous) {
  const Parts parts = Split(record);
  if (parts.problem != nullptr) return false;
  const Sha256Digest own = parts.kind == kPayload ? Sha256(parts.payload) : Sha256Digest{};
  const std::string_view digest = parts.kind == kPayload ? Bytes(own) : parts.payload;
  return Bytes(Sha256({Bytes(previous), parts.header, digest})) == parts.hash;
}

}  // namespace muster
