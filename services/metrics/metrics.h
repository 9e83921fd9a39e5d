// Metrics: what muster shows to Prometheus, on http://HOST:PORT/metrics.
//
//   Metrics metrics({.version = "0.1.0", .started_at = rt.Now()});
//   MUSTER_RETURN_IF_ERROR(metrics.Listen("127.0.0.1:9464"));
//   rt.Spawn("metrics", metrics.Run(rt, {.projector = &projector, .store = &store}));
//
// A scrape never touches the reactor's state: what comes from the read models is copied on the
// reactor by Update and handed over under a lock, so a scrape sees one moment. The Observe hooks
// may be called from any thread; Update and Run are for the reactor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/runtime.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"
#include "workers/ports/rate_limiter.h"

namespace muster::queries {
class Projector;
class ReadModels;
struct Lag;
}  // namespace muster::queries

namespace muster::metrics {

struct MetricsOptions {
  std::string version;
  absl::Time started_at;
  // Above so many open workers their own series are left out; those of fleets stay.
  int worker_series_max = 1000;
};

// The newest shadow of a fleet, from the log.
struct ShadowProbe {
  std::string fleet;
  bool running = false;
  std::map<std::string, std::int64_t> disagreements;  // by rule
  std::int64_t open = 0;
  double difference_usd = 0;  // what the candidate would have spent beyond the live fleet
};

// A dedicated server that has not ended, from the log.
struct ServerProbe {
  std::string server;  // its name
  std::string provider;
  std::string state;  // "in service"
  absl::Time since;   // in this state
  bool needs_operator = false;
  bool in_service = false;
  std::string currency;  // of the amounts
  double price_per_month = 0;
  double spent = 0;
  // How it does, when last looked at; none before the first look.
  struct Vitals {
    absl::Time at;
    bool reached = false;
    double load1 = 0;
    double memory_bytes = 0, memory_available_bytes = 0;
    double disk_bytes = 0, disk_free_bytes = 0;
    int build_processes = 0;
    struct Gpu {
      double utilization = 0;  // 0 to 1
      double memory_bytes = 0, memory_used_bytes = 0;
    };
    std::vector<Gpu> gpus;
  };
  std::optional<Vitals> vitals;
};

// What parts of the daemon count themselves, since the start.
struct Probe {
  std::int64_t policy_passes = 0;
  absl::Duration policy_last_pass;
  std::uint64_t store_syncs = 0;
  absl::Duration store_syncing;
  struct {
    std::vector<double> bounds_seconds;  // ascending
    std::vector<std::uint64_t> counts;   // not cumulative; one more than bounds
    absl::Duration sum;
  } reactor_lag;
  std::vector<ShadowProbe> shadows;
  std::vector<ServerProbe> servers;
  std::int64_t store_free_bytes = -1;  // of its file system; negative: not known
  bool chain_ok = true;
  Position chain_verified = 0;
  struct NotifyTarget {
    std::string name;
    std::int64_t sent = 0, failed = 0, dropped = 0;
    Position behind = 0;
  };
  std::vector<NotifyTarget> notify;
};

// Where Run looks. All must outlive it; what is nullptr or empty is not shown.
struct MetricsSources {
  const queries::Projector* projector = nullptr;
  const EventStore* store = nullptr;
  std::string snapshot_name = "read-models";
  // provider -> its limiter.
  std::map<std::string, const RateLimiter*> limiters;
  std::function<Probe()> probe;  // called on the reactor
  absl::Duration interval = absl::Seconds(5);
};

class Metrics {
 public:
  explicit Metrics(MetricsOptions options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Serves scrapes on "HOST:PORT" (port 0: any free one) from threads of its own until destroyed.
  // kInvalidArgument     the address is not HOST:PORT with a numeric address or "localhost"
  // kUnavailable         the port is in use or may not be bound: choose another
  // kFailedPrecondition  it listens already
  Status Listen(std::string_view address);
  int port() const;  // 0 = not listening

  // What a scrape would get now, in the text format. Any thread.
  std::string Text() const;

  // ---- hooks -----------------------------------------------------------------------------------

  // One call to `endpoint` (method and route template). `trouble` is TroubleName; "" = it worked.
  void ObserveProviderCall(std::string_view provider, std::string_view endpoint,
                           std::string_view trouble, absl::Duration elapsed);
  // One append of `events`, until it was durable or failed.
  void ObserveAppend(const Status& status, std::size_t events, absl::Duration elapsed);

  // ---- values ----------------------------------------------------------------------------------

  struct Moment {
    const queries::ReadModels* models = nullptr;
    const queries::Lag* lag = nullptr;
    bool projection_failed = false;
    const Probe* probe = nullptr;
    Position head = 0;
    std::map<std::string, Position> snapshots;
    std::map<std::string, std::map<std::string, RateLimiter::Budget>> budgets;  // by provider
  };
  void Update(const Moment& moment, absl::Time now);

  // Updates at once and then at each interval, for ever. To be spawned; ends when the runtime does,
  // or once this was asked to Stop.
  Task<void> Run(Runtime& rt, MetricsSources sources);
  void Stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace muster::metrics
