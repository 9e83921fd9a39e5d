// RequestBook: what is common to all writes: who asks under which request_id, what was answered to
// it before, and keeping the answer. Reactor thread; the references must outlive it.
#pragma once

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/codec.h"
#include "services/grpc/bridge.h"
#include "services/grpc/secret_guard.h"

namespace muster::grpc_api {

// One call to a write.
struct Request {
  std::string method;  // "apply"
  std::string id;      // request_id; "" = not to be kept
  std::string digest;  // of the request without its id
  bool validate_only = false;
  Origin origin;
  std::vector<std::pair<std::string, std::string>> secrets;  // fields that hold one: refused
};

class RequestBook {
 public:
  // `written` returns once the read models show a position; `mask` paints secrets over. Both may be
  // empty.
  RequestBook(Runtime& rt, Handler& handler, std::function<Task<void>(std::uint64_t)> written,
              MaskFn mask)
      : rt_(rt), handler_(handler), written_(std::move(written)), mask_(std::move(mask)) {}

  template <class Message>
  Request Begin(std::string method, const Message& message, const Caller& caller) {
    Request request;
    request.method = std::move(method);
    request.id = message.request_id();
    request.validate_only = message.validate_only();
    Message bare = message;
    bare.clear_request_id();
    bare.clear_validate_only();
    request.digest = Sha256Hex(Deterministic(bare));
    const std::string command =
        request.id.empty() ? Cat("request/", rt_.rng().Token(12)) : Cat("request/", request.id);
    request.secrets = FieldsWithSecrets(message, mask_);
    request.origin.actor = mask_ ? mask_(caller.actor) : caller.actor;
    request.origin.cause = command;
    request.origin.correlation = command;
    if (!request.id.empty()) request.origin.idempotency_key = command;
    return request;
  }

  // The first answer to this request_id, nullopt when there was none.
  // kInvalidArgument  a text holds the value of a secret (BadRequest): write it without
  // kAlreadyExists    the id was used for another request (REQUEST_ID_REUSED): take a fresh one
  template <class Response>
  StatusOr<std::optional<Response>> Repeated(const Request& request) const {
    if (!request.secrets.empty()) return BadRequest(request.secrets);
    if (request.id.empty() || request.validate_only) return std::optional<Response>();
    MUSTER_ASSIGN_OR_RETURN(const auto first, handler_.FindRequest(request.id));
    if (!first.has_value()) return std::optional<Response>();
    if (first->method() != request.method || first->digest() != request.digest) {
      return Refusal(StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     Cat("request_id '", request.id, "' was used for another ", first->method(),
                         " request: take a fresh one"));
    }
    Response response;
    if (!google::protobuf::util::JsonStringToMessage(first->result(), &response).ok()) {
      return DataLoss(Cat("the kept answer to request '", request.id, "' cannot be read"));
    }
    return std::optional<Response>(std::move(response));
  }

  // Keeps `response` with the request_id and returns it once who reads next sees what was written.
  template <class Response>
  Task<StatusOr<Response>> Finish(Request request, Response response, std::uint64_t position) {
    if (!request.id.empty()) {
      std::string json;
      if (!google::protobuf::util::MessageToJsonString(response, &json).ok()) {
        co_return Internal("the answer cannot be written as JSON");
      }
      Origin origin = request.origin;
      origin.idempotency_key = Cat(request.origin.idempotency_key, "/answer");
      const auto recorded =
          co_await handler_.RecordRequest(request.id, request.method, request.digest, json, origin);
      CO_RETURN_IF_ERROR(recorded.status());
      position = std::max<std::uint64_t>(position, handler_.world().head);
    }
    if (written_) co_await written_(position);
    co_return response;
  }

 private:
  Runtime& rt_;
  Handler& handler_;
  const std::function<Task<void>(std::uint64_t)> written_;
  const MaskFn mask_;
};

}  // namespace muster::grpc_api
