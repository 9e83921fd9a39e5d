#include "tests/storm/deeds.h"

#include "absl/strings/str_split.h"

namespace muster::storm {

void Deeds::Note(const vastsim::JournalEntry& call) {
  if (call.traps.empty()) return;
  for (const auto part : absl::StrSplit(call.traps, ',')) {
    const std::string trap(part);
    traps_fired[trap] = call.at;
    if (trap == "create_twice") ++rented_twice[call.label];
    if (trap == "destroy_ignored" || trap == "destroy_404") {
      destroy_denied[call.instance] = call.at;
    }
  }
}

}  // namespace muster::storm
