#include "workers/providers/hetzner/sim/hetzner_sim.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "workers/ports/sim_route.h"
#include "workers/providers/hetzner/sim/api.h"
#include "workers/providers/hetzner/sim/control.h"

namespace muster::hetznersim {

namespace {

using Handler = SimReply (*)(World&, const Call&, bool);

struct Route {
  const char* method;
  const char* pattern;
  Handler handler;
  bool auction = false;  // of the order routes
};

constexpr Route kRoutes[] = {
    {"GET", "server", ListServers},
    {"GET", "server/{id}", ShowServer},
    {"POST", "server/{id}", RenameServer},
    {"GET", "server/{id}/cancellation", ShowCancellation},
    {"POST", "server/{id}/cancellation", Cancel},
    {"DELETE", "server/{id}/cancellation", Revoke},
    {"GET", "ip", ListIps},
    {"GET", "boot/{id}", ShowBoot},
    {"GET", "boot/{id}/rescue", ShowRescue},
    {"POST", "boot/{id}/rescue", ActivateRescue},
    {"DELETE", "boot/{id}/rescue", DeactivateRescue},
    {"GET", "boot/{id}/rescue/last", ShowLastRescue},
    {"GET", "reset", ListResets},
    {"GET", "reset/{id}", ShowReset},
    {"POST", "reset/{id}", DoReset},
    {"GET", "wol/{id}", NoWol},
    {"POST", "wol/{id}", NoWol},
    {"GET", "key", ListKeys},
    {"POST", "key", AddKey},
    {"GET", "key/{name}", ShowKey},
    {"POST", "key/{name}", RenameKey},
    {"DELETE", "key/{name}", DeleteKey},
    {"GET", "order/currency", Currency},
    {"GET", "order/server_market/product", ListProducts, true},
    {"GET", "order/server_market/product/{name}", ShowProduct, true},
    {"POST", "order/server_market/transaction", Buy, true},
    {"GET", "order/server_market/transaction", ListOrders, true},
    {"GET", "order/server_market/transaction/{name}", ShowOrder, true},
    {"GET", "order/server/product", ListProducts},
    {"GET", "order/server/product/{name}", ShowProduct},
    {"POST", "order/server/transaction", Buy},
    {"GET", "order/server/transaction", ListOrders},
    {"GET", "order/server/transaction/{name}", ShowOrder},
};

double ValueOr(const Fault* fault, double otherwise) {
  return fault->value == 0 ? otherwise : fault->value;
}

SimReply CutReply(SimReply::Cut cut) {
  SimReply reply = Reply(200, "", "application/json");
  reply.cut = cut;
  return reply;
}

SimReply QuotaReply(const char* spelling, std::int64_t calls, std::int64_t seconds) {
  return JsonReply(403, {{"error",
                          {{"status", 403},
                           {"code", "RATE_LIMIT_EXCEEDED"},
                           {spelling, calls},
                           {"interval", seconds},
                           {"message", "rate limit exceeded"}}}});
}

SimReply Unauthorized() { return ErrorReply(401, "UNAUTHORIZED", "unauthorized"); }

bool IsOrderRoute(const World& world) {
  return world.call_endpoint.find(" order/") != std::string::npos;
}

// A service that says too much: what nobody should log.
std::string Echo(const Call& call) {
  return Cat("bad request: ", FindHeader(call.request->headers, "Authorization"), " ",
             call.request->body);
}

std::optional<SimReply> TrappedLogin(World& world) {
  if (const Fault* f = world.Fire(Trap::kQuota)) {
    return QuotaReply("max_request", 200, static_cast<std::int64_t>(ValueOr(f, 3600)));
  }
  if (const Fault* f = world.Fire(Trap::kQuotaPlural)) {
    return QuotaReply("max_requests", 200, static_cast<std::int64_t>(ValueOr(f, 3600)));
  }
  if (world.Fire(Trap::kUnauthorized) != nullptr) return Unauthorized();
  if (world.Fire(Trap::kUnauthorizedEmpty) != nullptr) return Reply(401, "", "text/html");
  if (IsOrderRoute(world) && world.Fire(Trap::kOrderRightMissing) != nullptr) {
    return Unauthorized();
  }
  return std::nullopt;
}

// What a trap answers in place of doing anything; nullopt = the call goes on.
std::optional<SimReply> TrappedBefore(World& world, const Call& call) {
  if (world.Fire(Trap::kHangBefore) != nullptr) return CutReply(SimReply::Cut::kHang);
  if (world.Fire(Trap::kResetBefore) != nullptr) {
    return CutReply(SimReply::Cut::kResetBeforeAnswer);
  }
  if (world.Fire(Trap::kServerErrorBefore) != nullptr) {
    return ErrorReply(500, "INTERNAL_ERROR", "internal error");
  }
  if (world.Fire(Trap::kMaintenance) != nullptr) return Page(503);
  if (std::optional<SimReply> trapped = TrappedLogin(world)) return trapped;
  if (const Fault* f = world.Fire(Trap::kProxyPage)) {
    return Page(static_cast<int>(ValueOr(f, 404)));
  }
  if (const Fault* f = world.Fire(Trap::kUnknownCode)) {
    return ErrorReply(static_cast<int>(ValueOr(f, 422)), "SOMETHING_ELSE", "a new kind of no");
  }
  if (world.Fire(Trap::kRedirect) != nullptr) {
    SimReply reply = Page(302);
    reply.response.headers.emplace_back("Location", Cat("http://elsewhere.invalid", call.path));
    return reply;
  }
  if (world.Fire(Trap::kErrorEchoesBody) != nullptr) {
    return ErrorReply(400, "INVALID_INPUT", Echo(call));
  }
  return std::nullopt;
}

// `change` on every object inside `value`, innermost first.
void ForEachObject(Json& value, const std::function<void(Json&)>& change) {
  if (!value.is_structured()) return;
  for (Json& member : value) ForEachObject(member, change);
  if (value.is_object()) change(value);
}

void NullWhatMayBe(Json& object) {
  for (const char* name : {"server_ip", "ip", "subnet", "datacenter", "location", "password",
                           "next_reduce_date", "comment", "boot_time", "cancellation_reason"}) {
    if (object.contains(name)) object[name] = nullptr;
  }
  if (object.contains("host_key")) object["host_key"] = Json::array({nullptr});
}

// Traps that bend the answer's JSON.
void BendJson(World& world, SimReply& reply) {
  const bool strangers = world.Fire(Trap::kUnknownKeys) != nullptr;
  const bool nulls = world.Fire(Trap::kNullFields) != nullptr;
  const bool raw = world.Fire(Trap::kRawUtf8) != nullptr;
  if (!strangers && !nulls && !raw) return;
  Json json = Json::parse(reply.response.body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  ForEachObject(json, [&](Json& object) {
    if (nulls) NullWhatMayBe(object);
    if (strangers) object["brand_new"] = {{"deep", {1, nullptr, "x"}}};
  });
  if (raw) {
    reply.response.body = json.dump();
  } else {
    reply.response.body = JsonReply(200, json).response.body;
  }
}

void TrapAfter(World& world, SimReply& reply) {
  std::string& body = reply.response.body;
  if (!body.empty()) BendJson(world, reply);
  if (const Fault* f = world.Fire(Trap::kSlow)) reply.delay += absl::Seconds(ValueOr(f, 10));
  if (world.Fire(Trap::kServerErrorAfter) != nullptr) {
    reply.response = ErrorReply(500, "INTERNAL_ERROR", "internal error").response;
  }
  if (world.Fire(Trap::kEmptyBody) != nullptr) {
    body.clear();
    reply.response.status = 200;
  }
  if (world.Fire(Trap::kTrailingGarbage) != nullptr) body += "{\"extra\": 1}";
  if (world.Fire(Trap::kTruncatedJson) != nullptr) body.resize(body.size() / 2);
  if (world.Fire(Trap::kWrongContentType) != nullptr) {
    reply.response.headers = {{"Content-Type", "text/html; charset=utf-8"}};
  }
  if (world.Fire(Trap::kHangAfter) != nullptr) reply.cut = SimReply::Cut::kHang;
  if (world.Fire(Trap::kResetAfter) != nullptr) reply.cut = SimReply::Cut::kResetBeforeAnswer;
  if (world.Fire(Trap::kTruncateAfter) != nullptr) reply.cut = SimReply::Cut::kTruncate;
}

std::optional<SimReply> RefuseLogin(World& world, const Call& call) {
  if (world.limits.Blocked(world.now())) return Unauthorized();
  const std::string wanted =
      Cat("Basic ", absl::Base64Escape(Cat(world.options.user, ":", world.options.password)));
  if (FindHeader(call.request->headers, "Authorization") != wanted) {
    world.limits.LoginFailed(world.now());
    return Unauthorized();
  }
  world.limits.LoginPassed();
  world.entry.logged_in = true;
  if (IsOrderRoute(world) && !world.options.order_right) return Unauthorized();
  return std::nullopt;
}

SimReply Serve(World& world, Call& call) {
  const Route* route = nullptr;
  for (const Route& candidate : kRoutes) {
    if (candidate.method == call.request->method &&
        MatchRoute(candidate.pattern, call.segments, &call.id, &call.name)) {
      route = &candidate;
      break;
    }
  }
  if (route == nullptr) return ErrorReply(404, "NOT_FOUND", "no such resource");
  world.call_endpoint = Cat(route->method, " ", route->pattern);
  world.call_server = call.id;
  if (std::optional<SimReply> trapped = TrappedBefore(world, call)) return *trapped;
  if (std::optional<SimReply> refused = RefuseLogin(world, call)) return *refused;
  if (const auto row = world.limits.Refuse(world.call_endpoint, world.now())) {
    return QuotaReply("max_request", row->calls, absl::ToInt64Seconds(row->window));
  }
  const std::string_view type = FindHeader(call.request->headers, "Content-Type");
  if (absl::StrContains(ToAbsl(type), "json")) return InvalidInput({}, {"body"});
  SimReply reply = route->handler(world, call, route->auction);
  TrapAfter(world, reply);
  return reply;
}

void WriteJournal(World& world, const Call& call, const SimReply& reply) {
  JournalEntry& entry = world.entry;
  entry.at = world.now();
  entry.method = call.request->method;
  entry.path = call.path;
  entry.endpoint = world.call_endpoint;
  entry.status = reply.response.status;
  entry.cut = reply.cut;
  entry.traps = world.fired;
  entry.server = world.call_server;
  world.journal.push_back(entry);
  if (world.journal.size() > world.options.journal_max) world.journal.pop_front();
}

}  // namespace

HetznerSim::HetznerSim(HetznerSimOptions options, absl::Time start, SimMachines* machines)
    : world_(std::make_unique<World>(std::move(options), start, machines)) {}
HetznerSim::~HetznerSim() = default;

void HetznerSim::SetOrigin(std::string) {}  // no answer holds a link
void HetznerSim::Advance(absl::Time now) { world_->AdvanceTo(now + skipped_); }
void HetznerSim::SkipTime(absl::Duration span) {
  skipped_ += span;
  world_->AdvanceTo(world_->now() + span);
}
absl::Time HetznerSim::now() const { return world_->now(); }

SimReply HetznerSim::Handle(const HttpRequest& request, absl::Time now) {
  Advance(now);
  Call call = ParseCall(request);
  if (!call.segments.empty() && call.segments[0] == "control") {
    return HandleControl(*this, request.method, call.path, request.body);
  }
  world_->call_endpoint.clear();
  world_->call_server = 0;
  world_->fired.clear();
  world_->entry = {};
  SimReply reply = Serve(*world_, call);
  WriteJournal(*world_, call, reply);
  return reply;
}

}  // namespace muster::hetznersim
