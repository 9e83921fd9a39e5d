// VisitEvent: hands the message inside an EventBody to a visitor, by its type.
//
//   VisitEvent(body, Overloaded{[&](const eventpb::WorkerEnded& e) { ... },
//                               [](const auto&) {}});
//
// A read model names only what it shows; timeline/describe.cc has no catch-all, so a new kind of
// event does not compile before it has a text. Pure.
#pragma once

#include "eventstore/base/overloaded.h"
#include "eventstore/events/codec.h"

namespace muster::queries {

template <class Visitor>
void VisitEvent(const eventpb::EventBody& body, Visitor&& visit) {
  using B = eventpb::EventBody;
  switch (body.kind_case()) {
    case B::kInstallationCreated:
      return visit(body.installation_created());
    case B::kClockStepped:
      return visit(body.clock_stepped());
    case B::kFleetApplied:
      return visit(body.fleet_applied());
    case B::kFleetScaled:
      return visit(body.fleet_scaled());
    case B::kFleetDownRequested:
      return visit(body.fleet_down_requested());
    case B::kFleetEnded:
      return visit(body.fleet_ended());
    case B::kFleetWaitChanged:
      return visit(body.fleet_wait_changed());
    case B::kPreflightChecked:
      return visit(body.preflight_checked());
    case B::kQuotaIntervalChanged:
      return visit(body.quota_interval_changed());
    case B::kStrikesSuspended:
      return visit(body.strikes_suspended());
    case B::kStrikesResumed:
      return visit(body.strikes_resumed());
    case B::kFleetHealthChanged:
      return visit(body.fleet_health_changed());
    case B::kLaunchRequested:
      return visit(body.launch_requested());
    case B::kLaunchAccepted:
      return visit(body.launch_accepted());
    case B::kLaunchRejected:
      return visit(body.launch_rejected());
    case B::kLaunchUnclear:
      return visit(body.launch_unclear());
    case B::kLaunchNotFound:
      return visit(body.launch_not_found());
    case B::kWorkerAdopted:
      return visit(body.worker_adopted());
    case B::kInstanceObserved:
      return visit(body.instance_observed());
    case B::kInstanceAbsent:
      return visit(body.instance_absent());
    case B::kLogObserved:
      return visit(body.log_observed());
    case B::kObservationFailed:
      return visit(body.observation_failed());
    case B::kWorkerHealthChanged:
      return visit(body.worker_health_changed());
    case B::kWorkerCondemned:
      return visit(body.worker_condemned());
    case B::kDestroyRequested:
      return visit(body.destroy_requested());
    case B::kDestroyAnswered:
      return visit(body.destroy_answered());
    case B::kWorkerEnded:
      return visit(body.worker_ended());
    case B::kStartRequested:
      return visit(body.start_requested());
    case B::kStartAnswered:
      return visit(body.start_answered());
    case B::kHostStruck:
      return visit(body.host_struck());
    case B::kHostPardoned:
      return visit(body.host_pardoned());
    case B::kStrikesImported:
      return visit(body.strikes_imported());
    case B::kHostMeasured:
      return visit(body.host_measured());
    case B::kCreditObserved:
      return visit(body.credit_observed());
    case B::kCreditWaitBegan:
      return visit(body.credit_wait_began());
    case B::kCreditProbed:
      return visit(body.credit_probed());
    case B::kCreditWaitEnded:
      return visit(body.credit_wait_ended());
    case B::kAccountTroubleBegan:
      return visit(body.account_trouble_began());
    case B::kAccountTroubleEnded:
      return visit(body.account_trouble_ended());
    case B::kOffersObserved:
      return visit(body.offers_observed());
    case B::kOrphanFound:
      return visit(body.orphan_found());
    case B::kOrphanResolved:
      return visit(body.orphan_resolved());
    case B::kInstanceListObserved:
      return visit(body.instance_list_observed());
    case B::kCommandAccepted:
      return visit(body.command_accepted());
    case B::kHeadSigned:
      return visit(body.head_signed());
    case B::kHeadDelivered:
      return visit(body.head_delivered());
    case B::kPayloadRedacted:
      return visit(body.payload_redacted());
    case B::kShadowStarted:
      return visit(body.shadow_started());
    case B::kShadowDisagreed:
      return visit(body.shadow_disagreed());
    case B::kShadowResolved:
      return visit(body.shadow_resolved());
    case B::kShadowCounted:
      return visit(body.shadow_counted());
    case B::kShadowEnded:
      return visit(body.shadow_ended());
    case B::kAlertRaised:
      return visit(body.alert_raised());
    case B::kAlertEnded:
      return visit(body.alert_ended());
    case B::kNoticesServed:
      return visit(body.notices_served());
    case B::kServerPlanned:
      return visit(body.server_planned());
    case B::kServerOrderRequested:
      return visit(body.server_order_requested());
    case B::kServerOrderAccepted:
      return visit(body.server_order_accepted());
    case B::kServerOrderRefused:
      return visit(body.server_order_refused());
    case B::kServerOrderUnclear:
      return visit(body.server_order_unclear());
    case B::kServerOrderNotFound:
      return visit(body.server_order_not_found());
    case B::kServerDelivered:
      return visit(body.server_delivered());
    case B::kServerOverdue:
      return visit(body.server_overdue());
    case B::kServerStepRequested:
      return visit(body.server_step_requested());
    case B::kServerResetRequested:
      return visit(body.server_reset_requested());
    case B::kServerBuildRequested:
      return visit(body.server_build_requested());
    case B::kServerStepDone:
      return visit(body.server_step_done());
    case B::kServerStepFailed:
      return visit(body.server_step_failed());
    case B::kServerObserved:
      return visit(body.server_observed());
    case B::kBuilderObserved:
      return visit(body.builder_observed());
    case B::kServerCancelRequested:
      return visit(body.server_cancel_requested());
    case B::kServerCancelSet:
      return visit(body.server_cancel_set());
    case B::kServerCancelFailed:
      return visit(body.server_cancel_failed());
    case B::kServerRevokeRequested:
      return visit(body.server_revoke_requested());
    case B::kServerRevoked:
      return visit(body.server_revoked());
    case B::kServerEnded:
      return visit(body.server_ended());
    case B::kStrayServerFound:
      return visit(body.stray_server_found());
    case B::KIND_NOT_SET:
      return;
  }
}

// "worker/k7f2q" -> "k7f2q" when `stream` begins with `kind` ("worker/"); else "".
inline std::string_view NameInStream(const StreamId& stream, std::string_view kind) {
  const std::string_view text = stream.str();
  return text.starts_with(kind) ? text.substr(kind.size()) : std::string_view();
}

}  // namespace muster::queries
