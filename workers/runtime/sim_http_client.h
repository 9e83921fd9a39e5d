// SimHttpClient: HttpClient that reaches a simulator in memory, under any Runtime.
//
//   VirtualRuntime rt(1);
//   vastsim::VastSim sim({}, rt.Now());
//   SimHttpClient http(rt, sim);
//
// Keeps the whole contract of HttpClient: deadlines, cuts, body caps, redirects. Reactor thread;
// the runtime and the simulator must outlive it and every Send under way.
#pragma once

#include "eventstore/base/runtime.h"
#include "workers/ports/http.h"
#include "workers/ports/sim_server.h"

namespace muster {

class SimHttpClient final : public HttpClient {
 public:
  SimHttpClient(Runtime& rt, SimServer& server) : rt_(rt), server_(server) {}

  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override;

  // Time from sending to the first byte of an answer that is not delayed.
  void SetLatency(absl::Duration latency) { latency_ = latency; }
  // While down, no connection can be made: kUnavailable, nothing reaches the simulator.
  void SetDown(bool down) { down_ = down; }

 private:
  Task<StatusOr<HttpResponse>> Exchange(HttpRequest request);

  Runtime& rt_;
  SimServer& server_;
  absl::Duration latency_ = absl::Milliseconds(20);
  bool down_ = false;
};

}  // namespace muster
