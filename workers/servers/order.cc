#include "workers/servers/order.h"

#include <algorithm>
#include <utility>

#include "commands/server/offers.h"
#include "eventstore/base/canary.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

using Reason = eventpb::ServerOrderRefused;
using server::ChannelOf;
using server::OrderPhase;

bool InPhase(const ServerContext& context, const ServerId& id, OrderPhase phase) {
  const server::State* state = context.Find(id);
  return state != nullptr && !state->ended_already() && state->order_phase == phase;
}
bool Ordering(const ServerContext& context, const ServerId& id) {
  return InPhase(context, id, OrderPhase::kRequested) || InPhase(context, id, OrderPhase::kUnclear);
}

// The reason behind a clear no; REASON_UNSPECIFIED when nobody can say whether it was bought.
Reason::Reason ReasonOf(Trouble trouble) {
  switch (trouble) {
    case Trouble::kThrottled:
      return Reason::QUOTA;
    case Trouble::kOfferGone:
      return Reason::OFFER_GONE;
    case Trouble::kAuth:
    case Trouble::kForbidden:
    case Trouble::kNoCredit:
      return Reason::FORBIDDEN;
    case Trouble::kRejected:
      return Reason::REJECTED;
    case Trouble::kUnavailable:
      return Reason::UNAVAILABLE;
    case Trouble::kNone:
    case Trouble::kNotFound:
    case Trouble::kConflict:
    case Trouble::kUnclear:
    case Trouble::kMalformed:
      break;
  }
  return Reason::REASON_UNSPECIFIED;
}

struct Refusal {
  Reason::Reason reason = Reason::REASON_UNSPECIFIED;
  std::string detail;
};

// Whether the offer still is what was agreed to. Nothing was sent yet, so every answer is clear.
Task<std::optional<Refusal>> CheckOffer(ServerContext& context, eventpb::ServerOfferTaken agreed) {
  const StatusOr<std::optional<ServerOffer>> now = co_await context.ports.provider.GetServerOffer(
      ChannelOf(agreed), OfferId(agreed.offer()), context.CallDeadline());
  context.reporter.Report("search", now.status());
  if (!now.ok()) co_return Refusal{Reason::UNAVAILABLE, std::string(Message(now.status()))};
  if (!now->has_value()) co_return Refusal{Reason::OFFER_GONE, "it is not listed any more"};
  const ServerPrice asked = server::PriceWith(**now, agreed.ipv4());
  const std::int64_t month = asked.month.micros, setup = asked.setup.micros;
  const eventpb::ServerPriceTaken& price = agreed.price();
  const auto money = [&](std::int64_t micros) { return FormatMoney({micros, price.currency()}); };
  if (asked.month.currency != price.currency()) {
    co_return Refusal{Reason::PRICE_ROSE, Cat("it is sold in ", asked.month.currency, " now")};
  }
  if (month > price.micros_per_month()) {
    co_return Refusal{Reason::PRICE_ROSE,
                      Cat(money(month), " a month, agreed were ", money(price.micros_per_month()))};
  }
  if (setup > price.setup_micros()) {
    co_return Refusal{Reason::PRICE_ROSE,
                      Cat("setup ", money(setup), ", agreed were ", money(price.setup_micros()))};
  }
  co_return std::nullopt;
}

// What has to be so before the order may be sent. nullopt = all of it is.
Task<std::optional<Refusal>> Prepare(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  const eventpb::ServerOfferTaken agreed = state->offer;
  const std::string name = Cat("muster-", id.str());
  const std::string public_key = state->order_public_key;
  // The key must be at hand before anything is paid for: without it the server cannot be entered.
  const StatusOr<SshKeyPair> kept = context.ports.keys.Get(OrderKeyName(id));
  if (!kept.ok()) co_return Refusal{Reason::REJECTED, std::string(Message(kept.status()))};
  const Status stored =
      co_await context.ports.provider.StoreKey(name, public_key, context.CallDeadline());
  context.reporter.Report("key", stored);
  if (!stored.ok()) {
    const bool refused = TroubleOf(stored) == Trouble::kRejected;
    co_return Refusal{refused ? Reason::REJECTED : Reason::UNAVAILABLE,
                      Cat("its key could not be stored: ", Message(stored))};
  }
  std::optional<Refusal> refusal = co_await CheckOffer(context, agreed);
  co_return refusal;
}

