#include "services/grpc/server_bills.h"

#include <algorithm>
#include <map>
#include <utility>

#include "commands/server/commands.h"
#include "services/grpc/convert.h"

namespace muster::grpc_api {
namespace {

api::ServerBill BillOf(const server::State& state, absl::Time now) {
  api::ServerBill bill;
  bill.set_server(state.name.str());
  bill.set_id(state.id.str());
  bill.set_provider(state.provider.str());
  bill.set_number(state.number.str());
  bill.set_state(server::StateText(state));
  const Money spent = server::Spent(state, now);
  bill.set_currency(spent.currency);
  bill.set_micros_per_month(state.offer.price().micros_per_month());
  bill.set_micros_per_hour(state.offer.price().micros_per_hour());
  bill.set_spent_micros(spent.micros);
  if (state.delivered.seen()) *bill.mutable_since() = ToTimestamp(state.delivered.at);
  bill.set_ends(state.cancel_set);
  bill.set_position(state.order_requested.position);
  bill.set_intent(std::string(TypeName(eventpb::EventBody::kServerOrderRequested)));
  bill.set_paid_until(state.seen.paid_until());
  return bill;
}

bool IsOurs(const World& world, const ProviderName& provider, const ServerNumber& number) {
  return std::any_of(world.servers.begin(), world.servers.end(), [&](const auto& entry) {
    return entry.second.provider == provider && entry.second.number == number;
  });
}

std::size_t OrdersUnderWay(const World& world, const ProviderName& provider) {
  using server::OrderPhase;
  return static_cast<std::size_t>(
      std::count_if(world.servers.begin(), world.servers.end(), [&](const auto& entry) {
        const server::State& state = entry.second;
        return state.provider == provider && !state.ended_already() &&
               (state.order_phase == OrderPhase::kRequested ||
                state.order_phase == OrderPhase::kUnclear ||
                state.order_phase == OrderPhase::kAccepted);
      }));
}

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string Month(const server::State& state) {
  const eventpb::ServerPriceTaken& price = state.offer.price();
  return price.micros_per_month() == 0
             ? ""
             : Cat(FormatMoney({price.micros_per_month(), price.currency()}), " a month");
}

Fields FieldsOf(const server::State& state, absl::Time now) {
  const bool paid = state.delivered.seen();
  return {{"state", server::StateText(state)},
          {"price", state.MayCost() ? Month(state) : ""},
          {"spent", paid ? FormatMoney(server::Spent(state, now)) : ""},
          {"number", state.number.str()},
          {"order", state.order.str()},
          {"cancelled for", state.cancel_set},
          {"health", !state.vitals_at.seen()  ? ""
                     : state.vitals.reached() ? "answers"
                                              : "does not answer"},
          {"last build", state.last_build},
          {"next", server::NextText(state)}};
}

// The newest of each name, as people speak of them.
std::map<std::string, const server::State*> ByName(const World& world) {
  std::map<std::string, const server::State*> newest;
  for (const auto& [id, state] : world.servers) {
    const server::State*& known = newest[state.name.str()];
    if (known == nullptr || known->planned.position < state.planned.position) known = &state;
  }
  return newest;
}

}  // namespace

std::vector<api::ServerBill> ServerBills(const World& world, BillsOf which,
                                         const ProviderName& provider, absl::Time now) {
  std::vector<api::ServerBill> bills;
  for (const auto& [id, state] : world.servers) {
    if (!provider.empty() && state.provider != provider) continue;
    const bool ever = which == BillsOf::kEverOrdered && state.delivered.seen();
    if (ever || state.MayCost()) bills.push_back(BillOf(state, now));
  }
  std::sort(bills.begin(), bills.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.server(), a.position()) < std::make_pair(b.server(), b.position());
  });
  return bills;
}

std::vector<api::ServerBill> StrayBills(const World& world, const ProviderName& provider,
                                        const std::vector<Server>& list) {
  std::vector<api::ServerBill> bills;
  for (const Server& server : list) {
    if (IsOurs(world, provider, server.number)) continue;
    api::ServerBill& bill = bills.emplace_back();
    bill.set_server(server.name);
    bill.set_provider(provider.str());
    bill.set_number(server.number.str());
    bill.set_state(server.product);
    bill.set_paid_until(server.paid_until);
  }
  // One that was delivered just now has no number in the log yet.
  if (bills.size() <= OrdersUnderWay(world, provider)) {
    for (api::ServerBill& bill : bills) bill.set_intent("an order under way");
  }
  return bills;
}

std::vector<api::ServerBill> RecordedStrayBills(const World& world, const ProviderName& provider) {
  std::vector<api::ServerBill> bills;
  const account::State* account = world.FindAccount(provider);
  if (account == nullptr) return bills;
  for (const auto& [number, found] : account->stray_servers) {
    if (IsOurs(world, provider, number)) continue;
    api::ServerBill& bill = bills.emplace_back();
    bill.set_provider(provider.str());
    bill.set_number(number.str());
    bill.set_state(Cat("found by the list of ", FormatUtc(found.at)));
  }
  return bills;
}

std::vector<queries::Change> DiffServers(const World& from, absl::Time from_now, const World& to,
                                         absl::Time to_now) {
  const auto before = ByName(from), after = ByName(to);
  std::map<std::string, std::pair<const server::State*, const server::State*>> both;
  for (const auto& [name, state] : before) both[name].first = state;
  for (const auto& [name, state] : after) both[name].second = state;
  std::vector<queries::Change> changes;
  for (const auto& [name, sides] : both) {
    const Fields none;
    const Fields was = sides.first == nullptr ? none : FieldsOf(*sides.first, from_now);
    const Fields is = sides.second == nullptr ? none : FieldsOf(*sides.second, to_now);
    const Fields& names = was.empty() ? is : was;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string a = was.empty() ? "" : was[i].second, b = is.empty() ? "" : is[i].second;
      if (a != b) changes.push_back({Cat("server/", name), names[i].first, a, b});
    }
  }
  return changes;
}

}  // namespace muster::grpc_api
