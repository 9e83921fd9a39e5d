// SimHttpServer: serves a SimServer over HTTP on one port, on a thread of its own.
//
//   auto server = SimHttpServer::Start(std::move(sim), {.port = 0, .speed = 60});
//   (*server)->origin();  // "http://127.0.0.1:41733"
//
// Owns the simulator. Everything it can do to a client in memory it does here to a socket: delays,
// resets, answers cut in the middle, connections that hang. Serves until it is destroyed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "workers/ports/sim_server.h"

namespace muster {

class SimHttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    int port = 0;                    // 0 = any free one
    double speed = 1;                // simulated seconds per second; delays shrink alike. > 0
    absl::Time start = absl::Now();  // of the simulator's clock
  };

  // Listens, tells the simulator its origin, and serves.
  // kUnavailable      the address cannot be listened on (taken, or not of this machine)
  // kInvalidArgument  the speed is not above zero
  static StatusOr<std::unique_ptr<SimHttpServer>> Start(std::unique_ptr<SimServer> sim,
                                                        Options options);
  // Ends the thread; connections still open are closed.
  ~SimHttpServer();

  const std::string& origin() const;
  // The simulator's clock. Any thread.
  absl::Time Now() const;
  // Runs `work` on the simulator while no request is served. Any thread but the server's own.
  void With(const std::function<void(SimServer&, absl::Time now)>& work);

 private:
  class Impl;
  explicit SimHttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster
