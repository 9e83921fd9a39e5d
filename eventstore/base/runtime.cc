#include "eventstore/base/runtime.h"

namespace muster {
namespace {

struct Countdown {
  std::size_t left;
  std::unique_ptr<Signal> signal;
};

Task<void> RunOne(Task<void> task, std::shared_ptr<Countdown> countdown) {
  co_await std::move(task);
  if (--countdown->left == 0) countdown->signal->NotifyAll();
}

}  // namespace

Task<void> WhenAll(Runtime& rt, std::vector<Task<void>> tasks) {
  auto countdown = std::make_shared<Countdown>(Countdown{tasks.size(), rt.MakeSignal()});
  for (Task<void>& task : tasks) rt.Spawn("when-all", RunOne(std::move(task), countdown));
  while (countdown->left > 0) co_await countdown->signal->WaitUntil(absl::InfiniteFuture());
}

}  // namespace muster
