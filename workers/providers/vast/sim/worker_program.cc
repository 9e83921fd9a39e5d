#include "workers/providers/vast/sim/worker_program.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster::vastsim {

namespace {

constexpr int kSetupSteps = 5;
constexpr int kExamplesPerGame = 28;

std::string Date(absl::Time at) {
  return absl::FormatTime("%a %b %e %H:%M:%S UTC %Y", at, absl::UTCTimeZone());
}

}  // namespace

void WorkerProgram::Start(absl::Time at) {
  if (scripted_) return;
  running_ = true;
  phase_ = 0;
  started_ = at;
  next_ = at + absl::Seconds(1);
  batch_ = 0;
  unsent_ = 0;
  step_ = 100 + static_cast<std::int64_t>(rng_.Below(100));
}

void WorkerProgram::Stop(absl::Time at) {
  AdvanceTo(at);
  running_ = false;
}

void WorkerProgram::StayInSetup() {
  stuck_setup_ = true;
  if (phase_ > 2) running_ = false;
}

void WorkerProgram::Heal(double games_per_s) {
  spec_.games_per_s = games_per_s;
  stuck_setup_ = false;
  upload_failure_.clear();
}

void WorkerProgram::AdvanceTo(absl::Time now) {
  while (running_ && next_ <= now) {
    if (phase_ < kSetupSteps) {
      PrintSetup();
    } else if (phase_ == kSetupSteps) {
      PrintStart();
    } else {
      PrintBatch();
    }
  }
}

void WorkerProgram::PrintSetup() {
  switch (phase_) {
    case 0:
      Add(next_, Cat("=== Setup started at ", Date(next_), " ==="));
      break;
    case 1:
      Add(next_, "git installed");
      break;
    case 2:
      Add(next_, "repo cloned");
      break;
    case 3:
      Add(next_, "deps installed");
      break;
    default:
      Add(next_, Cat("GPU OK: NVIDIA GeForce ", spec_.gpu));
      break;
  }
  if (stuck_setup_ && phase_ == 2) {
    next_ = absl::InfiniteFuture();
    return;
  }
  // Installing the dependencies takes most of the time.
  const double share[] = {0.1, 0.1, 0.65, 0.1, 0.05};
  next_ += spec_.setup * share[phase_];
  ++phase_;
}

void WorkerProgram::PrintStart() {
  const std::string examples = Cat("hf:", spec_.examples);
  Add(next_, Cat("=== Starting worker ", spec_.id, " at ", Date(next_), " ==="));
  Add(next_, Cat("Pulling initial weights from ", spec_.weights, "..."));
  Add(next_, Cat("  Model loaded (step ", step_, "), 557,186 params, tokenizer=v1"));
  Add(next_, Cat("  Examples repo: ", spec_.examples));
  Add(next_, "Creating self-play pipeline...");
  next_ += absl::Milliseconds(8300);
  Add(next_, "Pipeline created in 8.3s");
  Add(next_, "");
  Add(next_,
      Cat("Worker ", spec_.id, " starting (output: ", examples, " (namespace: ", spec_.id, "))"));
  Add(next_, Cat("  games_per_batch=", spec_.games_per_batch, ", weight_sync_interval=2"));
  Add(next_,
      Cat("  upload_interval=", absl::ToInt64Seconds(spec_.upload_interval), "s (folder upload)"));
  uploaded_ = next_;
  ++phase_;
  next_ += absl::Seconds(spec_.games_per_batch / spec_.games_per_s);
}

void WorkerProgram::PrintBatch() {
  const double games_per_s = spec_.games_per_s * rng_.Between(0.96, 1.03);
  ++batch_;
  last_batch_ = next_;
  ++unsent_;
  Add(next_, absl::StrFormat("[%s] batch %d: %d examples, %.1f games/s, step=%d, total_games=%d",
                             spec_.id, batch_, kExamplesPerGame * spec_.games_per_batch,
                             games_per_s, step_, batch_ * spec_.games_per_batch));
  if (batch_ % 2 == 0) {
    const std::int64_t newer = step_ + static_cast<std::int64_t>(rng_.Below(9));
    if (newer == step_) {
      Add(next_, Cat("[", spec_.id, "] No new weights (still step ", step_, ")"));
    } else {
      Add(next_, Cat("[", spec_.id, "] Weights updated: step ", step_, " -> ", newer));
    }
    step_ = newer;
  }
  if (next_ - uploaded_ >= spec_.upload_interval) PrintUpload();
  next_ += absl::Seconds(spec_.games_per_batch / games_per_s);
}

void WorkerProgram::PrintUpload() {
  Add(next_, Cat("[", spec_.id, "] Uploading ", unsent_, " batches to HF..."));
  if (!upload_failure_.empty()) {
    Add(next_, Cat("  HF transient error (attempt 1/4): HfHubHTTPError: ", upload_failure_));
    Add(next_, "  Retrying in 5s...");
    next_ += absl::Seconds(5);
    Add(next_,
        Cat("[", spec_.id, "] Upload failed (", upload_failure_, "), will retry next cycle"));
  } else {
    next_ += absl::Seconds(3);
    Add(next_, Cat("[", spec_.id, "] Upload complete (", unsent_, " batches)"));
    unsent_ = 0;
  }
  uploaded_ = next_;
}

void WorkerProgram::Print(absl::Time at, std::string_view text) {
  AdvanceTo(at);
  for (const auto& line : absl::StrSplit(ToAbsl(text), '\n')) Add(at, std::string(line));
}

void WorkerProgram::Script(absl::Time at, const std::vector<std::string>& lines) {
  running_ = false;
  scripted_ = true;
  lines_.clear();
  for (const std::string& line : lines) Add(at, line);
}

void WorkerProgram::Add(absl::Time at, std::string text) {
  lines_.push_back({at, std::move(text)});
  if (lines_.size() > static_cast<std::size_t>(spec_.lines_kept)) lines_.pop_front();
}

}  // namespace muster::vastsim
