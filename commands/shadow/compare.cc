#include "commands/shadow/compare.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "commands/fleet/plan/ranking.h"
#include "commands/rules.h"
#include "commands/shadow/money.h"
#include "commands/shadow/view.h"
#include "eventstore/events/values.h"

namespace muster::shadow {
namespace {

using Kind = eventpb::ShadowDisagreed;
using Side = eventpb::ShadowResolved;

constexpr std::size_t kWhyBytesMax = 200;

// Of one plan, what rents or ends for one fleet. Strays, starts and notes are not compared.
struct Acts {
  std::vector<eventpb::LaunchRequested> launches;
  std::map<WorkerId, eventpb::WorkerCondemned> ends;
  std::string waits;  // what it waits for, as the plan writes it down
};

std::string Join(const std::vector<eventpb::Wait>& waits) {
  std::string text;
  for (const eventpb::Wait& wait : waits) text += Cat(text.empty() ? "" : "; ", wait.detail());
  return text;
}

Acts ActsOf(const fleet::PlanResult& plan, const World& world, const FleetName& fleet) {
  Acts acts;
  for (const fleet::Decision& decision : plan.decisions) {
    if (const auto* launch = std::get_if<fleet::Launch>(&decision.act)) {
      if (launch->intent.fleet() == fleet.str()) acts.launches.push_back(launch->intent);
    } else if (const auto* act = std::get_if<fleet::ForWorker>(&decision.act)) {
      const auto* condemn = std::get_if<worker::Condemn>(&act->command);
      const worker::State* worker = world.FindWorker(act->worker);
      if (condemn == nullptr || worker == nullptr || worker->identity.fleet != fleet) continue;
      acts.ends.emplace(act->worker, condemn->verdict);
    } else if (const auto* told = std::get_if<fleet::ForFleet>(&decision.act)) {
      const auto* waits = std::get_if<fleet::ChangeWaits>(&told->command);
      if (waits != nullptr && told->fleet == fleet) acts.waits = Join(waits->waits);
    }
  }
  return acts;
}

// Rules by which a worker goes that nothing is wrong with: the candidate's goes on as it is. Of one
// that failed nobody can say how it would have gone on.
bool WasWell(const std::string& rule) {
  static const auto* const rules =
      new std::set<std::string>{rules::kDownscale, rules::kDuplicate,    rules::kOverBudget,
                                rules::kOverCost,  rules::kQuotaRollout, rules::kUpgrade};
  return rules->contains(rule);
}

class Comparing {
 public:
  Comparing(const Moment& moment, const State& shadow)
      : moment_(moment),
        shadow_(shadow),
        world_(moment.world),
        now_(moment.now),
        workers_(LiveWorkers(moment.world, shadow)),
        view_(CandidateWorld(moment.world, shadow, moment.now)),
        live_(ActsOf(moment.live, moment.world, shadow.fleet)),
        candidate_(ActsOf(Ask(), view_, shadow.fleet)),
        number_(shadow.disagreements) {}

  Comparison Run() {
    for (const auto& [number, entry] : shadow_.open) FollowLive(number, entry);
    Ends();
    Launches();
    return std::move(out_);
  }

 private:
  // The same fleets as the live plan looked at, since one may take another's offer.
  fleet::PlanResult Ask() const {
    fleet::Board board;
    board.Refresh(view_, now_);
    board.dirty() = {moment_.live.looked_at.begin(), moment_.live.looked_at.end()};
    return fleet::PlanOn(board, view_, moment_.options, now_, /*check=*/false);
  }

  // Whether the live side of an earlier disagreement is over.
  void FollowLive(std::int64_t number, const Entry& entry) {
    if (!entry.live_open) return;
    const auto found = workers_.find(number);
    const worker::State* worker = found == workers_.end() ? nullptr : found->second;
    if (worker != nullptr && worker->open()) return;
    std::string how = "the live launch was not written";
    if (worker != nullptr) {
      const auto& ended = std::get<worker::Ended>(worker->phase);
      how = Cat("worker ", worker->identity.id.str(), " has ended", ended.rule.empty() ? "" : ": ",
                ended.rule);
    } else if (!entry.what.worker().empty() && entry.what.kind() != Kind::WOULD_RENT_OTHER) {
      how = Cat("worker ", entry.what.worker(), " has ended");
    }
    Resolve(number, Side::LIVE, how, LiveSide(entry, worker, now_));
  }

  void Resolve(std::int64_t number, Side::Side side, std::string_view how, const Spend& spent) {
    eventpb::ShadowResolved resolved;
    resolved.set_number(number);
    resolved.set_side(side);
    resolved.set_how(StoredText(how));
    resolved.set_spent_micro_usd(spent.total.micros);
    resolved.set_spent_today_micro_usd(spent.today.micros);
    resolved.set_at_us(ToStoredTime(now_));
    out_.events.push_back(Wrap(resolved));
  }

