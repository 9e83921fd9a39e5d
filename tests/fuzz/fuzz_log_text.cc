// What a rented machine prints: foreign bytes, cleaned and read for facts.
#include <algorithm>
#include <string_view>

#include "muster/spec/v1/fleet.pb.h"
#include "tests/fuzz/expect.h"
#include "workers/pollers/log_facts.h"
#include "workers/providers/vast/logs.h"

namespace muster {
namespace {

constexpr std::size_t kBytesMax = 4096;

const LogRules& Zeb() {
  static const auto rules = [] {
    specpb::FleetSpec spec;
    spec.set_fact_rules("zeb");
    return *LogRules::Make(spec);
  }();
  return *rules;
}

void One(std::string_view bytes) {
  (void)vast::IsForeignPage(bytes);
  const LogTail tail = vast::ReadLog(bytes, kBytesMax, false);
  FUZZ_EXPECT(tail.text.size() <= kBytesMax);
  FUZZ_EXPECT(std::none_of(tail.text.begin(), tail.text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
  }));
  // Plain text stays as it is.
  FUZZ_EXPECT(vast::PlainText(tail.text) == tail.text);

  for (const auto known : {worker::Observed::Phase::kBoot, worker::Observed::Phase::kProducing}) {
    const eventpb::LogObserved facts = Zeb().Read(tail, known);
    // An event holds text that every reader can read, and the same log says the same again.
    FUZZ_EXPECT(facts.IsInitialized());
    FUZZ_EXPECT(facts.SerializeAsString() == Zeb().Read(tail, known).SerializeAsString());
    eventpb::LogObserved again;
    FUZZ_EXPECT(again.ParseFromString(facts.SerializeAsString()));
  }
}

}  // namespace
}  // namespace muster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  muster::One(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
