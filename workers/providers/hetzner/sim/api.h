// The API's handlers, one per route, and what they share. Private to this folder.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workers/providers/hetzner/sim/world.h"

namespace muster::hetznersim {

using Json = nlohmann::json;

// A request taken apart.
struct Call {
  const HttpRequest* request = nullptr;
  std::string path;
  std::vector<std::string> segments;
  std::int64_t id = 0;  // of the {id} in the route
  std::string name;     // of the {name} in the route
  // The form: names without "[]" or "[0]", in which arrays come, too.
  std::map<std::string, std::vector<std::string>> form;

  // The first value, or "".
  std::string Field(const std::string& name) const;
  std::vector<std::string> Fields(const std::string& name) const;
  bool Has(const std::string& name) const { return form.count(name) > 0; }
};
Call ParseCall(const HttpRequest& request);

SimReply Reply(int status, std::string body, std::string_view content_type);
// As the service writes it: slashes and all beyond ASCII escaped.
SimReply JsonReply(int status, const Json& body);
SimReply Page(int status);  // HTML
SimReply ErrorReply(int status, std::string_view code, std::string_view message);
SimReply InvalidInput(const std::vector<std::string>& missing,
                      const std::vector<std::string>& invalid);
// [{"kind":{}}...], or the 404 that an empty list is.
SimReply ListReply(World& world, std::string_view kind, std::vector<Json> rows,
                   std::string_view empty_code);

Json KeyJson(const Key& key, bool with_data);
Json KeysJson(const std::vector<Key>& keys);
Json HostKeysJson(const std::vector<HostKeyFingerprint>& keys);
Json ServerIp(const Dedicated& server);  // null without IPv4

// The stored key or keys that `fingerprints` name; nullopt = one of them is none.
std::optional<std::vector<Key>> FindKeys(const World& world,
                                         const std::vector<std::string>& fingerprints);

SimReply ListProducts(World& world, const Call& call, bool auction);
SimReply ShowProduct(World& world, const Call& call, bool auction);
SimReply Buy(World& world, const Call& call, bool auction);
SimReply ListOrders(World& world, const Call& call, bool auction);
SimReply ShowOrder(World& world, const Call& call, bool auction);
SimReply Currency(World& world, const Call& call, bool);

SimReply ListServers(World& world, const Call& call, bool);
SimReply ShowServer(World& world, const Call& call, bool);
SimReply RenameServer(World& world, const Call& call, bool);
SimReply ListIps(World& world, const Call& call, bool);
SimReply ShowCancellation(World& world, const Call& call, bool);
SimReply Cancel(World& world, const Call& call, bool);
SimReply Revoke(World& world, const Call& call, bool);

SimReply ShowBoot(World& world, const Call& call, bool);
SimReply ShowRescue(World& world, const Call& call, bool);
SimReply ActivateRescue(World& world, const Call& call, bool);
SimReply DeactivateRescue(World& world, const Call& call, bool);
SimReply ShowLastRescue(World& world, const Call& call, bool);
SimReply ListResets(World& world, const Call& call, bool);
SimReply ShowReset(World& world, const Call& call, bool);
SimReply DoReset(World& world, const Call& call, bool);
SimReply NoWol(World& world, const Call& call, bool);

SimReply ListKeys(World& world, const Call& call, bool);
SimReply AddKey(World& world, const Call& call, bool);
SimReply ShowKey(World& world, const Call& call, bool);
SimReply RenameKey(World& world, const Call& call, bool);
SimReply DeleteKey(World& world, const Call& call, bool);

// The server of call.id as far as clients know it already; nullptr = SERVER_NOT_FOUND.
Dedicated* KnownServer(World& world, const Call& call);
SimReply NoSuchServer();

}  // namespace muster::hetznersim