  // The disagreement whose would-be worker this is.
  const Entry* Modelled(const WorkerId& id) const {
    for (const auto& [number, entry] : shadow_.open) {
      if (entry.modelled && entry.what.worker() == id.str()) return &entry;
    }
    return nullptr;
  }

  // Evidence as it may be recorded: what the book supposes has no place in the log.
  eventpb::Evidence Recordable(eventpb::Evidence evidence) const {
    std::vector<std::uint64_t> positions;
    for (const std::uint64_t position : evidence.positions()) {
      if (position > 0 && position <= world_.head) positions.push_back(position);
    }
    evidence.mutable_positions()->Assign(positions.begin(), positions.end());
    evidence.set_policy_version(Cat(shadow_.fleet.str(), "@shadow"));
    return evidence;
  }

  // False: this hour has had its number.
  bool Add(eventpb::ShadowDisagreed what) {
    const bool same_hour = now_ >= shadow_.hour_began && now_ - shadow_.hour_began < absl::Hours(1);
    if ((same_hour ? shadow_.in_hour : 0) + added_ >= kPerHourMax) {
      ++out_.unrecorded;
      return false;
    }
    ++added_;
    what.set_number(++number_);
    what.set_as_of(world_.head);
    what.set_at_us(ToStoredTime(now_));
    if (what.worker().empty() && what.has_would_launch()) what.set_worker(WouldBe(number_).str());
    out_.events.push_back(Wrap(what));
    return true;
  }

  void NoteSpent(const worker::State& worker, eventpb::ShadowDisagreed& what) const {
    what.set_live_spent_micro_usd(worker.SpentAt(now_).micros);
    what.set_live_spent_today_micro_usd(worker.SpentOnDay(fleet::UnixDay(now_), now_).micros);
  }

  void Ends() {
    for (const auto& [id, verdict] : candidate_.ends) {
      if (const Entry* entry = Modelled(id)) {
        const std::string how =
            Cat("the candidate would have ended it (", verdict.evidence().rule(), ": ",
                verdict.evidence().summary(), ")");
        Resolve(entry->what.number(), Side::CANDIDATE, how, CandidateSide(*entry, now_));
      } else if (live_.ends.contains(id)) {
        ++out_.agreements;
      } else if (const worker::State* worker = world_.FindWorker(id)) {
        WouldEnd(*worker, verdict);
      }
    }
    for (const auto& [id, verdict] : live_.ends) {
      const worker::State* seen = view_.FindWorker(id);
      // Not of those that the candidate ended before, or never had.
      const bool has = seen != nullptr && seen->live() != nullptr && Modelled(id) == nullptr;
      if (has && !candidate_.ends.contains(id)) WouldKeep(*seen, verdict);
    }
  }

  void WouldEnd(const worker::State& worker, const eventpb::WorkerCondemned& verdict) {
    eventpb::ShadowDisagreed what;
    what.set_kind(Kind::WOULD_END);
    what.set_rule(verdict.evidence().rule());
    what.set_worker(worker.identity.id.str());
    *what.mutable_would_condemn() = verdict;
    *what.mutable_would_condemn()->mutable_evidence() = Recordable(verdict.evidence());
    NoteSpent(worker, what);
    Add(std::move(what));
  }

  void WouldKeep(const worker::State& worker, const eventpb::WorkerCondemned& verdict) {
    const worker::Identity& me = worker.identity;
    eventpb::ShadowDisagreed what;
    what.set_kind(Kind::WOULD_KEEP);
    what.set_rule(verdict.evidence().rule());
    what.set_worker(me.id.str());
    *what.mutable_live_evidence() = verdict.evidence();
    NoteSpent(worker, what);
    if (WasWell(what.rule())) {
      eventpb::LaunchRequested& runs = *what.mutable_would_launch();
      runs.set_fleet(me.fleet.str());
      runs.set_fleet_version(me.fleet_version);
      runs.set_provider(me.provider.str());
      runs.set_index(me.index);
      runs.set_upload_interval_s(me.upload_interval_s);
      eventpb::OfferTaken& offer = *runs.mutable_offer();
      offer.set_offer(me.offered.offer.str());
      offer.set_machine(me.offered.machine.str());
      offer.set_gpu(me.offered.gpu.str());
      offer.set_price_micro_usd_per_hour(worker.price.micros);
      offer.set_expected_rate_per_s(me.offered.expected_rate_per_s);
      offer.set_disk_gb(me.offered.disk_gb);
    }
    Add(std::move(what));
  }

  // Whether the candidate's spec takes the offer that the live policy rents.
  bool Accepts(const eventpb::LaunchRequested& launch) const {
    const account::State* account = view_.FindAccount(ProviderName(launch.provider()));
    if (account == nullptr) return false;
    for (const Offer& offer : account->offers) {
      if (offer.id.str() != launch.offer().offer()) continue;
      return fleet::SpecRefusal(shadow_.candidate, offer).empty() &&
             fleet::StrikeRefusal(view_, shadow_.candidate, offer, now_).empty();
    }
    return false;
  }

