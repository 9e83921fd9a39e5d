// What the handlers share: taking requests apart, comparing, answering.
#include "workers/providers/vast/sim/api.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "workers/ports/sim_route.h"

namespace muster::vastsim {

namespace {

// Both as numbers when the client's value reads as one, else nullopt.
std::optional<std::pair<double, double>> BothNumbers(const Json& value, const Json& wanted) {
  if (!value.is_number()) return std::nullopt;
  if (wanted.is_number()) return std::pair(value.get<double>(), wanted.get<double>());
  double parsed = 0;
  if (!wanted.is_string() || !absl::SimpleAtod(wanted.get<std::string>(), &parsed)) {
    return std::nullopt;
  }
  return std::pair(value.get<double>(), parsed);
}

bool Equal(const Json& value, const Json& wanted) {
  if (const auto numbers = BothNumbers(value, wanted)) return numbers->first == numbers->second;
  if (value.is_boolean() && wanted.is_string()) {
    const std::string text = absl::AsciiStrToLower(wanted.get<std::string>());
    return value.get<bool>() == (text == "true" || text == "1");
  }
  if (value.is_boolean() && wanted.is_number()) return value.get<bool>() == (wanted != 0);
  return value == wanted;
}

// -1, 0, 1; nullopt when the two cannot be ordered.
std::optional<int> Compare(const Json& value, const Json& wanted) {
  if (const auto numbers = BothNumbers(value, wanted)) {
    return (numbers->first > numbers->second) - (numbers->first < numbers->second);
  }
  if (!value.is_string() || !wanted.is_string()) return std::nullopt;
  const int order = value.get<std::string>().compare(wanted.get<std::string>());
  return (order > 0) - (order < 0);
}

bool In(const Json& value, const Json& wanted) {
  if (!wanted.is_array()) return Equal(value, wanted);
  for (const Json& one : wanted) {
    if (Equal(value, one)) return true;
  }
  return false;
}

}  // namespace

Call ParseCall(const HttpRequest& request) {
  Call call;
  call.request = &request;
  SimPath split = SplitUrl(request.url);
  for (auto& [name, value] : ReadForm(split.query)) call.query[name] = std::move(value);
  call.path = std::move(split.path);
  call.segments = std::move(split.segments);
  if (call.segments.size() >= 2 && call.segments[0] == "api" &&
      (call.segments[1] == "v0" || call.segments[1] == "v1")) {
    call.version = call.segments[1] == "v1" ? 1 : 0;
    call.segments.erase(call.segments.begin(), call.segments.begin() + 2);
  }
  return call;
}

SimReply Reply(int status, std::string body, std::string_view content_type) {
  SimReply reply;
  reply.response.status = status;
  // Exactly this: an official client compares the header for equality.
  reply.response.headers = {{"Content-Type", std::string(content_type)}};
  reply.response.body = std::move(body);
  return reply;
}

SimReply JsonReply(int status, const Json& body) {
  return Reply(status, body.dump(-1, ' ', false, Json::error_handler_t::replace),
               "application/json");
}

SimReply ErrorReply(int status, std::string_view error, std::string_view message) {
  return JsonReply(status, {{"success", false}, {"error", error}, {"msg", message}});
}

double NumberOr(const Json& object, const char* field, double otherwise) {
  const auto it = object.find(field);
  if (it == object.end()) return otherwise;
  if (it->is_number()) return it->get<double>();
  double parsed = 0;
  if (it->is_string() && absl::SimpleAtod(it->get<std::string>(), &parsed)) return parsed;
  return otherwise;
}

std::string TextOr(const Json& object, const char* field, std::string otherwise) {
  const auto it = object.find(field);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::move(otherwise);
}

StatusOr<bool> Meets(const Json& value, std::string_view op, const Json& wanted) {
  if (wanted.is_null()) return InvalidArgument("query values can't be None");
  if (op == "eq") return Equal(value, wanted);
  if (op == "neq") return !Equal(value, wanted);
  if (op == "in") return In(value, wanted);
  if (op == "notin") return !In(value, wanted);
  const std::optional<int> order = Compare(value, wanted);
  if (op == "gt") return order.has_value() && *order > 0;
  if (op == "gte") return order.has_value() && *order >= 0;
  if (op == "lt") return order.has_value() && *order < 0;
  if (op == "lte") return order.has_value() && *order <= 0;
  return InvalidArgument(Cat("invalid operator ", op));
}

}  // namespace muster::vastsim
