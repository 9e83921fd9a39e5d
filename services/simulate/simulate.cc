#include "services/simulate/simulate.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "eventstore/base/sha256.h"
#include "services/simulate/model.h"
#include "services/simulate/run.h"

namespace muster::simulate {
namespace {

// A Monday, so that the days of the chart are the days of budgets.
constexpr absl::Time Epoch() { return absl::FromUnixSeconds(1'767'571'200); }  // 2026-01-05

class Runs {
 public:
  Runs(const Request& request, RunOptions options)
      : request_(request), options_(std::move(options)), done_(request.seeds, 0.0) {
    reports_.resize(request.seeds);
  }

  Status Go() {
    std::vector<std::thread> others;
    const int jobs = std::clamp(request_.jobs, 1, request_.seeds);
    for (int i = 1; i < jobs; ++i) others.emplace_back([this] { Work(); });
    Work();
    for (std::thread& other : others) other.join();
    for (const auto& report : reports_) MUSTER_RETURN_IF_ERROR(report->status());
    return absl::OkStatus();
  }

  std::vector<Report> Take() {
    std::vector<Report> out;
    out.reserve(reports_.size());
    for (auto& report : reports_) out.push_back(**std::move(report));
    return out;
  }

 private:
  void Work() {
    for (int i = next_++; i < request_.seeds; i = next_++) {
      RunOptions options = options_;
      options.sim.seed = request_.seed + static_cast<std::uint64_t>(i);
      options.progress = [this, i](double share) { Progress(i, share); };
      reports_[i] = RunOne(options);
    }
  }
  void Progress(int run, double share) {
    if (request_.progress == nullptr) return;
    absl::MutexLock l(&mutex_);
    done_[run] = share;
    double sum = 0;
    for (const double each : done_) sum += each;
    request_.progress(sum / request_.seeds);
  }

  const Request& request_;
  const RunOptions options_;
  std::atomic<int> next_{0};
  std::vector<std::optional<StatusOr<Report>>> reports_;  // each written by one thread
  absl::Mutex mutex_;
  std::vector<double> done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

StatusOr<Study> Simulate(const Request& request) {
  const MarketRecord* market = request.market.get();
  if (market != nullptr && market->provider.str() != request.fleet.provider()) {
    return InvalidArgument(Cat("the market is one of ", market->provider.str(),
                               ", the fleet rents at ", request.fleet.provider()));
  }
  RunOptions options;
  options.fleet = Simulable(request.fleet);
  options.span = request.span;
  MUSTER_ASSIGN_OR_RETURN(options.sim.settings, ModelFor(request.fleet, request.settings));
  options.sim.start = market == nullptr ? Epoch() : market->from;
  options.sim.rates_per_s = ExpectedRates(request.fleet);
  options.sim.market = request.market;
  Runs runs(request, options);
  MUSTER_RETURN_IF_ERROR(runs.Go());
  Study study;
  study.runs = runs.Take();
  study.assumptions = Assumptions(request.fleet, options.sim.settings, market, request.span);
  std::string digests = request.fleet.name();
  for (const Report& run : study.runs) digests += Cat("\n", run.seed, " ", run.digest);
  for (const std::string& line : study.assumptions) digests += Cat("\n", line);
  study.digest = Sha256Hex(digests).substr(0, 16);
  return study;
}

}  // namespace muster::simulate
