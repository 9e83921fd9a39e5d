// The two product lists.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "workers/providers/hetzner/errors.h"
#include "workers/providers/hetzner/hardware.h"
#include "workers/providers/hetzner/json.h"
#include "workers/providers/hetzner/wire.h"

namespace muster::hetzner {
namespace {

constexpr char kIpv4[] = "primary_ipv4";
constexpr std::int64_t kCountdownMax = 10LL * 365 * 86'400;

bool IsOfId(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<Money> MoneyIn(const Json& object, std::string_view key, const MarketTerms& terms) {
  const std::optional<std::int64_t> micros = Micros(object, key);
  if (!micros.has_value()) return std::nullopt;
  return Money{*micros, terms.currency};
}

// {"price":{"net","hourly_net"...},"price_setup":{"net"...}}
std::optional<ServerPrice> PlacePrice(const Json& place, const MarketTerms& terms) {
  const std::optional<Money> month = MoneyIn(Member(place, "price"), "net", terms);
  if (!month.has_value()) return std::nullopt;
  ServerPrice price;
  price.month = *month;
  price.hour = MoneyIn(Member(place, "price"), "hourly_net", terms);
  const Money free{0, terms.currency};
  price.setup = MoneyIn(Member(place, "price_setup"), "net", terms).value_or(free);
  return price;
}

// Of the places a price is told for, the one that `location` ("FSN1-DC22") lies in, else the first.
std::optional<ServerPrice> Ipv4Price(const Json& product, const std::string& location,
                                     const MarketTerms& terms) {
  const Json& addons = Member(product, "orderable_addons");
  if (!addons.is_array()) return std::nullopt;
  for (const Json& addon : addons) {
    if (Text(addon, "id") != kIpv4) continue;
    const Json& places = Member(addon, "prices");
    if (!places.is_array() || places.empty()) return std::nullopt;
    for (const Json& place : places) {
      const std::string name = Text(place, "location");
      if (!name.empty() && absl::StartsWith(location, name)) return PlacePrice(place, terms);
    }
    return PlacePrice(places.front(), terms);
  }
  return std::nullopt;
}

void FillHardware(const Json& product, ServerOffer& offer) {
  const Hardware told = ReadDescription(offer.description);
  offer.cpu = Text(product, "cpu");
  if (offer.cpu.empty()) offer.cpu = told.cpu;
  offer.cores = CoresOf(offer.cpu);
  offer.benchmark = static_cast<double>(Whole(product, "cpu_benchmark").value_or(0));
  offer.memory_gb = Whole(product, "memory_size").value_or(told.memory_gb);
  offer.disk_gb = Whole(product, "hdd_size").value_or(told.disk_gb);
  offer.disks = static_cast<int>(
      std::clamp<std::int64_t>(Whole(product, "hdd_count").value_or(told.disks), 0, 1000));
  const Gpu gpu = FindGpu(offer.description);
  offer.gpu = gpu.line;
  offer.gpu_ada = gpu.ada;
}

ServerOffer Common(ServerChannel channel, const Json& product) {
  ServerOffer offer;
  offer.channel = channel;
  offer.name = Text(product, "name");
  offer.description = Texts(product, "description");
  FillHardware(product, offer);
  return offer;
}

void ReadAuction(const Json& product, const MarketTerms& terms, std::vector<ServerOffer>& offers) {
  const std::string id = IdText(product, "id");
  const std::optional<Money> month = MoneyIn(product, "price", terms);
  if (id.empty() || !month.has_value()) return;
  ServerOffer offer = Common(ServerChannel::kAuction, product);
  offer.id = OfferId(id);
  offer.location = Text(product, "datacenter");
  offer.price.month = *month;
  offer.price.hour = MoneyIn(product, "price_hourly", terms);
  offer.price.setup = MoneyIn(product, "price_setup", terms).value_or(Money{0, terms.currency});
  offer.ipv4 = Ipv4Price(product, offer.location, terms);
  const std::int64_t countdown = Whole(product, "next_reduce").value_or(0);
  if (!Flag(product, "fixed_price").value_or(false) && countdown > 0 && countdown < kCountdownMax) {
    offer.next_reduction = terms.now + absl::Seconds(countdown);
  }
  offers.push_back(std::move(offer));
}

void ReadStandard(const Json& product, const MarketTerms& terms, std::vector<ServerOffer>& offers) {
  const std::string id = IdText(product, "id");
  const Json& places = Member(product, "prices");
  if (id.empty() || !places.is_array()) return;
  const ServerOffer common = Common(ServerChannel::kStandard, product);
  for (const Json& place : places) {
    const std::string location = Text(place, "location");
    const std::optional<ServerPrice> price = PlacePrice(place, terms);
    if (!price.has_value()) continue;
    ServerOffer offer = common;
    offer.id = OfferId(location.empty() ? id : Cat(id, "@", location));
    offer.location = location;
    offer.price = *price;
    offer.ipv4 = Ipv4Price(product, location, terms);
    offers.push_back(std::move(offer));
  }
}

void ReadProduct(ServerChannel channel, const Json& product, const MarketTerms& terms,
                 std::vector<ServerOffer>& offers) {
  if (channel == ServerChannel::kAuction) return ReadAuction(product, terms, offers);
  ReadStandard(product, terms, offers);
}

}  // namespace

StatusOr<OfferName> ReadOfferId(ServerChannel channel, const OfferId& id) {
  const std::string& text = id.str();
  const std::size_t at = text.find('@');
  const bool auction = channel == ServerChannel::kAuction;
  OfferName name{text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
  const auto good = [&](const std::string& part) {
    return std::all_of(part.begin(), part.end(), auction ? IsDigit : IsOfId);
  };
  const bool whole = !name.product.empty() && good(name.product) && good(name.location) &&
                     (at == std::string::npos || (!auction && !name.location.empty()));
  if (whole) return name;
  return MakeTrouble(Trouble::kRejected, Cat("no offer of the ", ServerChannelName(channel),
                                             " list: ", Ellipsize(text, 40)));
}

StatusOr<std::vector<ServerOffer>> ParseProducts(ServerChannel channel, std::string_view body,
                                                 const MarketTerms& terms) {
  const std::optional<Json> list = ParseJson(body);
  if (!list.has_value() || !list->is_array()) return Nonsense("no list of products", body);
  std::vector<ServerOffer> offers;
  for (const Json& row : *list) ReadProduct(channel, Member(row, "product"), terms, offers);
  if (offers.empty() && !list->empty()) return Nonsense("no product can be read", body);
  return offers;
}

StatusOr<std::vector<ServerOffer>> ParseProduct(ServerChannel channel, std::string_view body,
                                                const MarketTerms& terms) {
  const std::optional<Json> answer = ParseJson(body);
  const Json product = answer.has_value() ? Member(*answer, "product") : Json();
  if (!product.is_object()) return Nonsense("no product", body);
  std::vector<ServerOffer> offers;
  ReadProduct(channel, product, terms, offers);
  return offers;
}

StatusOr<std::string> ParseCurrency(std::string_view body) {
  const std::optional<Json> answer = ParseJson(body);
  const std::string currency = answer.has_value() ? Text(*answer, "currency") : "";
  const bool good =
      currency.size() == 3 &&
      std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!good) return Nonsense("no currency", body);
  return currency;
}

}  // namespace muster::hetzner
