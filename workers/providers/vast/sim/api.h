// The API's handlers, one per route, and what they share. Private to this folder.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "workers/providers/vast/sim/world.h"

namespace muster::vastsim {

using Json = nlohmann::json;

// A request taken apart.
struct Call {
  const HttpRequest* request = nullptr;
  int version = 0;  // /api/v0 or /api/v1
  std::string path;
  std::vector<std::string> segments;  // below /api/vN
  std::map<std::string, std::string> query;
  std::int64_t id = 0;  // of the {id} in the route
  std::string name;     // of the {name} in the route
  std::string caller;   // "key1"; "" = no or an unknown key
  bool key_in_url = false;
};
Call ParseCall(const HttpRequest& request);

SimReply Reply(int status, std::string body, std::string_view content_type);
SimReply JsonReply(int status, const Json& body);
// {"success":false,"error":error,"msg":message}
SimReply ErrorReply(int status, std::string_view error, std::string_view message);

// The value of a field, whatever type the client chose for it.
double NumberOr(const Json& object, const char* field, double otherwise);
std::string TextOr(const Json& object, const char* field, std::string otherwise);

// Whether `value` of a row meets {"op": wanted}. kInvalidArgument: no such operator, or null.
StatusOr<bool> Meets(const Json& value, std::string_view op, const Json& wanted);

// Rows as the provider writes them, JSON objects as text.
struct OfferPrice {
  double base = 0, storage = 0, total = 0, min_bid = 0;  // $/h
};
OfferPrice PriceOf(const OfferRow& offer, const Machine& machine, double storage_gb, bool bid);
std::string OfferText(const OfferRow& offer, const Machine& machine, const OfferPrice& price,
                      bool bid, absl::Time now);
std::string InstanceText(World& world, const Contract& contract);
// Only the stored columns, those that a list can be filtered and ordered by.
Json StoredColumns(World& world, const Contract& contract);
std::string WithIdsAsFloats(const std::string& row);
// 200 with `head` and, behind its fields, the rows. REQUIRES: head has a field
SimReply RowsReply(const Json& head, const char* name, const std::vector<std::string>& rows);

SimReply Search(World& world, const Call& call, const Json& body);
SimReply SearchByGet(World& world, const Call& call, const Json& body);
SimReply GpuNames(World& world, const Call& call, const Json& body);
SimReply GpuTypes(World& world, const Call& call, const Json& body);
SimReply Create(World& world, const Call& call, const Json& body);
SimReply ListV1(World& world, const Call& call, const Json& body);
SimReply ListV0(World& world, const Call& call, const Json& body);
SimReply ListFilters(World& world, const Call& call, const Json& body);
SimReply Show(World& world, const Call& call, const Json& body);
SimReply Change(World& world, const Call& call, const Json& body);
SimReply ChangeMany(World& world, const Call& call, const Json& body);
SimReply Destroy(World& world, const Call& call, const Json& body);
SimReply DestroyMany(World& world, const Call& call, const Json& body);
SimReply Reboot(World& world, const Call& call, const Json& body);
SimReply ChangeBid(World& world, const Call& call, const Json& body);
SimReply Execute(World& world, const Call& call, const Json& body);
SimReply AttachKey(World& world, const Call& call, const Json& body);
SimReply DetachKey(World& world, const Call& call, const Json& body);
SimReply ListKeys(World& world, const Call& call, const Json& body);
SimReply AddKey(World& world, const Call& call, const Json& body);
SimReply RequestLogs(World& world, const Call& call, const Json& body);
SimReply FetchLog(World& world, const Call& call);
SimReply ShowUser(World& world, const Call& call, const Json& body);

}  // namespace muster::vastsim
