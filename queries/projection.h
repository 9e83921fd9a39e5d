// Projection: one read model, folded from the log, that can be thrown away and built again.
//
// Reactor thread. Apply never fails and knows no clock: an event that makes no sense is ignored, so
// that the same log always gives the same model, byte for byte (Digest). Queries get `now` as an
// argument. Times in the structs that queries return: InfinitePast = never happened or not known,
// InfiniteFuture = never will.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/event_store.h"

namespace muster::event::v1 {
class EventBody;
class Evidence;
}  // namespace muster::event::v1
namespace muster::spec::v1 {
class FleetSpec;
class Timers;
}  // namespace muster::spec::v1

namespace muster {
namespace eventpb = ::muster::event::v1;
namespace specpb = ::muster::spec::v1;
}  // namespace muster

namespace muster::queries {

// Sixteen hex digits over `bytes`. Finds accidents, not malice.
std::string DigestOf(std::string_view bytes);
inline constexpr std::size_t kDigestBytes = 16;

class Projection {
 public:
  virtual ~Projection() = default;

  // Stable name, "cost"; names the part of a snapshot.
  virtual std::string_view name() const = 0;
  // Folds the next event. `body` is the decoded `recorded.event.payload`.
  // REQUIRES: events come in log order, none twice
  virtual void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) = 0;

  // The whole model as bytes. Equal models give equal bytes.
  virtual std::string Save() const = 0;
  // Replaces the model by a saved one; false (and an unusable model: throw it away) when the bytes
  // are of another version or damaged.
  virtual bool Load(std::string_view bytes) = 0;

  std::string Digest() const { return DigestOf(Save()); }
};

}  // namespace muster::queries
