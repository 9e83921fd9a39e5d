#include "workers/runtime/task_group.h"

#include <utility>

namespace muster {

struct TaskGroup::Core {
  std::unique_ptr<Signal> wake;
  std::unique_ptr<Signal> drained;
  bool stopping = false;
  std::uint64_t nudges = 0;
  int running = 0;
  int away = 0;  // of those that run

  void TellIfDrained() {
    if (running <= away) drained->NotifyAll();
  }
};

TaskGroup::Absence::Absence(std::shared_ptr<Core> core) : core_(std::move(core)) {
  ++core_->away;
  core_->TellIfDrained();
}
TaskGroup::Absence::~Absence() { --core_->away; }

TaskGroup::TaskGroup(Runtime& rt) : rt_(rt), core_(std::make_shared<Core>()) {
  core_->wake = rt.MakeSignal();
  core_->drained = rt.MakeSignal();
}

void TaskGroup::Spawn(std::string name, Task<void> task) {
  if (core_->stopping) return;
  ++core_->running;
  rt_.Spawn(std::move(name), Run(core_, std::move(task)));
}

Task<void> TaskGroup::Run(std::shared_ptr<Core> core, Task<void> task) {
  co_await std::move(task);
  --core->running;
  core->TellIfDrained();
}

Task<bool> TaskGroup::Sleep(absl::Duration span) {
  const std::shared_ptr<Core> core = core_;
  const absl::Time wake = rt_.Now() + span;
  const std::uint64_t nudges = core->nudges;
  bool notified = true;
  while (notified && !core->stopping && core->nudges == nudges) {
    notified = co_await core->wake->WaitUntil(wake);
  }
  co_return !core->stopping;
}

void TaskGroup::Nudge() {
  ++core_->nudges;
  core_->wake->NotifyAll();
}

void TaskGroup::Stop() {
  core_->stopping = true;
  core_->wake->NotifyAll();
}

bool TaskGroup::stopping() const { return core_->stopping; }
int TaskGroup::running() const { return core_->running; }

Task<void> TaskGroup::Drained() {
  const std::shared_ptr<Core> core = core_;
  while (core->running > core->away) co_await core->drained->WaitUntil(absl::InfiniteFuture());
}

}  // namespace muster
