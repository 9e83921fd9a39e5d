#include "eventstore/events/codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace muster {

std::string_view TypeName(EventKind kind) {
  using B = eventpb::EventBody;
  switch (kind) {
    case B::kInstallationCreated:
      return "installation.created";
    case B::kClockStepped:
      return "installation.clock_stepped";
    case B::kFleetApplied:
      return "fleet.applied";
    case B::kFleetScaled:
      return "fleet.scaled";
    case B::kFleetDownRequested:
      return "fleet.down_requested";
    case B::kFleetEnded:
      return "fleet.ended";
    case B::kFleetWaitChanged:
      return "fleet.wait_changed";
    case B::kPreflightChecked:
      return "fleet.preflight_checked";
    case B::kQuotaIntervalChanged:
      return "fleet.quota_interval_changed";
    case B::kStrikesSuspended:
      return "fleet.strikes_suspended";
    case B::kStrikesResumed:
      return "fleet.strikes_resumed";
    case B::kFleetHealthChanged:
      return "fleet.health_changed";
    case B::kLaunchRequested:
      return "worker.launch_requested";
    case B::kLaunchAccepted:
      return "worker.launch_accepted";
    case B::kLaunchRejected:
      return "worker.launch_rejected";
    case B::kLaunchUnclear:
      return "worker.launch_unclear";
    case B::kLaunchNotFound:
      return "worker.launch_not_found";
    case B::kWorkerAdopted:
      return "worker.adopted";
    case B::kInstanceObserved:
      return "worker.instance_observed";
    case B::kInstanceAbsent:
      return "worker.instance_absent";
    case B::kLogObserved:
      return "worker.log_observed";
    case B::kObservationFailed:
      return "worker.observation_failed";
    case B::kWorkerHealthChanged:
      return "worker.health_changed";
    case B::kWorkerCondemned:
      return "worker.condemned";
    case B::kDestroyRequested:
      return "worker.destroy_requested";
    case B::kDestroyAnswered:
      return "worker.destroy_answered";
    case B::kWorkerEnded:
      return "worker.ended";
    case B::kStartRequested:
      return "worker.start_requested";
    case B::kStartAnswered:
      return "worker.start_answered";
    case B::kHostStruck:
      return "host.struck";
    case B::kHostPardoned:
      return "host.pardoned";
    case B::kStrikesImported:
      return "host.strikes_imported";
    case B::kHostMeasured:
      return "host.measured";
    case B::kCreditObserved:
      return "account.credit_observed";
    case B::kCreditWaitBegan:
      return "account.credit_wait_began";
    case B::kCreditProbed:
      return "account.credit_probed";
    case B::kCreditWaitEnded:
      return "account.credit_wait_ended";
    case B::kAccountTroubleBegan:
      return "account.trouble_began";
    case B::kAccountTroubleEnded:
      return "account.trouble_ended";
    case B::kOffersObserved:
      return "account.offers_observed";
    case B::kOrphanFound:
      return "account.orphan_found";
    case B::kOrphanResolved:
      return "account.orphan_resolved";
    case B::kInstanceListObserved:
      return "account.instance_list_observed";
    case B::kCommandAccepted:
      return "request.accepted";
    case B::kHeadSigned:
      return "audit.head_signed";
    case B::kHeadDelivered:
      return "audit.head_delivered";
    case B::kPayloadRedacted:
      return "audit.payload_redacted";
    case B::kShadowStarted:
      return "shadow.started";
    case B::kShadowDisagreed:
      return "shadow.disagreed";
    case B::kShadowResolved:
      return "shadow.resolved";
    case B::kShadowCounted:
      return "shadow.counted";
    case B::kShadowEnded:
      return "shadow.ended";
    case B::kAlertRaised:
      return "alert.raised";
    case B::kAlertEnded:
      return "alert.ended";
    case B::kNoticesServed:
      return "notify.served";
    case B::kServerPlanned:
      return "server.planned";
    case B::kServerOrderRequested:
      return "server.order_requested";
    case B::kServerOrderAccepted:
      return "server.order_accepted";
    case B::kServerOrderRefused:
      return "server.order_refused";
    case B::kServerOrderUnclear:
      return "server.order_unclear";
    case B::kServerOrderNotFound:
      return "server.order_not_found";
    case B::kServerDelivered:
      return "server.delivered";
    case B::kServerOverdue:
      return "server.overdue";
    case B::kServerStepRequested:
      return "server.step_requested";
    case B::kServerResetRequested:
      return "server.reset_requested";
    case B::kServerStepDone:
      return "server.step_done";
    case B::kServerStepFailed:
      return "server.step_failed";
    case B::kServerObserved:
      return "server.observed";
    case B::kBuilderObserved:
      return "server.builder_observed";
    case B::kServerCancelRequested:
      return "server.cancel_requested";
    case B::kServerCancelSet:
      return "server.cancel_set";
    case B::kServerCancelFailed:
      return "server.cancel_failed";
    case B::kServerRevokeRequested:
      return "server.revoke_requested";
    case B::kServerRevoked:
      return "server.revoked";
    case B::kServerEnded:
      return "server.ended";
    case B::kStrayServerFound:
      return "account.stray_server_found";
    case B::kServerBuildRequested:
      return "server.build_requested";
    case B::KIND_NOT_SET:
      break;
  }
  return "";
}

const std::vector<EventKind>& AllEventKinds() {
  static const auto* kinds = [] {
    auto* all = new std::vector<EventKind>;
    const auto* oneof = eventpb::EventBody::descriptor()->oneof_decl(0);
    for (int i = 0; i < oneof->field_count(); ++i) {
      all->push_back(static_cast<EventKind>(oneof->field(i)->number()));
    }
    return all;
  }();
  return *kinds;
}

std::string Deterministic(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string EncodeEvent(const eventpb::EventBody& body) { return Deterministic(body); }

StatusOr<eventpb::EventBody> DecodeEvent(std::string_view type, std::string_view payload) {
  eventpb::EventBody body;
  if (!body.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return DataLoss(Cat("event of type \"", type, "\": the payload does not parse"));
  }
  if (body.kind_case() == eventpb::EventBody::KIND_NOT_SET) {
    return Unimplemented(Cat("event of type \"", type, "\": a kind this version does not know"));
  }
  return body;
}

}  // namespace muster
