// HetznerSim's controls and views.
#include <algorithm>

#include "workers/providers/hetzner/sim/world.h"

namespace muster::hetznersim {

namespace {

constexpr std::int64_t kMicrosPerEur4 = 100;

ServerView ViewOf(const World& world, const Dedicated& server) {
  const absl::Time until = std::min(server.ended, world.now());
  return {.number = server.number,
          .order = server.order,
          .name = server.name,
          .address = LoopbackAddress(server.number),
          .ipv4 = server.ipv4,
          .power = server.power,
          .rescue_active = server.rescue_active,
          .host_keys = server.host_keys,
          .boots = server.boots,
          .delivered = server.delivered,
          .ended = server.ended,
          .cancelled = server.cancelled ? server.cancel_date : "",
          .spent_micros = ServerCost(server.month * kMicrosPerEur4, server.hour * kMicrosPerEur4,
                                     server.setup * kMicrosPerEur4, server.delivered, until)};
}

}  // namespace

std::string_view TrapName(Trap trap) {
  static constexpr std::string_view kNames[] = {
#define TRAP(name, wire, what) wire,
#include "workers/providers/hetzner/sim/traps.def"
#undef TRAP
  };
  return kNames[static_cast<std::size_t>(trap)];
}

std::optional<Trap> TrapFromName(std::string_view name) {
#define TRAP(trap, wire, what) \
  if (name == wire) return Trap::trap;
#include "workers/providers/hetzner/sim/traps.def"
#undef TRAP
  return std::nullopt;
}

std::string_view PowerName(Power power) {
  switch (power) {
    case Power::kOff:
      return "off";
    case Power::kBooting:
      return "booting";
    case Power::kRescue:
      return "rescue";
    case Power::kInstalled:
      return "installed";
    case Power::kDead:
      return "dead";
  }
  return "";
}

std::string LoopbackAddress(std::int64_t server) {
  const std::int64_t place = server % (254 * 254);
  return Cat("127.1.", place / 254 + 1, ".", place % 254 + 1);
}

void HetznerSim::SetFault(Fault fault) { world_->faults.push_back(std::move(fault)); }

int HetznerSim::ClearFaults(std::optional<Trap> trap) {
  return static_cast<int>(std::erase_if(world_->faults, [&](const Fault& fault) {
    return !trap.has_value() || fault.trap == *trap;
  }));
}

int HetznerSim::DeliverAll() {
  int delivered = 0;
  for (Order& order : world_->orders) {
    if (!order.hangs || order.status != "in process") continue;
    order.hangs = false;
    world_->Deliver(order);
    ++delivered;
  }
  return delivered;
}

Status HetznerSim::RemoveProduct(const std::string& id) {
  const auto gone = std::erase_if(world_->market, [&](const Product& p) { return p.id == id; });
  return gone > 0 ? Status() : NotFound(Cat("no product ", id));
}

Status HetznerSim::SetPrice(const std::string& id, std::int64_t month_micros) {
  for (const bool auction : {true, false}) {
    if (Product* product = world_->FindProduct(auction, id)) {
      product->month = month_micros / kMicrosPerEur4;
      return {};
    }
  }
  return NotFound(Cat("no product ", id));
}

std::int64_t HetznerSim::AddForeignServer(std::string name) {
  Dedicated server;
  server.name = std::move(name);
  server.auction = false;
  server.product = "EX44";
  server.dc = "FSN1-DC1";
  server.ipv4 = true;
  server.month = 39'0000;
  server.hour = 625;
  server.power = Power::kInstalled;
  return world_->AddServer(std::move(server)).number;
}

Status HetznerSim::CrashMachine(std::int64_t server) {
  Dedicated* const found = world_->FindServer(server);
  if (found == nullptr) return NotFound(Cat("no server ", server));
  world_->PowerOff(*found);
  found->power = Power::kDead;
  return {};
}

void HetznerSim::SetLogin(std::string user, std::string password) {
  world_->options.user = std::move(user);
  world_->options.password = std::move(password);
}
void HetznerSim::SetOrderRight(bool granted) { world_->options.order_right = granted; }

std::vector<ProductView> HetznerSim::Products() const {
  std::vector<ProductView> views;
  for (const Product& product : world_->market) {
    views.push_back({.id = product.id,
                     .name = product.name,
                     .gpu = product.gpu,
                     .ada = product.ada,
                     .month_micros = product.month * kMicrosPerEur4,
                     .datacenter = product.datacenter});
  }
  return views;
}

std::vector<OrderView> HetznerSim::Orders() const {
  std::vector<OrderView> views;
  for (const Order& order : world_->orders) {
    OrderView view{.id = order.id,
                   .auction = order.product.auction,
                   .product = order.product.id,
                   .keys = {},
                   .status = order.status,
                   .server = order.server,
                   .made = order.made};
    for (const Key& key : order.keys) view.keys.push_back(key.fingerprint);
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<ServerView> HetznerSim::Servers() const {
  std::vector<ServerView> views;
  for (const auto& [number, server] : world_->living) views.push_back(ViewOf(*world_, server));
  return views;
}

std::vector<ServerView> HetznerSim::PastServers() const {
  std::vector<ServerView> views;
  for (const Dedicated& server : world_->past) views.push_back(ViewOf(*world_, server));
  return views;
}

std::map<std::string, std::string> HetznerSim::Keys() const {
  std::map<std::string, std::string> names;
  for (const auto& [fingerprint, key] : world_->keys) names[fingerprint] = key.name;
  return names;
}

std::int64_t HetznerSim::SpentMicros() const {
  std::int64_t spent = 0;
  for (const ServerView& server : Servers()) spent += server.spent_micros;
  for (const ServerView& server : PastServers()) spent += server.spent_micros;
  return spent;
}

int HetznerSim::BadLogins() const { return world_->limits.bad_logins(); }
std::vector<JournalEntry> HetznerSim::Journal() const {
  return {world_->journal.begin(), world_->journal.end()};
}
void HetznerSim::ClearJournal() { world_->journal.clear(); }

}  // namespace muster::hetznersim
