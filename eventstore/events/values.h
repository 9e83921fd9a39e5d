// What the event messages of all streams share: times, prices, evidence, and the wrapping of one
// message into an EventBody. Pure, thread-safe.
//
//   events.push_back(Wrap(condemned));
//   *condemned.mutable_evidence() = MakeEvidence("no-progress", "15m04s >= 15m",
//       {MakeMeasure("since_progress", 904, 900, "s")}, {48197}, "zeb@v12");
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/units.h"
#include "eventstore/events/codec.h"

namespace muster {

// Stored times are whole microseconds since 1970; 0 stands for "not known" or "never".
inline std::int64_t ToStoredTime(absl::Time time) {
  return time == absl::InfinitePast() || time == absl::InfiniteFuture() ? 0
                                                                        : absl::ToUnixMicros(time);
}
inline absl::Time FromStoredTime(std::int64_t micros, absl::Time when_zero) {
  return micros == 0 ? when_zero : absl::FromUnixMicros(micros);
}
// `time` as it will read once stored.
inline absl::Time Stored(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

// Foreign text as it may enter the log: valid UTF-8, at most `bytes_max` bytes.
inline std::string StoredText(std::string_view text, std::size_t bytes_max = 512) {
  return Ellipsize(ToValidUtf8(text), bytes_max);
}

// Any event message that carries a price: OfferTaken, OfferSeen, InstanceObserved, OrphanFound.
template <class Message>
MicroUsdPerHour PriceOf(const Message& message) {
  return MicroUsdPerHour(message.price_micro_usd_per_hour());
}

eventpb::Measure MakeMeasure(std::string_view name, double value, double threshold,
                             std::string_view unit);
// Positions are sorted, made unique, and 0 (never recorded) is left out.
eventpb::Evidence MakeEvidence(std::string_view rule, std::string_view summary,
                               std::vector<eventpb::Measure> measures = {},
                               std::vector<std::uint64_t> positions = {},
                               std::string_view policy_version = "");

namespace internal {
const google::protobuf::FieldDescriptor* FieldOf(const google::protobuf::Descriptor* message);
}  // namespace internal

// An EventBody that holds `message`. REQUIRES: Message is one of EventBody's kinds
template <class Message>
eventpb::EventBody Wrap(const Message& message) {
  static const auto* const field = internal::FieldOf(Message::descriptor());
  eventpb::EventBody body;
  static_cast<Message*>(body.GetReflection()->MutableMessage(&body, field))->CopyFrom(message);
  return body;
}

}  // namespace muster
