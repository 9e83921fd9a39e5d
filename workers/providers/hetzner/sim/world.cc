#include "workers/providers/hetzner/sim/world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "eventstore/base/strings.h"
#include "workers/providers/hetzner/sim/memory_machines.h"

namespace muster::hetznersim {

World::World(HetznerSimOptions given, absl::Time start, SimMachines* machines)
    : options(std::move(given)),
      rng(options.seed * 2 + 1),
      limits(options),
      own_machines_(std::make_unique<MemoryMachines>(options.seed * 2 + 2)),
      machines_(machines == nullptr ? own_machines_.get() : machines),
      now_(start) {
  DrawMarket();
}

void World::AdvanceTo(absl::Time now) {
  while (now_ < now) {
    const absl::Time planned = plans_.empty() ? absl::InfiniteFuture() : plans_.begin()->first;
    now_ = std::max(now_, std::min(now, planned));
    while (!plans_.empty() && plans_.begin()->first <= now_) {
      const Plan plan = std::move(plans_.begin()->second);
      plans_.erase(plans_.begin());
      Execute(plan);
    }
  }
}

const Fault* World::Fire(Trap trap) {
  for (Fault& fault : faults) {
    const bool matches = fault.trap == trap && fault.times != 0 &&
                         (fault.endpoint.empty() || fault.endpoint == call_endpoint) &&
                         (fault.server == 0 || fault.server == call_server);
    if (!matches) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.chance < 1 && !rng.Chance(fault.chance)) continue;
    if (fault.times > 0) --fault.times;
    fired += Cat(fired.empty() ? "" : ",", TrapName(trap));
    return &fault;
  }
  return nullptr;
}

Product* World::FindProduct(bool auction, const std::string& id) {
  std::vector<Product>& list = auction ? market : standard;
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const Product& product) { return product.id == id; });
  return found == list.end() ? nullptr : &*found;
}

std::string World::OrderId(const Product& product) {
  const absl::CivilSecond day = absl::ToCivilSecond(now_ + BerlinOffset(now_), absl::UTCTimeZone());
  const std::int64_t stamp = day.year() * 10'000 + day.month() * 100 + day.day();
  return Cat("B", stamp, "-", product.auction ? product.id : "2000", "-", next_transaction_++);
}

Order& World::MakeOrder(const Product& product, std::string location, std::vector<Key> keys,
                        bool ipv4) {
  Order order;
  order.id = OrderId(product);
  order.product = product;
  order.location = std::move(location);
  order.keys = std::move(keys);
  order.ipv4 = ipv4;
  order.made = now_;
  order.support_cancels = Fire(Trap::kCancelledBySupport) != nullptr;
  order.wrong_host_key = Fire(Trap::kWrongHostKey) != nullptr;
  absl::Duration takes =
      options.delivery_min + (options.delivery_max - options.delivery_min) * rng.Unit();
  if (const Fault* slow = Fire(Trap::kDeliverySlow)) {
    takes = absl::Seconds(slow->value == 0 ? 3600 : slow->value);
  }
  order.hangs = Fire(Trap::kNeverDelivered) != nullptr;
  if (product.auction) {
    std::erase_if(market, [&](const Product& one) { return one.id == order.product.id; });
  }
  orders.push_back(std::move(order));
  if (!orders.back().hangs) {
    plans_.emplace(now_ + takes, Plan{.what = Plan::What::kDeliver, .order = orders.size() - 1});
  }
  return orders.back();
}

std::string World::Ipv4Of(std::int64_t server) const {
  std::string address = LoopbackAddress(server);
  if (options.public_ipv4) address.replace(0, std::string_view("127.1.").size(), "198.18.");
  return address;
}

// Documentation space, one /64 for each server.
std::string Ipv6Net(const Dedicated& server) {
  return Cat("2001:db8:", absl::Hex((server.number >> 16) & 0xffff), ":",
             absl::Hex(server.number & 0xffff), "::");
}

Dedicated* World::FindServer(std::int64_t number) {
  const auto found = living.find(number);
  return found == living.end() ? nullptr : &found->second;
}

Dedicated& World::AddServer(Dedicated server) {
  if (server.number == 0) server.number = next_standard_server_++;
  server.delivered = now_;
  server.ip = Ipv4Of(server.number);
  server.sw_reset = server.number % 3 == 0;
  const std::int64_t number = server.number;
  return living[number] = std::move(server);
}