// One look through all orders. nullopt: they could not be read, which says nothing.
Task<std::optional<OrderId>> LookUp(ServerContext& context, ServerId id) {
  const StatusOr<std::vector<ServerOrder>> orders =
      co_await context.ports.provider.ListOrders(context.CallDeadline());
  context.reporter.Report("orders", orders.status());
  const server::State* state = context.Find(id);
  if (!orders.ok() || state == nullptr) co_return std::nullopt;
  const ServerOrder* order = FindOrder(*state, *orders);
  co_return order == nullptr ? OrderId() : order->id;
}

Task<void> Settle(ServerContext& context, ServerId id, std::string cause) {
  const server::State* state = context.Find(id);
  const absl::Duration settle =
      context.Timer(*state, &specpb::ServerTimers::order_settle_s, context.options.order_settle);
  const absl::Duration every = context.Poll(*state);
  const absl::Time begun = context.ports.rt.Steady();
  for (int lookups = 0;;) {
    const std::optional<OrderId> found = co_await LookUp(context, id);
    if (!InPhase(context, id, OrderPhase::kUnclear)) co_return;
    if (found.has_value() && !found->empty()) {
      server::OrderAnswered answered{*found, eventpb::ServerOrderAccepted::LOOKUP};
      (void)co_await context.Tell(id, std::move(answered), cause);
      co_return;
    }
    if (found.has_value()) ++lookups;
    const absl::Duration waited = context.ports.rt.Steady() - begun;
    if (found.has_value() && waited >= settle && lookups >= context.options.settle_lookups_min) {
      const eventpb::ServerOfferTaken offer = context.Find(id)->offer;
      const StatusOr<std::optional<ServerOffer>> now =
          co_await context.ports.provider.GetServerOffer(ChannelOf(offer), OfferId(offer.offer()),
                                                         context.CallDeadline());
      if (now.ok()) {
        const server::OrderSettledAbsent absent{lookups, waited, now->has_value()};
        (void)co_await context.Tell(id, absent, cause);
        co_return;
      }
    }
    const bool going = co_await context.group.Sleep(every);
    if (!going) co_return;
  }
}

Task<void> Lost(ServerContext& context, ServerId id, std::string detail, std::string cause) {
  server::OrderLost lost{std::move(detail)};
  (void)co_await context.Tell(id, std::move(lost), cause);
  if (!InPhase(context, id, OrderPhase::kUnclear)) co_return;
  co_await Settle(context, id, cause);
}

// ---- delivery ---------------------------------------------------------------------------------

Task<void> SayOverdue(ServerContext& context, ServerId id, absl::Duration waited, bool operators) {
  server::Overdue overdue;
  const server::State* state = context.Find(id);
  overdue.overdue.set_what("delivery");
  overdue.overdue.set_waited_s(absl::ToInt64Seconds(waited));
  overdue.overdue.set_needs_operator(operators);
  overdue.overdue.set_next(operators ? Cat("ask the provider about order ", state->order.str(),
                                           "; muster goes on looking")
                                     : std::string("wait: muster goes on looking"));
  (void)co_await context.Tell(id, std::move(overdue));
}

Task<void> WatchTheClock(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  const absl::Duration waited = context.Now() - state->order_requested.at;
  const absl::Duration warn =
      context.Timer(*state, &specpb::ServerTimers::delivery_warn_s, context.options.delivery_warn);
  const absl::Duration decide = context.Timer(*state, &specpb::ServerTimers::delivery_operator_s,
                                              context.options.delivery_operator);
  if (waited < warn) co_return;
  co_await SayOverdue(context, id, waited, waited >= decide);
}

// The server's addresses, once the provider shows it. False: not yet.
Task<bool> TakeOver(ServerContext& context, ServerId id, ServerOrder order) {
  const StatusOr<std::optional<Server>> server =
      co_await context.ports.provider.GetServer(order.server, context.CallDeadline());
  context.reporter.Report("server", server.status());
  if (!server.ok() || !server->has_value()) co_return false;
  server::Deliver deliver;
  deliver.delivered.set_server(order.server.str());
  deliver.delivered.set_ipv4((*server)->ipv4);
  deliver.delivered.set_ipv6_net((*server)->ipv6_net);
  for (const HostKeyFingerprint& key : order.host_keys) {
    eventpb::HostKey* pinned = deliver.delivered.add_host_keys();
    pinned->set_type(key.type);
    pinned->set_sha256(key.sha256);
  }
  const std::string name = context.Find(id)->name.str();
  const Status told = co_await context.Tell(id, std::move(deliver));
  if (!told.ok()) co_return false;
  // The only mark that a server can carry. Without it everything works as well.
  const Status named =
      co_await context.ports.provider.RenameServer(order.server, name, context.CallDeadline());
  context.reporter.Report("server", named);
  co_return true;
}

}  // namespace

