// ReplayRun: a replay over a log, from wherever it is read: a store, a store's folder, a bundle. It
// goes on in steps, so that a daemon can do other things between them.
//
//   ReplayRun run(question, read, World());
//   for (bool done = false; !done;) MUSTER_ASSIGN_OR_RETURN(done, run.Step(200));
//   apipb::ReplayResponse answer = run.Answer();
//
// Reads only. Any thread, one at a time; `read` and what it reads from must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "commands/replay/replay.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/query.pb.h"

namespace muster {

namespace apipb = ::muster::api::v1;

// Calls `visit` with at most `limit` events after `after`, oldest first, until it returns false.
using ReadLogFn = std::function<Status(Position after, std::size_t limit,
                                       absl::FunctionRef<bool(const RecordedEvent&)> visit)>;
ReadLogFn ReadFrom(const EventStore& store);
// Of a store's folder; musterd need not run. Reads it from its beginning each time: ask for much at
// once. The errors are those of ReadStoreFolder.
ReadLogFn ReadFromFolder(std::string path);

// kDataLoss, kUnimplemented  the payload cannot be read; the message names the position
StatusOr<replay::Recorded> ToRecorded(const RecordedEvent& recorded);

struct ReplayQuestion {
  std::optional<FleetName> fleet;           // nullopt = all
  std::optional<specpb::FleetSpec> policy;  // complete; nullopt = what was in force
  // The span: after the last event up to `since` (or recorded before `since_time`), up to `until`.
  Position since = 0;
  absl::Time since_time = absl::InfinitePast();
  Position until = 0;
  absl::Time until_time = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();  // money is counted until then; else until the last event
  fleet::PlanOptions plan;
  std::size_t differences_max = 20;
};

class ReplayRun {
 public:
  // `start` is the World at any position not after the span's beginning; World() always will do.
  // REQUIRES: question.until > 0
  ReplayRun(ReplayQuestion question, ReadLogFn read, World start);
  ~ReplayRun();

  // Goes on for about `events` events; true when it is done.
  //   kNotFound            there was no such fleet in the span
  //   kInvalidArgument     the policy cannot stand in for the fleet's: the message says why
  //   kDataLoss, kUnimplemented  as the log has it
  StatusOr<bool> Step(std::size_t events);

  // Once it is done.
  apipb::ReplayResponse Answer() const;
  const replay::Report& report() const { return report_; }

 private:
  enum class Phase { kFold, kScan, kReplay, kDone };
  Status Fold(std::size_t events);
  Status Scan(std::size_t events);
  Status Replay(std::size_t events);
  Status BeginScan();
  Status BeginReplay();
  bool InSpan(const RecordedEvent& recorded) const;

  const ReplayQuestion question_;
  const ReadLogFn read_;
  Phase phase_ = Phase::kFold;
  World start_;
  absl::Time from_ = absl::InfinitePast();
  Position at_ = 0;  // read up to there in this phase
  std::unique_ptr<replay::Scan> scan_;
  std::unique_ptr<replay::Replay> replay_;
  std::optional<specpb::FleetSpec> live_spec_;  // the first one in force
  replay::Report report_;
};

// The report as the API gives it. `live` is the policy that `trial` stands in for.
apipb::ReplayResponse ToResponse(const replay::Report& report, const std::string& fleet,
                                 const specpb::FleetSpec* live, const specpb::FleetSpec* trial);

}  // namespace muster
