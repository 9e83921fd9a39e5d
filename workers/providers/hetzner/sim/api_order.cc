// Products and orders of both channels.
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "workers/providers/hetzner/sim/api.h"

namespace muster::hetznersim {

namespace {

constexpr absl::Duration kListed = absl::Hours(24 * 30);

std::string Decimal(Eur4 amount) {
  return absl::StrFormat("%d.%04d", amount / 10'000, amount % 10'000);
}
Eur4 Gross(Eur4 net) { return net * 119 / 100; }
Json Decimals(Eur4 month, Eur4 hour) {
  return {{"net", Decimal(month)},
          {"gross", Decimal(Gross(month))},
          {"hourly_net", Decimal(hour)},
          {"hourly_gross", Decimal(Gross(hour))}};
}
Json Setup(Eur4 amount) { return {{"net", Decimal(amount)}, {"gross", Decimal(Gross(amount))}}; }

Json Addons(const std::vector<std::string>& locations) {
  Json prices = Json::array();
  for (const std::string& location : locations) {
    prices.push_back({{"location", location},
                      {"price", Decimals(kIpv4Month, kIpv4Hour)},
                      {"price_setup", Setup(0)}});
  }
  return Json::array({{{"id", "primary_ipv4"},
                       {"name", "Primary IPv4"},
                       {"location", nullptr},
                       {"min", 0},
                       {"max", 1},
                       {"prices", std::move(prices)}}});
}

// What products and orders tell alike.
Json Hardware(const Product& product) {
  Json json = {
      {"name", product.name}, {"description", product.description}, {"traffic", "unlimited"}};
  if (!product.auction) return json;
  json.update({{"id", std::stoll(product.id)},
               {"cpu", product.cpu},
               {"cpu_benchmark", product.cpu_benchmark},
               {"memory_size", product.memory_gb},
               {"hdd_size", product.disk_gb},
               {"hdd_text", ""},
               {"hdd_count", product.disks},
               {"datacenter", product.datacenter},
               {"network_speed", "1 Gbit/s"}});
  return json;
}

Json AuctionJson(World& world, const Product& product, Eur4 month, Eur4 hour) {
  const bool hourly = world.Fire(Trap::kNotHourly) == nullptr;
  const absl::Duration left =
      product.fixed_price ? absl::ZeroDuration() : product.next_reduce - world.now();
  Json json = Hardware(product);
  json.update({{"dist", {"Rescue system"}},
               {"arch", {64}},
               {"@deprecated arch", {64}},
               {"lang", {"en"}},
               {"price", Decimal(month)},
               {"price_hourly", hourly ? Json(Decimal(hour)) : Json()},
               {"price_setup", Decimal(0)},
               {"price_vat", Decimal(Gross(month))},
               {"price_hourly_vat", hourly ? Json(Decimal(Gross(hour))) : Json()},
               {"price_setup_vat", Decimal(0)},
               {"fixed_price", product.fixed_price},
               {"next_reduce", absl::ToInt64Seconds(left)},
               {"next_reduce_date", BerlinStamp(world.now() + left)},
               {"orderable_addons", Addons({product.datacenter.substr(0, 4)})}});
  return json;
}

Json StandardJson(const Product& product, Eur4 month, Eur4 hour) {
  Json prices = Json::array();
  for (const std::string& location : product.locations) {
    // Finland is a little cheaper.
    const Eur4 less = location == "HEL1" ? 2'0000 : 0;
    prices.push_back({{"location", location},
                      {"price", Decimals(month - less, hour)},
                      {"price_setup", Setup(product.setup)}});
  }
  Json json = Hardware(product);
  json.update({{"id", product.id},
               {"dist", {"Rescue system"}},
               {"arch", {64}},
               {"lang", {"en"}},
               {"location", product.locations},
               {"prices", std::move(prices)},
               {"orderable_addons", Addons(product.locations)}});
  return json;
}

Json ProductJson(World& world, const Product& product, bool single) {
  const Fault* rise = single ? world.Fire(Trap::kPriceRises) : nullptr;
  const Eur4 percent = rise == nullptr ? 0 : rise->value == 0 ? 10 : static_cast<Eur4>(rise->value);
  const Eur4 month = product.month + product.month * percent / 100;
  const Eur4 hour = product.hour() + product.hour() * percent / 100;
  return product.auction ? AuctionJson(world, product, month, hour)
                         : StandardJson(product, month, hour);
}

Json OrderProductJson(const Order& order) {
  Json json = Hardware(order.product);
  json.update({{"dist", "Rescue system"}, {"arch", "64"}, {"lang", "en"}});
  if (!order.product.auction) {
    json["id"] = order.product.id;
    json["location"] = order.location;
  }
  return json;
}

Json OrderHostKeys(World& world, const Order& order) {
  if (world.Fire(Trap::kHostKeysMissing) != nullptr) return Json::array();
  if (order.status == "ready" && world.Fire(Trap::kHostKeysMd5) != nullptr) {
    return HostKeysJson({{"DSA", "15:28:b0:03:95:f0:77:b3:10:56:15:6b:77:22:a5:bb"}});
  }
  return HostKeysJson(order.host_keys);
}

Json OrderJson(World& world, const Order& order, bool listed) {
  const Dedicated* server = world.FindServer(order.server);
  const absl::Duration offset = BerlinOffset(order.made);
  const Fault* strange = world.Fire(Trap::kStrangeStatus);
  Json json = {
      {"id", order.id},
      {"date",
       absl::FormatTime("%Y-%m-%dT%H:%M:%S%Ez", order.made,
                        absl::FixedTimeZone(static_cast<int>(absl::ToInt64Seconds(offset))))},
      {"status", strange == nullptr ? order.status
                                    : (strange->text.empty() ? "in clarification" : strange->text)},
      {"server_number", order.server == 0 ? Json() : Json(order.server)},
      {"server_ip", order.server != 0 && order.ipv4 ? Json(world.Ipv4Of(order.server)) : Json()},
      {"authorized_key", KeysJson(order.keys)},
      {"host_key", OrderHostKeys(world, order)},
      {"comment", nullptr},
      {"product", OrderProductJson(order)}};
  if (server != nullptr && !server->ipv4) json["server_ip"] = nullptr;
  if (!listed) json["addons"] = order.ipv4 ? Json({"primary_ipv4"}) : Json::array();
  return json;
}

bool IsListed(World& world, const Order& order, const Fault* lag) {
  const absl::Duration age = world.now() - order.made;
  if (lag != nullptr && age < absl::Seconds(lag->value == 0 ? 60 : lag->value)) return false;
  return age < kListed;
}

// What keeps the order from being made; nullopt = nothing.
std::optional<SimReply> RefuseOrder(World& world, const Call& call, const Product* product) {
  if (world.Fire(Trap::kOrderPrecondition) != nullptr) {
    return ErrorReply(412, "PRECONDITION_FAILED", "please order in the web front end");
  }
  if (world.Fire(Trap::kProductGone404) != nullptr) {
    return ErrorReply(404, "NOT_FOUND", "product not found");
  }
  if (!call.Has("product_id")) return InvalidInput({"product_id"}, {});
  if (product == nullptr || world.Fire(Trap::kProductGone400) != nullptr) {
    return InvalidInput({}, {"product_id"});
  }
  if (!call.Has("authorized_key") && !call.Has("password")) {
    return InvalidInput({"authorized_key"}, {});
  }
  for (const std::string& addon : call.Fields("addon")) {
    if (addon != "primary_ipv4") return InvalidInput({}, {"addon"});
  }
  const std::string test = call.Field("test");
  if (!test.empty() && test != "true" && test != "false") return InvalidInput({}, {"test"});
  if (product->auction) return std::nullopt;
  if (!call.Has("location")) return InvalidInput({"location"}, {});
  for (const std::string& location : product->locations) {
    if (location == call.Field("location")) return std::nullopt;
  }
  return InvalidInput({}, {"location"});
}

}  // namespace

SimReply ListProducts(World& world, const Call&, bool auction) {
  std::vector<Json> rows;
  if (world.Fire(Trap::kMarketEmpty) == nullptr) {
    for (const Product& product : auction ? world.market : world.standard) {
      rows.push_back(ProductJson(world, product, /*single=*/false));
    }
  }
  return ListReply(world, "product", std::move(rows), "NOT_FOUND");
}

SimReply ShowProduct(World& world, const Call& call, bool auction) {
  const Product* product = world.FindProduct(auction, call.name);
  if (product == nullptr || world.Fire(Trap::kMarketEmpty) != nullptr) {
    return ErrorReply(404, "NOT_FOUND", "product not found");
  }
  return JsonReply(200, {{"product", ProductJson(world, *product, /*single=*/true)}});
}

SimReply Buy(World& world, const Call& call, bool auction) {
  world.entry.commented = call.Has("comment");
  const Product* product = world.FindProduct(auction, call.Field("product_id"));
  if (std::optional<SimReply> refused = RefuseOrder(world, call, product)) return *refused;
  const std::optional<std::vector<Key>> keys = FindKeys(world, call.Fields("authorized_key"));
  if (!keys.has_value()) return InvalidInput({}, {"authorized_key"});
  const bool ipv4 = !call.Fields("addon").empty();
  if (call.Field("test") == "true") {
    // Checked, and forgotten at once.
    world.entry.test = true;
    Order checked;
    checked.id = world.OrderId(*product);
    checked.product = *product;
    checked.location = call.Field("location");
    checked.keys = *keys;
    checked.ipv4 = ipv4;
    checked.status = "cancelled";
    checked.made = world.now();
    return JsonReply(201, {{"transaction", OrderJson(world, checked, /*listed=*/false)}});
  }
  const Order& order = world.MakeOrder(*product, call.Field("location"), *keys, ipv4);
  world.entry.order = order.id;
  return JsonReply(201, {{"transaction", OrderJson(world, order, /*listed=*/false)}});
}

SimReply ListOrders(World& world, const Call&, bool auction) {
  const Fault* lag = world.Fire(Trap::kOrderUnlisted);
  const std::optional<Fault> hidden = lag == nullptr ? std::nullopt : std::optional(*lag);
  std::vector<Json> rows;
  for (auto order = world.orders.rbegin(); order != world.orders.rend(); ++order) {
    if (order->product.auction != auction) continue;
    if (!IsListed(world, *order, hidden.has_value() ? &*hidden : nullptr)) continue;
    rows.push_back(OrderJson(world, *order, /*listed=*/true));
  }
  return ListReply(world, "transaction", std::move(rows), "NOT_FOUND");
}

SimReply ShowOrder(World& world, const Call& call, bool auction) {
  const Fault* lag = world.Fire(Trap::kOrderUnlisted);
  const std::optional<Fault> hidden = lag == nullptr ? std::nullopt : std::optional(*lag);
  for (const Order& order : world.orders) {
    if (order.id != call.name || order.product.auction != auction) continue;
    if (!IsListed(world, order, hidden.has_value() ? &*hidden : nullptr)) break;
    return JsonReply(200, {{"transaction", OrderJson(world, order, /*listed=*/false)}});
  }
  return ErrorReply(404, "NOT_FOUND", "transaction not found");
}

SimReply Currency(World&, const Call&, bool) { return JsonReply(200, {{"currency", "EUR"}}); }

}  // namespace muster::hetznersim
