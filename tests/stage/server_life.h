// ServerLife: one run of the program as far as it has to do with dedicated servers: a store, the
// decisions over it, and the hands. What a crash takes away is everything here but the log.
//
//   ServerOutside outside(rt);
//   const auto log = std::make_shared<MemoryLog>();
//   ServerLife life(rt, outside, log);
//   ASSERT_THAT(rt.Run(life.Start()), IsOk());
//
// Destroy the runtime's tasks first. Reactor thread.
#pragma once

#include <memory>
#include <utility>

#include "eventstore/memory/memory_event_store.h"
#include "tests/stage/server_hands.h"

namespace muster {

class ServerLife {
 public:
  ServerLife(VirtualRuntime& rt, ServerOutside& outside, std::shared_ptr<MemoryLog> log)
      : store_(rt, std::move(log)), handler_(rt, store_), hands_(rt, outside, handler_) {}

  Task<Status> Start() {
    CO_RETURN_IF_ERROR(co_await handler_.Load());
    hands_.Start();
    co_return absl::OkStatus();
  }
  EventStore& store() { return store_; }
  ServerHands& hands() { return hands_; }

 private:
  MemoryEventStore store_;
  Handler handler_;
  ServerHands hands_;
};

}  // namespace muster
