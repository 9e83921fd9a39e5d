#include "commands/fleet/plan/why_not.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "commands/fleet/plan/board.h"
#include "commands/fleet/plan/evidence.h"
#include "commands/fleet/plan/plan.h"
#include "commands/fleet/plan/preview.h"
#include "commands/rules.h"
#include "commands/worker/assess.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

using worker::Observed;

// What the policy would do next: the launches and condemnations of one plan on this World.
struct Next {
  std::vector<eventpb::LaunchRequested> launches;
  std::vector<std::pair<WorkerId, eventpb::WorkerCondemned>> condemned;
};
Next PlanNext(const World& world, const PlanOptions& options, absl::Time now) {
  Next next;
  for (Decision& decision : Plan(world, options, now).decisions) {
    if (auto* launch = std::get_if<Launch>(&decision.act)) {
      next.launches.push_back(std::move(launch->intent));
    } else if (auto* one = std::get_if<ForWorker>(&decision.act)) {
      if (auto* condemn = std::get_if<worker::Condemn>(&one->command)) {
        next.condemned.emplace_back(one->worker, std::move(condemn->verdict));
      }
    }
  }
  return next;
}

class Reasons {
 public:
  void Add(std::uint64_t position, std::string text) {
    lines_.push_back({position, std::move(text)});
  }
  WhyNot Finish(std::string title) { return {std::move(title), std::move(lines_)}; }

 private:
  std::vector<WhyNotLine> lines_;
};

// What keeps a fleet from renting anything at all, and what it wants.
void AddWants(const World& world, const State& fleet, absl::Time now, Reasons& out) {
  Board board;
  board.Refresh(world, now);
  const FleetBoard* cards = board.Find(fleet.name);
  const int have = cards == nullptr ? 0 : cards->occupying - cards->leaving;
  if (fleet.down_requested) {
    out.Add(fleet.down.position, "the fleet is taken down: nothing is rented for it");
  } else if (have >= fleet.wanted()) {
    const auto& since =
        fleet.scaled.position > fleet.applied.position ? fleet.scaled : fleet.applied;
    out.Add(since.position, Cat("the fleet wants ", Workers(fleet.wanted()), " and has ", have,
                                ": no place is free"));
  } else {
    out.Add(0, Cat("the fleet wants ", Workers(fleet.wanted()), " and has ", have));
  }
  for (const eventpb::Wait& wait : fleet.waits) {
    out.Add(fleet.waits_changed.position, Cat("it waits: ", wait.detail()));
  }
}

// Who has it, when one of ours does.
const worker::State* HolderOf(const World& world, const ProviderName& provider,
                              const OfferId& offer) {
  for (const auto& [id, worker] : world.WorkersInOrder()) {
    const auto& me = worker->identity;
    if (worker->open() && me.provider == provider && me.offered.offer == offer) return worker;
  }
  return nullptr;
}

std::string Price(const OfferVerdict& verdict, const State& fleet) {
  const std::string& unit = fleet.spec.work_unit();
  return verdict.cost_per_unit_rate.micros > 0
             ? Cat(FormatUsd(verdict.cost_per_unit_rate), " per ", unit.empty() ? "unit" : unit,
                   "/s (", verdict.expected_from, ")")
             : std::string("nothing is known of what it would do");
}

// The place of an acceptable offer among the others.
void AddRank(const State& fleet, const std::vector<OfferVerdict>& all, std::size_t place,
             std::uint64_t position, Reasons& out) {
  const auto acceptable = std::count_if(
      all.begin(), all.end(), [](const OfferVerdict& each) { return each.verdict.empty(); });
  out.Add(position, Cat("acceptable, number ", place + 1, " of ", acceptable,
                        " by value: ", Price(all[place], fleet)));
  if (place == 0) return;
  const OfferVerdict& best = all.front();
  out.Add(position, Cat("the best is offer ", best.offer.id.str(), ", ", best.offer.gpu.str(),
                        " at ", FormatUsdPerHour(best.offer.price), ", ", Price(best, fleet)));
}

}  // namespace