Task<void> PlaceOrder(ServerContext& context, ServerId id, std::string cause) {
  if (!InPhase(context, id, OrderPhase::kRequested)) co_return;
  std::optional<Refusal> refusal = co_await Prepare(context, id);
  if (!InPhase(context, id, OrderPhase::kRequested)) co_return;
  if (refusal.has_value()) {
    server::OrderRefused refused{refusal->reason, std::move(refusal->detail)};
    (void)co_await context.Tell(id, std::move(refused), cause);
    co_return;
  }
  const server::State* state = context.Find(id);
  const eventpb::ServerOfferTaken& offer = state->offer;
  ServerOrderSpec spec{.offer = OfferId(offer.offer()),
                       .channel = ChannelOf(offer),
                       .key_fingerprint = state->order_key_md5,
                       .ipv4 = offer.ipv4(),
                       .location = state->spec.market().location(),
                       .test = false};
  const absl::Time deadline = context.Now() + context.options.order_timeout;
  const StatusOr<ServerOrder> ordered =
      co_await context.ports.provider.OrderServer(std::move(spec), deadline);
  context.reporter.Report("order", ordered.status());
  if (ordered.ok()) {
    server::OrderAnswered answered{ordered->id, eventpb::ServerOrderAccepted::ANSWER};
    (void)co_await context.Tell(id, std::move(answered), cause);
    co_return;
  }
  std::string detail(Message(ordered.status()));
  Reason::Reason reason = ReasonOf(TroubleOf(ordered.status()));
  if (MUSTER_CANARY("server-lost-is-refused")) reason = Reason::UNAVAILABLE;
  if (reason == Reason::REASON_UNSPECIFIED) {
    co_await Lost(context, id, std::move(detail), cause);
    co_return;
  }
  server::OrderRefused refused{reason, std::move(detail)};
  (void)co_await context.Tell(id, std::move(refused), cause);
}

Task<void> ResumeOrder(ServerContext& context, ServerId id) {
  if (!Ordering(context, id)) co_return;
  if (MUSTER_CANARY("server-restart-orders-again") &&
      InPhase(context, id, OrderPhase::kRequested)) {
    co_await PlaceOrder(context, id, "");
    co_return;
  }
  co_await Lost(context, id, "muster was restarted before the answer was recorded", "");
}

Task<void> AwaitDelivery(ServerContext& context, ServerId id) {
  while (InPhase(context, id, OrderPhase::kAccepted)) {
    const server::State* state = context.Find(id);
    const ServerChannel channel = ChannelOf(state->offer);
    const OrderId order = state->order;
    const absl::Duration every = context.Poll(*state);
    const StatusOr<std::optional<ServerOrder>> seen =
        co_await context.ports.provider.GetOrder(channel, order, context.CallDeadline());
    context.reporter.Report("order", seen.status());
    if (!InPhase(context, id, OrderPhase::kAccepted)) co_return;
    if (seen.ok() && seen->has_value()) {
      if ((*seen)->state == ServerOrder::State::kCancelled) {
        server::OrderRefused refused{Reason::CANCELLED, "the provider gave the order up"};
        (void)co_await context.Tell(id, std::move(refused));
        co_return;
      }
      if ((*seen)->state == ServerOrder::State::kReady && !(*seen)->server.empty()) {
        const bool taken = co_await TakeOver(context, id, **seen);
        if (taken) co_return;
      }
    }
    co_await WatchTheClock(context, id);
    const bool going = co_await context.group.Sleep(every);
    if (!going) co_return;
  }
}

const ServerOrder* FindOrder(const server::State& state, const std::vector<ServerOrder>& orders) {
  for (const ServerOrder& order : orders) {
    const auto& keys = order.key_fingerprints;
    if (std::find(keys.begin(), keys.end(), state.order_key_md5) != keys.end()) return &order;
  }
  return nullptr;
}

}  // namespace muster
