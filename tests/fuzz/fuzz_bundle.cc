// Bundles of others. First byte: 'f' the bytes of a file, as they are and sealed anew, so that what
// is behind the digest is reached too; 't' a Bundle as text without its World, which is folded from
// the events up to before_first.
#include <string>
#include <string_view>

#include "commands/snapshot.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/readable.h"
#include "services/files/spec_check.h"
#include "services/replay/bundle.h"
#include "tests/fuzz/expect.h"
#include "tests/fuzz/text_message.h"

namespace muster {
namespace {

std::string Sealed(const std::string& content) {
  eventpb::BundleFile file;
  file.set_magic("muster-bundle");
  file.set_format(1);
  file.set_content(content);
  const Sha256Digest digest = Sha256(content);
  file.set_sha256(std::string(Bytes(digest)));
  return file.SerializeAsString();
}

// A refusal names what is wrong; an answer is the same each time.
void Answers(const eventpb::Bundle& bundle, const std::optional<specpb::FleetSpec>& policy) {
  const auto answer = ReplayBundle(bundle, policy);
  if (!answer.ok()) {
    FUZZ_EXPECT(answer.status().code() != StatusCode::kInternal);
    FUZZ_EXPECT(!Message(answer.status()).empty());
    return;
  }
  const auto again = ReplayBundle(bundle, policy);
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(again->SerializeAsString() == answer->SerializeAsString());
}

void File(std::string_view bytes) {
  const auto bundle = ReadBundle(bytes);
  if (!bundle.ok()) {
    FUZZ_EXPECT(!Message(bundle.status()).empty());
    return;
  }
  Answers(*bundle, std::nullopt);
  if (bundle->policies().empty()) return;
  specpb::FleetSpec other =
      bundle->policies(0).spec();  // as an operator would try it: a whole file
  other.mutable_market()->set_price_max_micro_usd_per_hour(60'000);
  FillDefaults(other);
  if (ValidateSpec(other).empty()) Answers(*bundle, other);
}

void SealedAnew(std::string_view bytes) {
  eventpb::BundleFile file;
  if (file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    File(Sealed(file.content()));
  }
}

void Told(std::string_view text) {
  eventpb::Bundle bundle;
  if (!ParseText(std::string(text), bundle)) return;
  World world;
  auto& events = *bundle.mutable_events();
  MakeReadable(bundle);
  int before = 0;
  for (const eventpb::BundledEvent& event : events) {
    if (event.position() > bundle.before_first() || before + 1 < event.position()) break;
    ++before;
    Evolve(world, StreamId(event.stream()), event.body(),
           {.position = event.position(), .at = absl::FromUnixMicros(event.occurred_us())});
  }
  events.DeleteSubrange(0, before);
  world.head = bundle.before_first();
  bundle.set_world_format(kWorldFormat);
  bundle.set_world(SerializeWorld(world));
  File(Sealed(bundle.SerializeAsString()));
}

}  // namespace
}  // namespace muster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'f') {
    muster::File(rest);
    muster::SealedAnew(rest);
  } else if (data[0] == 't') {
    muster::Told(rest);
  }
  return 0;
}
