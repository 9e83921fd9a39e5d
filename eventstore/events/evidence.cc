#include "eventstore/events/evidence.h"

namespace muster {

const eventpb::Evidence* EvidenceIn(const eventpb::EventBody& body) {
  const auto* kind = body.GetReflection()->GetOneofFieldDescriptor(
      body, body.GetDescriptor()->FindOneofByName("kind"));
  if (kind == nullptr) return nullptr;
  const google::protobuf::Message& event = body.GetReflection()->GetMessage(body, kind);
  const auto* field = event.GetDescriptor()->FindFieldByName("evidence");
  if (field == nullptr || !event.GetReflection()->HasField(event, field)) return nullptr;
  return dynamic_cast<const eventpb::Evidence*>(&event.GetReflection()->GetMessage(event, field));
}

}  // namespace muster
