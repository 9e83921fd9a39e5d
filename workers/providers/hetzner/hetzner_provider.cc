#include "workers/providers/hetzner/hetzner_provider.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "eventstore/base/check.h"
#include "workers/providers/hetzner/client.h"
#include "workers/providers/hetzner/limits.h"
#include "workers/providers/hetzner/wire.h"

namespace muster {
namespace {

using hetzner::Call;
using hetzner::CallKind;

// Calls that change something, and the looks that a change waits for, go before the polls.
constexpr CallPriority kChange = CallPriority::kCreate;

std::string_view ChannelPath(ServerChannel channel) {
  return channel == ServerChannel::kAuction ? "order/server_market" : "order/server";
}

// Ids go into paths: only what the provider itself hands out is let through.
Status CheckNumber(const ServerNumber& number) {
  const std::string& id = number.str();
  const bool good = !id.empty() && std::all_of(id.begin(), id.end(), absl::ascii_isdigit);
  if (good) return absl::OkStatus();
  return MakeTrouble(Trouble::kRejected, Cat("no server number: ", Ellipsize(id, 40)));
}
Status CheckOrder(const OrderId& order) {
  const std::string& id = order.str();
  const auto of_id = [](char c) { return absl::ascii_isalnum(c) || c == '-'; };
  if (!id.empty() && std::all_of(id.begin(), id.end(), of_id)) return absl::OkStatus();
  return MakeTrouble(Trouble::kRejected, Cat("no order's id: ", Ellipsize(id, 40)));
}
Status CheckFingerprint(const std::string& fingerprint) {
  const auto of_md5 = [](char c) { return absl::ascii_isxdigit(c) || c == ':'; };
  if (fingerprint.size() == 47 && std::all_of(fingerprint.begin(), fingerprint.end(), of_md5)) {
    return absl::OkStatus();
  }
  return MakeTrouble(Trouble::kRejected,
                     Cat("no MD5 fingerprint of a key: ", Ellipsize(fingerprint, 60)));
}

Call ServerCall(std::string_view method, CallKind kind, const ServerNumber& number,
                std::string_view rest = "") {
  return {.bucket = hetzner::kServerBucket,
          .priority = kind == CallKind::kRead ? CallPriority::kObserve : kChange,
          .kind = kind,
          .route = Cat(method, " server/{id}", rest),
          .path = Cat("server/", number.str(), rest)};
}
Call BootCall(std::string_view method, CallKind kind, const ServerNumber& number,
              std::string_view rest) {
  return {.bucket = hetzner::kReadBucket,
          .priority = kChange,  // reading too: only a reset has what to read there
          .kind = kind,
          .route = Cat(method, " boot/{id}/", rest),
          .path = Cat("boot/", number.str(), "/", rest)};
}

// The calls that change something, made here once for being sent and for being shown.
Call OrderCallOf(const ServerOrderSpec& spec,
                 std::vector<std::pair<std::string, std::string>> form) {
  const bool auction = spec.channel == ServerChannel::kAuction;
  return {.bucket = auction ? hetzner::kAuctionBucket : hetzner::kStandardBucket,
          .priority = kChange,
          .kind = CallKind::kOrder,
          .route = Cat("POST ", ChannelPath(spec.channel), "/transaction"),
          .path = Cat(ChannelPath(spec.channel), "/transaction"),
          .form = std::move(form)};
}
Call RescueCallOf(const ServerNumber& number, const std::string& key_fingerprint) {
  Call call = BootCall("POST", CallKind::kWrite, number, "rescue");
  call.form = {{"os", "linux"}, {"authorized_key[]", key_fingerprint}};
  return call;
}
Call ResetCallOf(const ServerNumber& number, ResetKind kind) {
  return {.bucket = hetzner::kResetBucket,
          .priority = kChange,
          .kind = CallKind::kWrite,
          .route = "POST reset/{id}",
          .path = Cat("reset/", number.str()),
          .form = {{"type", std::string(ResetKindName(kind))}}};
}
// Reading it is a part of cancelling: nobody polls it.
Call ReadCancellationCallOf(const ServerNumber& number) {
  Call call = ServerCall("GET", CallKind::kRead, number, "/cancellation");
  call.priority = CallPriority::kDestroy;
  return call;
}
Call CancelCallOf(const ServerNumber& number, const std::string& date, const std::string& reason) {
  Call call = ServerCall("POST", CallKind::kWrite, number, "/cancellation");
  call.priority = CallPriority::kDestroy;
  // Where the question is put, an answer is mandatory; where not, "false" alone is allowed.
  call.form = {{"cancellation_date", date}, {"reserve_location", "false"}};
  if (!reason.empty()) call.form.emplace_back("cancellation_reason", reason);
  return call;
}
Call RevokeCallOf(const ServerNumber& number) {
  Call call = ServerCall("DELETE", CallKind::kWrite, number, "/cancellation");
  call.priority = CallPriority::kDestroy;
  return call;
}

class HetznerProvider final : public ServerProvider {
 public:
  HetznerProvider(HetznerOptions options, Runtime& rt, HttpClient& http, RateLimiter& limiter,
                  Secrets& secrets)
      : options_(std::move(options)), client_(options_, rt, http, limiter, secrets) {
    while (absl::EndsWith(options_.base_url, "/")) options_.base_url.pop_back();
  }

