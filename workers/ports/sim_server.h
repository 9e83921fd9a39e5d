// SimServer: a provider's simulator seen as a pure state machine over HTTP exchanges.
//
// Two transports drive it: in memory under virtual time (workers/virtual) and a loopback HTTP
// server (services/sim). It owns its market, ledger, faults and journal; time comes in with each
// call and never moves backwards. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "eventstore/base/market_record.h"
#include "workers/ports/http.h"
#include "workers/ports/sim_machines.h"

namespace muster {

// What the client gets to see, including the ways a network can fail it.
struct SimReply {
  enum class Cut {
    kNone,               // the whole response
    kResetBeforeAnswer,  // the connection is reset before the first byte of the answer
    kTruncate,           // head and half the body, then reset
    kHang,               // no answer ever; the client's deadline ends it
  };
  HttpResponse response;
  absl::Duration delay;  // of the simulator's clock, before the answer starts
  Cut cut = Cut::kNone;
};

class SimServer {
 public:
  virtual ~SimServer() = default;
  // `request.url` is absolute or just path?query. The side effects happen now, even when the
  // reply is delayed or cut: that is what makes a lost answer ambiguous.
  virtual SimReply Handle(const HttpRequest& request, absl::Time now) = 0;
  // The origin ("http://127.0.0.1:4010") that links inside answers shall point to.
  virtual void SetOrigin(std::string origin) = 0;
};

// What a simulator is made from. Each provider documents its settings in its sim/README.md.
struct SimSpec {
  std::uint64_t seed = 1;
  absl::Time start;
  std::map<std::string, std::string> settings;  // "machines" -> "40"
  std::map<std::string, double> rates_per_s;    // GPU -> work of a worker on it, over the usual one
  std::shared_ptr<const MarketRecord> market;   // played back instead of a drawn one; may be null
  std::shared_ptr<SimMachines> machines;  // behind dedicated servers; null = the simulator's own
};

}  // namespace muster
