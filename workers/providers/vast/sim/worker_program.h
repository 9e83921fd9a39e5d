// WorkerProgram: what a zeb worker prints from the moment its container runs.
//
// Lines are made when somebody looks (AdvanceTo), in time order, from the seed. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/rng.h"

namespace muster::vastsim {

struct WorkerSpec {
  std::string id = "worker";  // as in "[worker-vast-0] batch 7: ..."
  std::string gpu;
  std::string weights = "zeb/zeb-557k-1m.pt";
  std::string examples = "zeb/examples";
  double games_per_s = 1.8;
  int games_per_batch = 256;
  absl::Duration setup = absl::Seconds(90);
  absl::Duration upload_interval = absl::Seconds(240);
  int lines_kept = 1000;
};

class WorkerProgram {
 public:
  struct Line {
    absl::Time at;
    std::string text;
  };

  WorkerProgram(WorkerSpec spec, std::uint64_t seed) : spec_(std::move(spec)), rng_(seed) {}

  // The container (re)starts: the program begins again; earlier lines stay.
  void Start(absl::Time at);
  // Prints all that is due up to `now`.
  void AdvanceTo(absl::Time now);
  // Nothing more is printed until Start.
  void Stop(absl::Time at);
  bool stopped() const { return !running_; }

  // Setup never gets past its second step; a worker already beyond it falls silent.
  void StayInSetup();
  void Slow(double factor) { spec_.games_per_s *= factor; }
  void FailUploads(std::string why) { upload_failure_ = std::move(why); }
  void Heal(double games_per_s);
  // Prints `text` (several lines) at `at`.
  void Print(absl::Time at, std::string_view text);
  // From now on the log is exactly this.
  void Script(absl::Time at, const std::vector<std::string>& lines);

  const std::deque<Line>& lines() const { return lines_; }
  std::int64_t batches() const { return batch_; }
  absl::Time last_batch() const { return last_batch_; }
  const WorkerSpec& spec() const { return spec_; }

 private:
  void PrintSetup();
  void PrintStart();
  void PrintBatch();
  void PrintUpload();
  void Add(absl::Time at, std::string text);

  WorkerSpec spec_;
  Rng rng_;
  std::deque<Line> lines_;
  bool running_ = false;
  bool scripted_ = false;
  bool stuck_setup_ = false;
  std::string upload_failure_;
  int phase_ = 0;    // 0 setup line n..., then batches
  absl::Time next_;  // when the next piece is printed
  absl::Time started_;
  absl::Time uploaded_;
  int unsent_ = 0;
  std::int64_t batch_ = 0;
  absl::Time last_batch_ = absl::InfinitePast();
  std::int64_t step_ = 0;
};

}  // namespace muster::vastsim
