// Step: replenish. Fewer workers than wanted: the best offers, one for each free place.
#include "commands/fleet/plan/replenish.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "commands/fleet/plan/budget.h"
#include "commands/rules.h"
#include "commands/worker/status_text.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr absl::Duration kOffersOldMin = absl::Minutes(10);
constexpr absl::Duration kBackoffFirst = absl::Seconds(10);
constexpr absl::Duration kBackoffMax = absl::Minutes(10);
constexpr absl::Duration kLookAroundSlack = absl::Seconds(10);
// Offers vanish under one's hand all the time: so many in a row are no reason to wait.
constexpr int kOffersGoneFree = 5;
// Replacements for failures within an hour before we take a breath.
constexpr int kChurnMin = 6;
// Machines on which an image must fail before we believe that it is the image.
constexpr int kImageFaultsMin = 2;
constexpr absl::Duration kImagePauseFirst = absl::Minutes(10);
constexpr absl::Duration kImagePauseMax = absl::Hours(1);

struct Backoff {
  bool careful = false;  // the next launch is a try
  bool trying = false;   // and that try is under way
  absl::Time until = absl::InfinitePast();
  eventpb::Wait::Kind kind = eventpb::Wait::OFFERS;
  std::string detail;
};

eventpb::Wait::Kind WaitKindOf(eventpb::LaunchRejected::Reason reason) {
  switch (reason) {
    case eventpb::LaunchRejected::SECRET_MISSING:
      return eventpb::Wait::SECRETS;
    case eventpb::LaunchRejected::AUTH:
      return eventpb::Wait::AUTH;
    case eventpb::LaunchRejected::THROTTLED:
      return eventpb::Wait::THROTTLE;
    case eventpb::LaunchRejected::UNAVAILABLE:
      return eventpb::Wait::OUTAGE;
    default:
      return eventpb::Wait::OFFERS;
  }
}
std::string OwnerOf(eventpb::Wait::Kind kind) {
  switch (kind) {
    case eventpb::Wait::SECRETS:
    case eventpb::Wait::AUTH:
    case eventpb::Wait::BUDGET:
      return "operator";
    default:
      return "provider";
  }
}

std::string WhyRefused(const Departure& newest) {
  if (newest.kind == Departure::Kind::kNotFound) {
    return "launches never appeared at the provider";
  }
  std::string reason = eventpb::LaunchRejected::Reason_Name(newest.reason);
  std::replace(reason.begin(), reason.end(), '_', ' ');
  const std::string why = newest.detail.empty() ? "" : Cat(" (", newest.detail, ")");
  return Cat("launches were refused: ", absl::AsciiStrToLower(reason), why);
}

// Of this version of the spec: an operator who applies another one has done something about it.
bool SinceApplied(const Scope& scope, const Departure& departure) {
  return departure.at.position > scope.fleet.applied.position;
}

// How many rounds these failures make: launches asked for together fail together, once.
int RoundsOf(std::vector<absl::Time> failures) {
  std::sort(failures.begin(), failures.end());
  int rounds = 0;
  absl::Time last = absl::InfinitePast();
  for (const absl::Time at : failures) {
    if (at - last < kBackoffFirst) continue;
    last = at;
    ++rounds;
  }
  return rounds;
}

