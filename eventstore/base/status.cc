#include "eventstore/base/status.h"

namespace muster {

Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  Status out = MakeStatus(status.code(), Cat(context, ": ", Message(status)));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

}  // namespace muster
