// Outside: the provider as the network shows it. It keeps its own time, whatever is done to
// muster's clock, and tells what was rented.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "workers/ports/sim_server.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

class Outside final : public SimServer {
 public:
  // Both are borrowed.
  Outside(VirtualRuntime& rt, SimServer& sim) : rt_(rt), sim_(sim) {}

  SimReply Handle(const HttpRequest& request, absl::Time) override {
    if (on_call) on_call(request);
    SimReply reply = sim_.Handle(request, rt_.TrueNow());
    if (on_rent && request.url.find("/asks/") != std::string::npos) on_rent();
    return reply;
  }
  void SetOrigin(std::string origin) override { sim_.SetOrigin(std::move(origin)); }

  // What it was by nobody's clock when muster's showed `ours`, as that is set now.
  absl::Time TrueTime(absl::Time ours) const { return ours - (rt_.Now() - rt_.TrueNow()); }

  // Called with each request before it is served.
  std::function<void(const HttpRequest&)> on_call;
  // Called right after each request to rent was served, before the client hears of it.
  std::function<void()> on_rent;

 private:
  VirtualRuntime& rt_;
  SimServer& sim_;
};

}  // namespace muster