// After refused launches with no accepted one since, the pause grows.
Backoff AfterRejections(const Pass& pass, const Scope& scope) {
  std::vector<absl::Time> refused;
  int gone = 0;
  const Departure* newest = nullptr;
  for (const auto& [id, departure] : scope.board.departures) {
    const bool launch_failed = departure.kind == Departure::Kind::kRejected ||
                               departure.kind == Departure::Kind::kNotFound;
    if (!launch_failed || departure.at.position < scope.board.last_accepted.position) continue;
    if (!SinceApplied(scope, departure)) continue;
    if (departure.reason == eventpb::LaunchRejected::NO_CREDIT ||
        departure.reason == eventpb::LaunchRejected::CANCELLED) {
      continue;
    }
    if (departure.reason == eventpb::LaunchRejected::OFFER_GONE) {
      ++gone;
    } else {
      refused.push_back(departure.at.at);
    }
    if (newest == nullptr || departure.at.position > newest->at.position) newest = &departure;
  }
  const int steps = RoundsOf(std::move(refused)) + std::max(0, gone - kOffersGoneFree);
  if (newest == nullptr || steps == 0) return {};
  const absl::Duration pause =
      std::min(kBackoffMax, kBackoffFirst * std::pow(2, std::min(steps - 1, 10)));
  return {.careful = true,
          .trying = scope.board.launching > 0,
          .until = OverAt(newest->at.at, pause, pass.now),
          .kind = WaitKindOf(newest->reason),
          .detail = WhyRefused(*newest)};
}

// An image that cannot be had, or a login that is refused, fails on every machine: after the second
// one it is tried now and then only, with a single worker, until the operator has mended it.
Backoff AfterImageFaults(const Pass& pass, const Scope& scope) {
  std::set<MachineId> machines;
  std::vector<absl::Time> failures;
  const Departure* newest = nullptr;
  for (const auto& [id, departure] : scope.board.departures) {
    const bool counts = departure.kind == Departure::Kind::kCondemned &&
                        departure.fault == specpb::OURS && SinceApplied(scope, departure) &&
                        worker::JudgeStatusText(departure.detail).fault == specpb::OURS;
    if (!counts) continue;
    machines.insert(departure.machine);
    failures.push_back(departure.at.at);
    if (newest == nullptr || departure.at.position > newest->at.position) newest = &departure;
  }
  const auto& producers = scope.board.producers;
  const bool works = producers.find(scope.fleet.fleet_version) != producers.end();
  if (works || static_cast<int>(machines.size()) < kImageFaultsMin) return {};
  const bool under_way =
      std::any_of(scope.board.cards.begin(), scope.board.cards.end(), [](const auto& entry) {
        const Card& card = entry.second;
        return card.occupies && !card.produced && card.part != Card::Part::kLeaving;
      });
  const int rounds = RoundsOf(std::move(failures));
  const absl::Duration pause =
      std::min(kImagePauseMax, kImagePauseFirst * std::pow(2, std::min(rounds - 1, 10)));
  return {.careful = true,
          .trying = under_way,
          .until = OverAt(newest->at.at, pause, pass.now),
          .kind = eventpb::Wait::BUDGET,
          .detail = Cat("the image or the login to its registry is wrong: ", newest->detail,
                        "; mend it and apply")};
}

bool IsFailure(const Departure& departure) {
  return departure.kind == Departure::Kind::kCondemned && departure.replace &&
         fleet::IsFailure(departure.rule);
}

// One worker that failed before it ever worked is replaced at once. When that one comes to nothing
// too, something may be wrong that another machine does not mend: a pause that grows, then one try.
Backoff AfterLaunchFailures(const Pass& pass, const Scope& scope) {
  const LaunchFailures& failing = scope.fleet.failing;
  if (failing.rounds < 2) return {};
  const absl::Duration first = scope.clocks.launch_backoff;
  const absl::Duration longest = std::max(first, scope.clocks.launch_backoff_max);
  const absl::Duration pause =
      std::min(longest, first * std::pow(2, std::min(failing.rounds - 2, 20)));
  const bool trying =
      std::any_of(scope.board.cards.begin(), scope.board.cards.end(), [&](const auto& entry) {
        const Card& card = entry.second;
        return card.occupies && !card.produced && card.part != Card::Part::kLeaving &&
               card.begun.position > failing.last.position;
      });
  return {.careful = true,
          .trying = trying,
          .until = OverAt(failing.last.at, pause, pass.now),
          .kind = eventpb::Wait::BUDGET,
          .detail = Cat(failing.rounds, " launches in a row came to nothing, the last by ",
                        failing.why, "; one is tried ", trying ? "now" : "after a pause of ",
                        trying ? "" : FormatSpan(pause))};
}

