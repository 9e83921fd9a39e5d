// HealthProjection: the facts of every worker, open or ended, as the log has them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "queries/fleet_status/model.h"
#include "queries/health/model.h"
#include "queries/projection.h"

namespace muster::queries {

enum class Life { kLaunching, kLive, kDestroying, kEnded };

struct WorkerFacts {
  // Who it is.
  std::string id, fleet, label, provider, instance, machine, gpu, location, replaces;
  int index = 0;
  bool adopted = false;
  std::int64_t offered_price = 0;  // micro-dollars per hour
  double expected_rate_per_s = 0;
  std::int64_t upload_interval_s = 0;

  // Where it is in its life, and what the policy thinks of it.
  Life life = Life::kLaunching;
  absl::Time begun = absl::InfinitePast();
  absl::Time life_since = absl::InfinitePast();
  int health = 0;  // eventpb::WorkerHealthChanged::Health
  std::string health_detail;
  double health_limit_s = 0;  // of the clock that runs against it, as the policy named it
  absl::Time health_since = absl::InfinitePast();
  std::string ended_how, rule;

  // From the instance list.
  std::string actual_status, intended_raw, status_message, ssh_host;
  int ssh_port = 0;
  absl::Time instance_at = absl::InfinitePast();
  absl::Time status_since = absl::InfinitePast();

  // From the log text.
  int log_phase = 0;  // 0 boot, 1 setup, 2 started, 3 producing
  absl::Time log_phase_since = absl::InfinitePast();
  std::int64_t counter = -1, total = -1, step = -1;
  std::int64_t total_before = 0;  // of containers before this one
  double rate_per_s = -1, rate_mean_per_s = 0;
  int rate_samples = 0;
  bool ever_produced = false;
  absl::Time progress_at = absl::InfinitePast();
  absl::Time log_at = absl::InfinitePast();
  std::string error, container_id;
  absl::Time error_since = absl::InfinitePast();

  std::size_t row = 0;  // while open: its place in OpenRows; not saved

  bool open() const { return life != Life::kEnded; }
  // Work done over its life, where the log counts it.
  double TotalUnits() const { return static_cast<double>(total_before + (total > 0 ? total : 0)); }

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.id, s.fleet, s.label, s.provider, s.instance, s.machine, s.gpu, s.location, s.replaces,
      s.index, s.adopted, s.offered_price, s.expected_rate_per_s, s.upload_interval_s);
    a(s.life, s.begun, s.life_since, s.health, s.health_detail, s.health_limit_s, s.health_since,
      s.ended_how, s.rule);
    a(s.actual_status, s.intended_raw, s.status_message, s.ssh_host, s.ssh_port, s.instance_at,
      s.status_since);
    a(s.log_phase, s.log_phase_since, s.counter, s.total, s.step, s.total_before, s.rate_per_s,
      s.rate_mean_per_s, s.rate_samples, s.ever_produced, s.progress_at, s.log_at, s.error,
      s.container_id, s.error_since);
  }
};

// What the status of a fleet is summed up from, of one open worker. They stand in a row, because
// to look up ten thousand workers one by one takes milliseconds, in which nobody else gets a turn.
struct OpenRow {
  WorkerFacts* facts = nullptr;
  int health = 0;
  double rate_per_s = 0;  // 0 unless it produces
  absl::Time observed_at = absl::InfinitePast();
  absl::Time clock_since = absl::InfinitePast();
};

class HealthProjection final : public Projection {
 public:
  std::string_view name() const override { return "health"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  using Workers = absl::flat_hash_map<std::string, std::unique_ptr<WorkerFacts>>;
  const Workers& workers() const { return workers_; }
  const WorkerFacts* Find(std::string_view id) const;
  // Open workers of `fleet`.
  const std::set<std::string>& OpenOf(const std::string& fleet) const;
  const std::map<std::string, std::set<std::string>>& open_by_fleet() const { return open_; }
  // The same in no order.
  const std::vector<OpenRow>& RowsOf(const std::string& fleet) const;
  const std::map<std::string, std::vector<OpenRow>>& rows_by_fleet() const { return rows_; }
  // Newest event of any worker of `fleet`.
  absl::Time UpdatedAt(const std::string& fleet) const;
  // Of ended workers: work done, by fleet and GPU.
  const std::map<std::pair<std::string, std::string>, double>& units_ended() const {
    return units_ended_;
  }
  std::vector<DecisionCount> Decisions() const;

  // What is shown of `facts` without money, strikes and the fleet's limits, which are other
  // models' to say.
  static WorkerStatus Show(const WorkerFacts& facts);

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.workers_, s.open_, s.updated_, s.units_ended_, s.decisions_);
  }

 private:
  WorkerFacts& Begin(std::string_view id, const std::string& fleet, absl::Time at);
  void Decided(const std::string& fleet, const std::string& rule, const char* action);
  void ApplyToWorker(WorkerFacts& facts, const eventpb::EventBody& body, absl::Time at);
  void End(WorkerFacts& facts, absl::Time at);
  void AddRow(WorkerFacts& facts);
  void RemoveRow(WorkerFacts& facts);

  Workers workers_;
  std::map<std::string, std::set<std::string>> open_;
  std::map<std::string, absl::Time> updated_;
  std::map<std::pair<std::string, std::string>, double> units_ended_;
  std::map<std::pair<std::string, std::pair<std::string, std::string>>, std::int64_t> decisions_;
  std::map<std::string, std::vector<OpenRow>> rows_;  // of open_; not saved
};

}  // namespace muster::queries
