// ReadModels: all projections of the log at one position, and every question they answer.
//
// Reactor thread. A value of the log alone: nothing here knows a clock, so each query takes `now`.
// The live one belongs to the Projector (queries/projector.h); Projector::AsOf builds one of the
// past. The store must outlive it: events are read back from there for lines and explanations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "queries/account/model.h"
#include "queries/cost/model.h"
#include "queries/efficiency/model.h"
#include "queries/fleet_status/model.h"
#include "queries/health/model.h"
#include "queries/projection.h"
#include "queries/strikes/model.h"
#include "queries/timeline/model.h"

namespace muster::queries {

class AccountProjection;
class CostProjection;
class FleetStatusProjection;
class HealthProjection;
class StrikesProjection;
class TimelineProjection;
struct WorkerFacts;

class ReadModels {
 public:
  explicit ReadModels(const EventStore& store);
  // Of an earlier moment of the log that `later` has folded: looks up positions in what `later`
  // keeps, which may go on and end meanwhile.
  ReadModels(const EventStore& store, const ReadModels& later);
  ~ReadModels();
  ReadModels(ReadModels&&) = delete;

  // Of the newest event folded; 0 = none.
  Position position() const { return position_; }
  // When it was recorded.
  absl::Time recorded_at() const { return recorded_at_; }
  // Of the newest event folded; empty = none. Says which log this is a model of.
  const std::string& hash() const { return hash_; }
  // Four letters, the front of every launch token; empty before the first event.
  const std::string& installation() const { return installation_; }

  // ---- questions -------------------------------------------------------------------------------

  // By name.
  std::vector<FleetStatus> Fleets(absl::Time now, bool include_ended = false) const;
  // Whether a fleet of this name was ever applied; costs nothing, unlike its status.
  bool HasFleet(const FleetName& name) const;
  // kNotFound  no fleet of this name was ever applied
  StatusOr<FleetStatus> Fleet(const FleetName& name, absl::Time now) const;

  // kInvalidArgument  the page token is none of ours: start from the first page
  StatusOr<WorkerPage> Workers(const WorkerQuery& query, absl::Time now) const;
  // fleet -> health word -> how many open workers; without looking closer at each.
  std::map<std::string, std::map<std::string, int>> HealthCounts() const;
  // `key`: id, unique prefix of it, label, instance id, or FLEET/INDEX; open workers before ended
  // ones, newest first.
  //
  // kNotFound            nobody is called so
  // kFailedPrecondition  several are; the message names them: ask for one of them
  StatusOr<WorkerStatus> Worker(std::string_view key, absl::Time now) const;

  // Most live strikes first, then by provider and id.
  std::vector<HostStatus> Hosts(const HostQuery& query, absl::Time now) const;
  // One machine id a line, one line per live strike, as the old bad-hosts.txt.
  std::string BadHosts(const ProviderName& provider, absl::Time now) const;

  // By provider.
  std::vector<AccountStatus> Accounts(absl::Time now) const;

  // Of one fleet, or of all when `fleet` is empty.
  EfficiencyReport Efficiency(const FleetName& fleet, absl::Time now) const;
  CostReport Cost(const FleetName& fleet, absl::Time now) const;
  // Spent on workers that ended without ever producing, by fleet. Costs nothing, unlike Cost.
  std::map<std::string, MicroUsd> Lost() const;

  // Since the log began, by fleet, rule, action.
  std::vector<DecisionCount> Decisions() const;

  // kDataLoss, kUnimplemented  from the store or the codec: the log is damaged or of a newer writer
  StatusOr<EventPage> Events(const EventQuery& query) const;
  // `subject`: "worker/k7f2q", "fleet/zeb", "host/vast/5512", "account/vast", "shadow/zeb",
  // "command/REQUEST_ID", or a position.
  // A worker may be named as in Worker(), with or without "worker/".
  //
  // kNotFound            there is no such stream or position
  // kFailedPrecondition  as Worker()
  // kInvalidArgument     not one of these forms
  StatusOr<Explanation> Explain(std::string_view subject) const;

  // ---- folding: for the Projector, and for tests -----------------------------------------------

  // REQUIRES: recorded.position == position() + 1
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body);
  // Decodes and folds.
  // kDataLoss       not the next event, or it does not parse; nothing was folded: stop, do not skip
  // kUnimplemented  as DecodeEvent; likewise
  Status Apply(const RecordedEvent& recorded);

  // Equal logs give equal digests, whether folded in one go, live, or from a snapshot.
  std::string Digest() const;
  std::string Save() const;
  // False: of another version or damaged; the object must not be used any more.
  bool Load(std::string_view bytes);
  // The same without what one of an earlier moment looks up in a later one: as large as what the
  // log tells of, not as long as the log. LoadPast is for an object made with a later one.
  std::string SavePast() const;
  bool LoadPast(std::string_view bytes);

 private:
  std::vector<Projection*> Parts() const;
  std::string SaveWith(const std::function<std::string(const Projection&)>& save) const;
  bool LoadWith(std::string_view bytes,
                const std::function<bool(Projection&, std::string_view)>& load);
  // `facts` of the health model with what the other models know of the worker.
  WorkerStatus FullWorker(const WorkerFacts& facts, absl::Time now) const;
  std::vector<WorkerStatus> OpenWorkers(const std::string& fleet, absl::Time now) const;
  void Complete(FleetStatus& fleet, absl::Time now) const;
  StatusOr<const WorkerFacts*> FindWorker(std::string_view key) const;

  const EventStore& store_;
  Position position_ = 0;
  absl::Time recorded_at_ = absl::InfinitePast();
  std::string hash_;
  std::string installation_;
  std::unique_ptr<HealthProjection> health_;
  std::unique_ptr<CostProjection> cost_;
  std::unique_ptr<StrikesProjection> strikes_;
  std::unique_ptr<AccountProjection> account_;
  std::unique_ptr<FleetStatusProjection> fleets_;
  std::unique_ptr<TimelineProjection> timeline_;
};

}  // namespace muster::queries