  const ProviderName& name() const override { return options_.name; }
  Task<StatusOr<std::vector<ServerOffer>>> SearchServers(ServerChannel channel,
                                                         absl::Time deadline) override;
  Task<StatusOr<std::optional<ServerOffer>>> GetServerOffer(ServerChannel channel, OfferId id,
                                                            absl::Time deadline) override;
  Task<Status> StoreKey(std::string name, std::string public_key, absl::Time deadline) override;
  Task<Status> DeleteKey(std::string fingerprint, absl::Time deadline) override;
  Task<StatusOr<ServerOrder>> OrderServer(ServerOrderSpec spec, absl::Time deadline) override;
  Task<StatusOr<std::vector<ServerOrder>>> ListOrders(absl::Time deadline) override;
  Task<StatusOr<std::optional<ServerOrder>>> GetOrder(ServerChannel channel, OrderId id,
                                                      absl::Time deadline) override;
  Task<StatusOr<std::vector<Server>>> ListServers(absl::Time deadline) override;
  Task<StatusOr<std::optional<Server>>> GetServer(ServerNumber number,
                                                  absl::Time deadline) override;
  Task<Status> RenameServer(ServerNumber number, std::string name, absl::Time deadline) override;
  Task<StatusOr<RescueSetting>> GetRescue(ServerNumber number, absl::Time deadline) override;
  Task<Status> ActivateRescue(ServerNumber number, std::string key_fingerprint,
                              absl::Time deadline) override;
  Task<Status> DeactivateRescue(ServerNumber number, absl::Time deadline) override;
  Task<StatusOr<RescueBoot>> LastRescue(ServerNumber number, absl::Time deadline) override;
  Task<StatusOr<std::vector<ResetKind>>> ResetKinds(ServerNumber number,
                                                    absl::Time deadline) override;
  Task<Status> Reset(ServerNumber number, ResetKind kind, absl::Time deadline) override;
  Task<StatusOr<Cancellation>> GetCancellation(ServerNumber number, absl::Time deadline) override;
  Task<Status> CancelServer(ServerNumber number, std::string date, std::string reason,
                            absl::Time deadline) override;
  Task<Status> RevokeCancellation(ServerNumber number, absl::Time deadline) override;
  std::string OrderCall(const ServerOrderSpec& spec) const override;
  std::string RescueCall(const ServerNumber& number,
                         const std::string& key_fingerprint) const override;
  std::string ResetCall(const ServerNumber& number, ResetKind kind) const override;
  std::string CancelCall(const ServerNumber& number, const std::string& date) const override;
  std::string RevokeCall(const ServerNumber& number) const override;
  int OrdersPerDay() const override { return hetzner::kOrdersPerDay; }

 private:
  // A write whose answer must be an object of `kind`; anything else that looks good is kMalformed.
  Task<Status> Write(Call call, std::string kind, absl::Time deadline);
  // What prices are in; asked once.
  Task<StatusOr<std::string>> Currency(absl::Time deadline);
  Task<StatusOr<std::vector<ServerOrder>>> ListChannel(ServerChannel channel, absl::Time deadline);
  void MaskIn(Server& server) const;

