// What changes one instance: destroy, start, stop, label, reboot, bid, keys, commands.
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr std::size_t kLabelBytesMax = 1024;
constexpr double kBidMin = 0.001, kBidMaxPerGpu = 32;

SimReply NoSuchInstance(std::int64_t id, const char* error = "no_such_instance") {
  return ErrorReply(404, error, Cat("error 404: ", error, " Instance ", id, " not found."));
}

SimReply Done() { return JsonReply(200, {{"success", true}}); }

std::vector<std::int64_t> Ids(const Json& body) {
  std::vector<std::int64_t> ids;
  for (const char* field : {"ids", "IDs", "instance_ids"}) {
    const auto list = body.find(field);
    if (list == body.end() || !list->is_array()) continue;
    for (const Json& one : *list) {
      std::int64_t id = 0;
      if (one.is_number()) id = static_cast<std::int64_t>(one.get<double>());
      if (one.is_string() && !absl::SimpleAtoi(one.get<std::string>(), &id)) continue;
      ids.push_back(id);
    }
  }
  return ids;
}

SimReply SetState(World& world, Contract& contract, const std::string& state) {
  if (state != "running" && state != "stopped") {
    return ErrorReply(400, "invalid_args", Cat("error 400/3467: Invalid args: state ", state));
  }
  if (state == "stopped") {
    world.RequestState(contract, state);
    return Done();
  }
  if (world.credit_usd() <= 0) {
    return ErrorReply(400, "missing_billing", "Your account lacks credit; see the billing page.");
  }
  if (const Fault* queued = world.Fire(Trap::kStartQueued)) {
    world.StartLater(contract, absl::Seconds(queued->value == 0 ? 600 : queued->value));
    return JsonReply(
        200, {{"success", false},
              {"msg", "Required resources are currently unavailable, state change queued."}});
  }
  world.RequestState(contract, state);
  return Done();
}

}  // namespace

SimReply Change(World& world, const Call& call, const Json& body) {
  Contract* contract = world.Find(call.id);
  if (contract == nullptr) return NoSuchInstance(call.id);
  if (const auto label = body.find("label"); label != body.end()) {
    const std::string text = label->is_string() ? label->get<std::string>() : "";
    if (text.size() > kLabelBytesMax) return ErrorReply(400, "label_too_long", "label too long");
    contract->order.label = text;
  }
  const std::string state = TextOr(body, "state", "");
  return state.empty() ? Done() : SetState(world, *contract, state);
}

SimReply ChangeMany(World& world, const Call&, const Json& body) {
  for (const std::int64_t id : Ids(body)) {
    if (Contract* contract = world.Find(id)) {
      const SimReply reply = SetState(world, *contract, TextOr(body, "state", ""));
      if (reply.response.status != 200) return reply;
    }
  }
  return Done();
}

SimReply Destroy(World& world, const Call& call, const Json&) {
  Contract* contract = world.Find(call.id);
  if (contract == nullptr || world.Fire(Trap::kDestroy404)) {
    return NoSuchInstance(call.id, "not_found");
  }
  if (world.Fire(Trap::kDestroyIgnored)) return Done();
  if (const Fault* lag = world.Fire(Trap::kDestroyLag)) {
    contract->listed_until = world.now() + absl::Seconds(lag->value == 0 ? 30 : lag->value);
  }
  world.End(*contract, "destroyed");
  return Done();
}

SimReply DestroyMany(World& world, const Call&, const Json& body) {
  for (const std::int64_t id : Ids(body)) {
    if (Contract* contract = world.Find(id)) world.End(*contract, "destroyed");
  }
  return Done();
}

SimReply Reboot(World& world, const Call& call, const Json&) {
  Contract* contract = world.Find(call.id);
  if (contract == nullptr) return NoSuchInstance(call.id);
  world.Reboot(*contract);
  return Done();
}

SimReply ChangeBid(World& world, const Call& call, const Json& body) {
  Contract* contract = world.Find(call.id);
  if (contract == nullptr) return NoSuchInstance(call.id);
  const Machine& machine = world.market.machine(contract->machine);
  const double winning = machine.usd_per_gpu_hour * contract->gpus * 0.5;
  const double price = NumberOr(body, "price", winning);
  if (price < kBidMin || price > kBidMaxPerGpu * contract->gpus) {
    return ErrorReply(400, "invalid_price", "error 400/3467: Invalid args: price");
  }
  contract->order.bid_usd_per_hour = price;
  world.SetPrice(*contract, price + static_cast<double>(contract->storage_micros_per_hour) / 1e6);
  if (price < winning) {
    world.RequestState(*contract, "stopped");
  } else if (contract->Is("stopped")) {
    world.RequestState(*contract, "running");
  }
  return Done();
}

SimReply Execute(World& world, const Call& call, const Json& body) {
  if (world.Find(call.id) == nullptr) return NoSuchInstance(call.id);
  const std::string command = TextOr(body, "command", "");
  const std::string program = command.substr(0, command.find(' '));
  if (program != "ls" && program != "rm" && program != "du") {
    return ErrorReply(400, "invalid_args", "only ls, rm and du can be executed");
  }
  const std::string name = Cat(world.rng.Token(16), ".out");
  world.logs[name] = {.instance = call.id, .asked = world.now(), .ready = world.now(), .tail = 0};
  world.log_order.push_back(name);
  return JsonReply(200, {{"success", true},
                         {"writeable_path", "/var/lib/docker/volumes/"},
                         {"result_url", Cat(world.origin, "/logs/", name)}});
}

SimReply ListKeys(World& world, const Call&, const Json&) {
  if (world.ssh_keys.empty()) return ErrorReply(404, "not_found", "no ssh keys");
  Json keys = Json::array();
  for (const auto& [id, key] : world.ssh_keys) {
    keys.push_back({{"id", id}, {"public_key", key}, {"created_at", "2026-01-01T00:00:00Z"}});
  }
  return JsonReply(200, keys);
}

SimReply AddKey(World& world, const Call&, const Json& body) {
  const std::string key = TextOr(body, "ssh_key", "");
  if (key.empty()) return ErrorReply(400, "invalid_args", "ssh_key is required");
  const std::int64_t id = world.ssh_keys.empty() ? 1 : world.ssh_keys.rbegin()->first + 1;
  world.ssh_keys[id] = key;
  return JsonReply(200, {{"success", true}, {"key", {{"id", id}, {"public_key", key}}}});
}

SimReply AttachKey(World& world, const Call& call, const Json& body) {
  if (world.Find(call.id) == nullptr) return NoSuchInstance(call.id);
  return AddKey(world, call, body);
}

SimReply DetachKey(World& world, const Call& call, const Json&) {
  std::int64_t key = 0;
  if (!absl::SimpleAtoi(call.name, &key) || world.ssh_keys.erase(key) == 0) {
    return ErrorReply(404, "not_found", "no such ssh key");
  }
  return Done();
}

}  // namespace muster::vastsim
