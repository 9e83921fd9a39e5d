#include "services/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <exception>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/check.h"
#include "queries/projector.h"
#include "services/metrics/names.h"
#include "services/metrics/samples.h"

namespace muster::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

const Buckets kCallSeconds = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const Buckets kAppendSeconds = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2};

template <class Builder>
auto& Register(Builder builder, std::string_view name, prometheus::Registry& registry) {
  return builder.Name(std::string(name)).Help(std::string(Info(name).help)).Register(registry);
}

// The families that Update handed over last.
class Latest final : public prometheus::Collectable {
 public:
  void Set(std::vector<prometheus::MetricFamily> families) {
    absl::MutexLock lock(&mutex_);
    families_ = std::move(families);
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    absl::MutexLock lock(&mutex_);
    return families_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<prometheus::MetricFamily> families_ ABSL_GUARDED_BY(mutex_);
};

double Seconds(absl::Duration span) {
  return absl::ToDoubleSeconds(std::max(span, absl::ZeroDuration()));
}

// "localhost:9464" -> "127.0.0.1:9464", which is what the HTTP library understands.
StatusOr<std::string> ListenerAddress(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  const auto bad = [&] {
    return InvalidArgument(Cat("\"", address,
                               "\": expected HOST:PORT with a numeric address, such "
                               "as 127.0.0.1:9464"));
  };
  if (colon == address.npos || colon == 0) return bad();
  std::string host(address.substr(0, colon));
  const std::string_view port = address.substr(colon + 1);
  int number = -1;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) return bad();
  if (number < 0 || number > 65535) return bad();
  if (host == "localhost") host = "127.0.0.1";
  if (host.find_first_not_of("0123456789abcdefABCDEF.:[]") != host.npos) return bad();
  return Cat(host, ":", number);
}

}  // namespace

struct Metrics::Impl {
  explicit Impl(MetricsOptions opts) : options(std::move(opts)) {
#ifdef __clang__
    const std::string compiler = Cat("clang ", __clang_major__);
#else
    const std::string compiler = Cat("gcc ", __GNUC__);
#endif
    Register(prometheus::BuildGauge(), "muster_build_info", *registry)
        .Add({{"version", options.version}, {"compiler", compiler}})
        .Set(1);
    Register(prometheus::BuildGauge(), "muster_start_time_seconds", *registry)
        .Add({})
        .Set(absl::ToDoubleSeconds(options.started_at - absl::UnixEpoch()));
  }

  const MetricsOptions options;
  const std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  const std::shared_ptr<Latest> latest = std::make_shared<Latest>();
  std::unique_ptr<prometheus::Exposer> exposer;
  bool stopped = false;  // reactor thread

  // The library's families and histograms lock themselves.
  Family<Histogram>& call_seconds =
      Register(prometheus::BuildHistogram(), "muster_provider_call_duration_seconds", *registry);
  Family<Counter>& call_errors =
      Register(prometheus::BuildCounter(), "muster_provider_call_errors_total", *registry);
  Family<Counter>& append_errors =
      Register(prometheus::BuildCounter(), "muster_store_append_errors_total", *registry);
  Counter& appended =
      Register(prometheus::BuildCounter(), "muster_store_events_appended_total", *registry).Add({});
  Histogram& append_seconds =
      Register(prometheus::BuildHistogram(), "muster_store_append_duration_seconds", *registry)
          .Add({}, kAppendSeconds);

  void Update(const MetricsSources& sources, absl::Time now) {
    Moment moment;
    queries::Lag lag;
    if (sources.projector != nullptr) {
      lag = sources.projector->lag();
      moment.models = &sources.projector->models();
      moment.lag = &lag;
      moment.projection_failed = !sources.projector->status().ok();
      moment.snapshots[sources.snapshot_name] = sources.projector->snapshot_position();
    }
    if (sources.store != nullptr) moment.head = sources.store->Head();
    Probe probe;
    if (sources.probe) {
      probe = sources.probe();
      moment.probe = &probe;
    }
    for (const auto& [provider, limiter] : sources.limiters) {
      moment.budgets[provider] = limiter->Budgets();
    }
    latest->Set(Collect(moment, now, options));
  }

  static Task<void> Run(std::shared_ptr<Impl> impl, Runtime& rt, MetricsSources sources) {
    while (!impl->stopped) {
      impl->Update(sources, rt.Now());
      co_await rt.SleepFor(sources.interval);
    }
  }
};

Metrics::Metrics(MetricsOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}
Metrics::~Metrics() {
  Stop();
  impl_->exposer.reset();  // ends its threads
}

Status Metrics::Listen(std::string_view address) {
  if (impl_->exposer != nullptr) return FailedPrecondition("metrics are served already");
  MUSTER_ASSIGN_OR_RETURN(const std::string listener, ListenerAddress(address));
  try {
    impl_->exposer = std::make_unique<prometheus::Exposer>(listener);
    impl_->exposer->RegisterCollectable(impl_->registry);
    impl_->exposer->RegisterCollectable(impl_->latest);
  } catch (const std::exception&) {  // its text says nothing; nearly always the port is taken
    return Unavailable(Cat("cannot listen on ", listener, " for metrics: in use or not permitted"));
  }
  return {};
}

int Metrics::port() const {
  if (impl_->exposer == nullptr) return 0;
  const auto ports = impl_->exposer->GetListeningPorts();
  return ports.empty() ? 0 : ports.front();
}

std::string Metrics::Text() const {
  auto families = impl_->registry->Collect();
  for (auto& family : impl_->latest->Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

void Metrics::ObserveProviderCall(std::string_view provider, std::string_view endpoint,
                                  std::string_view trouble, absl::Duration elapsed) {
  const std::string p(provider), e(endpoint);
  impl_->call_seconds.Add({{"provider", p}, {"endpoint", e}}, kCallSeconds)
      .Observe(Seconds(elapsed));
  if (trouble.empty()) return;
  impl_->call_errors.Add({{"provider", p}, {"endpoint", e}, {"trouble", std::string(trouble)}})
      .Increment();
}

void Metrics::ObserveAppend(const Status& status, std::size_t events, absl::Duration elapsed) {
  impl_->append_seconds.Observe(Seconds(elapsed));
  if (status.ok()) {
    impl_->appended.Increment(static_cast<double>(events));
  } else {
    impl_->append_errors.Add({{"code", absl::StatusCodeToString(status.code())}}).Increment();
  }
}

void Metrics::Update(const Moment& moment, absl::Time now) {
  impl_->latest->Set(Collect(moment, now, impl_->options));
}

Task<void> Metrics::Run(Runtime& rt, MetricsSources sources) {
  return Impl::Run(impl_, rt, std::move(sources));
}
void Metrics::Stop() { impl_->stopped = true; }

}  // namespace muster::metrics