StatusOr<WhyNot> WhyNotOffer(const World& world, const FleetName& name, const OfferId& offer,
                             const PlanOptions& options, absl::Time now) {
  const State* fleet = world.FindFleet(name);
  if (fleet == nullptr) return NotFound(Cat("there is no fleet ", name.str()));
  const ProviderName provider(fleet->spec.provider());
  const account::State* account = world.FindAccount(provider);
  const std::string title = Cat("offer/", offer.str(), " for fleet/", name.str(), "   ");
  Reasons out;
  if (const worker::State* holder = HolderOf(world, provider, offer)) {
    out.Add(holder->identity.begun.position,
            Cat("worker/", holder->identity.id.str(), " of fleet/", holder->identity.fleet.str(),
                " was rented from it"));
    return out.Finish(Cat(title, "ours already"));
  }
  if (account == nullptr || !account->offers_seen.seen()) {
    out.Add(0, "no search of the market has been answered yet");
    AddWants(world, *fleet, now, out);
    return out.Finish(Cat(title, "not seen"));
  }
  const std::uint64_t seen = account->offers_seen.position;
  const std::string age = FormatSpan(now - account->offers_seen.at);
  const std::vector<OfferVerdict> all = JudgeOffers(world, fleet->spec, now);
  const auto it = std::find_if(all.begin(), all.end(),
                               [&](const OfferVerdict& each) { return each.offer.id == offer; });
  if (it == all.end()) {
    out.Add(seen, Cat("not among the ", all.size(), " cheapest of the ", account->offers_found,
                      " offers found ", age, " before: rented by another, withdrawn, dearer, or ",
                      "outside of what the fleet searches for"));
    AddWants(world, *fleet, now, out);
    return out.Finish(Cat(title, "not seen"));
  }
  out.Add(seen, Cat(it->offer.gpu.str(), " on machine ", it->offer.machine.str(), " at ",
                    FormatUsdPerHour(it->offer.price), ", seen ", age, " before"));
  if (!it->verdict.empty()) {
    out.Add(seen, Cat("refused: ", it->verdict));
    return out.Finish(Cat(title, it->verdict));
  }
  AddRank(*fleet, all, static_cast<std::size_t>(it - all.begin()), seen, out);
  AddWants(world, *fleet, now, out);
  for (const eventpb::LaunchRequested& launch : PlanNext(world, options, now).launches) {
    if (launch.fleet() != name.str()) continue;
    const bool this_one = launch.offer().offer() == offer.str();
    out.Add(0, Cat(this_one ? "it is rented next"
                            : Cat("offer ", launch.offer().offer(), " is rented next"),
                   " (", launch.evidence().rule(), ": ", launch.evidence().summary(), ")"));
    if (this_one) return out.Finish(Cat(title, "about to be rented"));
  }
  return out.Finish(Cat(title, "acceptable, not needed or not the best"));
}

namespace {

// The rules in the order in which a worker is judged by them.
class WorkerReasons {
 public:
  WorkerReasons(const worker::Live& live, const State& fleet, const account::State* account,
                absl::Time now)
      : seen_(live.seen),
        fleet_(fleet),
        account_(account),
        clocks_(worker::ClocksOf(fleet.spec.timers())),
        now_(now) {}

  void Add(Reasons& out) const {
    HeldBack(out);
    OverCost(out);
    Offline(out);
    Clock(out, rules::kStuckBoot, Observed::Phase::kBoot, clocks_.boot);
    Clock(out, rules::kStuckSetup, Observed::Phase::kSetup, clocks_.setup);
    Clock(out, rules::kStuckWarmup, Observed::Phase::kStarted, clocks_.warmup);
    Errors(out);
    NoProgress(out);
  }