  HetznerOptions options_;
  hetzner::Client client_;
  std::string currency_;
};

Task<Status> HetznerProvider::Write(Call call, std::string kind, absl::Time deadline) {
  const std::string route = call.route;
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (!body.ok()) co_return body.status();
  if (!hetzner::IsWrapped(*body, kind)) {
    co_return hetzner::Nonsense(Cat(route, ": no ", kind, " in the answer"), *body);
  }
  co_return absl::OkStatus();
}

// ---- market -----------------------------------------------------------------------------------

Task<StatusOr<std::string>> HetznerProvider::Currency(absl::Time deadline) {
  if (!currency_.empty()) co_return currency_;
  Call call{.bucket = hetzner::kReadBucket,
            .priority = kChange,  // an order may wait for it
            .route = "GET order/currency",
            .path = "order/currency"};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (!body.ok()) co_return body.status();
  CO_ASSIGN_OR_RETURN(currency_, hetzner::ParseCurrency(*body));
  co_return currency_;
}

Task<StatusOr<std::vector<ServerOffer>>> HetznerProvider::SearchServers(ServerChannel channel,
                                                                        absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(const std::string currency, co_await Currency(deadline));
  Call call{.bucket = hetzner::kReadBucket,
            .priority = CallPriority::kSearch,
            .route = Cat("GET ", ChannelPath(channel), "/product"),
            .path = Cat(ChannelPath(channel), "/product")};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::vector<ServerOffer>();
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseProducts(channel, *body, {currency, client_.Now()});
}

Task<StatusOr<std::optional<ServerOffer>>> HetznerProvider::GetServerOffer(ServerChannel channel,
                                                                           OfferId id,
                                                                           absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(const hetzner::OfferName wanted, hetzner::ReadOfferId(channel, id));
  CO_ASSIGN_OR_RETURN(const std::string currency, co_await Currency(deadline));
  Call call{.bucket = hetzner::kReadBucket,
            .priority = kChange,
            .route = Cat("GET ", ChannelPath(channel), "/product/{id}"),
            .path = Cat(ChannelPath(channel), "/product/", wanted.product)};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::optional<ServerOffer>();
  if (!body.ok()) co_return body.status();
  CO_ASSIGN_OR_RETURN(std::vector<ServerOffer> offers,
                      hetzner::ParseProduct(channel, *body, {currency, client_.Now()}));
  std::erase_if(offers, [&](const ServerOffer& offer) {
    const StatusOr<hetzner::OfferName> name = hetzner::ReadOfferId(channel, offer.id);
    return !name.ok() || name->product != wanted.product ||
           (!wanted.location.empty() && name->location != wanted.location);
  });
  if (offers.empty()) co_return std::optional<ServerOffer>();
  co_return *std::min_element(offers.begin(), offers.end(), [](const auto& a, const auto& b) {
    return a.price.month.micros < b.price.month.micros;
  });
}

// ---- keys -------------------------------------------------------------------------------------

Task<Status> HetznerProvider::StoreKey(std::string name, std::string public_key,
                                       absl::Time deadline) {
  Call call{.bucket = hetzner::kKeyBucket,
            .priority = kChange,
            .kind = CallKind::kWrite,
            .route = "POST key",
            .path = "key",
            .form = {{"name", name}, {"data", public_key}}};
  const Status stored = co_await Write(std::move(call), "key", deadline);
  if (TroubleOf(stored) != Trouble::kConflict) co_return stored;
  // It exists already: ours, from a call whose answer was lost?
  Call list{.bucket = hetzner::kReadBucket, .priority = kChange, .route = "GET key", .path = "key"};
  const StatusOr<std::string> body = co_await client_.Send(std::move(list), deadline);
  if (!body.ok()) co_return TroubleOf(body.status()) == Trouble::kNotFound ? stored : body.status();
  CO_ASSIGN_OR_RETURN(const bool held, hetzner::ListHoldsKey(*body, public_key));
  co_return held ? absl::OkStatus() : stored;
}

Task<Status> HetznerProvider::DeleteKey(std::string fingerprint, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckFingerprint(fingerprint));
  Call call{.bucket = hetzner::kKeyBucket,
            .priority = kChange,
            .kind = CallKind::kWrite,
            .route = "DELETE key/{id}",
            .path = Cat("key/", fingerprint)};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return absl::OkStatus();
  co_return body.status();
}

// ---- orders -----------------------------------------------------------------------------------

Task<StatusOr<ServerOrder>> HetznerProvider::OrderServer(ServerOrderSpec spec,
                                                         absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckFingerprint(spec.key_fingerprint));
  CO_ASSIGN_OR_RETURN(auto form, hetzner::OrderForm(spec));
  const StatusOr<std::string> body =
      co_await client_.Send(OrderCallOf(spec, std::move(form)), deadline);
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseOrder(spec.channel, *body);
}

