#include "services/grpc/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace muster::grpc_api {
namespace {

constexpr std::string_view kPrefix = "type.googleapis.com/";

std::string Url(const google::protobuf::Message& message) {
  return Cat(kPrefix, message.GetDescriptor()->full_name());
}

void Attach(Status& status, const google::protobuf::Message& message) {
  const std::string bytes = message.SerializeAsString();
  status.SetPayload(Url(message), absl::Cord(ToAbsl(bytes)));
}

std::string_view DefaultReason(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case StatusCode::kNotFound:
      return "NOT_FOUND";
    case StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case StatusCode::kFailedPrecondition:
      return "NOT_IN_THIS_STATE";
    case StatusCode::kAborted:
      return "CHANGED_MEANWHILE";
    case StatusCode::kResourceExhausted:
      return "STORE_FULL";
    case StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case StatusCode::kDataLoss:
      return "STORE_DAMAGED";
    case StatusCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case StatusCode::kDeadlineExceeded:
      return "TOO_SLOW";
    case StatusCode::kUnauthenticated:
      return "NOT_AUTHENTICATED";
    case StatusCode::kPermissionDenied:
      return "NOT_ALLOWED";
    default:
      return "INTERNAL";
  }
}

}  // namespace

Status Refusal(StatusCode code, std::string_view reason, std::string_view message,
               const std::map<std::string, std::string>& metadata) {
  Status status = MakeStatus(code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("muster");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  Attach(status, info);
  return status;
}

void AddViolations(Status& status, std::string_view type,
                   const std::vector<std::string>& descriptions) {
  google::rpc::PreconditionFailure failure;
  for (const std::string& description : descriptions) {
    auto* violation = failure.add_violations();
    violation->set_type(std::string(type));
    violation->set_description(description);
  }
  Attach(status, failure);
}

Status BadRequest(const std::vector<std::pair<std::string, std::string>>& fields) {
  google::rpc::BadRequest bad;
  std::vector<std::string> lines;
  for (const auto& [field, description] : fields) {
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
    lines.push_back(Cat(field, ": ", description));
  }
  Status status =
      Refusal(StatusCode::kInvalidArgument, "INVALID_ARGUMENT", ToStd(absl::StrJoin(lines, "; ")));
  Attach(status, bad);
  return status;
}

std::string ReasonOf(const Status& status) {
  if (status.ok()) return "";
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(Url(info));
  if (payload.has_value() && info.ParseFromString(std::string(*payload))) return info.reason();
  return std::string(DefaultReason(status.code()));
}

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(std::string(Message(status)));
  bool has_info = false;
  status.ForEachPayload([&](const auto& url, const absl::Cord& bytes) {
    if (!absl::StartsWith(url, ToAbsl(kPrefix))) return;  // for our own code only
    auto* any = rich.add_details();
    any->set_type_url(std::string(url));
    any->set_value(std::string(bytes));
    has_info = has_info || absl::EndsWith(url, "google.rpc.ErrorInfo");
  });
  if (!has_info) {
    google::rpc::ErrorInfo info;
    info.set_reason(ReasonOf(status));
    info.set_domain("muster");
    rich.add_details()->PackFrom(info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(Message(status)),
                      rich.SerializeAsString());
}

}  // namespace muster::grpc_api
