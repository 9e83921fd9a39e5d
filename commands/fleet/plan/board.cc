#include "commands/fleet/plan/board.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "commands/fleet/plan/gates.h"
#include "eventstore/base/overloaded.h"

namespace muster::fleet {
namespace {

constexpr int kRateSamplesMin = 2;
constexpr absl::Duration kEndedKept = absl::Hours(1);

bool Accepted(const worker::Destroying& destroying) {
  return destroying.answer == eventpb::DestroyAnswered::ACCEPTED ||
         destroying.answer == eventpb::DestroyAnswered::NOT_FOUND;
}

double ObservedRate(const worker::Observed& seen, const worker::Identity& me) {
  return seen.rate_samples >= kRateSamplesMin && seen.rate_mean_per_s > 0
             ? seen.rate_mean_per_s
             : me.offered.expected_rate_per_s;
}

// What it costs or may cost at any time: one that stands still is billed for its disk alone until
// it runs again, which takes nobody's leave. Of one in doubt that price may be what was seen last.
MicroUsdPerHour BurnOf(const worker::State& state, const worker::Observed& seen) {
  const bool runs = seen.actual == ActualStatus::kRunning;
  return runs ? state.price : std::max(state.price, state.identity.offered.price);
}

void FillPart(Card& card, const worker::State& state) {
  const worker::Identity& me = state.identity;
  card.rate_per_s = me.offered.expected_rate_per_s;
  std::visit(Overloaded{[](const worker::NonExistent&) {},
                        [&](const worker::Launching& launching) {
                          card.part = Card::Part::kLaunching;
                          card.occupies = true;
                          card.unclear = launching.unclear > 0;
                          card.burn = me.offered.price;
                        },
                        [&](const worker::Live& live) {
                          card.part = Card::Part::kLive;
                          card.watched_since =
                              me.begun.at + (live.seen.watched_since.at - live.accepted.at);
                          card.occupies = true;
                          card.produced = live.seen.first_progress.seen();
                          card.rate_per_s = ObservedRate(live.seen, me);
                          card.burn = BurnOf(state, live.seen);
                        },
                        [&](const worker::Destroying& destroying) {
                          card.part = Card::Part::kLeaving;
                          // Until the provider has taken the order it may run on, and its place is
                          // not free.
                          card.occupies = !Accepted(destroying);
                          card.produced = destroying.seen.first_progress.seen();
                          card.rate_per_s = ObservedRate(destroying.seen, me);
                          card.burn = BurnOf(state, destroying.seen);
                        },
                        [&](const worker::Ended& ended) { card.ended_at = ended.at.at; }},
             state.phase);
}

// Not rounded: a sum must come to the same whenever its parts were looked at last, or a decision at
// a limit is another one on a board that is made anew.
void FillMoney(Card& card, const worker::State& state, absl::Time now) {
  card.spent = static_cast<double>(state.spent_before.micros);
  for (const auto& [day, amount] : state.spent_days) {
    if (day == UnixDay(now)) card.spent_today += static_cast<double>(amount.micros);
  }
  if (state.price.micros <= 0) return;
  card.paid_per_s = static_cast<double>(state.price.micros) / 3600.0;
  const auto since = [&](absl::Time begun) {
    return card.paid_per_s * absl::ToDoubleSeconds(std::max(now - begun, absl::ZeroDuration()));
  };
  const absl::Time midnight = absl::FromUnixSeconds(UnixDay(now) * 86'400);
  card.spent += since(state.priced_since);
  card.spent_today += since(std::max(state.priced_since, midnight));
}

Card CardOf(const worker::State& state, absl::Time now) {
  const worker::Identity& me = state.identity;
  Card card;
  card.index = me.index;
  card.open = state.open();
  card.trial = me.upgrade_trial;
  card.probe = me.credit_probe;
  card.replaces = me.replaces;
  card.begun = me.begun;
  card.watched_since = me.begun.at;
  card.machine = me.offered.machine;
  card.offer = me.offered.offer;
  card.fleet_version = me.fleet_version;
  card.upload_interval_s = me.upload_interval_s;
  FillPart(card, state);
  if (card.open) FillMoney(card, state, now);
  return card;
}

// Its place in FleetBoard::worst_first; nullopt when it has none.
std::optional<std::pair<double, WorkerId>> WorthOf(const WorkerId& id, const Card& card) {
  if (card.part != Card::Part::kLive || !card.produced || card.rate_per_s <= 0) return std::nullopt;
  return std::pair(-MicroUsd(card.burn.micros).usd() / card.rate_per_s, id);
}

std::optional<Departure> DepartureOf(const worker::State& state) {
  const worker::Identity& me = state.identity;
  Departure departure;
  departure.index = me.index;
  departure.machine = me.offered.machine;
  departure.offer = me.offered.offer;
  if (const auto* leaving = std::get_if<worker::Destroying>(&state.phase)) {
    departure.rule = leaving->rule;
    departure.replace = leaving->replace;
    departure.strike_weight = leaving->strike_weight;
    departure.detail = leaving->summary;
    departure.fault = leaving->fault;
    departure.at = leaving->requested;
    return departure;
  }
  const auto* ended = std::get_if<worker::Ended>(&state.phase);
  if (ended == nullptr) return std::nullopt;
  departure.at = ended->at;
  departure.rule = ended->rule;
  departure.replace = ended->replace;
  departure.strike_weight = ended->strike_weight;
  departure.detail = ended->detail;
  departure.fault = ended->fault;
  if (ended->how == eventpb::WorkerEnded::VANISHED) {
    departure.kind = Departure::Kind::kVanished;
  } else if (ended->how == eventpb::WorkerEnded::NEVER_BEGAN) {
    departure.kind = ended->rejected ? Departure::Kind::kRejected : Departure::Kind::kNotFound;
    departure.reason = ended->rejected.value_or(eventpb::LaunchRejected::REASON_UNSPECIFIED);
  }
  return departure;
}

// The sums are of so many parts that the last digits of a double are nobody's money.
MicroUsd WholeMicros(double micros) {
  return MicroUsd(static_cast<std::int64_t>(std::ceil(micros - 1e-3)));
}

template <class Map, class Key>
void Drop(Map& counts, const Key& key) {
  const auto it = counts.find(key);
  if (it != counts.end() && --it->second <= 0) counts.erase(it);
}

}  // namespace

std::int64_t UnixDay(absl::Time now) {
  const std::int64_t s = absl::ToUnixSeconds(now);
  return (s >= 0 ? s : s - 86'399) / 86'400;
}
absl::Time NextMidnight(absl::Time now) {
  return absl::FromUnixSeconds((UnixDay(now) + 1) * 86'400);
}

std::vector<WorkerId> FleetBoard::RunningTrials() const {
  std::vector<WorkerId> running;
  for (const WorkerId& id : trials) {
    const auto old = cards.find(cards.at(id).replaces);
    if (cards.at(id).occupies && old != cards.end() && old->second.occupies) running.push_back(id);
  }
  return running;
}

void Board::Touch(const StreamId& stream) {
  constexpr std::string_view kWorker = "worker/";
  const std::string_view name = stream.str();
  if (name.substr(0, kWorker.size()) == kWorker) {
    touched_.insert(WorkerId(name.substr(kWorker.size())));
  } else {
    streams_ = true;
  }
}

FleetBoard* Board::Find(const FleetName& fleet) {
  const auto it = fleets_.find(fleet);
  return it == fleets_.end() ? nullptr : &it->second;
}

void Board::Unjudge(FleetBoard& fleet, const WorkerId& id) {
  const Card& card = fleet.cards.at(id);
  fleet.with_verdict.erase(id);
  fleet.to_start.erase(id);
  fleet.health_news.erase(id);
  fleet.unheard.erase(id);
  fleet.due.erase({card.assessment.next_due, id});
  if (card.assessment.health == eventpb::WorkerHealthChanged::HEALTHY) --fleet.healthy;
}

void FreePlaces::Take(int index) {
  if (index < 0) return;
  const auto span = std::prev(spans_.upper_bound(index));
  const auto [begin, end] = *span;
  spans_.erase(span);
  if (begin < index) spans_[begin] = index;
  if (index + 1 < end) spans_[index + 1] = end;
}

void FreePlaces::Give(int index) {
  if (index < 0) return;
  auto next = spans_.upper_bound(index);
  int begin = index, end = index + 1;
  if (next != spans_.begin() && std::prev(next)->second == index) {
    begin = std::prev(next)->first;
  }
  if (next != spans_.end() && next->first == end) {
    end = next->second;
    spans_.erase(next);
  }
  spans_[begin] = end;
}

int FreePlaces::From(int index) const {
  const auto next = spans_.upper_bound(index);
  return next != spans_.begin() && std::prev(next)->second > index ? index : next->first;
}

void Board::Occupy(FleetBoard& fleet, const WorkerId& id, int index) {
  auto& place = fleet.places[index];
  place.insert(id);
  if (place.size() > 1) fleet.crowded.insert(index);
  if (place.size() == 1) fleet.free_places.Take(index);
}

void Board::Vacate(FleetBoard& fleet, const WorkerId& id, int index) {
  auto& place = fleet.places[index];
  place.erase(id);
  if (place.size() < 2) fleet.crowded.erase(index);
  if (!place.empty()) return;
  fleet.places.erase(index);
  fleet.free_places.Give(index);
}

void Board::Remove(FleetBoard& fleet, const WorkerId& id) {
  const auto it = fleet.cards.find(id);
  if (it == fleet.cards.end()) return;
  Unjudge(fleet, id);
  const Card& card = it->second;
  if (card.occupies) {
    --fleet.occupying;
    if (card.part == Card::Part::kLeaving) --fleet.leaving;
    Drop(fleet.by_interval, card.upload_interval_s);
    Vacate(fleet, id, card.index);
  }
  if (card.open) {
    --fleet.open;
    Drop(machines_, std::make_pair(fleet.provider, card.machine));
    Drop(offers_, std::make_pair(fleet.provider, card.offer));
  }
  if (card.part == Card::Part::kLaunching) --fleet.launching;
  if (card.unclear) --fleet.unclear;
  if (card.produced) Drop(fleet.producers, card.fleet_version);
  fleet.trials.erase(id);
  fleet.trials_all.erase(id);
  if (const auto worth = WorthOf(id, card)) fleet.worst_first.erase(*worth);
  fleet.departures.erase(id);
  fleet.burn -= card.burn;
  if (card.part == Card::Part::kLeaving) fleet.leaving_burn -= card.burn;
  fleet.spent -= card.spent;
  fleet.spent_today -= card.spent_today;
  fleet.paid_per_s -= card.paid_per_s;
  fleet.cards.erase(it);
}

void Board::Place(const WorkerId& id, const worker::State& state, absl::Time now) {
  FleetBoard& fleet = fleets_[state.identity.fleet];
  if (fleet.provider.empty()) fleet.provider = state.identity.provider;
  fleet_of_[id] = state.identity.fleet;
  Card card = CardOf(state, now);
  // Kept as if it had been so since the board began: sums then grow with time by themselves.
  const double since_epoch = absl::ToDoubleSeconds(now - epoch_);
  card.spent -= card.paid_per_s * since_epoch;
  card.spent_today -= card.paid_per_s * since_epoch;
  if (card.occupies) {
    ++fleet.occupying;
    if (card.part == Card::Part::kLeaving) ++fleet.leaving;
    ++fleet.by_interval[card.upload_interval_s];
    Occupy(fleet, id, card.index);
  }
  if (card.open) {
    ++fleet.open;
    ++machines_[{fleet.provider, card.machine}];
    ++offers_[{fleet.provider, card.offer}];
  }
  if (card.part == Card::Part::kLaunching) ++fleet.launching;
  if (card.unclear) ++fleet.unclear;
  if (card.produced) ++fleet.producers[card.fleet_version];
  if (const auto worth = WorthOf(id, card)) fleet.worst_first.insert(*worth);
  if (card.trial) {
    fleet.trials_all.insert(id);
    if (card.open) fleet.trials.insert(id);
    if (card.begun.position > fleet.last_trial.position) fleet.last_trial = card.begun;
  }
  if (const worker::Live* live = state.live();
      live != nullptr && live->accepted.position > fleet.last_accepted.position) {
    fleet.last_accepted = live->accepted;
  }
  if (auto departure = DepartureOf(state)) fleet.departures[id] = *std::move(departure);
  fleet.burn += card.burn;
  if (card.part == Card::Part::kLeaving) fleet.leaving_burn += card.burn;
  fleet.spent += card.spent;
  fleet.spent_today += card.spent_today;
  fleet.paid_per_s += card.paid_per_s;
  fleet.cards[id] = std::move(card);
}

void Board::JudgeOne(const World& world, const FleetName& name, const WorkerId& id,
                     absl::Time now) {
  FleetBoard& fleet = fleets_.at(name);
  if (Card& ended = fleet.cards.at(id); ended.part == Card::Part::kEnded) {
    ended.assessment.health = eventpb::WorkerHealthChanged::GONE;
    ended.assessment.next_due = ended.ended_at + kEndedKept;
    fleet.due.insert({ended.assessment.next_due, id});
    return;
  }
  const worker::State* state = world.FindWorker(id);
  const State* spec = world.FindFleet(name);
  if (state == nullptr || spec == nullptr) return;
  Card& card = fleet.cards.at(id);
  const account::State* account = world.FindAccount(state->identity.provider);
  worker::Surroundings around;
  around.spec = &spec->spec;
  around.policy_version = spec->PolicyVersion();
  around.credit_wait = account != nullptr && account->credit_wait;
  around.account_trouble = ListsDoubtful(account);
  around.account_position = AccountPosition(account);
  around.program_proven = fleet.producers.count(card.fleet_version) > 0;
  card.assessment = worker::Assess(*state, around, now);
  if (card.assessment.verdict) fleet.with_verdict.insert(id);
  if (card.assessment.ask_to_start) fleet.to_start.insert(id);
  if (card.assessment.unheard_since != absl::InfiniteFuture()) fleet.unheard.insert(id);
  if (card.assessment.health == eventpb::WorkerHealthChanged::HEALTHY) ++fleet.healthy;
  const worker::Live* live = state->live();
  if (live != nullptr && live->health != card.assessment.health) fleet.health_news.insert(id);
  if (card.assessment.next_due != absl::InfiniteFuture()) {
    fleet.due.insert({card.assessment.next_due, id});
  }
}

bool Board::CheckSurroundings(const World& world, const FleetName& name, absl::Time now) {
  const State* state = world.FindFleet(name);
  if (state == nullptr) return false;
  FleetBoard& fleet = fleets_[name];
  fleet.provider = ProviderName(state->spec.provider());
  const account::State* account = world.FindAccount(fleet.provider);
  const bool credit_wait = account != nullptr && account->credit_wait;
  const bool trouble = ListsDoubtful(account);
  if (fleet.fleet_version == state->fleet_version && fleet.credit_wait == credit_wait &&
      fleet.account_trouble == trouble) {
    return false;
  }
  fleet.fleet_version = state->fleet_version;
  fleet.credit_wait = credit_wait;
  fleet.account_trouble = trouble;
  for (auto& [id, card] : fleet.cards) {
    Unjudge(fleet, id);
    JudgeOne(world, name, id, now);
  }
  return true;
}

void Board::Rebuild(const World& world, absl::Time now) {
  fleets_.clear();
  fleet_of_.clear();
  machines_.clear();
  offers_.clear();
  epoch_ = now;
  day_ = UnixDay(now);
  for (const auto& [name, state] : world.fleets) {
    fleets_[name].provider = ProviderName(state.spec.provider());
    dirty_.insert(name);
  }
  for (const auto& [id, state] : world.workers) {
    const auto* ended = std::get_if<worker::Ended>(&state->phase);
    if (ended != nullptr && ended->at.at + kEndedKept <= now) continue;
    if (state->exists()) Place(id, *state, now);
  }
  // Judged once all are placed: whether the program is proven shows in the others.
  for (auto& [name, fleet] : fleets_) CheckSurroundings(world, name, now);
}

void Board::Refresh(const World& world, absl::Time now) {
  if (all_ || UnixDay(now) != day_ || now < epoch_) {
    all_ = streams_ = false;
    touched_.clear();
    return Rebuild(world, now);
  }
  for (const WorkerId& id : touched_) {
    const worker::State* state = world.FindWorker(id);
    const auto known = fleet_of_.find(id);
    if (known != fleet_of_.end()) {
      dirty_.insert(known->second);
      Remove(fleets_.at(known->second), id);
      if (state == nullptr) fleet_of_.erase(known);
    }
    if (state == nullptr || !state->exists()) continue;
    Place(id, *state, now);
    dirty_.insert(state->identity.fleet);
  }
  if (streams_) {
    for (const auto& [name, state] : world.fleets) {
      dirty_.insert(name);
      CheckSurroundings(world, name, now);
    }
    streams_ = false;
  }
  for (const WorkerId& id : touched_) {
    const auto known = fleet_of_.find(id);
    if (known == fleet_of_.end()) continue;
    Unjudge(fleets_.at(known->second), id);
    JudgeOne(world, known->second, id, now);
  }
  touched_.clear();
  for (auto& [name, fleet] : fleets_) {
    while (!fleet.due.empty() && fleet.due.begin()->first <= now) {
      const WorkerId id = fleet.due.begin()->second;
      dirty_.insert(name);
      if (fleet.cards.at(id).part == Card::Part::kEnded) {
        Remove(fleet, id);
        fleet_of_.erase(id);
        continue;
      }
      Unjudge(fleet, id);
      JudgeOne(world, name, id, now);
    }
  }
}

bool Board::MachineTaken(const ProviderName& provider, const MachineId& machine) const {
  return machines_.count({provider, machine}) > 0;
}
bool Board::OfferTaken(const ProviderName& provider, const OfferId& offer) const {
  return offers_.count({provider, offer}) > 0;
}
int Board::LaunchesInFlight(const ProviderName& provider) const {
  int count = 0;
  for (const auto& [name, fleet] : fleets_) {
    if (fleet.provider == provider) count += fleet.launching;
  }
  return count;
}

Money Board::MoneyOf(const World& world, const FleetName& name, absl::Time now) const {
  Money money;
  if (const auto it = fleets_.find(name); it != fleets_.end()) {
    const FleetBoard& fleet = it->second;
    const double grown = fleet.paid_per_s * absl::ToDoubleSeconds(now - epoch_);
    money.burn = fleet.burn;
    money.today = WholeMicros(fleet.spent_today + grown);
    money.total = WholeMicros(fleet.spent + grown);
  }
  if (const auto it = world.spent_ended_total.find(name); it != world.spent_ended_total.end()) {
    money.total += it->second;
  }
  if (const auto it = world.spent_ended_by_day.find(name); it != world.spent_ended_by_day.end()) {
    const auto day = it->second.find(UnixDay(now));
    if (day != it->second.end()) money.today += day->second;
  }
  return money;
}

Money Board::MoneyOfAccount(const World& world, const ProviderName& provider,
                            absl::Time now) const {
  Money sum;
  for (const auto& [name, fleet] : fleets_) {
    if (fleet.provider != provider) continue;
    const Money one = MoneyOf(world, name, now);
    sum.burn += one.burn;
    sum.today += one.today;
    sum.total += one.total;
  }
  return sum;
}

absl::Time Board::next_due() const {
  absl::Time due = absl::InfiniteFuture();
  for (const auto& [name, fleet] : fleets_) {
    if (!fleet.due.empty()) due = std::min(due, fleet.due.begin()->first);
  }
  return due;
}

}  // namespace muster::fleet
