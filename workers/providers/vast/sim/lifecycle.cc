// World, second half: how contracts boot, work and fail.
#include <cmath>
#include <iterator>

#include "eventstore/base/strings.h"
#include "workers/providers/vast/sim/world.h"

namespace muster::vastsim {

namespace {

constexpr const char* kTraceback =
    "Traceback (most recent call last):\n"
    "  File \"/root/mk5/forge/zeb/worker/run.py\", line 214, in <module>\n"
    "    main()\n"
    "  File \"/root/mk5/forge/zeb/worker/run.py\", line 187, in main\n"
    "    examples = pipeline.generate(n_games=args.games_per_batch)\n";
constexpr const char* kCudaError =
    "RuntimeError: CUDA error: an illegal memory access was encountered";

std::string ImageNameInStatus(std::string image) {
  for (char& c : image) {
    if (c == ':') c = '_';
  }
  return image;
}

}  // namespace

void World::Schedule(Contract& contract, absl::Duration wait, Step step, std::string text,
                     FailureSpec failure, bool even_if_changed) {
  plans_.emplace(now_ + wait, Plan{.contract = contract.id,
                                   .generation = even_if_changed ? -1 : contract.generation,
                                   .step = step,
                                   .text = std::move(text),
                                   .failure = std::move(failure)});
}

void World::PlanBoot(Contract& contract, absl::Duration boot) {
  contract.stuck_boot = false;
  Schedule(contract, boot * 0.03, Step::kStatus, "created");
  Schedule(contract, boot * 0.08, Step::kStatus, "loading");
  Schedule(contract, boot, Step::kRunning);
  const std::optional<FailureSpec>& bad = market.machine(contract.machine).bad;
  if (bad.has_value() && bad->how == Failure::kStuckBoot) contract.stuck_boot = true;
  if (contract.recorded != nullptr) {
    contract.stuck_boot = contract.recorded->failed == FailureName(Failure::kStuckBoot);
  } else if (options.stuck_boot_share > 0 && contract.fate.Chance(options.stuck_boot_share)) {
    contract.stuck_boot = true;
  }
  if (contract.stuck_boot) contract.failures.push_back({Failure::kStuckBoot, now_});
}

void World::PlanFailure(Contract& contract, FailureSpec spec) {
  if (spec.after <= absl::ZeroDuration()) {
    Fail(contract, spec);
    return;
  }
  const absl::Duration after = spec.after;
  Schedule(contract, after, Step::kFailure, "", std::move(spec), /*even_if_changed=*/true);
}

void World::Execute(const Plan& plan) {
  Contract* contract = Find(plan.contract);
  if (contract == nullptr) return;
  if (plan.generation >= 0 && plan.generation != contract->generation) return;
  switch (plan.step) {
    case Step::kStatus:
      contract->status_message = Cat("loading ", contract->order.image);
      SetStatus(*contract, plan.text);
      return;
    case Step::kRunning:
      if (!contract->stuck_boot) Run(*contract);
      return;
    case Step::kFailure:
      Fail(*contract, plan.failure);
      return;
    case Step::kQueuedStart:
      contract->cur_state = "running";
      PlanBoot(*contract, absl::Seconds(20));
      return;
    case Step::kResume: {
      const std::string before = contract->before_outage.value_or("running");
      SetStatus(*contract, before);
      contract->before_outage.reset();
      if (before != "running") PlanBoot(*contract, absl::Seconds(20));
      return;
    }
  }
}

void World::Run(Contract& contract) {
  contract.status_message =
      Cat("success, running ", ImageNameInStatus(contract.order.image), "/ssh");
  contract.container = true;
  contract.running_since = now_;
  contract.cur_state = contract.intended = "running";
  SetStatus(contract, "running");
  contract.program.Start(now_);
  std::optional<FailureSpec>& bad = market.FindMachine(contract.machine)->bad;
  if (bad.has_value()) PlanFailure(contract, *bad);
  if (contract.recorded != nullptr) {
    const std::optional<Failure> how = FailureFromName(contract.recorded->failed);
    if (how.has_value()) PlanFailure(contract, {.how = *how, .after = contract.recorded->ran});
    if (how.has_value() || contract.recorded->ran <= absl::ZeroDuration()) return;
  }
  PlanFate(contract);
}

// The next failure that comes by itself, as a Poisson process would bring it.
void World::PlanFate(Contract& contract) {
  if (options.failures_per_hour <= 0) return;
  constexpr Failure kKinds[] = {
      Failure::kStall,      Failure::kFatalError, Failure::kRecoveredError, Failure::kUploadsFail,
      Failure::kSlowWorker, Failure::kExit,       Failure::kHostError,      Failure::kOffline,
      Failure::kUnknown,    Failure::kStopped,    Failure::kVanish};
  FailureSpec spec{.how = kKinds[contract.fate.Below(std::size(kKinds))]};
  spec.after = absl::Hours(-std::log(1 - contract.fate.Unit()) / options.failures_per_hour);
  if (contract.recorded != nullptr) spec.after += contract.recorded->ran;  // so long it went well
  spec.span = absl::Minutes(1) + absl::Minutes(30) * contract.fate.Unit();
  PlanFailure(contract, std::move(spec));
}

void World::Fail(Contract& contract, const FailureSpec& spec) {
  contract.failures.push_back({spec.how, now_, spec.span == absl::InfiniteDuration()});
  if (FailProgram(contract, spec)) return;
  FailHost(contract, spec);
}

// True when the failure was one of the program in the container.
bool World::FailProgram(Contract& contract, const FailureSpec& spec) {
  WorkerProgram& program = contract.program;
  program.AdvanceTo(now_);
  const std::string error = spec.text.empty() ? kCudaError : spec.text;
  switch (spec.how) {
    case Failure::kStall:
      program.Stop(now_);
      return true;
    case Failure::kFatalError:
      program.Print(now_, Cat(kTraceback, error));
      program.Stop(now_);
      return true;
    case Failure::kRecoveredError:
      program.Print(now_, Cat(kTraceback, error));
      return true;
    case Failure::kUploadsFail:
      program.FailUploads(spec.text.empty() ? "429 Client Error: Too Many Requests" : spec.text);
      return true;
    case Failure::kSlowWorker:
      program.Slow(0.1);
      return true;
    case Failure::kStuckSetup:
      program.StayInSetup();
      return true;
    case Failure::kLaunchBroken:
      for (int i = 0; i < 12; ++i) {
        program.Print(now_, Cat("/root/onstart.sh: line ", 3 + i, ": python: command not found"));
      }
      program.Stop(now_);
      return true;
    case Failure::kStuckBoot:
    case Failure::kExit:
    case Failure::kImageError:
    case Failure::kHostError:
    case Failure::kOffline:
    case Failure::kUnknown:
    case Failure::kStopped:
    case Failure::kStrangeStatus:
    case Failure::kVanish:
    case Failure::kRepair:
      return false;
  }
  return false;
}

void World::FailHost(Contract& contract, const FailureSpec& spec) {
  if (spec.how == Failure::kVanish) {
    End(contract, "vanished");
    return;
  }
  if (spec.how == Failure::kOffline || spec.how == Failure::kUnknown) {
    Outage(contract, spec.how == Failure::kOffline ? "offline" : "unknown", spec.span);
    return;
  }
  if (spec.how == Failure::kStopped) {
    RequestState(contract, "stopped");
    return;
  }
  Supersede(contract);
  if (spec.how == Failure::kRepair) {
    const Machine& machine = market.machine(contract.machine);
    contract.program.Heal(machine.gpu.games_per_s * machine.speed);
    contract.intended = "running";
    PlanBoot(contract, absl::Seconds(30));
    return;
  }
  contract.program.Stop(now_);
  contract.running_since = absl::InfiniteFuture();
  std::string status = "exited";
  if (spec.how == Failure::kStuckBoot) {
    contract.stuck_boot = true;
    contract.container = false;
    status = "loading";
  } else if (spec.how == Failure::kImageError) {
    contract.container = false;
    contract.status_message = Cat("Error response from daemon: manifest for ", contract.order.image,
                                  " not found: manifest unknown");
  } else if (spec.how == Failure::kHostError) {
    contract.status_message =
        "Error: OCI runtime create failed: nvidia-container-cli: initialization error";
  } else if (spec.how == Failure::kStrangeStatus) {
    status = spec.text.empty() ? "hibernating" : spec.text;
  }
  SetStatus(contract, status);
}

// The container goes on meanwhile; nobody hears of it.
void World::Outage(Contract& contract, const char* status, absl::Duration span) {
  if (!contract.before_outage.has_value()) {
    contract.before_outage = contract.actual.value_or("loading");
  }
  ++contract.generation;
  SetStatus(contract, status);
  if (span < absl::InfiniteDuration()) Schedule(contract, span, Step::kResume);
}

}  // namespace muster::vastsim
