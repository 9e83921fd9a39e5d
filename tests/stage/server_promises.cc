#include "tests/stage/server_promises.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/str_split.h"
#include "commands/server/state.h"
#include "eventstore/events/codec.h"

namespace muster {
namespace {

const server::State* OwnerOf(const hetznersim::OrderView& order, const World& world) {
  for (const auto& [id, state] : world.servers) {
    if (std::count(order.keys.begin(), order.keys.end(), state.order_key_md5) > 0) return &state;
  }
  return nullptr;
}

std::string OneServerPerOrder(const ServerOutside& outside) {
  std::map<std::string, int> orders;  // by key
  for (const hetznersim::OrderView& order : outside.sim.Orders()) {
    if (order.status == "cancelled") continue;
    for (const std::string& key : order.keys) {
      if (++orders[key] > 1) {
        return Cat("OneServerPerOrder: ", orders[key], " were made with the key ", key);
      }
    }
  }
  return "";
}

std::string StrangersAreToldNothing(const ServerOutside& outside) {
  for (const auto& [number, machine] : outside.machines.machines()) {
    if (machine.told_an_impostor == 0) continue;
    return Cat("StrangersAreToldNothing: who stands in the place of ", number, " was told ",
               machine.journal.back());
  }
  return "";
}

std::string StrangersAreLeftAlone(const ServerOutside& outside) {
  std::size_t alone = 0;
  for (const hetznersim::ServerView& server : outside.sim.Servers()) {
    if (!outside.strangers.contains(server.number)) continue;
    if (server.name != kStranger || !server.cancelled.empty() || server.boots > 0 ||
        server.rescue_active) {
      return Cat("StrangersAreLeftAlone: ", server.number, " is not as it was");
    }
    ++alone;
  }
  return alone == outside.strangers.size() ? "" : "StrangersAreLeftAlone: one is gone";
}

std::string TheFileIsTheBuilders(const ServerOutside& outside, const World& world) {
  const auto file = outside.files.files.find(kMachinesFile);
  if (file == outside.files.files.end()) return "";
  for (const auto& [id, state] : world.servers) {
    const bool there =
        !state.machine_line.empty() && file->second.find(state.machine_line) != std::string::npos;
    if (there && !state.Registered()) {
      return Cat("TheFileIsTheBuilders: ", id.str(), " is in it, ", server::StateText(state));
    }
  }
  return "";
}

std::string ServiceIsInstalled(const ServerOutside& outside, const World& world) {
  const std::vector<hetznersim::ServerView> there = outside.sim.Servers();
  for (const auto& [id, state] : world.servers) {
    if (!state.InService()) continue;
    const std::string number = state.number.str();
    // What the provider took away is noticed in its time.
    const bool gone = std::none_of(there.begin(), there.end(), [&](const auto& server) {
      return std::to_string(server.number) == number;
    });
    if (gone) continue;
    const auto machine = outside.machines.machines().find(number);
    const std::string key = state.host_public_key.substr(0, state.host_public_key.rfind(' '));
    const bool installed = machine != outside.machines.machines().end() &&
                           !machine->second.rescue && machine->second.host_public_key == key;
    if (!installed) return Cat("ServiceIsInstalled: not so of ", id.str(), " (", number, ")");
  }
  return "";
}

}  // namespace

Status ServerPromises::ReadOn(const EventStore& store) {
  Status decoded;
  const Status read = store.ReadAll(next_, SIZE_MAX, [&](const RecordedEvent& each) {
    next_ = each.position;
    const std::string& payload = each.event.payload;
    for (const char* secret : {"PRIVATE KEY", kRobotPassword}) {
      if (leaked_.empty() && payload.find(secret) != std::string::npos) {
        leaked_ = Cat("SecretsStayOut: '", secret, "' is in event ", each.position);
      }
    }
    if (each.event.type != "server.step_requested") return true;
    const StatusOr<eventpb::EventBody> body = DecodeEvent(each.event.type, payload);
    decoded = body.status();
    if (!body.ok()) return false;
    for (const auto& disk : body->server_step_requested().disks()) agreed_.insert(disk.identity());
    return true;
  });
  return read.ok() ? decoded : read;
}

// Every server that is paid for belongs to one order, that to one intent, and the log knows it as
// open.
std::string ServerPromises::PaidForIsKnown(const ServerOutside& outside, const World& world) const {
  std::set<std::string> alive;
  for (const auto& server : outside.sim.Servers()) alive.insert(server.order);
  std::map<ServerName, int> open;
  for (const hetznersim::OrderView& order : outside.sim.Orders()) {
    const server::State* owner = OwnerOf(order, world);
    if (owner == nullptr) return Cat("PaidForIsKnown: order ", order.id, " bears no key of ours");
    if (order.status != "in process" && !alive.contains(order.id)) continue;
    if (++open[owner->name] > 1) {
      return Cat("OneServerPerOrder: ", open[owner->name], " for ", owner->name.str());
    }
    if (!owner->MayCost()) {
      return Cat("PaidForIsKnown: order ", order.id, " is, and the log has ",
                 server::StateText(*owner));
    }
  }
  return "";
}

std::string ServerPromises::WipesWereAgreedTo(const ServerOutside& outside) const {
  for (const auto& [number, machine] : outside.machines.machines()) {
    for (const std::string& deed : machine.journal) {
      const std::vector<std::string> words = absl::StrSplit(deed, ' ');
      const bool wipe = words.size() > 2 && words[0] == "prepare" && words[1] == "wipe";
      if (wipe && !agreed_.contains(words[2])) {
        return Cat("WipesWereAgreedTo: disk ", words[2], " of ", number, " was in no plan");
      }
    }
  }
  return "";
}

std::string ServerPromises::Broken(const ServerOutside& outside, const World& world) const {
  for (std::string broken : {leaked_, OneServerPerOrder(outside), PaidForIsKnown(outside, world),
                             WipesWereAgreedTo(outside), StrangersAreToldNothing(outside),
                             StrangersAreLeftAlone(outside), TheFileIsTheBuilders(outside, world),
                             ServiceIsInstalled(outside, world)}) {
    if (!broken.empty()) return broken;
  }
  return "";
}

}  // namespace muster
