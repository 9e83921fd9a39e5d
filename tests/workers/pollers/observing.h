// ObservationTest: the pollers over the rig, started when a test says so.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tests/support/pch.h"
#include "tests/workers/support/rig.h"
#include "workers/pollers/observation.h"

namespace muster {

class ObservationTest : public testing::Test {
 protected:
  ObservationTest() { rig.Apply(); }
  void Start(ObservationOptions options = {}) {
    observation = std::make_unique<Observation>(rig.link(), options);
    observation->Start();
  }
  void Stop() {
    rig.rt.Run([](Observation& o) -> Task<int> {
      co_await o.Stop();
      co_return 0;
    }(*observation));
  }
  void Say(const WorkerId& id, std::string text) {
    rig.provider.logs[rig.State(id).instance] = {LogTail::State::kText, std::move(text), false};
  }
  const worker::Observed& Seen(const WorkerId& id) { return rig.In<worker::Live>(id)->seen; }
  const account::State& Account() {
    static const account::State kNone;
    const account::State* account = rig.handler.world().FindAccount(ProviderName("vast"));
    return account != nullptr ? *account : kNone;
  }

  Rig rig;
  std::unique_ptr<Observation> observation;
};

}  // namespace muster