Task<StatusOr<std::vector<ServerOrder>>> HetznerProvider::ListChannel(ServerChannel channel,
                                                                      absl::Time deadline) {
  Call call{.bucket = hetzner::kReadBucket,
            .priority = kChange,
            .route = Cat("GET ", ChannelPath(channel), "/transaction"),
            .path = Cat(ChannelPath(channel), "/transaction")};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::vector<ServerOrder>();
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseOrders(channel, *body);
}

Task<StatusOr<std::vector<ServerOrder>>> HetznerProvider::ListOrders(absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(std::vector<ServerOrder> orders,
                      co_await ListChannel(ServerChannel::kAuction, deadline));
  CO_ASSIGN_OR_RETURN(const std::vector<ServerOrder> standard,
                      co_await ListChannel(ServerChannel::kStandard, deadline));
  orders.insert(orders.end(), standard.begin(), standard.end());
  co_return orders;
}

Task<StatusOr<std::optional<ServerOrder>>> HetznerProvider::GetOrder(ServerChannel channel,
                                                                     OrderId id,
                                                                     absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckOrder(id));
  Call call{.bucket = hetzner::kReadBucket,
            .route = Cat("GET ", ChannelPath(channel), "/transaction/{id}"),
            .path = Cat(ChannelPath(channel), "/transaction/", id.str())};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::optional<ServerOrder>();
  if (!body.ok()) co_return body.status();
  CO_ASSIGN_OR_RETURN(ServerOrder order, hetzner::ParseOrder(channel, *body));
  if (order.id != id) co_return hetzner::Nonsense("another transaction than was asked for", *body);
  co_return std::optional<ServerOrder>(std::move(order));
}

// ---- servers ----------------------------------------------------------------------------------

// People name servers, and paste.
void HetznerProvider::MaskIn(Server& server) const { server.name = client_.Masked(server.name); }

Task<StatusOr<std::vector<Server>>> HetznerProvider::ListServers(absl::Time deadline) {
  Call call{.bucket = hetzner::kServerBucket, .route = "GET server", .path = "server"};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::vector<Server>();
  if (!body.ok()) co_return body.status();
  CO_ASSIGN_OR_RETURN(std::vector<Server> servers, hetzner::ParseServers(*body));
  for (Server& server : servers) MaskIn(server);
  co_return servers;
}

Task<StatusOr<std::optional<Server>>> HetznerProvider::GetServer(ServerNumber number,
                                                                 absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  const StatusOr<std::string> body =
      co_await client_.Send(ServerCall("GET", CallKind::kRead, number), deadline);
  if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::optional<Server>();
  if (!body.ok()) co_return body.status();
  CO_ASSIGN_OR_RETURN(Server server, hetzner::ParseServer(*body));
  if (server.number != number) co_return hetzner::Nonsense("another server's answer", *body);
  MaskIn(server);
  co_return std::optional<Server>(std::move(server));
}

Task<Status> HetznerProvider::RenameServer(ServerNumber number, std::string name,
                                           absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  Call call = ServerCall("POST", CallKind::kWrite, number);
  call.form = {{"server_name", name}};
  co_return co_await Write(std::move(call), "server", deadline);
}

// ---- boot -------------------------------------------------------------------------------------

Task<StatusOr<RescueSetting>> HetznerProvider::GetRescue(ServerNumber number, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  const StatusOr<std::string> body =
      co_await client_.Send(BootCall("GET", CallKind::kRead, number, "rescue"), deadline);
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseRescue(*body);
}