// Workers that fail as fast as they are rented cost money and bring nothing.
Backoff AfterFailures(const Pass& pass, const Scope& scope) {
  std::vector<absl::Time> failures;
  const Departure* newest = nullptr;
  for (const auto& [id, departure] : scope.board.departures) {
    if (!IsFailure(departure) || !SinceApplied(scope, departure)) continue;
    if (OverAt(departure.at.at, absl::Hours(1), pass.now) <= pass.now) continue;
    failures.push_back(departure.at.at);
    if (newest == nullptr || departure.at.position > newest->at.position) newest = &departure;
  }
  const int limit = std::max(kChurnMin, 2 * scope.fleet.wanted());
  if (static_cast<int>(failures.size()) < limit) return {};
  std::sort(failures.begin(), failures.end());
  return {.until = failures[failures.size() - static_cast<std::size_t>(limit)] + absl::Hours(1),
          .kind = eventpb::Wait::BUDGET,
          .detail = Cat(limit, " workers failed within an hour, the last by ", newest->rule, ": ",
                        newest->detail, "; look at `muster explain`")};
}

// Machines that failed us within the hour and got no strike for it, since the fault may be ours:
// they are taken when nothing else is left, or the first of the list would fail for ever.
std::set<MachineId> TriedInVain(const Pass& pass, const Scope& scope) {
  std::set<MachineId> machines;
  for (const auto& [id, departure] : scope.board.departures) {
    if (!IsFailure(departure) || departure.strike_weight > 0) continue;
    if (OverAt(departure.at.at, absl::Hours(1), pass.now) > pass.now) {
      machines.insert(departure.machine);
    }
  }
  return machines;
}

// Whom a launch into `index` stands in for: the one that last left that place to be replaced.
const std::pair<const WorkerId, Departure>* LastReplaced(const Scope& scope, int index) {
  const std::pair<const WorkerId, Departure>* last = nullptr;
  for (const auto& entry : scope.board.departures) {
    const Departure& departure = entry.second;
    const bool left = departure.replace || departure.kind == Departure::Kind::kVanished;
    if (!left || departure.index != index) continue;
    if (last == nullptr || departure.at.position > last->second.at.position) last = &entry;
  }
  return last;
}

LaunchAsk AskFor(const Scope& scope, bool probe) {
  LaunchAsk ask;
  ask.index = scope.FreeIndex();
  ask.probe = probe;
  ask.rule = probe ? rules::kCreditProbe : rules::kReplenish;
  ask.why = Cat(scope.filled(), " of ", scope.fleet.wanted(), " workers");
  ask.compared = {{"have", static_cast<double>(scope.filled()),
                   static_cast<double>(scope.fleet.wanted()), "count"}};
  ask.positions = {scope.fleet.applied.position, scope.fleet.scaled.position};
  if (probe) {
    ask.why = "one launch, to see whether there is credit again";
    ask.positions.push_back(scope.account->credit_wait_since.position);
  }
  if (const auto* last = LastReplaced(scope, ask.index)) {
    ask.replaces = last->first;
    if (!probe) ask.rule = rules::kReplace;
    ask.why = Cat(ask.why, "; stands in for ", last->first.str(), " (",
                  last->second.rule.empty() ? "vanished" : last->second.rule, ")");
    ask.positions.push_back(last->second.at.position);
  }
  return ask;
}

// Whether the last list showed instances that nobody accounts for: one of them may bear the label
// of this fleet, which was not known when that list came.
bool StrangersListed(const Pass& pass, const Scope& scope) {
  if (scope.account == nullptr) return false;
  return std::any_of(
      scope.account->listed.begin(), scope.account->listed.end(), [&](const InstanceId& id) {
        return !pass.world.by_instance.contains(id) && !scope.account->orphans.contains(id);
      });
}

