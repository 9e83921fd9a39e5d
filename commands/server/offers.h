// Which offers will do for a market, and which of them is best. Pure.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/server.h"
#include "eventstore/events/codec.h"

namespace muster::server {

struct JudgedOffer {
  ServerOffer offer;
  ServerPrice price;            // with the IPv4 address where the market wants one
  double micros_per_point = 0;  // a month's price per benchmark point; 0 = no benchmark
  std::string refused;          // why it does not fit; "" = it does
};

ServerChannel ChannelOf(const specpb::ServerMarket& market);
ServerChannel ChannelOf(const eventpb::ServerOfferTaken& offer);

// What `offer` costs, with the address when `ipv4`.
ServerPrice PriceWith(const ServerOffer& offer, bool ipv4);

// Each offer with its verdict: those that fit first, best first by the market's rank (price: by the
// hour where both are so billed, else by the month; ties by benchmark, then by id); then the
// refused.
std::vector<JudgedOffer> JudgeServerOffers(const specpb::ServerMarket& market,
                                           std::vector<ServerOffer> offers);

eventpb::ServerOfferTaken MakeServerOfferTaken(const JudgedOffer& judged, bool ipv4);

}  // namespace muster::server