void World::Execute(const Plan& plan) {
  Dedicated* const server = FindServer(plan.server);
  switch (plan.what) {
    case Plan::What::kDeliver:
      return Deliver(orders[plan.order]);
    case Plan::What::kReduce:
      return Reduce();
    case Plan::What::kBoot:
      if (server != nullptr && server->generation == plan.generation) Boot(*server, plan.boot);
      return;
    case Plan::What::kTellKeys:
      if (server != nullptr && server->generation == plan.generation && server->last.has_value()) {
        server->last->host_keys = plan.keys;
      }
      return;
    case Plan::What::kEnd:
      if (server != nullptr && server->cancel_generation == plan.generation) End(*server);
  }
}

void World::Deliver(Order& order) {
  if (order.support_cancels) {
    order.status = "cancelled";
    return;
  }
  Dedicated server;
  const bool auction = order.product.auction;
  if (auction) server.number = std::stoll(order.product.id);
  server.order = order.id;
  server.auction = auction;
  server.product = auction ? "Server Auction" : order.product.id;
  server.dc = auction ? order.product.datacenter : Cat(order.location, "-DC1");
  server.ipv4 = order.ipv4;
  server.ada = order.product.ada;
  server.month = order.product.month + (order.ipv4 ? kIpv4Month : 0);
  server.hour = order.product.hour() + (order.ipv4 ? kIpv4Hour : 0);
  server.setup = order.product.setup;
  Dedicated& made = AddServer(std::move(server));
  order.server = made.number;
  order.host_keys = BootMachine(made, /*rescue=*/true, order.keys, order.wrong_host_key);
  order.status = "ready";
}

std::vector<HostKeyFingerprint> World::FreshKeys() {
  return {{"ECDSA", DrawSha256(rng)}, {"ED25519", DrawSha256(rng)}};
}

// What is published of the machine's keys.
std::vector<HostKeyFingerprint> World::BootMachine(Dedicated& server, bool rescue,
                                                   const std::vector<Key>& keys, bool wrong) {
  SimBoot boot;
  boot.server = ServerNumber(Cat(server.number));
  boot.address = LoopbackAddress(server.number);
  boot.rescue = rescue;
  for (const Key& key : keys) boot.authorized_keys.push_back(key.data);
  boot.ada = server.ada;
  if (server.ipv4) boot.ipv4 = server.ip;
  boot.ipv6_net = Ipv6Net(server);
  ++server.boots;
  server.power = rescue ? Power::kRescue : Power::kInstalled;
  server.host_keys = machines_->Boot(boot);
  if (wrong) server.host_keys = FreshKeys();
  return server.host_keys;
}

void World::PowerOff(Dedicated& server) {
  ++server.generation;
  server.power = Power::kOff;
  server.host_keys.clear();
  machines_->Off(ServerNumber(Cat(server.number)), /*forget=*/false);
}

void World::Reset(Dedicated& server, const BootPlan& plan, absl::Duration more) {
  PowerOff(server);
  server.power = plan.hangs ? Power::kDead : Power::kBooting;
  if (plan.hangs) return;
  const absl::Duration takes =
      options.boot_min + (options.boot_max - options.boot_min) * rng.Unit() + more;
  plans_.emplace(now_ + takes, Plan{.what = Plan::What::kBoot,
                                    .server = server.number,
                                    .generation = server.generation,
                                    .boot = plan});
}

void World::Boot(Dedicated& server, const BootPlan& plan) {
  if (!server.rescue_active || plan.disk_anyway) {
    BootMachine(server, /*rescue=*/false, {}, false);
    return;
  }
  // One-shot: used up by this boot.
  server.rescue_active = false;
  server.last = Dedicated::LastRescue{.os = server.rescue_os,
                                      .password = server.rescue_password,
                                      .keys = server.rescue_keys,
                                      .host_keys = {},
                                      .booted = now_};
  const std::vector<HostKeyFingerprint> keys =
      BootMachine(server, /*rescue=*/true, server.rescue_keys, plan.wrong_host_key);
  server.rescue_keys.clear();
  if (plan.keys_late == absl::ZeroDuration()) {
    server.last->host_keys = keys;
    return;
  }
  plans_.emplace(now_ + plan.keys_late, Plan{.what = Plan::What::kTellKeys,
                                             .server = server.number,
                                             .generation = server.generation,
                                             .keys = keys});
}

void World::EndAt(Dedicated& server, absl::Time when) {
  ++server.cancel_generation;
  plans_.emplace(when, Plan{.what = Plan::What::kEnd,
                            .server = server.number,
                            .generation = server.cancel_generation});
}

void World::End(Dedicated& server) {
  server.power = Power::kOff;
  server.ended = now_;
  machines_->Off(ServerNumber(Cat(server.number)), /*forget=*/true);
  const std::int64_t number = server.number;
  past.push_back(std::move(server));
  living.erase(number);
}

}  // namespace muster::hetznersim
