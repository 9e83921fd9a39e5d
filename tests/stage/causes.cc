#include "tests/stage/causes.h"

#include <unordered_set>

#include "eventstore/base/strings.h"
#include "eventstore/events/codec.h"

namespace muster {
namespace {

using B = eventpb::EventBody;

bool IsDeed(B::KindCase kind) {
  return kind == B::kLaunchRequested || kind == B::kDestroyRequested ||
         kind == B::kStartRequested || kind == B::kHostStruck;
}

// What somebody outside showed or answered.
bool IsSeen(B::KindCase kind) {
  switch (kind) {
    case B::kInstanceObserved:
    case B::kInstanceAbsent:
    case B::kLogObserved:
    case B::kObservationFailed:
    case B::kInstanceListObserved:
    case B::kOffersObserved:
    case B::kCreditObserved:
    case B::kOrphanFound:
    case B::kPreflightChecked:
    case B::kLaunchAccepted:
    case B::kLaunchRejected:
    case B::kLaunchUnclear:
    case B::kLaunchNotFound:
    case B::kDestroyAnswered:
    case B::kStartAnswered:
    case B::kAccountTroubleBegan:
    case B::kAccountTroubleEnded:
      return true;
    default:
      return false;
  }
}

// The positions that an event cites, through its field `evidence` where it has one.
const eventpb::Evidence* EvidenceIn(const B& body) {
  const auto* kind = body.GetReflection()->GetOneofFieldDescriptor(
      body, body.GetDescriptor()->FindOneofByName("kind"));
  if (kind == nullptr) return nullptr;
  const google::protobuf::Message& event = body.GetReflection()->GetMessage(body, kind);
  const auto* field = event.GetDescriptor()->FindFieldByName("evidence");
  if (field == nullptr || field->is_repeated()) return nullptr;
  return dynamic_cast<const eventpb::Evidence*>(&event.GetReflection()->GetMessage(event, field));
}

}  // namespace

std::string DeedWithoutCause(const EventStore& store) {
  std::unordered_set<Position> grounded;  // reaches an observation or a person
  std::string problem;
  const Status read = store.ReadAll(0, store.Head(), [&](const RecordedEvent& recorded) {
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) {
      problem = Cat("position ", recorded.position, ": ", Message(body.status()));
      return false;
    }
    bool ground = IsSeen(body->kind_case()) || recorded.event.actor.starts_with("operator:");
    if (const eventpb::Evidence* evidence = EvidenceIn(*body)) {
      for (const Position from : evidence->positions()) ground = ground || grounded.contains(from);
    }
    if (ground) grounded.insert(recorded.position);
    if (!ground && IsDeed(body->kind_case())) {
      problem = Cat(recorded.position, " (", recorded.event.type, " of ", recorded.stream.str(),
                    ") has no path to an observation or an operator");
      return false;
    }
    return true;
  });
  return read.ok() ? problem : std::string(Message(read));
}

}  // namespace muster
