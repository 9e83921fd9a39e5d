// Between the JSON of Vast.ai and muster's words. Internal to the adapter.
//
// Bodies go out as the documentation has them; what comes in is read with suspicion (json.h): an
// unreadable offer is left out, an unreadable instance spoils the list it is in, because a list
// with a hole must never pass for a complete one. Fields that return secrets (extra_env, onstart,
// image_login, jupyter_token) are never read. Pure; masking is the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workers/ports/provider.h"

namespace muster::vast {

inline constexpr int kPageRows = 25;    // of the instance list, the server's maximum
inline constexpr int kSearchRows = 64;  // the server gives no more whatever is asked

// ---- search -----------------------------------------------------------------------------------

// `price_from` asks for offers at that price and above: how the market is paged.
std::string SearchBody(const OfferQuery& query, std::optional<double> price_from);

struct SearchPage {
  std::vector<Offer> offers;  // those that meet the query
  int rows = 0;               // as many as the server sent
  double price_last = 0;      // the highest price in the page as the server counts it
};
// kMalformed  not a search answer
StatusOr<SearchPage> ParseSearch(std::string_view body, const OfferQuery& query);

// ---- create -----------------------------------------------------------------------------------

// kRejected  the provider would refuse it (label, environment or disk out of bounds)
StatusOr<std::string> CreateBody(const LaunchSpec& spec);

struct Created {
  InstanceId instance;
  std::string api_key;  // a secret of the new instance; learn and forget
};
// kMalformed  2xx, but it does not say what was rented: look for the label
StatusOr<Created> ParseCreate(std::string_view body);

// ---- list and show ----------------------------------------------------------------------------

// "?limit=25&order_by=...&select_filters=...", URL-encoded.
std::string ListQuery(std::string_view label, std::string_view after_token);

struct ListPage {
  std::vector<Instance> instances;
  std::string next_token;    // "" = the last page
  std::optional<int> total;  // of all pages
};
// kMalformed  not a list, or a row of it cannot be read
StatusOr<ListPage> ParseList(std::string_view body);

// kMalformed  neither an instance nor the definite "null"
StatusOr<std::optional<Instance>> ParseShow(std::string_view body, const InstanceId& id);

// ---- others -----------------------------------------------------------------------------------

struct User {
  Account account;
  std::string api_key;  // some answers hold it; learn and forget
};
StatusOr<User> ParseUser(std::string_view body);

// The result_url of request_logs.  kMalformed  there is none
StatusOr<std::string> ParseLogRequest(std::string_view body);

// Whether a 2xx body is an object that does not say success:false.
enum class Verdict { kSuccess, kFailure, kNoJson };
Verdict VerdictOf(std::string_view body);

}  // namespace muster::vast
