// What can be asked of a server's stream.
//
// Decide gives the events to append, none for a repeat, or refuses:
//   kFailedPrecondition  not in this state; the message says which it is in: read again
//   kInvalidArgument     the command makes no sense: a fault of the asker
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "commands/server/state.h"

namespace muster::server {

// ---- from operators ----

// Plans the server and orders it, in one append: nothing is sent before it is durable.
struct Order {
  eventpb::ServerPlanned planned;
  eventpb::ServerOrderRequested requested;
};
// Ends a server that was never bought: its order was refused or never made (and it is ordered anew,
// under an id and a key of its own), or was in doubt and a person has looked at the account.
struct SettleOrder {
  std::string detail;
};
struct RequestStep {
  Step step = eventpb::SERVER_STEP_UNSPECIFIED;
  std::string plan_id;
  std::vector<eventpb::DiskSeen> disks;       // PREPARE: those that are lost
  std::vector<std::string> host_keys_before;  // RESCUE
  std::string confirmed_name;                 // PREPARE: the server's name, typed
  eventpb::Evidence evidence;
};
struct RequestCancel {
  std::string date;  // "now" or "2026-12-31"
  std::string reason;
  std::string plan_id;
  std::string confirmed_name;  // "now": the server's name, typed
  eventpb::Evidence evidence;
};
struct RequestRevoke {
  eventpb::Evidence evidence;
};

// ---- from the hands ----

struct OrderAnswered {
  OrderId order;
  eventpb::ServerOrderAccepted::How how = eventpb::ServerOrderAccepted::ANSWER;
};
struct OrderRefused {
  eventpb::ServerOrderRefused::Reason reason = eventpb::ServerOrderRefused::REASON_UNSPECIFIED;
  std::string detail;
};
struct OrderLost {
  std::string detail;
};
struct OrderSettledAbsent {
  int lookups = 0;
  absl::Duration waited;
  bool still_offered = false;
};
struct Deliver {
  eventpb::ServerDelivered delivered;
};
struct Overdue {
  eventpb::ServerOverdue overdue;
};
struct RequestReset {
  ResetKind kind = ResetKind::kHardware;
};
struct RequestBuild {
  eventpb::ServerBuildRequested build;  // step, attempt and evidence are filled in
};
struct StepDone {
  eventpb::ServerStepDone done;  // step and attempt are filled in
};
struct StepFailed {
  std::string detail;
  bool transient = false;
  std::string next;
  std::string build;
};
struct CancelSet {
  std::string date;
};
struct CancelFailed {
  bool revoke = false;
  std::string detail;
  std::string next;
};
struct Revoked {};
struct ConfirmGone {
  std::string confirmed_by;
};

// ---- from the eyes ----

struct ObserveServer {
  eventpb::ServerObserved seen;
};
struct ObserveBuilder {
  eventpb::BuilderObserved vitals;
};

using Command = std::variant<Order, SettleOrder, RequestStep, RequestCancel, RequestRevoke,
                             OrderAnswered, OrderRefused, OrderLost, OrderSettledAbsent, Deliver,
                             Overdue, RequestReset, RequestBuild, StepDone, StepFailed, CancelSet,
                             CancelFailed, Revoked, ConfirmGone, ObserveServer, ObserveBuilder>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

// What it has cost until `now`: started hours in full, no month more than its price, and the setup.
Money Spent(const State& state, absl::Time now);

}  // namespace muster::server