 private:
  static void Not(Reasons& out, std::string_view rule, std::uint64_t position,
                  std::string_view text) {
    out.Add(position, Cat("not ", rule, ": ", text));
  }
  std::string Of(const Stamp& since, absl::Duration limit) const {
    return Cat(FormatSpan(now_ - since.at), " of ", FormatSpan(limit));
  }

  void HeldBack(Reasons& out) const {
    if (account_ != nullptr && account_->credit_wait) {
      out.Add(account_->credit_wait_since.position,
              "the account lacks credit: nobody is condemned until it is back");
    }
    for (const account::Ongoing& trouble :
         account_ == nullptr ? std::vector<account::Ongoing>() : account_->troubles) {
      out.Add(trouble.since.position, Cat("trouble with the account: ", trouble.detail));
    }
    if (seen_.log_failures > 0) {
      out.Add(seen_.log_failed.position, Cat("its log could not be read ", seen_.log_failures,
                                             " times in a row: what is not known condemns nobody"));
    }
    if (seen_.absent.seen()) {
      out.Add(seen_.absent.position,
              Cat("absent from ", seen_.absent_lists,
                  seen_.absent_lists == 1 ? " complete list" : " complete lists",
                  ": a second one ends it"));
    }
  }
  void OverCost(Reasons& out) const {
    const MicroUsdPerHour limit(fleet_.spec.market().price_max_micro_usd_per_hour());
    if (limit.micros <= 0) return Not(out, rules::kOverCost, 0, "the fleet names no highest price");
    if (!seen_.price_known) {
      return Not(out, rules::kOverCost, seen_.instance.position, "its price is not known");
    }
    Not(out, rules::kOverCost, seen_.instance.position,
        Cat(FormatUsdPerHour(seen_.price), seen_.price <= limit ? " <= " : " > ",
            FormatUsdPerHour(limit)));
  }
  void Offline(Reasons& out) const {
    if (!seen_.instance.seen()) {
      return Not(out, rules::kOffline, 0, "no list has shown it yet");
    }
    if (worker::IsComingUp(seen_.actual) && worker::LogIsAhead(seen_)) {
      return Not(out, rules::kOffline, seen_.phase_since.position,
                 Cat("the list says ", ActualStatusName(seen_.actual), ", its log went on since"));
    }
    const bool running = seen_.actual == ActualStatus::kRunning;
    Not(out, rules::kOffline, running ? seen_.instance.position : seen_.status_since.position,
        running ? std::string("the provider lists it as running")
                : Cat(ActualStatusName(seen_.actual), " for ",
                      Of(seen_.status_since, clocks_.offline)));
  }
  void Clock(Reasons& out, std::string_view rule, Observed::Phase phase,
             absl::Duration limit) const {
    if (seen_.phase == phase) {
      const int factor = phase == Observed::Phase::kStarted && seen_.busy ? worker::kBusyFactor : 1;
      return Not(out, rule, seen_.phase_since.position, Of(seen_.phase_since, limit * factor));
    }
    if (seen_.phase > phase) {
      Not(out, rule, seen_.phase_since.position,
          Cat("it is in ", worker::LogPhaseName(seen_.phase)));
    }
  }
  void Errors(Reasons& out) const {
    const std::uint64_t log = seen_.log.position;
    if (!seen_.log.seen()) {
      return Not(out, rules::kFatalError, 0, "nothing of its log was read yet");
    }
    if (seen_.broken) {
      Not(out, rules::kBrokenLaunch, seen_.broken_since.position,
          Of(seen_.broken_since, clocks_.error_grace));
    }
    if (seen_.error.empty()) return Not(out, rules::kFatalError, log, "no error in its log");
    Not(out, rules::kFatalError, seen_.error_since.position,
        Cat(Ellipsize(seen_.error, 80), ", ", Of(seen_.error_since, clocks_.error_grace), ", ",
            seen_.agreeing_polls, " poll(s) agree"));
  }
  void NoProgress(Reasons& out) const {
    if (seen_.phase != Observed::Phase::kProducing) return;
    const Stamp since = seen_.progress_clock();
    const absl::Duration limit = clocks_.no_progress * (seen_.busy ? worker::kBusyFactor : 1);
    Not(out, rules::kNoProgress, since.position, Cat("last progress ", Of(since, limit)));
  }

