// LookupGate: one name lookup per host at a time, however many calls want to connect.
//
// curl gives each lookup a thread. When the resolver hangs, thousands of waiting calls must not
// become thousands of threads: one call leads and looks the name up, the others wait for it, and
// go when the answer is in curl's cache. Reactor thread; must outlive the tasks that wait in it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "eventstore/base/runtime.h"

namespace muster {

class LookupGate {
 public:
  enum class Entry {
    kGo,      // the name is known: connect
    kLead,    // look it up, and call Leave however that ends
    kFailed,  // the lookup that was waited for found no such name
    kLate,    // the deadline came first
    kClosed,
  };
  enum class Result {
    kFound,   // all may go for `known_for`
    kFailed,  // all who wait fail
    kNone,    // ended before the answer, or needed none: the next in line leads
  };

  LookupGate(Runtime& rt, absl::Duration known_for) : rt_(rt), known_for_(known_for) {}

  Task<Entry> Enter(std::string host, absl::Time deadline);
  // REQUIRES: the caller leads `host`
  void Leave(const std::string& host, Result result);
  // Sends everybody away, now and later.
  void Close();

 private:
  struct Waiter;
  struct Host {
    absl::Time known_until = absl::InfinitePast();
    bool led = false;
    std::deque<Waiter*> waiters;
  };
  void WakeAll(Host& host, Entry entry);

  Runtime& rt_;
  const absl::Duration known_for_;
  bool closed_ = false;
  std::map<std::string, Host> hosts_;  // nodes stay where they are
};

}  // namespace muster
