// Bytes from the disk. First byte: 'r' a stored record, 'w' a snapshot of the World, 't' a log as
// text, one event a line ("STREAM {text of the event}"), which is folded and projected.
#include <string>
#include <string_view>

#include "absl/strings/str_split.h"
#include "commands/snapshot.h"
#include "eventstore/events/codec.h"
#include "eventstore/events/readable.h"
#include "eventstore/record.h"
#include "tests/fuzz/expect.h"
#include "tests/fuzz/text_message.h"

namespace muster {
namespace {

void StoredRecord(std::string_view bytes) {
  RecordedEvent event;
  if (!DecodeRecord(bytes, event).ok()) return;
  (void)ChainHolds(bytes, kGenesisHash);
  (void)DecodeEvent(event.event.type, event.event.payload);
}

// What is accepted as a snapshot is a World: it can be written and comes back the same. (Whether it
// is the one that was written, its digest says before this is asked.)
void WorldBytes(std::string_view bytes) {
  const auto world = ParseWorld(bytes);
  if (!world.ok()) return;
  const std::string written = SerializeWorld(*world);
  const auto again = ParseWorld(written);
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(SerializeWorld(*again) == written);
}

// Evolve never fails, whatever the log says, and a snapshot of what came of it reads back.
void FoldedLog(std::string_view text) {
  World world;
  std::uint64_t position = 0;
  for (const auto line : absl::StrSplit(ToAbsl(text), '\n')) {
    const auto space = line.find(' ');
    if (space == line.npos || space == 0) continue;
    eventpb::EventBody body;
    if (!ParseText(std::string(line.substr(space + 1)), body)) continue;
    if (body.kind_case() == eventpb::EventBody::KIND_NOT_SET) continue;
    MakeReadable(body);
    const std::string payload = EncodeEvent(body);
    const auto decoded = DecodeEvent(TypeName(body.kind_case()), payload);
    FUZZ_EXPECT(decoded.ok());
    ++position;
    Evolve(world, StreamId(std::string(line.substr(0, space))), *decoded,
           {.position = position, .at = absl::FromUnixSeconds(1'700'000'000 + 30 * position)});
  }
  const std::string bytes = SerializeWorld(world);
  const auto again = ParseWorld(bytes);
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(SerializeWorld(*again) == bytes);
}

}  // namespace
}  // namespace muster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'r':
      muster::StoredRecord(rest);
      break;
    case 'w':
      muster::WorldBytes(rest);
      break;
    default:
      muster::FoldedLog(rest);
  }
  return 0;
}
