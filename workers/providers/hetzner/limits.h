// The quotas of the web service, one bucket for each row of its table; an endpoint belongs to one.
//
// They are per login and shared with whoever else uses it, so a refusal can come earlier. Pure.
#pragma once

#include <string_view>

#include "workers/ports/rate_limiter.h"

namespace muster::hetzner {

inline constexpr std::string_view kServerBucket = "server";  // and its cancellation
inline constexpr std::string_view kReadBucket = "read";      // boot, reset, key, order
inline constexpr std::string_view kResetBucket = "POST reset";
inline constexpr std::string_view kKeyBucket = "POST key";  // and DELETE
inline constexpr std::string_view kAuctionBucket = "POST order/server_market";
inline constexpr std::string_view kStandardBucket = "POST order/server";

inline constexpr int kOrdersPerDay = 20;  // of each channel

// Of the rows that polls share with changes, so many calls an hour are kept for changes and what a
// change has to read: ten cancellations of four calls each, three resets that wait long for keys.
inline constexpr int kServerReserve = 40;
inline constexpr int kReadReserve = 100;

// Ready for MakeRateLimiter.
RateLimits DefaultRateLimits();

}  // namespace muster::hetzner
