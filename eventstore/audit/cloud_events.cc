#include "eventstore/audit/cloud_events.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "eventstore/base/sha256.h"
#include "eventstore/record.h"

namespace muster::audit {
namespace {

constexpr std::string_view kWorker = "worker/";

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

// The message inside `body`: the one that is set.
const google::protobuf::Message& Inside(const eventpb::EventBody& body) {
  const auto* field = body.GetDescriptor()->FindFieldByNumber(static_cast<int>(body.kind_case()));
  return body.GetReflection()->GetMessage(body, field);
}

// A string field of the message inside, "" when it has none of that name.
std::string Named(const eventpb::EventBody& body, const char* name) {
  const google::protobuf::Message& message = Inside(body);
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->is_repeated() ||
      field->type() != google::protobuf::FieldDescriptor::TYPE_STRING) {
    return "";
  }
  return message.GetReflection()->GetString(message, field);
}

// Attributes must not be empty: one that would be is left out.
void Set(nlohmann::ordered_json& out, const char* name, const std::string& value) {
  if (!value.empty()) out[name] = value;
}

}  // namespace

void Replacements::See(const RecordedEvent& event) {
  if (event.event.type != TypeName(EventKind::kPayloadRedacted)) return;
  const StatusOr<eventpb::EventBody> body = DecodeEvent(event.event.type, event.event.payload);
  if (!body.ok() || !body->has_payload_redacted()) return;
  by_position_[body->payload_redacted().position()] = body->payload_redacted().replacement();
}

const std::string* Replacements::Find(Position position) const {
  const auto found = by_position_.find(position);
  return found == by_position_.end() ? nullptr : &found->second;
}

StatusOr<std::optional<std::string>> CloudEvents::Take(std::string_view record) {
  MUSTER_RETURN_IF_ERROR(DecodeRecord(record, event_));
  MUSTER_ASSIGN_OR_RETURN(const RecordView view, ViewRecord(record));
  if (view.pruned) {
    const std::string* replacement = replacements_.Find(event_.position);
    event_.event.payload = replacement == nullptr ? "" : *replacement;
  }
  eventpb::EventBody body;
  // A payload that is gone without a replacement still has its envelope to show.
  const bool known = !view.pruned || !event_.event.payload.empty();
  if (known) {
    MUSTER_ASSIGN_OR_RETURN(body, DecodeEvent(event_.event.type, event_.event.payload));
    if (body.has_installation_created()) installation_ = body.installation_created().id();
  }
  if (!Wanted(event_, body)) return std::optional<std::string>();
  return std::optional<std::string>(
      ToJson(event_, known ? &body : nullptr, view.PayloadDigest(), view.pruned));
}

bool CloudEvents::Wanted(const RecordedEvent& event, const eventpb::EventBody& body) {
  const std::string_view stream = event.stream.str();
  const std::string worker(stream.starts_with(kWorker) ? stream.substr(kWorker.size()) : "");
  const bool known = body.kind_case() != eventpb::EventBody::KIND_NOT_SET;
  const std::string fleet = known ? Named(body, "fleet") : "";
  if (!worker.empty() && !fleet.empty() && fleet == filter_.fleet) workers_.insert(worker);
  const bool planned =
      body.has_server_planned() && body.server_planned().spec().name() == filter_.server;
  if (planned || stream == Cat("server/", filter_.server)) servers_.insert(std::string(stream));
  if (event.position < filter_.since || event.recorded_at < filter_.since_time) return false;
  const std::string about = known ? Named(body, "worker") : "";
  if (!filter_.worker.empty() && worker != filter_.worker && about != filter_.worker) return false;
  if (!filter_.server.empty() && servers_.count(std::string(stream)) == 0) return false;
  if (filter_.fleet.empty()) return true;
  return stream == Cat("fleet/", filter_.fleet) || fleet == filter_.fleet ||
         workers_.count(worker.empty() ? about : worker) > 0;
}

std::string CloudEvents::ToJson(const RecordedEvent& event, const eventpb::EventBody* body,
                                const EventHash& digest, bool redacted) const {
  nlohmann::ordered_json out;
  out["specversion"] = "1.0";
  out["id"] = event.event.id.str();
  out["source"] = Cat("/muster/", installation_);
  out["type"] = event.event.type;
  out["time"] = TimeText(event.event.occurred_at);
  out["subject"] = event.stream.str();
  // Attributes of CloudEvents have no 64-bit number: positions are text.
  out["position"] = Cat(event.position);
  out["streamversion"] = Cat(event.version);
  out["recordedtime"] = TimeText(event.recorded_at);
  out["chainhash"] = ToHex(event.hash);
  out["payloaddigest"] = ToHex(digest);
  Set(out, "actor", event.event.actor);
  Set(out, "causeid", event.event.cause);
  Set(out, "correlationid", event.event.correlation);
  if (redacted) out["redacted"] = true;
  std::string data;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (body != nullptr &&
      google::protobuf::util::MessageToJsonString(Inside(*body), &data, options).ok()) {
    out["datacontenttype"] = "application/json";
    out["data"] = nlohmann::ordered_json::parse(data, nullptr, false);
  }
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace muster::audit
