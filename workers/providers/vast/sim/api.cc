// What the handlers share: taking requests apart, comparing, answering.
#include "workers/providers/vast/sim/api.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace muster::vastsim {

namespace {

std::string Decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
               absl::ascii_isxdigit(text[i + 2])) {
      out += absl::HexStringToBytes(ToAbsl(text.substr(i + 1, 2)));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

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
  std::string_view url = request.url;
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    const std::size_t slash = url.find('/', scheme + 3);
    url = slash == std::string_view::npos ? "/" : url.substr(slash);
  }
  const std::size_t question = url.find('?');
  call.path = std::string(url.substr(0, question));
  if (question != std::string_view::npos) {
    for (const auto& piece : absl::StrSplit(ToAbsl(url.substr(question + 1)), '&')) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(piece, absl::MaxSplits('=', 1));
      call.query[Decode(pair.first)] = Decode(pair.second);
    }
  }
  for (const auto& segment : absl::StrSplit(call.path, '/', absl::SkipEmpty())) {
    call.segments.push_back(Decode(ToStd(segment)));
  }
  if (call.segments.size() >= 2 && call.segments[0] == "api" &&
      (call.segments[1] == "v0" || call.segments[1] == "v1")) {
    call.version = call.segments[1] == "v1" ? 1 : 0;
    call.segments.erase(call.segments.begin(), call.segments.begin() + 2);
  }
  return call;
}

bool MatchRoute(std::string_view pattern, const std::vector<std::string>& segments, Call& call) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(pattern), '/');
  if (parts.size() != segments.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "{id}") {
      if (!absl::SimpleAtoi(segments[i], &call.id)) return false;
    } else if (parts[i] == "{name}") {
      call.name = segments[i];
    } else if (parts[i] != segments[i]) {
      return false;
    }
  }
  return true;
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