  const Observed& seen_;
  const State& fleet_;
  const account::State* account_;
  const worker::Clocks clocks_;
  const absl::Time now_;
};

// Whether the fleet is too large for it; which one goes then, the plan says.
void AddPlace(const State& fleet, int have, Reasons& out) {
  if (fleet.down_requested) return out.Add(fleet.down.position, "the fleet is taken down: all go");
  const auto& since = fleet.scaled.position > fleet.applied.position ? fleet.scaled : fleet.applied;
  const std::string wants = Cat("the fleet wants ", Workers(fleet.wanted()), " and has ", have);
  if (have <= fleet.wanted()) {
    out.Add(since.position, Cat("not ", rules::kDownscale, ": ", wants));
  } else {
    out.Add(since.position, Cat(wants, ": ", have - fleet.wanted(), " too many, the slowest go"));
  }
}

Status GoneAlready(const worker::State& state) {
  const std::string id = Cat("worker ", state.identity.id.str());
  if (const auto* leaving = std::get_if<worker::Destroying>(&state.phase)) {
    return FailedPrecondition(
        Cat(id, " is being destroyed (", leaving->rule, ": ", leaving->summary, ")"));
  }
  const auto& ended = std::get<worker::Ended>(state.phase);
  return FailedPrecondition(
      Cat(id, " has ended", ended.rule.empty() ? "" : Cat(" (", ended.rule, ")")));
}

}  // namespace

StatusOr<WhyNot> WhyNotWorker(const World& world, const WorkerId& id, const PlanOptions& options,
                              absl::Time now) {
  const worker::State* state = world.FindWorker(id);
  if (state == nullptr) {
    return NotFound(Cat("worker ", id.str(), " is not there, or no more: explain worker/", id.str(),
                        " tells why it went"));
  }
  const std::string title = Cat("worker/", id.str(), "   ");
  Reasons out;
  if (std::holds_alternative<worker::Launching>(state->phase)) {
    out.Add(
        state->identity.begun.position,
        "its launch is not answered yet: what may or may not exist is looked up, not condemned");
    return out.Finish(Cat(title, "launching"));
  }
  const worker::Live* live = state->live();
  if (live == nullptr) return GoneAlready(*state);
  const State* fleet = world.FindFleet(state->identity.fleet);
  if (fleet == nullptr) return NotFound(Cat("there is no fleet ", state->identity.fleet.str()));
  Board board;
  board.Refresh(world, now);
  const FleetBoard* cards = board.Find(fleet->name);
  const worker::Assessment& judged = cards->cards.at(id).assessment;
  const auto& cited = judged.evidence.positions();
  out.Add(cited.empty() ? live->health_since.position : cited.Get(cited.size() - 1),
          Cat(worker::HealthName(judged.health),
              judged.detail.empty() ? "" : Cat(": ", judged.detail)));
  WorkerReasons(*live, *fleet, world.FindAccount(state->identity.provider), now).Add(out);
  AddPlace(*fleet, cards->occupying - cards->leaving, out);
  for (const auto& [condemned, verdict] : PlanNext(world, options, now).condemned) {
    if (condemned != id) continue;
    out.Add(0, Cat("it is condemned next (", verdict.evidence().rule(), ": ",
                   verdict.evidence().summary(), ")"));
    return out.Finish(Cat(title, "about to be condemned"));
  }
  return out.Finish(Cat(title, "kept: no rule holds"));
}

}  // namespace muster::fleet
