// Between the wire of the Robot web service and muster's words. Internal to the adapter.
//
// Bodies go out as forms; what comes in is wrapped by its kind, {"server":{...}}, and read with
// suspicion (json.h). An unreadable offer is left out; an unreadable row of any other list spoils
// the list, because a list with a hole must never pass for a complete one. Passwords are read for
// masking alone (SecretsIn). Pure.
//
// Every Parse... returns kMalformed for a body that is not what was asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/server.h"
#include "workers/ports/provider.h"
#include "workers/ports/server_provider.h"

namespace muster::hetzner {

// "name=worker+1&key%5B%5D=..." in the given order.
std::string FormBody(const std::vector<std::pair<std::string, std::string>>& fields);

// ---- market (wire_market.cc) ------------------------------------------------------------------

// A standard product is one offer for each place it can stand at; the place is in its id:
// "EX44@FSN1".
struct OfferName {
  std::string product;
  std::string location;  // "" = not said
};
// kRejected  no id of this channel
StatusOr<OfferName> ReadOfferId(ServerChannel channel, const OfferId& id);

// What is needed to read a price: the account's currency, and the time of the answer.
struct MarketTerms {
  std::string currency;
  absl::Time now;
};
StatusOr<std::vector<ServerOffer>> ParseProducts(ServerChannel channel, std::string_view body,
                                                 const MarketTerms& terms);
// The offers of one product; empty = it cannot be read or ordered.
StatusOr<std::vector<ServerOffer>> ParseProduct(ServerChannel channel, std::string_view body,
                                                const MarketTerms& terms);
StatusOr<std::string> ParseCurrency(std::string_view body);

// ---- orders -----------------------------------------------------------------------------------

// kRejected  the service would refuse it, or no order of ours looks like this
StatusOr<std::vector<std::pair<std::string, std::string>>> OrderForm(const ServerOrderSpec& spec);
StatusOr<ServerOrder> ParseOrder(ServerChannel channel, std::string_view body);
StatusOr<std::vector<ServerOrder>> ParseOrders(ServerChannel channel, std::string_view body);

// ---- servers ----------------------------------------------------------------------------------

StatusOr<Server> ParseServer(std::string_view body);
StatusOr<std::vector<Server>> ParseServers(std::string_view body);
StatusOr<RescueSetting> ParseRescue(std::string_view body);
StatusOr<RescueBoot> ParseLastRescue(std::string_view body);
// Kinds that nobody here knows are left out.
StatusOr<std::vector<ResetKind>> ParseResetKinds(std::string_view body);
StatusOr<Cancellation> ParseCancellation(std::string_view body);

// Whether the list of keys holds `public_key`: kind and blob are compared, never the comment.
StatusOr<bool> ListHoldsKey(std::string_view body, std::string_view public_key);

// Whether `body` is an object with the member `kind`.
bool IsWrapped(std::string_view body, std::string_view kind);
// The values of all members called "password", however deep.
std::vector<std::string> SecretsIn(std::string_view body);

}  // namespace muster::hetzner
