#include "workers/providers/vast/sim/vast_sim.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "workers/ports/sim_route.h"
#include "workers/providers/vast/sim/api.h"
#include "workers/providers/vast/sim/control.h"
#include "workers/providers/vast/sim/world.h"

namespace muster::vastsim {

namespace {

using Handler = SimReply (*)(World&, const Call&, const Json&);

struct Route {
  const char* method;
  int version;
  const char* pattern;
  const char* permission;  // "" = open to all
  Handler handler;
};

constexpr Route kRoutes[] = {
    {"GET", 0, "gpu_names/unique", "", GpuNames},
    {"GET", 0, "gpu_types", "", GpuTypes},
    {"POST", 0, "bundles", "misc", Search},
    {"PUT", 0, "bundles", "misc", Search},
    {"GET", 0, "bundles", "misc", SearchByGet},
    {"PUT", 0, "search/asks", "misc", Search},
    {"PUT", 0, "asks/{id}", "instance_write", Create},
    {"GET", 1, "instances", "instance_read", ListV1},
    {"GET", 0, "instances", "instance_read", ListV0},
    {"PUT", 0, "instances", "instance_write", ChangeMany},
    {"DELETE", 0, "instances", "instance_write", DestroyMany},
    {"GET", 0, "instances/filters", "instance_read", ListFilters},
    {"GET", 0, "instances/{id}", "instance_read", Show},
    {"PUT", 0, "instances/{id}", "instance_write", Change},
    {"DELETE", 0, "instances/{id}", "instance_write", Destroy},
    {"PUT", 0, "instances/reboot/{id}", "instance_write", Reboot},
    {"PUT", 0, "instances/recycle/{id}", "instance_write", Reboot},
    {"PUT", 0, "instances/bid_price/{id}", "instance_write", ChangeBid},
    {"PUT", 0, "instances/command/{id}", "instance_write", Execute},
    {"PUT", 0, "instances/request_logs/{id}", "instance_read", RequestLogs},
    {"POST", 0, "instances/{id}/ssh", "instance_write", AttachKey},
    {"GET", 0, "instances/{id}/ssh", "instance_read", ListKeys},
    {"DELETE", 0, "instances/{id}/ssh/{name}", "instance_write", DetachKey},
    {"GET", 0, "ssh", "user_read", ListKeys},
    {"POST", 0, "ssh", "misc", AddKey},
    {"GET", 0, "users/current", "user_read", ShowUser},
};

std::string EndpointName(const Route& route) {
  return Cat(route.method, " ", route.version == 1 ? "v1/" : "", route.pattern);
}

std::string KeyOf(Call& call) {
  const std::string_view header = FindHeader(call.request->headers, "Authorization");
  const auto query = call.query.find("api_key");
  call.key_in_url = query != call.query.end();
  if (absl::StartsWith(ToAbsl(header), "Bearer ")) return std::string(header.substr(7));
  return call.key_in_url ? query->second : "";
}

// "key2" for the second key known; "" for an unknown one.
std::string CallerOf(const VastSimOptions& options, const std::string& key) {
  for (std::size_t i = 0; i < options.api_keys.size(); ++i) {
    if (options.api_keys[i] == key) return Cat("key", i + 1);
  }
  std::size_t i = options.api_keys.size();
  for (const auto& [scoped, scopes] : options.scoped_keys) {
    ++i;
    if (scoped == key) return Cat("key", i);
  }
  return "";
}

SimReply Html(int status) {
  return Reply(status,
               Cat("<html><head><title>", status, "</title></head><body><center><h1>", status,
                   "</h1></center><hr><center>nginx</center></body></html>"),
               "text/html");
}

SimReply CutReply(SimReply::Cut cut) {
  SimReply reply = Reply(200, "", "application/json");
  reply.cut = cut;
  return reply;
}

double ValueOr(const Fault* fault, double otherwise) {
  return fault->value == 0 ? otherwise : fault->value;
}

SimReply Throttled(const std::string& endpoint, double threshold) {
  const std::string text = Cat("API requests too frequent: endpoint threshold=", threshold);
  if (absl::StartsWith(endpoint, "DELETE")) {
    return ErrorReply(429, "rate_limit_exceeded",
                      Cat("API requests too frequent endpoint threshold=", threshold));
  }
  return Reply(429, text, "text/plain");
}

std::optional<SimReply> TrappedThrottle(World& world) {
  if (const Fault* f = world.Fire(Trap::kThrottleText)) {
    return Reply(429, Cat("API requests too frequent: endpoint threshold=", ValueOr(f, 4.5)),
                 "text/plain");
  }
  if (const Fault* f = world.Fire(Trap::kThrottleDetail)) {
    return JsonReply(
        429, {{"detail", Cat("API requests too frequent endpoint threshold=", ValueOr(f, 1.0))}});
  }
  if (const Fault* f = world.Fire(Trap::kThrottleError)) {
    return ErrorReply(429, "rate_limit_exceeded",
                      Cat("API requests too frequent endpoint threshold=", ValueOr(f, 3.0)));
  }
  if (const Fault* f = world.Fire(Trap::kThrottleRetryAfter)) {
    return JsonReply(429, {{"success", false},
                           {"error", "rate_limit_exceeded"},
                           {"msg", "API requests too frequent"},
                           {"retry_after", ValueOr(f, 20)}});
  }
  return std::nullopt;
}

// What a trap answers in place of doing anything; nullopt = the call goes on.
std::optional<SimReply> TrappedBefore(World& world, const Call& call) {
  if (world.Fire(Trap::kHangBefore)) return CutReply(SimReply::Cut::kHang);
  if (world.Fire(Trap::kResetBefore)) return CutReply(SimReply::Cut::kResetBeforeAnswer);
  if (const Fault* f = world.Fire(Trap::kServerErrorBefore)) {
    return Html(static_cast<int>(ValueOr(f, 503)));
  }
  if (std::optional<SimReply> throttled = TrappedThrottle(world)) return throttled;
  if (world.Fire(Trap::kAuth401)) return ErrorReply(401, "auth_error", "Invalid user key");
  if (world.Fire(Trap::kAuth404)) return ErrorReply(404, "auth_error", "Invalid user key");
  if (world.Fire(Trap::kSessionExpired)) {
    return JsonReply(404, {{"success", false}, {"msg", "Session expired. Please log in again."}});
  }
  if (world.Fire(Trap::kForbidden)) {
    return JsonReply(403, {{"error", "not_authorized"}, {"msg", "not authorized"}});
  }
  if (world.Fire(Trap::kBare404)) return Html(404);
  if (const Fault* f = world.Fire(Trap::kRedirect)) {
    SimReply reply = Reply(static_cast<int>(ValueOr(f, 308)), "", "text/html");
    reply.response.headers.emplace_back(
        "Location", f->text.empty() ? Cat("http://elsewhere.invalid", call.path) : f->text);
    return reply;
  }
  if (const Fault* f = world.Fire(Trap::kSuccessFalse)) {
    return JsonReply(200, {{"success", false}, {"msg", f->text.empty() ? "failed" : f->text}});
  }
  if (world.Fire(Trap::kErrorEchoesBody)) {
    return ErrorReply(400, "invalid_args",
                      Cat("error 400/3467: Invalid args: ", call.request->body));
  }
  return std::nullopt;
}

void TrapAfter(World& world, SimReply& reply) {
  if (const Fault* f = world.Fire(Trap::kSlow)) reply.delay += absl::Seconds(ValueOr(f, 10));
  if (const Fault* f = world.Fire(Trap::kServerErrorAfter)) {
    reply.response = Html(static_cast<int>(ValueOr(f, 502))).response;
  }
  if (world.Fire(Trap::kEmptyBody)) reply.response.body.clear();
  if (world.Fire(Trap::kTrailingGarbage)) reply.response.body += "{\"extra\": 1}";
  if (world.Fire(Trap::kTruncatedJson)) {
    reply.response.body.resize(reply.response.body.size() / 2);
  }
  if (world.Fire(Trap::kWrongContentType)) {
    reply.response.headers = {{"Content-Type", "text/html; charset=utf-8"}};
  }
  if (world.Fire(Trap::kHangAfter)) reply.cut = SimReply::Cut::kHang;
  if (world.Fire(Trap::kResetAfter)) reply.cut = SimReply::Cut::kResetBeforeAnswer;
  if (world.Fire(Trap::kTruncateAfter)) reply.cut = SimReply::Cut::kTruncate;
}

std::optional<SimReply> RefuseCaller(World& world, const Call& call, const Route& route,
                                     const std::string& key) {
  if (*route.permission == '\0') return std::nullopt;
  if (call.caller.empty()) {
    // Search is documented to say it with another status than the rest.
    const bool search = world.call_endpoint == "POST bundles";
    return ErrorReply(search ? 404 : 401, "auth_error", "Invalid user key");
  }
  const auto scopes = world.options.scoped_keys.find(key);
  if (scopes != world.options.scoped_keys.end() && scopes->second.count(route.permission) == 0) {
    return JsonReply(403, {{"error", "not_authorized"},
                           {"msg", Cat("the key lacks the permission ", route.permission)}});
  }
  return std::nullopt;
}

SimReply Serve(World& world, Call& call) {
  if (call.segments.size() == 2 && call.segments[0] == "logs") {
    world.call_endpoint = Cat(call.request->method, " logs/{name}");
    call.name = call.segments[1];
    if (std::optional<SimReply> trapped = TrappedBefore(world, call)) return *trapped;
    SimReply reply = FetchLog(world, call);
    TrapAfter(world, reply);
    return reply;
  }
  const Route* route = nullptr;
  for (const Route& candidate : kRoutes) {
    if (candidate.method == call.request->method && candidate.version == call.version &&
        MatchRoute(candidate.pattern, call.segments, &call.id, &call.name)) {
      route = &candidate;
      break;
    }
  }
  if (route == nullptr) return Html(404);
  world.call_endpoint = EndpointName(*route);
  world.call_instance = call.id;
  const std::string key = KeyOf(call);
  call.caller = CallerOf(world.options, key);
  if (std::optional<SimReply> trapped = TrappedBefore(world, call)) return *trapped;
  if (std::optional<SimReply> refused = RefuseCaller(world, call, *route, key)) return *refused;
  if (const auto threshold = world.limits.Refuse(world.call_endpoint, call.caller, world.now())) {
    return Throttled(world.call_endpoint, *threshold);
  }
  const std::string& text = call.request->body;
  const Json body =
      Trim(text).empty() ? Json::object() : Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) {
    return ErrorReply(400, "invalid_args", "error 400/3467: Invalid args: body is not JSON");
  }
  SimReply reply = route->handler(world, call, body);
  TrapAfter(world, reply);
  return reply;
}

void WriteJournal(World& world, const Call& call, const SimReply& reply) {
  JournalEntry entry;
  entry.at = world.now();
  entry.method = call.request->method;
  entry.path = call.path;
  entry.endpoint = world.call_endpoint;
  entry.status = reply.response.status;
  entry.cut = reply.cut;
  entry.traps = world.fired;
  entry.caller = call.caller;
  entry.instance = world.call_instance;
  if (world.call_endpoint == "PUT asks/{id}") {
    entry.offer = call.id;
    if (entry.instance == call.id) entry.instance = 0;  // nothing was rented
    const auto made = world.living.find(entry.instance);
    if (made != world.living.end()) entry.label = made->second.order.label.value_or("");
  }
  entry.key_in_url = call.key_in_url;
  world.journal.push_back(std::move(entry));
  if (world.journal.size() > world.options.journal_max) world.journal.pop_front();
}

}  // namespace

VastSim::VastSim(VastSimOptions options, absl::Time start)
    : world_(std::make_unique<World>(std::move(options), start)) {}
VastSim::~VastSim() = default;

void VastSim::SetOrigin(std::string origin) { world_->origin = std::move(origin); }
void VastSim::Advance(absl::Time now) { world_->AdvanceTo(now + skipped_); }
void VastSim::SkipTime(absl::Duration span) {
  skipped_ += span;
  world_->AdvanceTo(world_->now() + span);
}
absl::Time VastSim::now() const { return world_->now(); }

SimReply VastSim::Handle(const HttpRequest& request, absl::Time now) {
  Advance(now);
  Call call = ParseCall(request);
  if (!call.segments.empty() && call.segments[0] == "control") {
    return HandleControl(*this, request.method, call.path, request.body);
  }
  world_->call_endpoint.clear();
  world_->call_instance = 0;
  world_->fired.clear();
  SimReply reply = Serve(*world_, call);
  WriteJournal(*world_, call, reply);
  return reply;
}

}  // namespace muster::vastsim
