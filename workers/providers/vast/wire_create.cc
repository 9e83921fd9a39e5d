// The body of a create, and what its answer says.
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "workers/providers/vast/errors.h"
#include "workers/providers/vast/json.h"
#include "workers/providers/vast/wire.h"

namespace muster::vast {
namespace {

using nlohmann::json;

constexpr std::size_t kImageBytesMax = 1024;
constexpr std::size_t kLabelBytesMax = 256;
constexpr std::size_t kOnstartBytesMax = 4096;
constexpr std::size_t kEnvKeyBytesMax = 256;
constexpr std::size_t kEnvBytesMax = 32768;
constexpr std::int64_t kDiskGbMin = 8;
constexpr char kOnstartEnv[] = "MUSTER_ONSTART_BASE64";

// A script that is too long for its field travels in the environment and is unpacked there.
std::string Unpacker() {
  return Cat("#!/bin/sh\nprintf %s \"$", kOnstartEnv,
             "\" | base64 -d > /root/onstart.unpacked\n"
             "chmod 700 /root/onstart.unpacked\nexec /root/onstart.unpacked\n");
}

Status CheckBounds(const LaunchSpec& spec, const std::map<std::string, std::string>& env) {
  const auto refuse = [](std::string_view what) { return MakeTrouble(Trouble::kRejected, what); };
  if (spec.image.empty() || spec.image.size() > kImageBytesMax) {
    return refuse("the image's name is empty or longer than 1024 bytes");
  }
  if (spec.label.empty() || spec.label.size() > kLabelBytesMax) {
    return refuse("the label is empty or longer than 256 bytes");
  }
  if (spec.disk_gb < kDiskGbMin) return refuse("the disk is smaller than 8 GB");
  std::size_t bytes = 0;
  for (const auto& [key, value] : env) {
    if (key.empty() || key.size() > kEnvKeyBytesMax) {
      return refuse(
          Cat("an environment name is empty or longer than 256 bytes: ", Ellipsize(key, 40)));
    }
    bytes += key.size() + value.size();
  }
  if (bytes > kEnvBytesMax) {
    return refuse(
        "the environment (with the start script, when that is longer than 4096 bytes) "
        "is larger than 32768 bytes");
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::string> CreateBody(const LaunchSpec& spec) {
  std::map<std::string, std::string> env = spec.env;
  std::string onstart = spec.onstart;
  if (onstart.size() > kOnstartBytesMax) {
    env[kOnstartEnv] = absl::Base64Escape(onstart);
    onstart = Unpacker();
  }
  MUSTER_RETURN_IF_ERROR(CheckBounds(spec, env));
  json body = {{"client_id", "me"},
               {"image", spec.image},
               {"disk", spec.disk_gb},
               {"env", env},
               {"onstart", onstart},
               {"label", spec.label},
               {"runtype", spec.runtype},
               {"target_state", "running"},
               // Else a machine that cannot start now is rented stopped, and billed.
               {"cancel_unavail", true}};
  if (!spec.image_login.empty()) body["image_login"] = spec.image_login;
  if (spec.bid.has_value()) body["price"] = spec.bid->usd();
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

StatusOr<Created> ParseCreate(std::string_view body) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value()) return Nonsense("create: the answer is not JSON", body);
  Created created{InstanceId(IdText(answer->root(), "new_contract")),
                  Text(answer->root(), "instance_api_key")};
  if (created.instance.empty()) return Nonsense("create: the answer names no contract", body);
  if (Flag(answer->root(), "success") == false) {
    return Nonsense("create: the answer names a contract and says it failed", body);
  }
  return created;
}

}  // namespace muster::vast
