#include <algorithm>

#include "commands/account/state.h"
#include "eventstore/events/account_events.h"

namespace muster::account {
namespace {

void Begin(State& state, const eventpb::AccountTroubleBegan& e, const Stamp& recorded) {
  state.troubles.push_back({e.kind(), e.endpoint(), e.detail(), recorded});
}
void End(State& state, const eventpb::AccountTroubleEnded& e) {
  std::erase_if(state.troubles,
                [&](const Ongoing& o) { return o.kind == e.kind() && o.endpoint == e.endpoint(); });
}

void See(State& state, const eventpb::OffersObserved& e, const Stamp& recorded) {
  state.offers.clear();
  for (const eventpb::OfferSeen& offer : e.offers()) state.offers.push_back(ToOffer(offer));
  state.offers_found = e.found();
  state.offers_seen = recorded;
}

void Find(State& state, const eventpb::OrphanFound& e, const Stamp& recorded) {
  state.orphans[InstanceId(e.instance())] = {.instance = InstanceId(e.instance()),
                                             .label = e.label(),
                                             .machine = MachineId(e.machine()),
                                             .gpu = GpuName(e.gpu()),
                                             .price = PriceOf(e),
                                             .fleet = FleetName(e.fleet()),
                                             .why = e.why(),
                                             .found = recorded};
}

void List(State& state, const eventpb::InstanceListObserved& e, const Stamp& recorded) {
  for (const std::string& id : e.removed()) state.listed.erase(InstanceId(id));
  for (const std::string& id : e.added()) state.listed.insert(InstanceId(id));
  state.list_seen = recorded;
}

}  // namespace

const Ongoing* State::Find(TroubleKind kind) const {
  for (const Ongoing& trouble : troubles) {
    if (trouble.kind == kind) return &trouble;
  }
  return nullptr;
}

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  // The kinds of other streams are ignored, as everything that makes no sense here.
  if (body.has_credit_observed()) {
    state.credit = CreditOf(body.credit_observed());
    state.balance = BalanceOf(body.credit_observed());
    state.credit_seen = recorded;
  }
  if (body.has_credit_wait_began()) {
    state.credit_wait = true;
    state.credit_wait_detail = body.credit_wait_began().detail();
    state.credit_wait_since = recorded;
    state.last_probe = recorded;  // the call that was refused told as much as a probe
  }
  if (body.has_credit_probed()) state.last_probe = recorded;
  if (body.has_credit_wait_ended()) {
    state.credit_wait = false;
    state.credit_wait_detail.clear();
    state.credit_wait_since = {};
  }
  if (body.has_account_trouble_began()) Begin(state, body.account_trouble_began(), recorded);
  if (body.has_account_trouble_ended()) End(state, body.account_trouble_ended());
  if (body.has_offers_observed()) See(state, body.offers_observed(), recorded);
  if (body.has_orphan_found()) Find(state, body.orphan_found(), recorded);
  if (body.has_orphan_resolved()) {
    state.orphans.erase(InstanceId(body.orphan_resolved().instance()));
  }
  if (body.has_stray_server_found()) {
    state.stray_servers[ServerNumber(body.stray_server_found().server())] = recorded;
  }
  if (body.has_instance_list_observed()) List(state, body.instance_list_observed(), recorded);
}

}  // namespace muster::account
