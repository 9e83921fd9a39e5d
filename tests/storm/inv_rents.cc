// Invariants of contracts: why they were made, how many there are, and that they end.
#include <algorithm>
#include <map>
#include <set>

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "tests/storm/invariants.h"

namespace muster::storm {
namespace {

using vastsim::InstanceView;
using vastsim::LedgerLine;

// What was wanted when it was decided may be rented so long after.
constexpr absl::Duration kCarryingOut = absl::Minutes(20);
// As commands/fleet/README.md says: older ones are no offers.
constexpr absl::Duration kOffersOld = absl::Seconds(601);
constexpr absl::Duration kUpgradePause = absl::Minutes(30);
constexpr double kDiskPrice = 0.01;  // $/h at most, for what a worker needs

// Living ones by fleet; without strangers, and without strays that nobody took in.
std::map<std::string, std::vector<const InstanceView*>> LivingByFleet(const Facts& facts) {
  std::map<std::string, std::vector<const InstanceView*>> out;
  for (const InstanceView& each : facts.ground.living) {
    if (facts.deeds.strangers.contains(each.id)) continue;
    const std::string fleet = FleetOf(facts.book, each.id, each.label);
    if (fleet.empty() && facts.deeds.strays.contains(each.id)) continue;
    out[fleet].push_back(&each);
  }
  return out;
}

int MostWanted(const LogBook& book, const std::string& fleet, absl::Time at) {
  const auto changes = book.wanted().find(fleet);
  int most = 0;
  if (changes == book.wanted().end()) return most;
  for (std::size_t i = 0; i < changes->second.size(); ++i) {
    const bool over =
        i + 1 < changes->second.size() && changes->second[i + 1].at < at - kCarryingOut;
    if (!over) most = std::max(most, changes->second[i].workers);
  }
  return most;
}

// Whether lists and look-ups could not show the label of `id` around `at`.
bool LabelHidden(const Deeds& deeds, absl::Time at) {
  for (const char* trap : {"label_null", "null_fields"}) {
    const auto fired = deeds.traps_fired.find(trap);
    if (fired != deeds.traps_fired.end() && fired->second + absl::Minutes(10) > at) return true;
  }
  return false;
}

// Whether the market, as it really is, has nothing for this fleet: all else is dearer than it pays,
// disk included, or on machines that somebody has.
bool MarketIsBare(const Facts& facts, const fleet::State& fleet) {
  const double most =
      static_cast<double>(fleet.spec.market().price_max_micro_usd_per_hour()) / 1e6 - kDiskPrice;
  std::set<std::int64_t> taken;
  for (const InstanceView& each : facts.ground.living) taken.insert(each.machine);
  const std::vector<vastsim::OfferView> offers = facts.sim.Offers();
  return std::none_of(offers.begin(), offers.end(), [&](const vastsim::OfferView& offer) {
    return offer.usd_per_hour <= most && !taken.contains(offer.machine);
  });
}

}  // namespace

std::string NoContractWithoutIntent(const Facts& facts) {
  for (const LedgerLine& line : facts.ground.ledger) {
    if (facts.deeds.strangers.contains(line.instance)) continue;
    if (facts.deeds.strays.contains(line.instance)) continue;
    if (!facts.book.intents().contains(TokenOf(line.label))) {
      return Cat("instance ", line.instance, " labelled '", line.label, "' was never intended");
    }
  }
  return "";
}

std::string NeverTwoLivingForOneToken(const Facts& facts) {
  std::map<std::string, std::vector<std::int64_t>> by_label;
  for (const InstanceView& each : facts.ground.living) {
    const bool planted =
        facts.deeds.strangers.contains(each.id) || facts.deeds.strays.contains(each.id);
    if (!planted) by_label[each.label].push_back(each.id);
  }
  for (const auto& [label, ids] : by_label) {
    const auto twice = facts.deeds.rented_twice.find(label);
    const std::size_t allowed =
        1 + static_cast<std::size_t>(twice == facts.deeds.rented_twice.end() ? 0 : twice->second);
    if (ids.size() > allowed) return Cat("instances ", ids[0], " and ", ids[1], " for ", label);
  }
  return "";
}

std::string NoMoreIsRentedThanWanted(const Facts& facts) {
  std::map<std::string, int> have;
  std::map<std::string, int> trials;
  for (const auto& [token, intent] : facts.book.intents()) {
    if (facts.book.ended().contains(intent.worker)) continue;
    if (facts.book.condemned().contains(intent.worker)) continue;
    ++have[intent.fleet];
    if (intent.trial) ++trials[intent.fleet];
  }
  for (const auto& [worker, at] : facts.book.adopted()) {
    const bool gone =
        facts.book.ended().contains(worker) || facts.book.condemned().contains(worker);
    if (!gone) ++have[facts.book.fleet_of_worker().at(worker)];
  }
  for (const auto& [fleet, count] : have) {
    const int wanted = MostWanted(facts.book, fleet, facts.ground.now);
    // Of what was taken in nobody was asked beforehand; an operator may adopt more than is wanted.
    int taken_in = 0;
    for (const auto& [worker, at] : facts.book.adopted()) {
      taken_in += facts.book.fleet_of_worker().at(worker) == fleet ? 1 : 0;
    }
    if (count <= wanted + trials[fleet] + taken_in) continue;
    return Cat(fleet, " has ", count, " workers asked for or running, ", wanted, " are wanted");
  }
  return "";
}

std::string OffersAreFreshWhenTaken(const Facts& facts) {
  for (const auto& [token, intent] : facts.book.intents()) {
    if (!intent.offer_known) {
      return Cat("event ", intent.position, " takes an offer that the last search did not show");
    }
    if (intent.offers_age > kOffersOld) {
      return Cat("event ", intent.position, " takes an offer seen ", FormatSpan(intent.offers_age),
                 " ago");
    }
  }
  return "";
}

std::string UpgradesKeepTheirPace(const Facts& facts) {
  std::map<std::string, std::vector<absl::Time>> trials;
  for (const auto& [token, intent] : facts.book.intents()) {
    if (intent.trial) trials[intent.fleet].push_back(intent.at);
  }
  for (auto& [fleet, times] : trials) {
    std::sort(times.begin(), times.end());
    for (std::size_t i = 1; i < times.size(); ++i) {
      const absl::Duration pause = times[i] - times[i - 1] + facts.deeds.clock_moved;
      if (pause >= kUpgradePause - absl::Seconds(1)) continue;
      return Cat(fleet, " tries two upgrades within ", FormatSpan(times[i] - times[i - 1]));
    }
  }
  return "";
}

std::string WhoEndedIsGone(const Facts& facts) {
  for (const InstanceView& each : facts.ground.living) {
    const auto worker = facts.book.worker_of_instance().find(Cat(each.id));
    const std::string id =
        worker == facts.book.worker_of_instance().end() ? TokenOf(each.label) : worker->second;
    const auto ended = facts.book.ended().find(id);
    if (ended == facts.book.ended().end()) continue;
    const bool never_began = ended->second.how == eventpb::WorkerEnded::NEVER_BEGAN;
    if (never_began && LabelHidden(facts.deeds, ended->second.at)) continue;
    if (IsExtra(facts.book, facts.deeds, facts.ground, each.id, each.label)) continue;
    return Cat("worker ", id, " ended with event ", ended->second.position, ", and ", Tell(each),
               " is there");
  }
  return "";
}

std::string StrangersAreLeftAlone(const Facts& facts) {
  for (const std::int64_t id : facts.deeds.strangers) {
    const InstanceView* each = facts.ground.Find(id);
    if (each != nullptr && each->end_cause == "destroyed") {
      return Cat(Tell(*each), " is somebody else's, and was destroyed");
    }
    if (facts.book.worker_of_instance().contains(Cat(id))) {
      return Cat("instance ", id, " is somebody else's, and was taken in");
    }
  }
  return "";
}

std::string NothingOfAnEndedFleetIsLeft(const Facts& facts) {
  for (const auto& [name, living] : LivingByFleet(facts)) {
    const fleet::State* fleet = facts.book.world().FindFleet(FleetName(name));
    if (fleet != nullptr && fleet->active()) continue;
    return Cat(living.size(), " left of ", name, ", ", Tell(*living.front()));
  }
  return "";
}

std::string TargetReached(const Facts& facts) {
  const auto living = LivingByFleet(facts);
  for (const auto& [name, fleet] : facts.book.world().fleets) {
    if (!fleet.active()) continue;
    const auto mine = living.find(name.str());
    int producing = 0;
    int have = 0;
    if (mine != living.end()) {
      have = static_cast<int>(mine->second.size());
      for (const InstanceView* each : mine->second) {
        producing += facts.ground.now - each->last_batch < kProducing;
      }
    }
    // A budget that does not allow more, said so, is a target too.
    const bool at_budget =
        std::any_of(fleet.waits.begin(), fleet.waits.end(),
                    [](const eventpb::Wait& wait) { return wait.kind() == eventpb::Wait::BUDGET; });
    const bool excused = at_budget || MarketIsBare(facts, fleet);
    const bool enough = have == fleet.wanted() || (excused && have < fleet.wanted());
    if (enough && producing == have) continue;
    std::string waits;
    for (const eventpb::Wait& wait : fleet.waits) waits += Cat("; waits: ", wait.detail());
    return Cat(name.str(), " wants ", fleet.wanted(), ", at the provider live ", have,
               ", of which ", producing, " produce", waits);
  }
  return "";
}

std::string OneMachineForEachOpenWorker(const Facts& facts) {
  std::size_t open = 0;
  for (const auto& [fleet, workers] : facts.book.world().open_by_fleet) open += workers.size();
  std::size_t living = 0;
  for (const auto& [fleet, mine] : LivingByFleet(facts)) living += mine.size();
  return open == living ? "" : Cat(open, " open workers by the log, ", living, " machines live");
}

}  // namespace muster::storm
