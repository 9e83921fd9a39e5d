// A Handler over a log in memory that outlives it, in virtual time. For tests of one folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/handler/handler.h"
#include "commands/snapshot.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

inline const ProviderName kVast("vast");
inline const MachineId kMachine("5512");
inline const WorkerId kWorker("k7f2q");
inline const FleetName kFleet("zeb");

inline host::StrikeHost StrikeBy(std::string_view worker) {
  return {
      MakeHostStruck(WorkerId(worker), kFleet, 1, absl::InfiniteFuture(), Because("no-progress"))};
}
inline fleet::Apply ApplyOf(int workers) {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  spec.set_workers(workers);
  return {spec};
}

class HandlerTest : public testing::Test {
 protected:
  HandlerTest() { EXPECT_THAT(rt_.Run(handler_->Load()), IsOk()); }

  // As after a crash: a new Handler over what the log holds.
  void Restart() {
    handler_.reset();
    store_.emplace(rt_, log_);
    handler_ = std::make_unique<Handler>(rt_, *store_);
    EXPECT_THAT(rt_.Run(handler_->Load()), IsOk());
  }
  StatusOr<Outcome> Worker(worker::Command command, Origin origin = {.actor = "test"}) {
    return rt_.Run(handler_->Worker(kWorker, std::move(command), std::move(origin)));
  }
  StatusOr<Outcome> Fleet(fleet::Command command, Origin origin = {.actor = "test"}) {
    return rt_.Run(handler_->Fleet(kFleet, std::move(command), std::move(origin)));
  }
  StatusOr<Outcome> Host(host::Command command, Origin origin = {.actor = "test"}) {
    return rt_.Run(handler_->Host(kVast, kMachine, std::move(command), std::move(origin)));
  }
  // Everything in the log after `after`.
  std::vector<RecordedEvent> Log(Position after = 0) const {
    std::vector<RecordedEvent> all;
    EXPECT_THAT(store_->ReadAll(after, 100'000,
                                [&](const RecordedEvent& e) {
                                  all.push_back(e);
                                  return true;
                                }),
                IsOk());
    return all;
  }
  std::string FoldedFromZero() const {
    World world;
    for (const RecordedEvent& e : Log()) {
      Evolve(world, e.stream, *DecodeEvent(e.event.type, e.event.payload),
             Stamp{e.position, e.event.occurred_at});
    }
    return Digest(world);
  }

  VirtualRuntime rt_{1};
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::optional<MemoryEventStore> store_{std::in_place, rt_, log_};
  std::unique_ptr<Handler> handler_ = std::make_unique<Handler>(rt_, *store_);
};

}  // namespace muster
