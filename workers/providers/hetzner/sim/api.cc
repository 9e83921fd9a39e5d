// What the handlers share: taking requests apart, answering.
#include "workers/providers/hetzner/sim/api.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "workers/ports/sim_route.h"

namespace muster::hetznersim {

namespace {

// "key[]" and "key[3]" are "key".
std::string WithoutIndex(std::string name) {
  const std::size_t bracket = name.find('[');
  if (bracket == std::string::npos || name.back() != ']') return name;
  return name.substr(0, bracket);
}

void ReadForm(std::string_view text, Call& call) {
  for (auto& [name, value] : muster::ReadForm(text)) {
    call.form[WithoutIndex(name)].push_back(std::move(value));
  }
}

Json TextsOrNull(const std::vector<std::string>& texts) {
  return texts.empty() ? Json() : Json(texts);
}

int SizeOf(const std::string& type) { return type == "RSA" ? 3072 : 256; }

}  // namespace

std::string Call::Field(const std::string& name) const {
  const auto found = form.find(name);
  return found == form.end() ? "" : found->second.front();
}

std::vector<std::string> Call::Fields(const std::string& name) const {
  const auto found = form.find(name);
  return found == form.end() ? std::vector<std::string>() : found->second;
}

Call ParseCall(const HttpRequest& request) {
  Call call;
  call.request = &request;
  SimPath split = SplitUrl(request.url);
  ReadForm(split.query, call);
  ReadForm(request.body, call);
  call.path = std::move(split.path);
  call.segments = std::move(split.segments);
  return call;
}

SimReply Reply(int status, std::string body, std::string_view content_type) {
  SimReply reply;
  reply.response.status = status;
  if (!body.empty()) {
    reply.response.headers = {{"Content-Type", std::string(content_type)}};
  }
  reply.response.body = std::move(body);
  return reply;
}

SimReply JsonReply(int status, const Json& body) {
  const std::string text =
      body.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  return Reply(status, absl::StrReplaceAll(text, {{"/", "\\/"}}), "application/json");
}

SimReply Page(int status) {
  return Reply(status,
               Cat("<html><head><title>", status, "</title></head><body><h1>", status,
                   "</h1></body></html>"),
               "text/html");
}

SimReply ErrorReply(int status, std::string_view code, std::string_view message) {
  return JsonReply(status, {{"error", {{"status", status}, {"code", code}, {"message", message}}}});
}

SimReply InvalidInput(const std::vector<std::string>& missing,
                      const std::vector<std::string>& invalid) {
  return JsonReply(400, {{"error",
                          {{"status", 400},
                           {"code", "INVALID_INPUT"},
                           {"message", "invalid input"},
                           {"missing", TextsOrNull(missing)},
                           {"invalid", TextsOrNull(invalid)}}}});
}

SimReply ListReply(World& world, std::string_view kind, std::vector<Json> rows,
                   std::string_view empty_code) {
  if (rows.empty() && world.Fire(Trap::kEmptyListIsArray) == nullptr) {
    return ErrorReply(404, empty_code, "not found");
  }
  if (!rows.empty() && world.Fire(Trap::kListGarblesRow) != nullptr) {
    for (const char* id : {"id", "server_number", "fingerprint"}) rows.front().erase(id);
  }
  Json list = Json::array();
  for (Json& row : rows) list.push_back(Json::object({{std::string(kind), std::move(row)}}));
  return JsonReply(200, list);
}

Json KeyJson(const Key& key, bool with_data) {
  Json json = {{"name", key.name},
               {"fingerprint", key.fingerprint},
               {"type", key.type},
               {"size", key.size},
               {"created_at", BerlinStamp(key.created)}};
  if (with_data) json["data"] = key.data;
  return json;
}

Json KeysJson(const std::vector<Key>& keys) {
  Json list = Json::array();
  for (const Key& key : keys) list.push_back({{"key", KeyJson(key, false)}});
  return list;
}

Json HostKeysJson(const std::vector<HostKeyFingerprint>& keys) {
  Json list = Json::array();
  for (const HostKeyFingerprint& key : keys) {
    list.push_back(
        {{"key", {{"fingerprint", key.sha256}, {"type", key.type}, {"size", SizeOf(key.type)}}}});
  }
  return list;
}

Json ServerIp(const Dedicated& server) { return server.ipv4 ? Json(server.ip) : Json(); }

std::optional<std::vector<Key>> FindKeys(const World& world,
                                         const std::vector<std::string>& fingerprints) {
  std::vector<Key> keys;
  for (const std::string& fingerprint : fingerprints) {
    const auto found = world.keys.find(fingerprint);
    if (found == world.keys.end()) return std::nullopt;
    keys.push_back(found->second);
  }
  return keys;
}

}  // namespace muster::hetznersim
