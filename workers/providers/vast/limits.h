// The endpoints of Vast.ai as the rate limiter knows them, and the pace each one bears.
//
// An endpoint is (method, route template): eight destroys of eight instances share one budget. The
// intervals are the thresholds printed in the provider's OpenAPI files; they are no promise, so
// the daemon may override them. Pure.
#pragma once

#include <string_view>

#include "workers/ports/rate_limiter.h"

namespace muster::vast {

inline constexpr std::string_view kSearch = "POST bundles";
inline constexpr std::string_view kCreate = "PUT asks/{id}";
inline constexpr std::string_view kList = "GET instances";
inline constexpr std::string_view kShow = "GET instances/{id}";
inline constexpr std::string_view kDelete = "DELETE instances/{id}";
inline constexpr std::string_view kState = "PUT instances/{id}";
inline constexpr std::string_view kLogs = "PUT instances/request_logs/{id}";
inline constexpr std::string_view kUser = "GET users/current";

// Ready for MakeRateLimiter.
RateLimits DefaultRateLimits();

}  // namespace muster::vast