// A new fleet looks around first: what it is to adopt, or would rent a second time, may be running
// already.
bool LooksAroundFirst(Pass& pass, Scope& scope) {
  if (scope.board.open > 0) return false;
  if (scope.fleet.spec.orphans() != specpb::ADOPT && !StrangersListed(pass, scope)) return false;
  const absl::Time until =
      OverAt(scope.fleet.applied.at, 2 * scope.clocks.list_poll + kLookAroundSlack, pass.now);
  if (scope.account == nullptr || pass.now >= until ||
      scope.account->list_seen.position > scope.fleet.applied.position) {
    return false;
  }
  pass.Due(until);
  scope.waits.push_back(
      MakeWait(eventpb::Wait::LIST, "looks for running workers of its own first", "muster", until));
  return true;
}

// Places that strays fill are not rented into: somebody has to say what is to become of those.
int HoldForStrays(const Pass& pass, Scope& scope) {
  const std::set<int> places = PlacesOfStrays(pass, scope);
  if (places.empty()) return 0;
  scope.taken.insert(places.begin(), places.end());
  const std::size_t n = places.size();
  scope.waits.push_back(MakeWait(
      eventpb::Wait::LIST,
      n == 1 ? std::string("1 running instance bears this fleet's label: adopt it (muster adopt), "
                           "destroy it, or set orphans")
             : Cat(n,
                   " running instances bear this fleet's label: adopt them (muster adopt), "
                   "destroy them, or set orphans"),
      "operator"));
  return static_cast<int>(n);
}

int MayLaunch(Pass& pass, Scope& scope, int need) {
  if (LooksAroundFirst(pass, scope)) return 0;
  const Backoff backoffs[] = {AfterRejections(pass, scope), AfterImageFaults(pass, scope),
                              AfterFailures(pass, scope), AfterLaunchFailures(pass, scope)};
  for (const Backoff& backoff : backoffs) {
    if (backoff.careful) need = std::min(need, 1);
    const bool over = backoff.until <= pass.now;
    if (over && !backoff.trying) continue;
    pass.Due(backoff.until);
    scope.waits.push_back(MakeWait(backoff.kind, backoff.detail, OwnerOf(backoff.kind),
                                   over ? absl::InfinitePast() : backoff.until));
    return 0;
  }
  const std::string preflight = PreflightSays(scope.fleet);
  if (!preflight.empty()) {
    scope.waits.push_back(MakeWait(eventpb::Wait::PREFLIGHT, preflight, "operator"));
    return 0;
  }
  if (pass.credit_moved.count(scope.provider) > 0) return 0;
  if (scope.gate.credit_wait) {
    // Over all fleets of the account only one, and none while the last is under way.
    const bool under_way =
        pass.board.LaunchesInFlight(scope.provider) > 0 || pass.launches[scope.provider] > 0;
    return scope.gate.may_probe && !under_way ? 1 : 0;
  }
  if (!scope.gate.may_launch) return 0;
  const int in_flight = pass.board.LaunchesInFlight(scope.provider) + pass.launches[scope.provider];
  return std::min(need, pass.options.launches_in_flight_max - in_flight);
}

void WaitForOffers(Pass& pass, Scope& scope, const std::vector<Ranked>& ranked) {
  std::string detail = Cat("no acceptable offer among ", ranked.size());
  std::map<std::string, int> verdicts;
  for (const Ranked& one : ranked) ++verdicts[one.verdict.empty() ? "reserved" : one.verdict];
  std::vector<std::pair<int, std::string>> most;
  most.reserve(verdicts.size());
  for (const auto& [verdict, count] : verdicts) most.emplace_back(-count, verdict);
  std::sort(most.begin(), most.end());
  for (std::size_t i = 0; i < std::min<std::size_t>(most.size(), 3); ++i) {
    detail = Cat(detail, i == 0 ? ": " : ", ", most[i].second, " (", -most[i].first, ")");
  }
  scope.waits.push_back(MakeWait(eventpb::Wait::OFFERS, std::move(detail), "provider"));
  pass.Due(pass.now + scope.clocks.market_poll);
}

}  // namespace

