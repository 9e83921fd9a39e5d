// HeadKeeper: signs a head of the log on a schedule and sees to it that it arrives in every place.
//
//   HeadSigned is in the log  ->  each place is tried until it takes it  ->  HeadDelivered
//
// What was signed and not delivered is in the log, so a restart loses none; a crash between arrival
// and HeadDelivered shows a place the same line twice. Reactor thread; the ports must outlive it,
// and the Runtime's tasks be destroyed before it is.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "commands/handler/handler.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "workers/audit/head_maker.h"
#include "workers/ports/backoff.h"
#include "workers/ports/head_sink.h"

namespace muster {

struct HeadKeeperOptions {
  absl::Duration every = absl::Hours(24);
  BackoffBounds retry;
};

class HeadKeeper {
 public:
  struct Ports {
    Runtime& rt;
    const EventStore& store;
    Handler& handler;
    HeadMaker& heads;
  };
  HeadKeeper(Ports ports, std::vector<std::unique_ptr<HeadSink>> sinks,
             HeadKeeperOptions options = {});

  // Spawn once, after Handler::Load. Ends only with the Runtime, or when the log cannot be read.
  Task<void> Run();

 private:
  struct Place {
    std::unique_ptr<HeadSink> sink;
    std::set<Position> open;  // heads it has not got yet
    absl::Time next_try = absl::InfinitePast();
    Backoff backoff;
  };

  Status Load();
  bool IsNews() const;
  Task<void> SignOne();
  Task<void> Deliver(Place& place);
  Task<Status> Write(eventpb::EventBody event);
  absl::Time NextWake() const;

  const Ports ports_;
  const HeadKeeperOptions options_;
  std::vector<Place> places_;
  std::map<Position, std::string> heads_;  // that some place has not got yet
  Position last_ = 0;                      // of the newest head signed
  absl::Time due_ = absl::InfinitePast();
};

}  // namespace muster
