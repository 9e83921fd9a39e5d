#include "tests/stage/causes.h"

#include <unordered_set>

#include "eventstore/base/strings.h"
#include "eventstore/events/evidence.h"

namespace muster {
namespace {

using B = eventpb::EventBody;

bool IsDeed(B::KindCase kind) {
  switch (kind) {
    case B::kLaunchRequested:
    case B::kDestroyRequested:
    case B::kStartRequested:
    case B::kHostStruck:
    case B::kServerOrderRequested:  // and the upload of its key
    case B::kServerStepRequested:  // rescue, inspect, prepare, boot, register, validate, unregister
    case B::kServerResetRequested:
    case B::kServerBuildRequested:
    case B::kServerCancelRequested:
    case B::kServerRevokeRequested:
    case B::kServerEnded:  // whereupon its key is removed
      return true;
    default:
      return false;
  }
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
    case B::kServerOrderAccepted:
    case B::kServerOrderRefused:
    case B::kServerOrderUnclear:
    case B::kServerOrderNotFound:
    case B::kServerDelivered:
    case B::kServerStepDone:
    case B::kServerStepFailed:
    case B::kServerObserved:
    case B::kServerCancelSet:
    case B::kServerCancelFailed:
    case B::kServerRevoked:
      return true;
    default:
      return false;
  }
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