  // What is rented in truth stands for what was only supposed, as soon as there is such a thing:
  // the same offer, or one for the same place that the candidate would take too.
  bool StandsForModelled(const eventpb::LaunchRequested& launch) {
    const Entry* place = nullptr;
    for (const auto& [number, entry] : shadow_.open) {
      const eventpb::LaunchRequested& supposed = entry.what.would_launch();
      const bool free = entry.modelled && !anchored_.contains(number) &&
                        supposed.upgrade_trial() == launch.upgrade_trial();
      if (!free) continue;
      if (supposed.offer().offer() == launch.offer().offer()) {
        return Anchor(entry, "the live fleet rents this very offer: that one stands for it");
      }
      if (supposed.index() == launch.index()) place = &entry;
    }
    return place != nullptr && Accepts(launch) &&
           Anchor(*place, "the live fleet rents for its place: that one stands for it");
  }
  bool Anchor(const Entry& entry, std::string_view how) {
    anchored_.insert(entry.what.number());
    Resolve(entry.what.number(), Side::CANDIDATE, how, CandidateSide(entry, now_));
    return true;
  }

  void Launches() {
    std::vector<const eventpb::LaunchRequested*> live, candidate;
    for (const auto& launch : candidate_.launches) candidate.push_back(&launch);
    for (const auto& launch : live_.launches) {
      const auto same = std::find_if(candidate.begin(), candidate.end(), [&](const auto* other) {
        return other->offer().offer() == launch.offer().offer();
      });
      if (same == candidate.end()) {
        live.push_back(&launch);
      } else {
        ++out_.agreements;
        candidate.erase(same);
      }
    }
    for (const auto* launch : live) {
      const auto other = std::find_if(candidate.begin(), candidate.end(), [&](const auto* one) {
        return one->upgrade_trial() == launch->upgrade_trial();
      });
      if (other != candidate.end()) {
        WouldRent(**other, launch);
        candidate.erase(other);
      } else if (StandsForModelled(*launch)) {
        ++out_.agreements;
      } else {
        WouldNotRent(*launch);
      }
    }
    for (const auto* launch : candidate) WouldRent(*launch, nullptr);
  }

  std::string WhyLiveDoesNot() const {
    const fleet::State& fleet = world_.fleets.at(shadow_.fleet);
    const std::string waits = live_.waits.empty() ? Join(fleet.waits) : live_.waits;
    return waits.empty() ? HasOf(world_, fleet.wanted()) : waits;
  }
  std::string WhyCandidateDoesNot() const {
    if (!candidate_.waits.empty()) return candidate_.waits;
    return HasOf(view_, view_.fleets.at(shadow_.fleet).wanted());
  }
  std::string HasOf(const World& world, int wanted) const {
    const auto open = world.open_by_fleet.find(shadow_.fleet);
    const std::size_t have = open == world.open_by_fleet.end() ? 0 : open->second.size();
    return Cat("it has ", have, " of ", wanted, wanted == 1 ? " worker" : " workers");
  }

  void WouldRent(const eventpb::LaunchRequested& launch, const eventpb::LaunchRequested* live) {
    eventpb::ShadowDisagreed what;
    what.set_kind(live == nullptr ? Kind::WOULD_RENT : Kind::WOULD_RENT_OTHER);
    what.set_rule(launch.evidence().rule());
    *what.mutable_would_launch() = launch;
    *what.mutable_would_launch()->mutable_evidence() = Recordable(launch.evidence());
    if (live == nullptr) {
      what.set_why_not(StoredText(WhyLiveDoesNot(), kWhyBytesMax));
    } else {
      TakeLive(*live, what);
    }
    Add(std::move(what));
  }
  void WouldNotRent(const eventpb::LaunchRequested& live) {
    eventpb::ShadowDisagreed what;
    what.set_kind(Kind::WOULD_NOT_RENT);
    what.set_rule(live.evidence().rule());
    what.set_why_not(StoredText(WhyCandidateDoesNot(), kWhyBytesMax));
    TakeLive(live, what);
    Add(std::move(what));
  }
  static void TakeLive(const eventpb::LaunchRequested& live, eventpb::ShadowDisagreed& what) {
    *what.mutable_live_offer() = live.offer();
    what.set_live_index(live.index());
    *what.mutable_live_evidence() = live.evidence();
  }

  const Moment& moment_;
  const State& shadow_;
  const World& world_;
  const absl::Time now_;
  const std::map<std::int64_t, const worker::State*> workers_;
  const World view_;
  const Acts live_;
  const Acts candidate_;
  std::int64_t number_;
  int added_ = 0;
  std::set<std::int64_t> anchored_;
  Comparison out_;
};

}  // namespace

Comparison Compare(const Moment& moment, const State& shadow) {
  return Comparing(moment, shadow).Run();
}

bool DecidesAnything(const fleet::PlanResult& plan, const World& world, const FleetName& fleet) {
  const Acts acts = ActsOf(plan, world, fleet);
  return !acts.launches.empty() || !acts.ends.empty();
}

}  // namespace muster::shadow
