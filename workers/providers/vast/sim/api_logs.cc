// Logs in two steps: the host is asked, and some time later an object can be fetched elsewhere.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr absl::Duration kObjectKept = absl::Minutes(10);
constexpr std::size_t kLongLineBytes = 1 << 20;

SimReply Xml(int status, const char* code) {
  return Reply(status,
               Cat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>", code,
                   "</Code><RequestId>SIM</RequestId></Error>"),
               "application/xml");
}

std::string NoContainer(std::int64_t id) {
  return Cat("Error response from daemon: No such container: C.", id, "\n");
}

std::string DaemonLog(const Contract& contract) {
  if (!contract.actual.has_value() || contract.Is("created")) {
    return Cat("cat: /var/lib/vastai_kaalia/data/instance_extra_logs/C.", contract.id,
               ": No such file or directory\n");
  }
  std::string text =
      "ea381c80ad7f: Pulling fs layer\n5b6f1c0d99ab: Already exists\n"
      "ea381c80ad7f: Download complete\n";
  if (contract.container) text += "ea381c80ad7f: Pull complete\nStatus: Downloaded newer image\n";
  return text;
}

Contract* Known(World& world, std::int64_t id) {
  if (Contract* contract = world.Find(id)) return contract;
  const auto it = world.past.find(id);
  return it == world.past.end() ? nullptr : &it->second;
}

// The last lines printed up to the time the host read its log.
std::vector<std::string> Tail(World& world, Contract& contract, const LogObject& log) {
  absl::Time newest = log.ready;
  if (const Fault* frozen = world.Fire(Trap::kLogFrozen)) {
    newest -= absl::Seconds(frozen->value == 0 ? 600 : frozen->value);
  }
  int count = log.tail;
  if (const Fault* few = world.Fire(Trap::kLogShortTail)) {
    count = few->value == 0 ? 3 : static_cast<int>(few->value);
  }
  std::vector<std::string> lines;
  const auto& all = contract.program.lines();
  for (auto line = all.rbegin(); line != all.rend(); ++line) {
    if (static_cast<int>(lines.size()) >= count) break;
    if (line->at > newest || !absl::StrContains(line->text, log.filter)) continue;
    lines.push_back(line->text);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

void Distort(World& world, const Contract& contract, std::vector<std::string>& lines) {
  if (world.Fire(Trap::kLogCarriageReturns)) {
    std::string bar = "New Data Upload: ";
    for (int percent = 0; percent <= 100; percent += 10) {
      bar += Cat("\rNew Data Upload: ", percent, "%|", std::string(percent / 10, '#'), "|");
    }
    lines.push_back(bar);
  }
  if (world.Fire(Trap::kLogAnsi)) {
    for (std::string& line : lines) line = Cat("\x1b[1;32m", line, "\x1b[0m");
  }
  if (world.Fire(Trap::kLogBadUtf8)) lines.push_back("weights \xff\xfe\xc0 \xe2\x82 loaded");
  if (world.Fire(Trap::kLogEchoesSecrets)) {
    for (const auto& [key, value] : contract.order.env) lines.push_back(Cat(key, "=", value));
  }
  if (const Fault* fault = world.Fire(Trap::kLogLongLine)) {
    const std::size_t bytes =
        fault->value == 0 ? kLongLineBytes : static_cast<std::size_t>(fault->value);
    lines.push_back(std::string(bytes, 'x'));
  }
}

std::string Text(World& world, Contract& contract, const LogObject& log) {
  if (world.Fire(Trap::kLogEmpty)) return "";
  if (world.Fire(Trap::kLogNoContainer)) return NoContainer(contract.id);
  if (log.daemon || world.Fire(Trap::kLogDaemon)) return DaemonLog(contract);
  if (!contract.container) return NoContainer(contract.id);
  contract.program.AdvanceTo(std::min(world.now(), log.ready));
  std::vector<std::string> lines = Tail(world, contract, log);
  Distort(world, contract, lines);
  return lines.empty() ? "" : Cat(absl::StrJoin(lines, "\n"), "\n");
}

void ForgetOld(World& world) {
  while (!world.log_order.empty()) {
    const auto it = world.logs.find(world.log_order.front());
    if (it != world.logs.end() && world.now() - it->second.asked < kObjectKept) return;
    if (it != world.logs.end()) world.logs.erase(it);
    world.log_order.pop_front();
  }
}

}  // namespace

SimReply RequestLogs(World& world, const Call& call, const Json& body) {
  if (world.Fire(Trap::kLogForbidden)) {
    return JsonReply(403, {{"error", "not_authorized"}, {"msg", "not authorized"}});
  }
  if (world.Find(call.id) == nullptr || world.Fire(Trap::kLogInvalidId)) {
    return ErrorReply(404, "invalid_id", Cat("error 404: invalid_id ", call.id));
  }
  if (world.Fire(Trap::kLogNoUrl)) {
    return JsonReply(200, {{"success", false}, {"msg", "Host is not reachable."}});
  }
  ForgetOld(world);
  const VastSimOptions& options = world.options;
  absl::Duration wait =
      options.log_ready_min + (options.log_ready_max - options.log_ready_min) * world.rng.Unit();
  if (const Fault* late = world.Fire(Trap::kLogLate)) {
    wait = absl::Seconds(late->value == 0 ? 10 : late->value);
  }
  if (world.Fire(Trap::kLogNeverReady)) wait = absl::InfiniteDuration();
  const std::string name = Cat(world.rng.Token(16), ".log");
  world.logs[name] = {.instance = call.id,
                      .asked = world.now(),
                      .ready = world.now() + wait,
                      .tail = static_cast<int>(NumberOr(body, "tail", 1000)),
                      .filter = TextOr(body, "filter", ""),
                      .daemon = TextOr(body, "daemon_logs", "false") == "true"};
  world.log_order.push_back(name);
  return JsonReply(200, {{"success", true},
                         {"result_url", Cat(world.origin, "/logs/", name)},
                         {"msg", "The logs will be at result_url in a moment."}});
}

SimReply FetchLog(World& world, const Call& call) {
  // The object store of the provider refuses a bearer token, and the key has leaked.
  if (!FindHeader(call.request->headers, "Authorization").empty()) {
    ++world.keys_leaked;
    return Xml(400, "InvalidArgument");
  }
  const auto it = world.logs.find(call.name);
  if (it == world.logs.end()) return Xml(404, "NoSuchKey");
  const LogObject& log = it->second;
  world.call_instance = log.instance;
  if (world.now() < log.ready) return Xml(403, "AccessDenied");
  if (world.Fire(Trap::kLogRedirect)) {
    SimReply reply = Reply(302, "", "text/plain");
    reply.response.headers.emplace_back("Location", "http://elsewhere.invalid/stolen.log");
    return reply;
  }
  if (log.tail == 0) return Reply(200, "total 0\n", "text/plain");
  Contract* contract = Known(world, log.instance);
  if (contract == nullptr) return Xml(404, "NoSuchKey");
  return Reply(200, Text(world, *contract, log), "text/plain");
}

}  // namespace muster::vastsim
