// Rig: a store, a Handler and a provider with behaviour under virtual time, for the tests of
// pollers and effects.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/handler/handler.h"
#include "eventstore/events/worker_events.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/http.h"
#include "workers/ports/provider.h"
#include "workers/runtime/provider_link.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

// A provider that behaves: what is rented is listed, what is destroyed is not. Knobs make calls
// fail, hang, lag or lie.
class FakeProvider final : public Provider {
 public:
  explicit FakeProvider(Runtime& rt) : rt_(rt) {}

  struct CreateFault {
    Status status;
    bool rents = false;  // the machine is rented all the same
  };

  const ProviderName& name() const override { return name_; }
  Task<StatusOr<std::vector<Offer>>> SearchOffers(OfferQuery query, absl::Time by) override {
    queries.push_back(std::move(query));
    CO_RETURN_IF_ERROR(co_await Answer("search", by));
    co_return offers;
  }
  Task<StatusOr<Launched>> Launch(LaunchSpec spec, absl::Time by) override {
    launches.push_back(spec);
    CreateFault fault;
    if (!create_faults.empty()) {
      fault = create_faults.front();
      create_faults.pop_front();
    }
    InstanceId id;
    if (fault.status.ok() || fault.rents) id = Rent(spec.label);
    CO_RETURN_IF_ERROR(co_await Answer("create", by));
    CO_RETURN_IF_ERROR(fault.status);
    co_return Launched{create_names.empty() ? id : create_names};
  }
  Task<StatusOr<std::vector<Instance>>> ListInstances(absl::Time by) override {
    ++lists;
    CO_RETURN_IF_ERROR(co_await Answer("list", by));
    co_return Listed();
  }
  Task<StatusOr<std::vector<Instance>>> FindByLabel(std::string label, absl::Time by) override {
    ++lookups;
    CO_RETURN_IF_ERROR(co_await Answer("lookup", by));
    std::vector<Instance> found = Listed();
    std::erase_if(found, [&](const Instance& i) { return i.label != label; });
    if (blind_filter) found.clear();
    co_return found;
  }
  Task<StatusOr<std::optional<Instance>>> GetInstance(InstanceId id, absl::Time by) override {
    CO_RETURN_IF_ERROR(co_await Answer("show", by));
    if (instances.contains(id)) co_return instances[id];
    co_return std::optional<Instance>();
  }
  Task<Status> Destroy(InstanceId id, absl::Time by) override {
    destroys.push_back(id);
    CO_RETURN_IF_ERROR(co_await Answer("destroy", by));
    if (!destroy_answers.empty()) {
      const Status answer = destroy_answers.front();
      destroy_answers.pop_front();
      co_return answer;
    }
    if (instances.erase(id) == 0) co_return MakeTrouble(Trouble::kNotFound, "no such instance");
    co_return absl::OkStatus();
  }
  Task<Status> Start(InstanceId id, absl::Time by) override {
    starts.push_back(id);
    co_return co_await Answer("start", by);
  }
  Task<Status> Stop(InstanceId, absl::Time by) override { co_return co_await Answer("stop", by); }
  Task<StatusOr<LogTail>> FetchLog(InstanceId id, int, absl::Time by) override {
    ++log_calls[id];
    if (hung_logs.contains(id)) {
      co_await rt_.SleepUntil(by);
      co_return MakeTrouble(Trouble::kUnavailable, "the text was not ready in time");
    }
    CO_RETURN_IF_ERROR(co_await Answer("log", by));
    co_return logs[id];
  }
  Task<StatusOr<Account>> GetAccount(absl::Time by) override {
    CO_RETURN_IF_ERROR(co_await Answer("account", by));
    co_return account;
  }

