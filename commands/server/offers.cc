#include "commands/server/offers.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"

namespace muster::server {
namespace {

using Market = specpb::ServerMarket;

std::string Currency(const Market& market) {
  return market.currency().empty() ? "EUR" : market.currency();
}

// "FSN1" is every data centre of it, "FSN1-DC22" that one.
bool Stands(const std::string& where, const std::string& wanted) {
  const std::string have = absl::AsciiStrToUpper(where), want = absl::AsciiStrToUpper(wanted);
  return have == want || have.substr(0, want.size() + 1) == want + "-";
}

std::string RefusedByGpu(const Market& market, const ServerOffer& offer) {
  switch (market.gpu()) {
    case Market::GPU_NONE:
      return offer.gpu.empty() ? "" : Cat("has a GPU (", offer.gpu, ")");
    case Market::GPU_ANY:
      return offer.gpu.empty() ? "no GPU" : "";
    case Market::GPU_ADA:
      return offer.gpu_ada ? "" : offer.gpu.empty() ? "no GPU" : Cat("not Ada (", offer.gpu, ")");
    default:
      return "";
  }
}

std::string RefusedByHardware(const Market& market, const ServerOffer& offer) {
  if (market.cores_min() > 0 && offer.cores == 0)
    return Cat("nobody knows the cores of ", offer.cpu);
  if (offer.cores < market.cores_min()) {
    return Cat(offer.cores, " cores < ", market.cores_min());
  }
  if (offer.memory_gb < market.memory_gb_min()) {
    return Cat(offer.memory_gb, " GB memory < ", market.memory_gb_min(), " GB");
  }
  if (offer.disk_gb < market.disk_gb_min()) {
    return Cat(offer.disk_gb, " GB a disk < ", market.disk_gb_min(), " GB");
  }
  if (offer.disks < market.disks_min()) return Cat(offer.disks, " disks < ", market.disks_min());
  if (offer.benchmark < market.benchmark_min()) {
    return absl::StrFormat("benchmark %.0f < %.0f", offer.benchmark, market.benchmark_min());
  }
  return RefusedByGpu(market, offer);
}

std::string RefusedByPrice(const Market& market, const ServerOffer& offer,
                           const ServerPrice& price) {
  if (market.ipv4() && !offer.ipv4.has_value()) return "no IPv4 address to be had with it";
  const bool capped = market.price_max_micros_per_month() > 0 || market.setup_max_micros() > 0;
  if (capped && price.month.currency != Currency(market)) {
    return Cat("sold in ", price.month.currency, ", the limits are in ", Currency(market));
  }
  if (market.price_max_micros_per_month() > 0 &&
      price.month.micros > market.price_max_micros_per_month()) {
    return Cat(FormatMoney(price.month), " a month > ",
               FormatMoney({market.price_max_micros_per_month(), Currency(market)}));
  }
  // Nothing is paid for a set-up that nobody allowed.
  if (price.setup.micros > market.setup_max_micros()) {
    return Cat("setup ", FormatMoney(price.setup), " > ",
               FormatMoney({market.setup_max_micros(), Currency(market)}));
  }
  return "";
}

std::string Refused(const Market& market, const ServerOffer& offer, const ServerPrice& price) {
  if (!market.offer().empty() && offer.id.str() != market.offer()) return "not the one named";
  const auto& wanted = market.locations();
  const bool somewhere =
      wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                    [&](const auto& w) { return Stands(offer.location, w); });
  if (!somewhere) {
    return Cat("stands in ", offer.location.empty() ? "a place not said" : offer.location, ", not ",
               absl::StrJoin(wanted, ", "));
  }
  std::string why = RefusedByHardware(market, offer);
  return why.empty() ? RefusedByPrice(market, offer, price) : why;
}

void Add(Money& sum, const Money& more) { sum.micros += more.micros; }

// By the hour where that is how it is billed: a month's price over its hours is near enough else.
double HourOf(const ServerPrice& price) {
  constexpr double kHoursAMonth = 730;
  return price.hour.has_value() ? static_cast<double>(price.hour->micros)
                                : static_cast<double>(price.month.micros) / kHoursAMonth;
}

}  // namespace

ServerChannel ChannelOf(const Market& market) {
  return market.channel() == Market::STANDARD ? ServerChannel::kStandard : ServerChannel::kAuction;
}
ServerChannel ChannelOf(const eventpb::ServerOfferTaken& offer) {
  return offer.channel() == ServerChannelName(ServerChannel::kStandard) ? ServerChannel::kStandard
                                                                        : ServerChannel::kAuction;
}

ServerPrice PriceWith(const ServerOffer& offer, bool ipv4) {
  ServerPrice price = offer.price;
  if (!ipv4 || !offer.ipv4.has_value()) return price;
  Add(price.month, offer.ipv4->month);
  Add(price.setup, offer.ipv4->setup);
  if (price.hour.has_value() && offer.ipv4->hour.has_value()) Add(*price.hour, *offer.ipv4->hour);
  return price;
}

std::vector<JudgedOffer> JudgeServerOffers(const Market& market, std::vector<ServerOffer> offers) {
  std::vector<JudgedOffer> judged;
  judged.reserve(offers.size());
  for (ServerOffer& offer : offers) {
    JudgedOffer one{.offer = std::move(offer)};
    one.price = PriceWith(one.offer, market.ipv4());
    if (one.offer.benchmark > 0) {
      one.micros_per_point = static_cast<double>(one.price.month.micros) / one.offer.benchmark;
    }
    one.refused = Refused(market, one.offer, one.price);
    judged.push_back(std::move(one));
  }
  const bool by_points = market.rank() == Market::PRICE_PER_BENCHMARK;
  const auto order = [by_points](const JudgedOffer& j) {
    const bool no_points = by_points && j.micros_per_point <= 0;
    return std::make_tuple(!j.refused.empty(), no_points,
                           by_points ? j.micros_per_point : HourOf(j.price), -j.offer.benchmark,
                           j.offer.id);
  };
  std::sort(judged.begin(), judged.end(),
            [&](const JudgedOffer& a, const JudgedOffer& b) { return order(a) < order(b); });
  return judged;
}

eventpb::ServerOfferTaken MakeServerOfferTaken(const JudgedOffer& judged, bool ipv4) {
  const ServerOffer& offer = judged.offer;
  eventpb::ServerOfferTaken taken;
  taken.set_channel(std::string(ServerChannelName(offer.channel)));
  taken.set_offer(offer.id.str());
  taken.set_name(offer.name);
  taken.set_cpu(offer.cpu);
  taken.set_cores(offer.cores);
  taken.set_benchmark(offer.benchmark);
  taken.set_memory_gb(offer.memory_gb);
  taken.set_disk_gb(offer.disk_gb);
  taken.set_disks(offer.disks);
  taken.set_gpu(offer.gpu);
  taken.set_location(offer.location);
  taken.set_ipv4(ipv4);
  eventpb::ServerPriceTaken* price = taken.mutable_price();
  price->set_currency(judged.price.month.currency);
  price->set_micros_per_month(judged.price.month.micros);
  price->set_micros_per_hour(judged.price.hour.has_value() ? judged.price.hour->micros : 0);
  price->set_setup_micros(judged.price.setup.micros);
  return taken;
}

}  // namespace muster::server
