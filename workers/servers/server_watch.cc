#include "workers/servers/server_watch.h"

#include <algorithm>
#include <utility>

#include "workers/servers/order.h"

namespace muster {
namespace {

using server::OrderPhase;

const Server* FindIn(const std::vector<Server>& list, const ServerNumber& number) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const Server& server) { return server.number == number; });
  return found == list.end() ? nullptr : &*found;
}

eventpb::ServerObserved SeenIn(const std::vector<Server>& list, const ServerNumber& number) {
  eventpb::ServerObserved seen;
  if (const Server* server = FindIn(list, number)) {
    seen.set_listed(true);
    seen.set_cancelled(server->cancelled);
    seen.set_paid_until(server->paid_until);
    seen.set_state(server->state_raw);
  }
  return seen;
}

bool Ours(const ProviderName& provider, const server::State& state) {
  return state.provider == provider && !state.ended_already();
}

}  // namespace

absl::Duration ServerWatch::Interval() const {
  for (const auto& [id, state] : context_.world().servers) {
    if (!Ours(context_.provider(), state)) continue;
    if (state.Leaving() || state.absent_lists > 0) return context_.options.list_hurried;
  }
  return context_.options.list_every;
}

Task<void> ServerWatch::Run() {
  while (true) {
    co_await Look();
    const bool going = co_await context_.group.Sleep(Interval());
    if (!going) co_return;
  }
}

Task<void> ServerWatch::Look() {
  Task<StatusOr<std::vector<Server>>> call =
      context_.ports.provider.ListServers(context_.CallDeadline());
  const StatusOr<std::vector<Server>> list = co_await context_.group.Away(std::move(call));
  if (context_.group.stopping()) co_return;
  context_.reporter.Report("servers", list.status());
  if (!list.ok()) co_return;
  co_await Tell(*list);
  co_await TellStrays(*list);
  co_await LookForOrders();
}

Task<void> ServerWatch::Tell(const std::vector<Server>& list) {
  std::vector<ServerId> ours;
  for (const auto& [id, state] : context_.world().servers) {
    if (Ours(context_.provider(), state) && !state.number.empty()) {
      ours.push_back(id);
    }
  }
  for (const ServerId& id : ours) {
    const server::State* state = context_.Find(id);
    if (state == nullptr || state->ended_already()) continue;
    server::ObserveServer observe{SeenIn(list, state->number)};
    const bool fresh = context_.Now() < state->delivered.at + context_.options.list_lag;
    if (!observe.seen.listed() && fresh) continue;
    const Status told = co_await context_.Tell(id, std::move(observe));
    if (!told.ok()) continue;
    state = context_.Find(id);
    if (state == nullptr || state->absent_lists < 2) continue;
    server::ConfirmGone gone{Cat(state->absent_lists, " complete lists")};
    (void)co_await context_.Tell(id, std::move(gone));
  }
}

Task<void> ServerWatch::TellStrays(const std::vector<Server>& list) {
  std::vector<eventpb::StrayServerFound> strays;
  for (const Server& server : list) {
    const auto& known = context_.world().servers;
    const bool ours = std::any_of(known.begin(), known.end(), [&](const auto& entry) {
      return entry.second.provider == context_.provider() && entry.second.number == server.number;
    });
    if (ours) continue;
    eventpb::StrayServerFound& stray = strays.emplace_back();
    stray.set_server(server.number.str());
    stray.set_name(server.name);
    stray.set_product(server.product);
    stray.set_paid_until(server.paid_until);
  }
  // An order under way may be the one behind it: not before that is settled.
  const auto& servers = context_.world().servers;
  const bool ordering = std::any_of(servers.begin(), servers.end(), [&](const auto& entry) {
    const OrderPhase phase = entry.second.order_phase;
    return entry.second.provider == context_.provider() && !entry.second.ended_already() &&
           (phase == OrderPhase::kRequested || phase == OrderPhase::kUnclear ||
            phase == OrderPhase::kAccepted);
  });
  if (strays.empty() || ordering) co_return;
  account::NoteStrayServers note{std::move(strays)};
  Origin origin{.actor = "poller:servers"};
  (void)co_await context_.ports.handler.Account(context_.provider(), std::move(note), origin);
}

// An order in doubt may turn up late; until somebody settles it, it is looked for.
Task<void> ServerWatch::LookForOrders() {
  std::vector<ServerId> doubtful;
  for (const auto& [id, state] : context_.world().servers) {
    if (!Ours(context_.provider(), state)) continue;
    if (state.order_phase == OrderPhase::kInDoubt) doubtful.push_back(id);
  }
  if (doubtful.empty()) co_return;
  const StatusOr<std::vector<ServerOrder>> orders =
      co_await context_.ports.provider.ListOrders(context_.CallDeadline());
  context_.reporter.Report("orders", orders.status());
  if (!orders.ok() || context_.group.stopping()) co_return;
  for (const ServerId& id : doubtful) {
    const server::State* state = context_.Find(id);
    const ServerOrder* order = state == nullptr ? nullptr : FindOrder(*state, *orders);
    if (order == nullptr) continue;
    server::OrderAnswered answered{order->id, eventpb::ServerOrderAccepted::LOOKUP};
    (void)co_await context_.Tell(id, std::move(answered));
  }
}

}  // namespace muster