  // Rents a machine behind everybody's back.
  InstanceId Rent(const std::string& label) {
    const InstanceId id(Cat(next_id_++));
    Instance& instance = instances[id];
    instance.id = id;
    instance.label = label;
    instance.machine = MachineId("5512");
    instance.gpu = GpuName("RTX 3070");
    instance.actual = ActualStatus::kRunning;
    instance.actual_raw = instance.intended_raw = "running";
    instance.price = MicroUsdPerHour(80'000);
    instance.price_known = true;
    created_at_[id] = rt_.Now();
    return id;
  }

  // Outcome of the calls of a kind until erased: "search", "create", "list", "lookup", "show",
  // "destroy", "start", "log", "account".
  std::map<std::string, Status> failing;
  std::map<std::string, absl::Duration> slow;  // a call takes so long, or to its deadline
  absl::Duration list_lag;                     // new rentals are missing from lists so long
  bool blind_filter = false;                   // FindByLabel finds nothing
  std::deque<CreateFault> create_faults;
  InstanceId create_names;             // what creates answer with; empty = the truth
  std::deque<Status> destroy_answers;  // given without anything being destroyed
  std::set<InstanceId> hung_logs;

  std::map<InstanceId, Instance> instances;
  std::map<InstanceId, LogTail> logs;
  std::vector<Offer> offers;
  Account account{.credit_usd = 10, .balance_usd = 10, .id = "5"};

  std::vector<OfferQuery> queries;
  std::vector<LaunchSpec> launches;
  std::vector<InstanceId> destroys;
  std::vector<InstanceId> starts;
  std::map<InstanceId, int> log_calls;
  int lists = 0;
  int lookups = 0;

 private:
  Task<Status> Answer(std::string kind, absl::Time by) {
    const absl::Time answered = rt_.Now() + (slow.contains(kind) ? slow[kind] : absl::Seconds(1));
    if (answered > by) {
      co_await rt_.SleepUntil(by);
      co_return MakeTrouble(Trouble::kUnclear, "no answer in time");
    }
    co_await rt_.SleepUntil(answered);
    co_return failing.contains(kind) ? failing[kind] : absl::OkStatus();
  }
  std::vector<Instance> Listed() const {
    std::vector<Instance> listed;
    for (const auto& [id, instance] : instances) {
      if (rt_.Now() - created_at_.at(id) >= list_lag) listed.push_back(instance);
    }
    return listed;
  }

  Runtime& rt_;
  const ProviderName name_{"vast"};
  std::map<InstanceId, absl::Time> created_at_;
  int next_id_ = 21'900'001;
};

// Answers HEAD requests from a map of URL to statuses, the last one repeated.
class FakeHeads final : public HttpClient {
 public:
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override {
    requests.push_back(request);
    auto& statuses = answers[request.url];
    if (statuses.empty()) co_return Unavailable("no route");
    const int status = statuses.front();
    if (statuses.size() > 1) statuses.pop_front();
    co_return HttpResponse{status, {}, ""};
  }
  std::map<std::string, std::deque<int>> answers;
  std::vector<HttpRequest> requests;
};

inline specpb::FleetSpec ZebSpec(int workers = 8) {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  spec.set_workers(workers);
  spec.set_fact_rules("zeb");
  spec.mutable_market()->set_price_max_micro_usd_per_hour(90'000);
  spec.mutable_market()->add_gpus()->set_name("RTX 3070");
  specpb::Launch& launch = *spec.mutable_launch();
  launch.set_image("pytorch/pytorch:2.6.0");
  launch.set_disk_gb(15);
  launch.set_label("{fleet}-worker-vast-{index}");
  launch.set_worker_name("worker-vast-{index}");
  launch.set_onstart("run {worker} every {upload_interval_s} for {fleet}/{index} {other}");
  (*launch.mutable_env())["HF_TOKEN"] = "env:HF_TOKEN";
  (*launch.mutable_env())["WORKER_ID"] = "{worker}";
  specpb::Timers& timers = *spec.mutable_timers();
  timers.set_log_poll_s(45);
  timers.set_list_poll_s(30);
  timers.set_boot_s(600);
  timers.set_no_progress_s(900);
  return spec;
}

struct Rig {
  explicit Rig(std::shared_ptr<MemoryLog> from = std::make_shared<MemoryLog>(),
               std::uint64_t seed = 1)
      : rt(seed), log(std::move(from)), store(rt, log), handler(rt, store), provider(rt) {
    EXPECT_THAT(rt.Run(handler.Load()), IsOk());
  }
  ProviderLink link() { return {rt, handler, provider, http, secrets, tails}; }

  void Apply(const specpb::FleetSpec& spec = ZebSpec()) {
    EXPECT_THAT(rt.Run(handler.Fleet(FleetName(spec.name()), fleet::Apply{spec}, {.actor = "t"})),
                IsOk());
  }
  // An intent to launch, as the policy writes it.
  WorkerId RequestLaunch(int index = 0) {
    const WorkerId id(Cat(handler.world().installation, rt.rng().Token(5)));
    eventpb::LaunchRequested e;
    e.set_fleet("zeb");
    e.set_fleet_version(1);
    e.set_provider("vast");
    e.set_index(index);
    e.set_token(id.str());
    e.set_label(Cat("zeb-worker-vast-", index, ".", id.str()));
    e.mutable_offer()->set_offer("9001");
    e.mutable_offer()->set_machine("5512");
    e.mutable_offer()->set_gpu("RTX 3070");
    e.mutable_offer()->set_price_micro_usd_per_hour(80'000);
    e.mutable_offer()->set_disk_gb(15);
    e.set_upload_interval_s(240);
    *e.mutable_evidence() = MakeEvidence("replenish", "as the test says");
    EXPECT_THAT(Tell(id, worker::RequestLaunch{e}), IsOk());
    return id;
  }
  // A worker whose launch was answered.
  WorkerId LiveWorker(int index = 0) {
    const WorkerId id = RequestLaunch(index);
    const InstanceId instance = provider.Rent(State(id).identity.label);
    EXPECT_THAT(Tell(id, worker::LaunchAnswered{instance}), IsOk());
    return id;
  }
  Status Condemn(const WorkerId& id) {
    return Tell(id, worker::Condemn{MakeWorkerCondemned(
                        MakeEvidence("no-progress", "15m04s >= 15m"), specpb::MACHINE, true, 1)});
  }
  Status Tell(const WorkerId& id, worker::Command command) {
    return rt.Run(handler.Worker(id, std::move(command), {.actor = "test"})).status();
  }
  const worker::State& State(const WorkerId& id) const {
    const worker::State* state = handler.world().FindWorker(id);
    EXPECT_NE(state, nullptr) << id;
    static const worker::State kNone;
    return state != nullptr ? *state : kNone;
  }
  template <class Phase>
  const Phase* In(const WorkerId& id) const {
    return std::get_if<Phase>(&State(id).phase);
  }
  // How often each kind of event stands in the worker's stream: "worker.launch_accepted" -> 1.
  std::map<std::string, int> Kinds(const WorkerId& id) const {
    std::map<std::string, int> kinds;
    EXPECT_THAT(store.ReadStream(WorkerStream(id), 0,
                                 [&](const RecordedEvent& e) { return ++kinds[e.event.type] > 0; }),
                IsOk());
    return kinds;
  }

  VirtualRuntime rt;
  std::shared_ptr<MemoryLog> log;
  MemoryEventStore store;
  Handler handler;
  FakeProvider provider;
  FakeHeads http;
  MapSecrets secrets{{"env:HF_TOKEN", "hf_planted"}};
  TailKeeper tails{rt, {}};
};

}  // namespace muster