std::string PreflightSays(const State& fleet) {
  for (const specpb::Preflight& check : fleet.spec.preflight()) {
    const auto known = fleet.preflight.find(check.name());
    if (known == fleet.preflight.end()) return Cat(check.name(), ": not checked yet");
    switch (known->second.result) {
      case eventpb::PreflightChecked::PASSED:
        continue;
      case eventpb::PreflightChecked::MISSING:
        return Cat(check.name(), ": missing; ", check.missing_help());
      default:
        return Cat(check.name(), ": ", known->second.detail);
    }
  }
  return "";
}

bool OffersFresh(const account::State* account, const worker::Clocks& clocks, absl::Time now) {
  if (account == nullptr || !account->offers_seen.seen()) return false;
  if (MUSTER_CANARY("stale-offer-bought")) return true;
  return now - account->offers_seen.at <= std::max(kOffersOldMin, 5 * clocks.market_poll);
}

TakenFn TakenBy(const Pass& pass, const Board& board, const ProviderName& provider) {
  std::map<OfferId, std::string> offers;
  std::map<MachineId, std::string> machines;
  const account::State* account = pass.world.FindAccount(provider);
  for (const auto& [name, fleet] : board.fleets()) {
    if (fleet.provider != provider) continue;
    for (const auto& [id, departure] : fleet.departures) {
      // Gone offers are believed again once a newer search shows them.
      if (departure.reason == eventpb::LaunchRejected::OFFER_GONE && account != nullptr &&
          departure.at.position > account->offers_seen.position) {
        offers[departure.offer] = "just gone";
      }
      if (departure.rule == "over-cost") machines[departure.machine] = "billed above its offer";
    }
  }
  return [&pass, &board, provider, offers = std::move(offers),
          machines = std::move(machines)](const Offer& offer) -> std::string {
    if (board.OfferTaken(provider, offer.id) || board.MachineTaken(provider, offer.machine)) {
      return "rented already";
    }
    if (pass.reserved_offers.count({provider, offer.id}) > 0 ||
        pass.reserved_machines.count({provider, offer.machine}) > 0) {
      return "reserved";
    }
    if (const auto it = offers.find(offer.id); it != offers.end()) return it->second;
    if (const auto it = machines.find(offer.machine); it != machines.end()) return it->second;
    return "";
  };
}

std::string BudgetSays(const Pass& pass, const Scope& scope, MicroUsdPerHour price) {
  Money money = pass.board.MoneyOf(pass.world, scope.fleet.name, pass.now);
  money.burn += scope.coming_burn;
  std::string says = BudgetRefusal(scope.fleet.spec.budget(), money, price,
                                   Cat("fleet ", scope.fleet.name.str()), pass.now);
  const auto limits = pass.options.account_budgets.find(scope.provider);
  if (!says.empty() || limits == pass.options.account_budgets.end()) return says;
  if (MUSTER_CANARY("account-budget-forgotten")) return "";
  Money account = pass.board.MoneyOfAccount(pass.world, scope.provider, pass.now);
  if (const auto it = pass.launch_burn.find(scope.provider); it != pass.launch_burn.end()) {
    account.burn += it->second;
  }
  return BudgetRefusal(limits->second, account, price, Cat("account ", scope.provider.str()),
                       pass.now);
}

