// What boots next, rescue systems, resets.
#include <nlohmann/json.hpp>

#include "workers/providers/hetzner/sim/api.h"

namespace muster::hetznersim {

namespace {

constexpr const char* kSystems[] = {"linux", "linuxold", "linuxbeta", "vkvm", "vkvmbeta"};

// Inactive: choices, and no keys. Active: what was chosen.
Json RescueJson(const Dedicated& server) {
  Json json = {{"server_ip", ServerIp(server)},  {"server_ipv6_net", Ipv6Net(server)},
               {"server_number", server.number}, {"active", server.rescue_active},
               {"host_key", Json::array()},      {"boot_time", nullptr}};
  if (server.rescue_active) {
    json.update({{"os", server.rescue_os},
                 {"arch", 64},
                 {"password", server.rescue_password},
                 {"authorized_key", KeysJson(server.rescue_keys)}});
  } else {
    json.update({{"os", kSystems},
                 {"arch", {64, 32}},
                 {"password", nullptr},
                 {"authorized_key", Json::array()}});
  }
  return json;
}

Json ResetJson(const Dedicated& server, Json type) {
  return {{"server_ip", ServerIp(server)},
          {"server_ipv6_net", Ipv6Net(server)},
          {"server_number", server.number},
          {"type", std::move(type)},
          {"operating_status", server.power == Power::kOff ? "shut off" : "running"}};
}

std::vector<std::string> ResetTypes(const Dedicated& server) {
  std::vector<std::string> types = {"power", "power_long", "hw", "man"};
  if (server.sw_reset) types.insert(types.begin(), "sw");
  return types;
}

// How the boot that this call asks for will go, by the traps that are set.
void PlanBoot(World& world, BootPlan& plan, absl::Duration& more) {
  plan.disk_anyway = world.Fire(Trap::kBootsDisk) != nullptr;
  plan.hangs = world.Fire(Trap::kBootHangs) != nullptr;
  plan.wrong_host_key = world.Fire(Trap::kWrongHostKey) != nullptr;
  if (const Fault* late = world.Fire(Trap::kRescueKeysLate)) {
    plan.keys_late = absl::Seconds(late->value == 0 ? 300 : late->value);
  }
  if (const Fault* slow = world.Fire(Trap::kSlowBoot)) {
    more = absl::Seconds(slow->value == 0 ? 400 : slow->value);
  }
}

std::optional<SimReply> RefuseReset(World& world, const Call& call, const Dedicated& server) {
  if (!call.Has("type")) return InvalidInput({"type"}, {});
  const std::vector<std::string> types = ResetTypes(server);
  const bool offered = std::find(types.begin(), types.end(), call.Field("type")) != types.end();
  if (!offered || world.Fire(Trap::kResetRejected) != nullptr) return InvalidInput({}, {"type"});
  if (world.Fire(Trap::kResetManualActive) != nullptr) {
    return ErrorReply(409, "RESET_MANUAL_ACTIVE", "a manual reset is active");
  }
  if (world.Fire(Trap::kResetFails) != nullptr) {
    return ErrorReply(500, "RESET_FAILED", "resetting failed due to an internal error");
  }
  return std::nullopt;
}

void Press(World& world, Dedicated& server, const std::string& type) {
  BootPlan plan;
  absl::Duration more;
  PlanBoot(world, plan, more);
  if (type == "man") return;  // somebody will go there one day
  const bool on = server.power != Power::kOff;
  if (type == "power_long" || (type == "power" && on)) return world.PowerOff(server);
  if (type == "power" || on) world.Reset(server, plan, more);
}

}  // namespace

SimReply ShowBoot(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  return JsonReply(200, {{"boot",
                          {{"rescue", RescueJson(*server)},
                           {"linux", nullptr},
                           {"vnc", nullptr},
                           {"windows", nullptr},
                           {"plesk", nullptr},
                           {"cpanel", nullptr}}}});
}

SimReply ShowRescue(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  return JsonReply(200, {{"rescue", RescueJson(*server)}});
}

SimReply ActivateRescue(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  const std::string os = call.Field("os");
  if (os.empty()) return InvalidInput({"os"}, {});
  if (std::find(std::begin(kSystems), std::end(kSystems), os) == std::end(kSystems)) {
    return InvalidInput({}, {"os"});
  }
  const std::optional<std::vector<Key>> keys = FindKeys(world, call.Fields("authorized_key"));
  const bool takes_keys = os.rfind("vkvm", 0) != 0;
  if (!keys.has_value() || (!takes_keys && !keys->empty())) {
    return InvalidInput({}, {"authorized_key"});
  }
  if (world.Fire(Trap::kRescueFails) != nullptr) {
    return ErrorReply(500, "BOOT_ACTIVATION_FAILED", "activation failed due to an internal error");
  }
  Dedicated wanted = *server;
  wanted.rescue_active = true;
  wanted.rescue_os = os;
  wanted.rescue_keys = *keys;
  wanted.rescue_password = world.rng.Token(12);
  if (world.Fire(Trap::kRescueOtherKey) != nullptr) {
    for (Key& key : wanted.rescue_keys) {
      key.fingerprint = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
      key.data = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    }
  }
  const SimReply reply = JsonReply(200, {{"rescue", RescueJson(wanted)}});
  if (world.Fire(Trap::kRescueIgnored) == nullptr) *server = wanted;
  return reply;
}

SimReply DeactivateRescue(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  server->rescue_active = false;
  server->rescue_keys.clear();
  return JsonReply(200, {{"rescue", RescueJson(*server)}});
}

SimReply ShowLastRescue(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  if (!server->last.has_value()) return ErrorReply(404, "NOT_FOUND", "no rescue system was used");
  const Dedicated::LastRescue& last = *server->last;
  const bool told = !last.host_keys.empty() && last.booted.has_value();
  return JsonReply(200, {{"rescue",
                          {{"server_ip", ServerIp(*server)},
                           {"server_ipv6_net", Ipv6Net(*server)},
                           {"server_number", server->number},
                           {"os", last.os},
                           {"arch", 64},
                           {"active", server->rescue_active},
                           {"password", last.password},
                           {"authorized_key", KeysJson(last.keys)},
                           {"host_key", HostKeysJson(last.host_keys)},
                           {"boot_time", told ? Json(BerlinStamp(*last.booted)) : Json()}}}});
}

SimReply ListResets(World& world, const Call&, bool) {
  std::vector<Json> rows;
  for (const auto& [number, server] : world.living) {
    rows.push_back(ResetJson(server, ResetTypes(server)));
  }
  return ListReply(world, "reset", std::move(rows), "NOT_FOUND");
}

SimReply ShowReset(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  return JsonReply(200, {{"reset", ResetJson(*server, ResetTypes(*server))}});
}

SimReply DoReset(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  if (std::optional<SimReply> refused = RefuseReset(world, call, *server)) return *refused;
  const SimReply reply = JsonReply(200, {{"reset", ResetJson(*server, call.Field("type"))}});
  if (world.Fire(Trap::kResetIgnored) == nullptr) Press(world, *server, call.Field("type"));
  return reply;
}

SimReply NoWol(World& world, const Call& call, bool) {
  if (KnownServer(world, call) == nullptr) return NoSuchServer();
  return ErrorReply(404, "WOL_NOT_AVAILABLE", "the server has no Wake On LAN feature");
}

}  // namespace muster::hetznersim
