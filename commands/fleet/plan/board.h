// Board: what the policy needs of the World, kept up to date worker by worker.
//
// Derived from the World alone and disposable: a fresh Board refreshed at `now` equals one that was
// kept up to date event by event. It exists so that a pass over 10,000 workers, one of them
// changed, looks at one. Reactor thread; holds no references into the World between calls.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/worker/assess.h"
#include "commands/world.h"

namespace muster::fleet {

// One worker as the policy sees it.
struct Card {
  enum class Part { kLaunching, kLive, kLeaving, kEnded };
  Part part = Part::kEnded;
  int index = 0;
  bool occupies = false;  // fills a place: launching, live, or its destruction not yet accepted
  bool open = false;
  bool unclear = false;
  bool produced = false;
  bool trial = false;
  bool probe = false;
  WorkerId replaces;
  Stamp begun;
  absl::Time watched_since;  // the same, without the time that nobody looked
  absl::Time ended_at = absl::InfiniteFuture();
  MachineId machine;
  OfferId offer;
  MicroUsdPerHour burn;
  double rate_per_s = 0;  // observed where there is enough of it, else as expected at the launch
  std::int64_t fleet_version = 0;
  std::int64_t upload_interval_s = 0;
  worker::Assessment assessment;
  // Money: at `money_at` so much was spent, and `paid` per hour since.
  double spent = 0, spent_today = 0, paid_per_s = 0;
};

// How a worker ended or is about to; ended ones are remembered for an hour.
struct Departure {
  enum class Kind { kRejected, kNotFound, kCondemned, kVanished };
  Kind kind = Kind::kCondemned;
  eventpb::LaunchRejected::Reason reason = eventpb::LaunchRejected::REASON_UNSPECIFIED;
  std::string rule;
  std::string detail;  // in full: of the refusal, or the verdict's summary
  specpb::Fault fault = specpb::FAULT_UNSPECIFIED;
  bool replace = false;
  double strike_weight = 0;
  int index = 0;
  MachineId machine;
  OfferId offer;
  Stamp at;
};

struct Money {
  MicroUsdPerHour burn;
  MicroUsd today;
  MicroUsd total;
};

// The places from 0 on that nobody occupies, as spans: there may be ten thousand taken, and each
// event about a worker takes it off the board and puts it back.
class FreePlaces {
 public:
  void Take(int index);
  void Give(int index);
  // The lowest free one from `index` on.
  int From(int index) const;

 private:
  std::map<int, int> spans_{{0, std::numeric_limits<int>::max()}};  // begin -> end
};

struct FleetBoard {
  std::map<WorkerId, Card> cards;
  std::map<int, std::set<WorkerId>> places;  // by index: who occupies it
  std::set<int> crowded;                     // indexes with two or more
  FreePlaces free_places;
  std::set<WorkerId> with_verdict;
  std::set<WorkerId> to_start;
  std::set<WorkerId> unheard;      // see Assessment::unheard_since
  std::set<WorkerId> health_news;  // judged otherwise than last written
  std::set<WorkerId> trials;       // open ones
  std::set<WorkerId> trials_all;   // those that ended too, as long as they are remembered
  // Live ones that produced: $ per unit of work, negative, so that the worst is the first.
  std::set<std::pair<double, WorkerId>> worst_first;
  std::map<WorkerId, Departure> departures;
  std::map<std::int64_t, int> producers;    // by fleet version: workers that ever produced
  std::map<std::int64_t, int> by_interval;  // occupying workers by upload interval
  std::set<std::pair<absl::Time, WorkerId>> due;
  int occupying = 0;
  int leaving = 0;  // of those: condemned, the order not yet taken
  int open = 0;
  int launching = 0;
  int unclear = 0;
  int healthy = 0;
  Stamp last_accepted;  // newest launch that was accepted
  Stamp last_trial;     // newest begun upgrade trial
  MicroUsdPerHour burn;
  MicroUsdPerHour leaving_burn;  // the part of it that is on its way out
  double spent = 0, spent_today = 0, paid_per_s = 0;

  // What the cards were judged by; when it changes, all are judged again.
  std::int64_t fleet_version = -1;
  ProviderName provider;
  bool credit_wait = false;
  bool account_trouble = false;

  // Trials that run beside the worker they are to replace.
  std::vector<WorkerId> RunningTrials() const;
};

class Board {
 public:
  // `stream` got an event: look at it again.
  void Touch(const StreamId& stream);
  void TouchAll() { all_ = true; }

  // Brings the board up to `now`. Afterwards `dirty` fleets and accounts need a pass.
  void Refresh(const World& world, absl::Time now);

  FleetBoard* Find(const FleetName& fleet);
  const std::map<FleetName, FleetBoard>& fleets() const { return fleets_; }
  std::set<FleetName>& dirty() { return dirty_; }

  // Open workers on a machine or from an offer, over all fleets of the provider.
  bool MachineTaken(const ProviderName& provider, const MachineId& machine) const;
  bool OfferTaken(const ProviderName& provider, const OfferId& offer) const;
  int LaunchesInFlight(const ProviderName& provider) const;

  Money MoneyOf(const World& world, const FleetName& fleet, absl::Time now) const;
  Money MoneyOfAccount(const World& world, const ProviderName& provider, absl::Time now) const;

  absl::Time next_due() const;

 private:
  void Rebuild(const World& world, absl::Time now);
  void Place(const WorkerId& id, const worker::State& state, absl::Time now);
  void Occupy(FleetBoard& fleet, const WorkerId& id, int index);
  void Vacate(FleetBoard& fleet, const WorkerId& id, int index);
  void Remove(FleetBoard& fleet, const WorkerId& id);
  void JudgeOne(const World& world, const FleetName& name, const WorkerId& id, absl::Time now);
  void Unjudge(FleetBoard& fleet, const WorkerId& id);
  // True when the surroundings of all cards changed and they were judged again.
  bool CheckSurroundings(const World& world, const FleetName& name, absl::Time now);

  std::map<FleetName, FleetBoard> fleets_;
  std::map<WorkerId, FleetName> fleet_of_;
  std::map<std::pair<ProviderName, MachineId>, int> machines_;
  std::map<std::pair<ProviderName, OfferId>, int> offers_;
  std::set<WorkerId> touched_;
  std::set<FleetName> dirty_;
  bool all_ = true;
  bool streams_ = false;  // a fleet, host or account stream was touched
  std::int64_t day_ = -1;
  absl::Time epoch_;
};

// Days since 1970 UTC, and the next midnight.
std::int64_t UnixDay(absl::Time now);
absl::Time NextMidnight(absl::Time now);

}  // namespace muster::fleet
