// Codec: between EventBody messages and what the store keeps.
//
// Each kind has a stored type name that is fixed text ("worker.condemned"), never a C++ or message
// name, so messages can be renamed. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "muster/event/v1/event.pb.h"

namespace muster {

namespace eventpb = ::muster::event::v1;
namespace specpb = ::muster::spec::v1;

using EventKind = eventpb::EventBody::KindCase;

// The stored type name of `kind`; "" for KIND_NOT_SET.
std::string_view TypeName(EventKind kind);
// All kinds, in the order of their field numbers.
const std::vector<EventKind>& AllEventKinds();

// Deterministic serialisation: the same message gives the same bytes, maps in key order.
std::string Deterministic(const google::protobuf::Message& message);
std::string EncodeEvent(const eventpb::EventBody& body);

// kDataLoss       the payload is no EventBody
// kUnimplemented  of a kind that this program does not know (a newer writer): stop, do not skip
StatusOr<eventpb::EventBody> DecodeEvent(std::string_view type, std::string_view payload);

}  // namespace muster
