#include "workers/os/lookup_gate.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/check.h"

namespace muster {

// Lives in the frame of the waiting task. When that frame goes while it was made the leader, the
// lead passes on.
struct LookupGate::Waiter {
  Waiter(LookupGate& in, std::string name)
      : gate(in), host_name(std::move(name)), signal(in.rt_.MakeSignal()) {
    gate.hosts_[host_name].waiters.push_back(this);
  }
  Waiter(const Waiter&) = delete;
  ~Waiter() {
    Host& host = gate.hosts_[host_name];
    host.waiters.erase(std::remove(host.waiters.begin(), host.waiters.end(), this),
                       host.waiters.end());
    if (!taken && entry == Entry::kLead) gate.Leave(host_name, Result::kNone);
  }
  void Tell(Entry what) {
    told = true;
    entry = what;
    signal->NotifyAll();
  }

  LookupGate& gate;
  const std::string host_name;
  const std::unique_ptr<Signal> signal;
  Entry entry = Entry::kLate;
  bool told = false;
  bool taken = false;
};

Task<LookupGate::Entry> LookupGate::Enter(std::string host_name, absl::Time deadline) {
  if (closed_) co_return Entry::kClosed;
  Host& host = hosts_[host_name];
  if (rt_.Now() < host.known_until) co_return Entry::kGo;
  if (!host.led) {
    host.led = true;
    co_return Entry::kLead;
  }
  Waiter waiter(*this, std::move(host_name));
  while (!waiter.told) {
    const bool notified = co_await waiter.signal->WaitUntil(deadline);
    if (!notified) break;
  }
  waiter.taken = true;
  co_return waiter.entry;
}

void LookupGate::Leave(const std::string& host_name, Result result) {
  Host& host = hosts_[host_name];
  MUSTER_CHECK(host.led);
  host.led = false;
  switch (result) {
    case Result::kFound:
      host.known_until = rt_.Now() + known_for_;
      return WakeAll(host, Entry::kGo);
    case Result::kFailed:
      return WakeAll(host, Entry::kFailed);
    case Result::kNone:
      if (host.waiters.empty()) return;
      host.led = true;
      Waiter* const next = host.waiters.front();
      host.waiters.pop_front();
      return next->Tell(Entry::kLead);
  }
}

void LookupGate::Close() {
  closed_ = true;
  for (auto& [name, host] : hosts_) WakeAll(host, Entry::kClosed);
}

void LookupGate::WakeAll(Host& host, Entry entry) {
  for (Waiter* waiter : std::exchange(host.waiters, {})) waiter->Tell(entry);
}

}  // namespace muster
