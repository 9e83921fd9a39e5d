// A whole account taken over at once: what it asks of the provider and of the log, not how long it
// takes.
#include <algorithm>
#include <set>

#include "eventstore/memory/memory_event_store.h"
#include "services/files/fleet_file.h"
#include "services/grpc/command_api.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

const Caller kAlice{"operator:alice"};

// A store that counts its calls.
class CountingStore final : public EventStore {
 public:
  explicit CountingStore(Runtime& rt) : store_(rt) {}

  Task<StatusOr<Appended>> Append(StreamId stream, Expect expect, std::vector<NewEvent> events,
                                  absl::Time recorded_at) override {
    ++(stream.str().rfind("worker/", 0) == 0 ? of_workers : of_others);
    return store_.Append(std::move(stream), expect, std::move(events), recorded_at);
  }
  Status ReadStream(const StreamId& stream, Version after,
                    absl::FunctionRef<bool(const RecordedEvent&)> visit) const override {
    ++reads;
    return store_.ReadStream(stream, after, visit);
  }
  Status ReadAll(Position after, std::size_t limit,
                 absl::FunctionRef<bool(const RecordedEvent&)> visit) const override {
    ++reads;
    return store_.ReadAll(after, limit, visit);
  }
  Status ReadRecords(
      Position after, std::size_t limit,
      absl::FunctionRef<bool(Position, std::string_view record)> visit) const override {
    return store_.ReadRecords(after, limit, visit);
  }
  Position Head() const override { return store_.Head(); }
  Version StreamVersion(const StreamId& stream) const override {
    return store_.StreamVersion(stream);
  }
  Task<void> WaitPast(Position after, absl::Time deadline) override {
    return store_.WaitPast(after, deadline);
  }
  Status SaveSnapshot(std::string_view name, const Snapshot& snapshot) override {
    return store_.SaveSnapshot(name, snapshot);
  }
  StatusOr<Snapshot> LoadSnapshot(std::string_view name) const override {
    return store_.LoadSnapshot(name);
  }
  Status Redact(Position position, std::string replacement) override {
    return store_.Redact(position, std::move(replacement));
  }
  Status Verify(Position after) const override { return store_.Verify(after); }

  int of_workers = 0;  // appends
  int of_others = 0;
  mutable int reads = 0;

 private:
  MemoryEventStore store_;
};

// An account with machines of the old scripts, and a fleet without workers that wants them.
class BulkAdoptTest : public ::testing::TestWithParam<int> {
 protected:
  BulkAdoptTest() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    policy_.Start();
    CommandHooks hooks;
    hooks.providers = {ProviderName("vast")};
    hooks.list_instances = [this](ProviderName,
                                  absl::Time) -> Task<StatusOr<std::vector<Instance>>> {
      ++lists_;
      co_return instances_;
    };
    api_ = std::make_unique<CommandApi>(rt_, handler_, policy_, std::move(hooks));
    for (int i = 0; i < GetParam(); ++i) {
      Instance& instance = instances_.emplace_back();
      instance.id = InstanceId(Cat(7000 + i));
      instance.label = Cat("old-worker-", i);
      instance.machine = MachineId(Cat(i));
      instance.gpu = GpuName("RTX 3070");
      instance.actual = ActualStatus::kRunning;
      instance.price = MicroUsdPerHour(60'000);
      instance.price_known = true;
    }
    const auto spec = ParseFleetFile(
        Cat("name: zeb\nworkers: ", GetParam(), "\nlaunch: {onstart: echo hello}\n"), "zeb.yaml");
    EXPECT_THAT(spec, IsOk());
    api::ApplyFleetRequest apply;
    *apply.mutable_spec() = *spec;
    EXPECT_THAT(rt_.Run(api_->ApplyFleet(apply, kAlice)), IsOk());
    lists_ = store_.of_workers = store_.of_others = store_.reads = 0;
  }
  ~BulkAdoptTest() override { rt_.DestroyTasks(); }

  StatusOr<api::Operation> Adopt(api::AdoptInstancesRequest request) {
    request.set_fleet("zeb");
    return rt_.Run(api_->AdoptInstances(std::move(request), kAlice));
  }
  // However many: one list, one append for each, and a few for what the fleet makes of it.
  void ExpectEachTakenOnce() {
    EXPECT_EQ(lists_, 1);
    EXPECT_EQ(store_.of_workers, GetParam());
    EXPECT_LE(store_.of_others, 2);
    EXPECT_EQ(store_.reads, 0);
    const World& world = handler_.world();
    std::set<int> places;
    for (const auto& [instance, worker] : world.by_instance) {
      places.insert(world.FindWorker(worker)->identity.index);
    }
    EXPECT_EQ(world.by_instance.size(), instances_.size());
    EXPECT_EQ(places.size(), instances_.size());
  }

  VirtualRuntime rt_{1};
  CountingStore store_{rt_};
  Handler handler_{rt_, store_};
  PolicyDriver policy_{rt_, handler_, {}};
  std::vector<Instance> instances_;
  int lists_ = 0;
  std::unique_ptr<CommandApi> api_;
};

TEST_P(BulkAdoptTest, TakesEachOnceByPrefix) {
  api::AdoptInstancesRequest request;
  request.set_label_prefix("old-worker-");
  ASSERT_THAT(Adopt(request), IsOk());
  ExpectEachTakenOnce();
}

TEST_P(BulkAdoptTest, TakesEachOnceByIdInWhateverOrder) {
  api::AdoptInstancesRequest request;
  for (auto it = instances_.rbegin(); it != instances_.rend(); ++it) {
    request.add_instances(it->id.str());
  }
  request.add_instances(instances_[0].id.str());  // named twice is the same
  ASSERT_THAT(Adopt(request), IsOk());
  ExpectEachTakenOnce();
}

TEST_P(BulkAdoptTest, AgainOrOnlyPlannedWritesNothing) {
  api::AdoptInstancesRequest request;
  request.set_label_prefix("old-worker-");
  request.set_validate_only(true);
  const auto planned = Adopt(request);
  ASSERT_THAT(planned, IsOk());
  const auto& steps = planned->plan().steps();
  EXPECT_EQ(std::count_if(steps.begin(), steps.end(),
                          [](const auto& step) { return step.text().rfind("adopts ", 0) == 0; }),
            GetParam());
  EXPECT_EQ(lists_, 1);
  EXPECT_EQ(store_.of_workers, 0);
  request.set_validate_only(false);
  ASSERT_THAT(Adopt(request), IsOk());
  ASSERT_THAT(Adopt(request), IsOk());
  EXPECT_EQ(store_.of_workers, GetParam());
  EXPECT_EQ(lists_, 3);
}

INSTANTIATE_TEST_SUITE_P(Of, BulkAdoptTest, ::testing::Values(1, 100, 10'000));

}  // namespace
}  // namespace muster::grpc_api
