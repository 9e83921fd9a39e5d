// What a pass of the policy costs when one worker of many changed, and what it costs from nothing.
//
// Each line: RATIO name value bound, where the value must stay at or under the bound.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "commands/fleet/plan/plan.h"
#include "eventstore/base/check.h"
#include "eventstore/events/account_events.h"
#include "eventstore/events/fleet_events.h"
#include "eventstore/events/worker_events.h"

namespace muster::fleet {
namespace {

constexpr double kPassMillisecondsMax = 1;  // 10,000 workers, one of them changed
constexpr double kGrowthMax = 3;            // against a fleet of a tenth
constexpr double kFullPassSecondsMax = 1;
constexpr int kRounds = 400;

double SecondsOf(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void Report(const char* name, double value, double bound) {
  std::printf("RATIO %s %.4g %.4g\n", name, value, bound);
}

// A fleet of healthy workers, as events made it.
class Fleet {
 public:
  explicit Fleet(int workers) : workers_(workers) {
    specpb::FleetSpec spec;
    spec.set_name("zeb");
    spec.set_provider("vast");
    spec.set_workers(workers);
    spec.set_work_unit("games");
    spec.mutable_market()->set_price_max_micro_usd_per_hour(90'000);
    spec.mutable_budget()->set_per_day_micro_usd(1'000'000'000'000);
    spec.mutable_quota()->set_name("commits");
    spec.mutable_upgrades()->set_enabled(true);
    eventpb::FleetApplied applied;
    *applied.mutable_spec() = spec;
    applied.set_fleet_version(1);
    Put(FleetStream(FleetName("zeb")), applied);
    Put(AccountStream(ProviderName("vast")), eventpb::InstanceListObserved());
    Put(AccountStream(ProviderName("vast")), eventpb::OffersObserved());
    for (int i = 0; i < workers; ++i) Rent(i);
    Settle();
  }

  void Work(int index) {
    eventpb::LogObserved facts;
    facts.set_phase("producing");
    facts.set_counter(++counter_);
    facts.set_rate_per_s(2.5);
    facts.set_agreeing_polls(2);
    Put(WorkerStream(IdOf(index)), facts);
  }

  // One worker reports progress and the policy looks; the median pass in seconds.
  double MedianPass() {
    std::vector<double> spans;
    for (int round = 0; round < kRounds; ++round) {
      now_ += absl::Milliseconds(5);
      Work(round % workers_);
      spans.push_back(SecondsOf([&] { Look(/*check=*/false); }));
    }
    std::nth_element(spans.begin(), spans.begin() + kRounds / 2, spans.end());
    return spans[kRounds / 2];
  }
  double FullPass() {
    return SecondsOf([&] { MUSTER_CHECK(Plan(world_, options_, now_).decisions.empty()); });
  }

 private:
  static WorkerId IdOf(int index) { return WorkerId(Cat("m7k2", index)); }

  template <class Message>
  void Put(const StreamId& stream, const Message& message) {
    Evolve(world_, stream, Wrap(message), Stamp{world_.head + 1, now_});
    board_.Touch(stream);
  }
  void Rent(int index) {
    const std::string id = IdOf(index).str();
    eventpb::LaunchRequested intent;
    intent.set_fleet("zeb");
    intent.set_fleet_version(1);
    intent.set_provider("vast");
    intent.set_index(index);
    intent.set_token(id);
    intent.mutable_offer()->set_offer(Cat("o", index));
    intent.mutable_offer()->set_machine(Cat("m", index));
    intent.mutable_offer()->set_gpu("RTX 3070");
    intent.mutable_offer()->set_price_micro_usd_per_hour(60'000);
    intent.mutable_offer()->set_expected_rate_per_s(2.4);
    intent.set_upload_interval_s(1'000'000);
    Put(WorkerStream(IdOf(index)), intent);
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(Cat("i", index));
    Put(WorkerStream(IdOf(index)), accepted);
    Instance instance;
    instance.id = InstanceId(Cat("i", index));
    instance.actual = ActualStatus::kRunning;
    instance.price = MicroUsdPerHour(60'000);
    instance.price_known = true;
    Put(WorkerStream(IdOf(index)), MakeInstanceObserved(instance));
    Work(index);
  }
  // Folds what is only written down, until nothing is left to decide.
  void Settle() {
    for (int round = 0; round < 3; ++round) Look(/*check=*/true);
    MUSTER_CHECK(PlanOn(board_, world_, options_, now_, true).decisions.empty());
  }
  void Look(bool check) {
    for (const Decision& decision : PlanOn(board_, world_, options_, now_, check).decisions) {
      if (const auto* act = std::get_if<ForWorker>(&decision.act)) {
        const auto events = worker::Decide(*world_.FindWorker(act->worker), act->command, {now_});
        MUSTER_CHECK(events.ok());
        for (const auto& body : *events) Fold(WorkerStream(act->worker), body);
      } else if (const auto* act = std::get_if<ForFleet>(&decision.act)) {
        const auto events = Decide(*world_.FindFleet(act->fleet), act->command, {now_});
        MUSTER_CHECK(events.ok());
        for (const auto& body : *events) Fold(FleetStream(act->fleet), body);
      }
    }
  }
  void Fold(const StreamId& stream, const eventpb::EventBody& body) {
    Evolve(world_, stream, body, Stamp{world_.head + 1, now_});
    board_.Touch(stream);
  }

  const int workers_;
  World world_;
  Board board_;
  PlanOptions options_;
  absl::Time now_ = absl::FromUnixSeconds(1'790'000'000);
  std::int64_t counter_ = 0;
};

}  // namespace

int Main() {
  Fleet small(1'000);
  Fleet large(10'000);
  const double small_s = small.MedianPass();
  const double large_s = large.MedianPass();
  Report("policy_pass_10k_one_changed_ms", large_s * 1e3, kPassMillisecondsMax);
  Report("policy_pass_10k_over_1k", large_s / small_s, kGrowthMax);
  Report("policy_full_pass_10k_s", large.FullPass(), kFullPassSecondsMax);
  return 0;
}

}  // namespace muster::fleet

int main() { return muster::fleet::Main(); }
