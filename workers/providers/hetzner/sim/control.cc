#include "workers/providers/hetzner/sim/control.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "workers/providers/hetzner/sim/api.h"

namespace muster::hetznersim {

namespace {

Json TimeJson(absl::Time time) {
  if (time == absl::InfiniteFuture()) return nullptr;
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

Json ToJson(const ProductView& v) {
  return {{"id", v.id},
          {"name", v.name},
          {"gpu", v.gpu},
          {"ada", v.ada},
          {"month_micros", v.month_micros},
          {"datacenter", v.datacenter}};
}

Json ToJson(const OrderView& v) {
  return {{"id", v.id},         {"auction", v.auction}, {"product", v.product},    {"keys", v.keys},
          {"status", v.status}, {"server", v.server},   {"made", TimeJson(v.made)}};
}

Json ToJson(const ServerView& v) {
  Json keys = Json::array();
  for (const HostKeyFingerprint& key : v.host_keys) keys.push_back(Cat(key.type, " ", key.sha256));
  return {{"number", v.number},
          {"order", v.order},
          {"name", v.name},
          {"address", v.address},
          {"ipv4", v.ipv4},
          {"power", PowerName(v.power)},
          {"rescue_active", v.rescue_active},
          {"host_keys", std::move(keys)},
          {"boots", v.boots},
          {"delivered", TimeJson(v.delivered)},
          {"ended", TimeJson(v.ended)},
          {"cancelled", v.cancelled},
          {"spent_micros", v.spent_micros}};
}

Json ToJson(const JournalEntry& v) {
  constexpr const char* kCuts[] = {"none", "reset_before_answer", "truncate", "hang"};
  return {
      {"at", TimeJson(v.at)},   {"method", v.method},       {"path", v.path},
      {"endpoint", v.endpoint}, {"status", v.status},       {"cut", kCuts[static_cast<int>(v.cut)]},
      {"traps", v.traps},       {"logged_in", v.logged_in}, {"server", v.server},
      {"order", v.order},       {"test", v.test},           {"commented", v.commented}};
}

template <class T>
SimReply Rows(const char* name, const std::vector<T>& values) {
  Json rows = Json::array();
  for (const T& value : values) rows.push_back(ToJson(value));
  return JsonReply(200, {{name, std::move(rows)}});
}

SimReply Refused(int status, std::string_view message) {
  return JsonReply(status, {{"success", false}, {"message", message}});
}

SimReply Outcome(const Status& status) {
  if (status.ok()) return JsonReply(200, {{"success", true}});
  return Refused(status.code() == StatusCode::kNotFound ? 404 : 400, Message(status));
}

double NumberOr(const Json& body, const char* name, double otherwise) {
  const auto found = body.find(name);
  return found != body.end() && found->is_number() ? found->get<double>() : otherwise;
}

std::string TextOr(const Json& body, const char* name, std::string otherwise) {
  const auto found = body.find(name);
  return found != body.end() && found->is_string() ? found->get<std::string>()
                                                   : std::move(otherwise);
}

SimReply SetFault(HetznerSim& sim, const Json& body) {
  const std::string name = TextOr(body, "trap", "");
  const std::optional<Trap> trap = TrapFromName(name);
  if (!trap.has_value()) return Refused(400, Cat("trap: none is called \"", name, "\""));
  sim.SetFault({.trap = *trap,
                .endpoint = TextOr(body, "endpoint", ""),
                .server = static_cast<std::int64_t>(NumberOr(body, "server", 0)),
                .skip = static_cast<int>(NumberOr(body, "skip", 0)),
                .times = static_cast<int>(NumberOr(body, "times", -1)),
                .chance = NumberOr(body, "chance", 1),
                .value = NumberOr(body, "value", 0),
                .text = TextOr(body, "text", "")});
  return JsonReply(200, {{"success", true}});
}

SimReply ShowState(const HetznerSim& sim) {
  return JsonReply(200, {{"now", TimeJson(sim.now())},
                         {"products", sim.Products().size()},
                         {"servers", sim.Servers().size()},
                         {"orders", sim.Orders().size()},
                         {"keys", sim.Keys().size()},
                         {"spent_micros", sim.SpentMicros()},
                         {"bad_logins", sim.BadLogins()}});
}

SimReply ShowCatalogue() {
  constexpr std::pair<const char*, const char*> kTraps[] = {
#define TRAP(name, wire, what) {wire, what},
#include "workers/providers/hetzner/sim/traps.def"
#undef TRAP
  };
  Json traps = Json::object();
  for (const auto& [name, what] : kTraps) traps[name] = what;
  return JsonReply(200, {{"traps", std::move(traps)}});
}

SimReply Read(const HetznerSim& sim, const std::string& what) {
  if (what == "state") return ShowState(sim);
  if (what == "catalogue") return ShowCatalogue();
  if (what == "products") return Rows("products", sim.Products());
  if (what == "orders") return Rows("orders", sim.Orders());
  if (what == "servers") return Rows("servers", sim.Servers());
  if (what == "past") return Rows("past", sim.PastServers());
  if (what == "journal") return Rows("journal", sim.Journal());
  if (what == "keys") return JsonReply(200, {{"keys", sim.Keys()}});
  return Refused(404, Cat("nothing to read at /control/", what));
}

SimReply Post(HetznerSim& sim, const std::vector<std::string>& parts, const Json& body) {
  const std::string& kind = parts[1];
  if (kind == "faults" && parts.size() == 2) return SetFault(sim, body);
  if (kind == "servers" && parts.size() == 2) {
    return JsonReply(200, {{"server", sim.AddForeignServer(TextOr(body, "name", ""))}});
  }
  if (kind == "orders" && parts.size() == 3 && parts[2] == "deliver") {
    return JsonReply(200, {{"success", true}, {"delivered", sim.DeliverAll()}});
  }
  if (kind == "clock" && parts.size() == 2) {
    sim.SkipTime(absl::Seconds(NumberOr(body, "skip_s", 0)));
    return ShowState(sim);
  }
  if (kind == "products" && parts.size() == 4 && parts[3] == "price") {
    const auto micros = static_cast<std::int64_t>(NumberOr(body, "month_micros", 0));
    return Outcome(sim.SetPrice(parts[2], micros));
  }
  std::int64_t server = 0;
  if (kind == "servers" && parts.size() == 4 && parts[3] == "crash" &&
      absl::SimpleAtoi(parts[2], &server)) {
    return Outcome(sim.CrashMachine(server));
  }
  return Refused(404, "nothing to do there");
}

SimReply Delete(HetznerSim& sim, const std::vector<std::string>& parts) {
  if (parts[1] == "journal" && parts.size() == 2) {
    sim.ClearJournal();
    return JsonReply(200, {{"success", true}});
  }
  if (parts[1] == "products" && parts.size() == 3) return Outcome(sim.RemoveProduct(parts[2]));
  if (parts[1] == "faults" && parts.size() == 2) {
    return JsonReply(200, {{"success", true}, {"cleared", sim.ClearFaults()}});
  }
  if (parts[1] == "faults" && parts.size() == 3) {
    const std::optional<Trap> trap = TrapFromName(parts[2]);
    if (!trap.has_value()) return Refused(404, "no such trap");
    return JsonReply(200, {{"success", true}, {"cleared", sim.ClearFaults(trap)}});
  }
  return Refused(404, "nothing to clear there");
}

}  // namespace

SimReply HandleControl(HetznerSim& sim, const std::string& method, const std::string& path,
                       const std::string& body) {
  const Json json =
      body.empty() ? Json::object() : Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Refused(400, "the body is not a JSON object");
  const std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  if (parts.size() == 2 && method == "GET") return Read(sim, parts[1]);
  if (parts.size() >= 2 && method == "POST") return Post(sim, parts, json);
  if (parts.size() >= 2 && method == "DELETE") return Delete(sim, parts);
  return Refused(404, Cat("no control at ", method, " ", path));
}

}  // namespace muster::hetznersim