Task<Status> HetznerProvider::ActivateRescue(ServerNumber number, std::string key_fingerprint,
                                             absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  CO_RETURN_IF_ERROR(CheckFingerprint(key_fingerprint));
  co_return co_await Write(RescueCallOf(number, key_fingerprint), "rescue", deadline);
}

Task<Status> HetznerProvider::DeactivateRescue(ServerNumber number, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  Call call = BootCall("DELETE", CallKind::kWrite, number, "rescue");
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  co_return body.status();
}

Task<StatusOr<RescueBoot>> HetznerProvider::LastRescue(ServerNumber number, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  const StatusOr<std::string> body =
      co_await client_.Send(BootCall("GET", CallKind::kRead, number, "rescue/last"), deadline);
  // The server is known and has no last rescue.
  if (hetzner::ErrorCode(body.status()) == "NOT_FOUND") co_return RescueBoot{};
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseLastRescue(*body);
}

Task<StatusOr<std::vector<ResetKind>>> HetznerProvider::ResetKinds(ServerNumber number,
                                                                   absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  Call call{.bucket = hetzner::kReadBucket,
            .priority = kChange,
            .route = "GET reset/{id}",
            .path = Cat("reset/", number.str())};
  const StatusOr<std::string> body = co_await client_.Send(std::move(call), deadline);
  if (hetzner::ErrorCode(body.status()) == "RESET_NOT_AVAILABLE") {
    co_return std::vector<ResetKind>();
  }
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseResetKinds(*body);
}

Task<Status> HetznerProvider::Reset(ServerNumber number, ResetKind kind, absl::Time deadline) {
  MUSTER_CHECK(kind != ResetKind::kManual);
  CO_RETURN_IF_ERROR(CheckNumber(number));
  co_return co_await Write(ResetCallOf(number, kind), "reset", deadline);
}

// ---- cancellation -----------------------------------------------------------------------------

Task<StatusOr<Cancellation>> HetznerProvider::GetCancellation(ServerNumber number,
                                                              absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  const StatusOr<std::string> body =
      co_await client_.Send(ReadCancellationCallOf(number), deadline);
  if (!body.ok()) co_return body.status();
  co_return hetzner::ParseCancellation(*body);
}

Task<Status> HetznerProvider::CancelServer(ServerNumber number, std::string date,
                                           std::string reason, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  co_return co_await Write(CancelCallOf(number, date, reason), "cancellation", deadline);
}

Task<Status> HetznerProvider::RevokeCancellation(ServerNumber number, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckNumber(number));
  const StatusOr<std::string> body = co_await client_.Send(RevokeCallOf(number), deadline);
  co_return body.status();
}

// ---- shown --------------------------------------------------------------------------------------

std::string HetznerProvider::OrderCall(const ServerOrderSpec& spec) const {
  ServerOrderSpec shown = spec;
  if (shown.key_fingerprint.empty()) shown.key_fingerprint = "(a key made for this order)";
  const auto form = hetzner::OrderForm(shown);
  if (!form.ok()) return std::string(Message(form.status()));
  return Shown(OrderCallOf(shown, *form));
}

std::string HetznerProvider::RescueCall(const ServerNumber& number,
                                        const std::string& key_fingerprint) const {
  return Shown(RescueCallOf(number, key_fingerprint));
}

std::string HetznerProvider::ResetCall(const ServerNumber& number, ResetKind kind) const {
  return Shown(ResetCallOf(number, kind));
}

std::string HetznerProvider::CancelCall(const ServerNumber& number, const std::string& date) const {
  return Shown(CancelCallOf(number, date, ""));
}

std::string HetznerProvider::RevokeCall(const ServerNumber& number) const {
  return Shown(RevokeCallOf(number));
}

}  // namespace

std::unique_ptr<ServerProvider> MakeHetznerProvider(HetznerOptions options, Runtime& rt,
                                                    HttpClient& http, RateLimiter& limiter,
                                                    Secrets& secrets) {
  return std::make_unique<HetznerProvider>(std::move(options), rt, http, limiter, secrets);
}

}  // namespace muster
