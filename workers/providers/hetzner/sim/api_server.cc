// Servers, their addresses and their cancellation.
#include <nlohmann/json.hpp>

#include "workers/providers/hetzner/sim/api.h"

namespace muster::hetznersim {

namespace {

bool IsKnown(World& world, const Dedicated& server, const Fault* lag) {
  if (lag == nullptr) return true;
  return world.now() - server.delivered >= absl::Seconds(lag->value == 0 ? 90 : lag->value);
}

Json ServerJson(World& world, const Dedicated& server, bool detail) {
  const std::string net = Ipv6Net(server);
  const Fault* strange = world.Fire(Trap::kStrangeStatus);
  Json json = {
      {"server_ip", ServerIp(server)},
      {"server_ipv6_net", net},
      {"server_number", server.number},
      {"server_name", server.name},
      {"product", server.product},
      {"dc", server.dc},
      {"traffic", "unlimited"},
      {"status",
       strange == nullptr ? "ready" : (strange->text.empty() ? "in progress" : strange->text)},
      {"cancelled", server.cancelled},
      {"paid_until", BerlinDate(world.now() + absl::Hours(24 * 30)).substr(0, 8) + "01"},
      {"ip", server.ipv4 ? Json({server.ip}) : Json()},
      {"subnet", Json::array({{{"ip", net}, {"mask", "64"}}})},
      {"linked_storagebox", nullptr}};
  if (!detail) return json;
  for (const char* yes : {"reset", "rescue", "vnc"}) json[yes] = true;
  for (const char* no : {"windows", "plesk", "cpanel", "hot_swap", "wol"}) json[no] = false;
  return json;
}

Json CancellationJson(World& world, const Dedicated& server) {
  const bool spelt = world.Fire(Trap::kReservationSpelt) != nullptr;
  Json json = {{"server_ip", ServerIp(server)},
               {"server_ipv6_net", Ipv6Net(server)},
               {"server_number", server.number},
               {"server_name", server.name},
               {"earliest_cancellation_date", BerlinDate(world.now())},
               {"cancelled", server.cancelled},
               {"reservation_possible", !server.auction},
               {spelt ? "reservation" : "reserved", server.reserved},
               {"cancellation_date", nullptr},
               {"cancellation_reason", {"Upgrade to a new server", "Server too expensive"}}};
  if (server.cancelled) {
    json["cancellation_date"] = server.cancel_date;
    json["cancellation_reason"] =
        server.cancel_reason.empty() ? Json() : Json(server.cancel_reason);
  }
  return json;
}

// What keeps the cancellation from being set; nullopt = nothing.
std::optional<SimReply> RefuseCancellation(World& world, const Call& call,
                                           const Dedicated& server) {
  const std::string date = call.Field("cancellation_date");
  const std::string reserve = call.Field("reserve_location");
  if (server.cancelled || world.Fire(Trap::kCancelConflict) != nullptr) {
    return ErrorReply(409, "CONFLICT", "the server is cancelled already");
  }
  if (date.empty()) return InvalidInput({"cancellation_date"}, {});
  if (date == "now" && world.Fire(Trap::kCancelNowRefused) != nullptr) {
    return InvalidInput({}, {"cancellation_date"});
  }
  const bool past = date != "now" && date < BerlinDate(world.now());
  if (past || (date != "now" && !EndOfDay(date).has_value())) {
    return InvalidInput({}, {"cancellation_date"});
  }
  if (!server.auction && reserve.empty()) return InvalidInput({"reserve_location"}, {});
  if (!reserve.empty() && reserve != "true" && reserve != "false") {
    return InvalidInput({}, {"reserve_location"});
  }
  if (server.auction && reserve == "true") {
    return ErrorReply(409, "SERVER_CANCELLATION_RESERVE_LOCATION_FALSE_ONLY",
                      "the location cannot be reserved");
  }
  return std::nullopt;
}

}  // namespace

Dedicated* KnownServer(World& world, const Call& call) {
  Dedicated* const server = world.FindServer(call.id);
  if (server == nullptr) return nullptr;
  return IsKnown(world, *server, world.Fire(Trap::kServerLag)) ? server : nullptr;
}

SimReply NoSuchServer() { return ErrorReply(404, "SERVER_NOT_FOUND", "server not found"); }

SimReply ListServers(World& world, const Call&, bool) {
  const Fault* lag = world.Fire(Trap::kServerLag);
  const std::optional<Fault> hidden = lag == nullptr ? std::nullopt : std::optional(*lag);
  std::vector<Json> rows;
  for (const auto& [number, server] : world.living) {
    if (!IsKnown(world, server, hidden.has_value() ? &*hidden : nullptr)) continue;
    rows.push_back(ServerJson(world, server, /*detail=*/false));
  }
  return ListReply(world, "server", std::move(rows), "SERVER_NOT_FOUND");
}

SimReply ShowServer(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  return JsonReply(200, {{"server", ServerJson(world, *server, /*detail=*/true)}});
}

SimReply RenameServer(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  if (!call.Has("server_name")) return InvalidInput({"server_name"}, {});
  server->name = call.Field("server_name");
  return JsonReply(200, {{"server", ServerJson(world, *server, /*detail=*/true)}});
}

SimReply ListIps(World& world, const Call&, bool) {
  std::vector<Json> rows;
  for (const auto& [number, server] : world.living) {
    if (!server.ipv4) continue;
    rows.push_back({{"ip", server.ip},
                    {"server_ip", server.ip},
                    {"server_number", number},
                    {"locked", false},
                    {"separate_mac", nullptr},
                    {"traffic_warnings", false},
                    {"mask", 32}});
  }
  return ListReply(world, "ip", std::move(rows), "NOT_FOUND");
}

SimReply ShowCancellation(World& world, const Call& call, bool) {
  const Dedicated* server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  return JsonReply(200, {{"cancellation", CancellationJson(world, *server)}});
}

SimReply Cancel(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  if (std::optional<SimReply> refused = RefuseCancellation(world, call, *server)) return *refused;
  const std::string date = call.Field("cancellation_date");
  Dedicated wanted = *server;
  wanted.cancelled = true;
  wanted.cancel_date = date == "now" ? BerlinDate(world.now()) : date;
  wanted.cancel_reason = call.Field("cancellation_reason");
  wanted.reserved = call.Field("reserve_location") == "true";
  const SimReply reply = JsonReply(200, {{"cancellation", CancellationJson(world, wanted)}});
  if (world.Fire(Trap::kCancelIgnored) != nullptr) return reply;
  *server = wanted;
  if (date == "now") {
    world.End(*server);
  } else {
    world.EndAt(*server, *EndOfDay(date));
  }
  return reply;
}

SimReply Revoke(World& world, const Call& call, bool) {
  Dedicated* const server = KnownServer(world, call);
  if (server == nullptr) return NoSuchServer();
  if (!server->cancelled || world.Fire(Trap::kRevokeConflict) != nullptr) {
    return ErrorReply(409, "CONFLICT", "the cancellation cannot be revoked");
  }
  server->cancelled = false;
  server->cancel_date.clear();
  server->cancel_reason.clear();
  ++server->cancel_generation;
  if (world.Fire(Trap::kRevokeAnswers) != nullptr) {
    return JsonReply(200, {{"cancellation", CancellationJson(world, *server)}});
  }
  return Reply(200, "", "application/json");
}

}  // namespace muster::hetznersim