void DecideLaunch(Pass& pass, Scope& scope, const Ranked& choice, LaunchAsk ask) {
  const Offer& offer = choice.offer;
  eventpb::LaunchRequested intent;
  intent.set_fleet(scope.fleet.name.str());
  intent.set_fleet_version(scope.fleet.fleet_version);
  intent.set_provider(scope.provider.str());
  intent.set_index(ask.index);
  eventpb::OfferTaken* taken = intent.mutable_offer();
  taken->set_offer(offer.id.str());
  taken->set_machine(offer.machine.str());
  taken->set_host(offer.host);
  taken->set_gpu(offer.gpu.str());
  taken->set_gpus(offer.gpus);
  taken->set_price_micro_usd_per_hour(offer.price.micros);
  taken->set_expected_rate_per_s(choice.expected.rate_per_s);
  taken->set_expected_from(choice.expected.from);
  taken->set_disk_gb(scope.fleet.spec.launch().disk_gb());
  taken->set_location(offer.location);
  intent.set_upload_interval_s(QuotaInterval(pass.world, scope.fleet));
  intent.set_replaces(ask.replaces.str());
  intent.set_upgrade_trial(ask.trial);
  intent.set_credit_probe(ask.probe);
  ask.compared.push_back({"usd_per_hour_per_rate", choice.usd_per_hour_per_rate, 0, "usd"});
  ask.positions.push_back(scope.account->offers_seen.position);
  *intent.mutable_evidence() =
      EvidenceOf(ask.rule,
                 Cat(ask.why, "; ", offer.gpu.str(), " ", FormatUsdPerHour(offer.price), ", ",
                     absl::StrFormat("%.1f", choice.expected.rate_per_s), " ",
                     scope.fleet.spec.work_unit(), "/s expected (", choice.expected.from, ")"),
                 scope.fleet.PolicyVersion(), ask.compared, ask.positions);
  pass.reserved_offers.insert({scope.provider, offer.id});
  pass.reserved_machines.insert({scope.provider, offer.machine});
  ++pass.launches[scope.provider];
  pass.launch_burn[scope.provider] += offer.price;
  scope.coming_burn += offer.price;
  scope.taken.insert(ask.index);
  if (!ask.trial) ++scope.coming;
  pass.decisions.push_back({ask.rule, scope.actor(), Launch{std::move(intent)}});
}

void StepReplenish(Pass& pass, Scope& scope) {
  if (!scope.fleet.active()) return;
  int need = scope.fleet.wanted() - scope.filled();
  if (MUSTER_CANARY("in-flight-not-counted")) need += scope.board.launching;
  if (need <= 0) return;
  need -= HoldForStrays(pass, scope);
  if (need <= 0) return;
  int launches = MayLaunch(pass, scope, need);
  if (scope.gate.credit_wait) pass.Due(scope.gate.next_probe);
  pass.Due(scope.gate.reopens);
  if (launches <= 0) return;
  if (!OffersFresh(scope.account, scope.clocks, pass.now)) {
    scope.waits.push_back(
        MakeWait(eventpb::Wait::OFFERS, "no search of the market lately", "muster"));
    return;
  }
  const TakenFn taken = TakenBy(pass, pass.board, scope.provider);
  auto ranked = RankOffers(pass.world, scope.fleet.spec, scope.account->offers, taken, pass.now);
  const std::set<MachineId> vain = TriedInVain(pass, scope);
  std::sort(ranked.begin(), ranked.end(), [&](const Ranked& a, const Ranked& b) {
    const auto tier = [&](const Ranked& one) {
      return one.verdict.empty() ? vain.count(one.offer.machine) : std::size_t{2};
    };
    const std::size_t ta = tier(a), tb = tier(b);
    return std::tie(ta, a.value, a.offer.id) < std::tie(tb, b.value, b.offer.id);
  });
  for (const Ranked& choice : ranked) {
    if (launches <= 0) return;
    if (!choice.verdict.empty()) break;
    if (!taken(choice.offer).empty()) continue;  // a sibling on the same machine was just chosen
    const std::string refusal = BudgetSays(pass, scope, choice.offer.price);
    if (!refusal.empty()) {
      scope.waits.push_back(
          MakeWait(eventpb::Wait::BUDGET, refusal, "operator", NextMidnight(pass.now)));
      pass.Due(NextMidnight(pass.now));
      return;
    }
    DecideLaunch(pass, scope, choice, AskFor(scope, scope.gate.credit_wait));
    --launches;
  }
  if (launches > 0) WaitForOffers(pass, scope, ranked);
}

}  // namespace muster::fleet
