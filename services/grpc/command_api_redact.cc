// CommandApi: taking text out of the log for good.
#include "eventstore/audit/hex.h"
#include "eventstore/audit/redact.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/values.h"
#include "eventstore/record.h"
#include "services/grpc/command_api.h"

namespace muster::grpc_api {
namespace {

// An event as readers see it, and the digest of what was first written.
struct Stored {
  RecordedEvent event;
  EventHash digest{};
};

StatusOr<Stored> ReadStored(const EventStore& store, Position position) {
  const Status none = Refusal(StatusCode::kNotFound, "POSITION_NOT_FOUND",
                              Cat("nothing is at position ", position));
  if (position == 0 || position > store.Head()) return none;
  Stored out;
  MUSTER_RETURN_IF_ERROR(store.ReadAll(position - 1, 1, [&](const RecordedEvent& event) {
    out.event = event;
    return false;
  }));
  Status bad;
  MUSTER_RETURN_IF_ERROR(store.ReadRecords(position - 1, 1, [&](Position, std::string_view record) {
    const StatusOr<RecordView> view = ViewRecord(record);
    bad = view.status();
    if (bad.ok()) out.digest = view->PayloadDigest();
    return false;
  }));
  MUSTER_RETURN_IF_ERROR(bad);
  return out;
}

// The spec that a fleet runs by is read back from the log: without its text it would run another.
Status CheckNotInUse(const World& world, const eventpb::EventBody& body) {
  if (!body.has_fleet_applied()) return absl::OkStatus();
  const fleet::State* fleet = world.FindFleet(FleetName(body.fleet_applied().spec().name()));
  const bool in_use = fleet != nullptr && fleet->active() &&
                      fleet->fleet_version == body.fleet_applied().fleet_version();
  if (!in_use) return absl::OkStatus();
  return Refusal(StatusCode::kFailedPrecondition, "SPEC_IN_USE",
                 Cat("fleet ", fleet->name.str(), " runs by this very version of its spec"),
                 {{"next", "apply the fleet without the text, then redact the old version"}});
}

}  // namespace

Task<StatusOr<api::RedactPayloadResponse>> CommandApi::RedactPayload(
    api::RedactPayloadRequest message, Caller caller) {
  const Request request = book_.Begin("redact", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::RedactPayloadResponse>(request));
  if (first.has_value()) co_return *first;
  if (hooks_.store == nullptr) {
    co_return Refusal(StatusCode::kFailedPrecondition, "NO_STORE", "this log cannot be redacted");
  }
  if (message.reason().empty()) {
    co_return BadRequest({{"reason", "is empty; expected why: it stays in the log"}});
  }
  CO_ASSIGN_OR_RETURN(const Stored stored, ReadStored(*hooks_.store, message.position()));
  CO_ASSIGN_OR_RETURN(const eventpb::EventBody body,
                      DecodeEvent(stored.event.event.type, stored.event.event.payload));
  const StatusOr<audit::RedactedBody> redacted =
      audit::RedactFields(body, {message.fields().begin(), message.fields().end()});
  if (!redacted.ok()) co_return BadRequest({{"fields", std::string(Message(redacted.status()))}});
  CO_RETURN_IF_ERROR(CheckNotInUse(handler_.world(), body));
  api::RedactPayloadResponse answer;
  answer.set_type(stored.event.event.type);
  for (const std::string& field : redacted->fields) answer.add_fields(field);
  if (request.validate_only) co_return answer;
  eventpb::PayloadRedacted event;
  event.set_position(message.position());
  event.set_payload_sha256(ToHex(stored.digest));
  for (const std::string& field : redacted->fields) event.add_fields(field);
  event.set_reason(StoredText(message.reason()));
  event.set_replacement(EncodeEvent(redacted->body));
  Handler::AuditDecision decide = [event](const DecideContext&) -> StatusOr<Events> {
    return Events{Wrap(event)};
  };
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Audit(std::move(decide), request.origin));
  // The intent is in the log: what fails from here on is done by the next start.
  const Status gone = hooks_.store->Redact(message.position(), event.replacement());
  if (!gone.ok()) {
    co_return Annotate(gone, "the text is not gone yet; the next start of musterd takes it out");
  }
  answer.set_position(outcome.position);
  co_return co_await book_.Finish(request, answer, outcome.position);
}

}  // namespace muster::grpc_api
