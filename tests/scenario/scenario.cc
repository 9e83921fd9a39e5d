#include "tests/scenario/scenario.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/preview.h"
#include "services/files/fleet_file.h"
#include "tests/stage/causes.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

constexpr absl::Duration kWatchEvery = absl::Seconds(20);
// A fleet is of its size again within this after any change.
constexpr absl::Duration kSettleMax = absl::Minutes(10);
// From the end of a contract until the log knows of it: lists may fail for a while, and two are
// needed. Until then it counts as paid for.
constexpr absl::Duration kSeenLateMax = absl::Minutes(8);

// "zeb-worker-vast-3.m7k2abcde" -> "m7k2abcde"; "" when there is no token.
std::string TokenOf(const std::string& label) {
  const std::size_t dot = label.rfind('.');
  return dot == std::string::npos ? "" : label.substr(dot + 1);
}

}  // namespace

std::string FleetFile(std::string_view name, int workers, std::string_view more) {
  return Cat("name: ", name, "\nworkers: ", workers, R"(
market:
  price_max: $0.12/h
launch:
  onstart: echo hello
)",
             more);
}

std::string ZebFleet(int workers, std::string_view more) { return FleetFile("zeb", workers, more); }

Scenario::Scenario(vastsim::VastSimOptions market, std::uint64_t seed)
    : rt_(seed), sim_(std::move(market), rt_.Now()) {
  sim_.SetOrigin(kOrigin);
  Begin();
}

Scenario::~Scenario() {
  // For a person who wants to know why: MUSTER_STORY=FILE scenario_tests --gtest_filter=...
  const char* file = std::getenv("MUSTER_STORY");
  if (file != nullptr && ::testing::Test::HasFailure()) std::ofstream(file) << Story();
  rt_.DestroyTasks();
}

void Scenario::Begin() {
  life_ = std::make_unique<Life>(rt_, outside_, std::make_unique<MemoryEventStore>(rt_, log_));
  EXPECT_THAT(rt_.Run(engine().Start()), IsOk());
}

void Scenario::Crash() { CrashFor(absl::ZeroDuration()); }

void Scenario::CrashFor(absl::Duration span) {
  rt_.DestroyTasks();
  life_.reset();
  rt_.RunFor(span);
  Begin();
}

Origin Scenario::Operator() const {
  Origin origin;
  origin.actor = "operator:test";
  if (!request_.empty()) origin.correlation = Cat("request/", request_);
  return origin;
}

void Scenario::Apply(std::string_view yaml) {
  const auto spec = ParseFleetFile(yaml, "fleet.yaml");
  ASSERT_THAT(spec, IsOk());
  const FleetName name(spec->name());
  const Origin origin = Operator();
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(name, fleet::Apply{*spec}, origin)), IsOk());
}

void Scenario::Scale(const std::string& fleet, int workers) {
  const Origin origin = Operator();
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(FleetName(fleet), fleet::Scale{workers}, origin)),
              IsOk());
}

void Scenario::Down(const std::string& fleet) {
  const Origin origin = Operator();
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(FleetName(fleet), fleet::Down{"test"}, origin)),
              IsOk());
}

void Scenario::Replace(const WorkerId& worker, const std::string& reason) {
  const Origin origin = Operator();
  worker::Command condemn = worker::Condemn{
      fleet::OperatorVerdict(*world().FindWorker(worker), {reason, /*replace=*/true})};
  ASSERT_THAT(rt_.Run(engine().handler().Worker(worker, std::move(condemn), origin)), IsOk());
}

void Scenario::Destroy(const WorkerId& worker, const std::string& reason, bool keep_size) {
  const auto destroy = [](Engine& engine, WorkerId id, std::string why, bool keep,
                          Origin origin) -> Task<bool> {
    const PolicyDriver::Hold hold = co_await engine.policy().Pause();
    const worker::State* state = engine.handler().world().FindWorker(id);
    const FleetName fleet = state->identity.fleet;
    worker::Command condemn = worker::Condemn{fleet::OperatorVerdict(*state, {why, keep})};
    const auto condemned = co_await engine.handler().Worker(id, std::move(condemn), origin);
    EXPECT_THAT(condemned, IsOk());
    if (keep) co_return true;
    const fleet::Scale scale{engine.handler().world().FindFleet(fleet)->wanted() - 1};
    const auto scaled = co_await engine.handler().Fleet(fleet, scale, origin);
    EXPECT_THAT(scaled, IsOk());
    co_return scaled.ok();
  };
  (void)rt_.Run(destroy(engine(), worker, reason, keep_size, Operator()));
}

std::int64_t Scenario::AddForeign(const std::string& label) {
  const std::int64_t id = sim_.AddForeign({.label = label});
  foreign_.insert(id);
  return id;
}

int Scenario::Adopt(const std::string& fleet, std::string_view label_prefix) {
  const auto adopt = [](Engine& engine, VirtualRuntime& rt, FleetName name, std::string prefix,
                        Origin origin) -> Task<int> {
    Provider* provider = engine.FindProvider(ProviderName("vast"));
    const auto list = co_await provider->ListInstances(rt.Now() + absl::Seconds(20));
    EXPECT_THAT(list, IsOk());
    const PolicyDriver::Hold hold = co_await engine.policy().Pause();
    const World& world = engine.handler().world();
    int adopted = 0;
    for (const Instance& instance : *list) {
      if (!fleet::IndexAfterPrefix(prefix, instance.label).has_value()) continue;
      if (world.by_instance.contains(instance.id)) continue;
      account::Orphan stray;
      stray.instance = instance.id;
      stray.label = instance.label;
      stray.machine = instance.machine;
      stray.gpu = instance.gpu;
      stray.price = instance.price;
      const worker::Adopt command{fleet::AdoptionOf(world, *world.FindFleet(name), stray)};
      const WorkerId id = fleet::MakeWorkerId(world, rt.rng().Token(5));
      const auto outcome = co_await engine.handler().Worker(id, command, origin);
      EXPECT_THAT(outcome, IsOk());
      ++adopted;
    }
    co_return adopted;
  };
  return rt_.Run(adopt(engine(), rt_, FleetName(fleet), std::string(label_prefix), Operator()));
}

void Scenario::Run(absl::Duration span) {
  rt_.RunUntil([this] { return Watch(), false; }, span);
}

bool Scenario::Until(const std::function<bool()>& done, absl::Duration span) {
  return rt_.RunUntil([&] { return Watch(), done(); }, span);
}

void Scenario::StepClock(absl::Duration step) { rt_.StepClock(step); }

void Scenario::Watch() {
  const absl::Time now = rt_.Now();
  if (now >= watched_ && now < watched_ + kWatchEvery) return;
  watched_ = now;
  for (const auto& [name, fleet] : world().fleets) {
    int have = 0;
    const auto open = world().open_by_fleet.find(name);
    if (open != world().open_by_fleet.end()) {
      for (const WorkerId& id : open->second) {
        have += !std::holds_alternative<worker::Destroying>(world().FindWorker(id)->phase);
      }
    }
    const int trials = fleet.spec.upgrades().enabled() ? 1 : 0;
    if (have <= fleet.wanted() + trials) {
      too_large_since_.erase(name);
      continue;
    }
    const absl::Time since = too_large_since_.try_emplace(name, now).first->second;
    if (now - since > kSettleMax && too_large_.empty()) {
      too_large_ = Cat("fleet ", name.str(), " had ", have, " workers, wanted ", fleet.wanted(),
                       ", for ", FormatSpan(now - since), " at ", FormatClock(now));
    }
  }
}

int Scenario::Open(const std::string& fleet) {
  const auto found = world().open_by_fleet.find(FleetName(fleet));
  return found == world().open_by_fleet.end() ? 0 : static_cast<int>(found->second.size());
}

int Scenario::Healthy(const std::string& fleet) {
  const auto found = world().open_by_fleet.find(FleetName(fleet));
  if (found == world().open_by_fleet.end()) return 0;
  int healthy = 0;
  for (const WorkerId& id : found->second) {
    const worker::Live* live = world().FindWorker(id)->live();
    if (live != nullptr && live->health == eventpb::WorkerHealthChanged::HEALTHY) ++healthy;
  }
  return healthy;
}

std::vector<eventpb::EventBody> Scenario::Log(EventKind kind) const {
  std::vector<eventpb::EventBody> out;
  const Status read = life_->store().ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    if (recorded.event.type != TypeName(kind)) return true;
    StatusOr<eventpb::EventBody> body = DecodeEvent(recorded.event.type, recorded.event.payload);
    EXPECT_THAT(body, IsOk());
    if (body.ok()) out.push_back(*std::move(body));
    return true;
  });
  EXPECT_THAT(read, IsOk());
  return out;
}

std::string Scenario::Story(const std::set<std::string>& left_out) const {
  std::string story;
  const Status read = life_->store().ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    if (left_out.contains(recorded.event.type)) return true;
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    std::string text = body.ok() ? body->ShortDebugString() : "?";
    story += Cat(recorded.position, " ", FormatClock(recorded.recorded_at), " ",
                 recorded.stream.str(), " ", recorded.event.type, " ", Ellipsize(text, 700), "\n");
    return true;
  });
  EXPECT_THAT(read, IsOk());
  return story;
}

std::vector<std::string> Scenario::Condemned() const {
  std::vector<std::string> rules;
  for (const auto& body : Log(EventKind::kWorkerCondemned)) {
    rules.push_back(body.worker_condemned().evidence().rule());
  }
  return rules;
}

std::string Scenario::Broken() const {
  std::set<std::string> intents, adopted;
  for (const eventpb::EventBody& body : Log(EventKind::kLaunchRequested)) {
    intents.insert(body.launch_requested().token());
  }
  for (const eventpb::EventBody& body : Log(EventKind::kWorkerAdopted)) {
    adopted.insert(body.worker_adopted().instance());
  }
  std::map<std::string, int> contracts;
  for (const vastsim::LedgerLine& line : sim_.Ledger()) {
    if (foreign_.contains(line.instance) || adopted.contains(Cat(line.instance))) continue;
    const std::string token = TokenOf(line.label);
    if (!intents.contains(token)) return Cat("instance ", line.instance, " without an intent");
    if (++contracts[token] > 1) return Cat("two contracts for token ", token);
  }
  return too_large_;
}

std::map<std::string, std::string> Scenario::WorkersByInstance() const {
  std::map<std::string, std::string> workers;
  const Status read = life_->store().ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    if (recorded.event.type != TypeName(EventKind::kLaunchAccepted)) return true;
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (body.ok()) workers[body->launch_accepted().instance()] = recorded.stream.str();
    return true;
  });
  EXPECT_THAT(read, IsOk());
  return workers;
}

std::string Scenario::MachinesDiffer() {
  std::set<std::string> alive;
  for (const vastsim::InstanceView& instance : sim_.Instances()) {
    const InstanceId id(Cat(instance.id));
    alive.insert(id.str());
    if (foreign_.contains(instance.id) && !world().by_instance.contains(id)) continue;
    const auto known = world().by_instance.find(id);
    if (known == world().by_instance.end()) return Cat("nobody knows of instance ", id.str());
    const double listed = instance.usd_per_hour;
    const double logged = MicroUsd(world().FindWorker(known->second)->price.micros).usd();
    if (std::abs(listed - logged) > 2e-6) {
      return Cat("instance ", id.str(), " costs ", listed, ", the log says ", logged);
    }
  }
  for (const auto& [id, worker] : world().by_instance) {
    if (!alive.contains(id.str())) return Cat("instance ", id.str(), " is no more");
  }
  return "";
}

std::string Scenario::SpendingDiffers() {
  std::map<std::string, std::int64_t> spent, dearest;
  const Status read = life_->store().ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) return true;
    const std::string& worker = recorded.stream.str();
    if (body->has_worker_ended()) spent[worker] = body->worker_ended().spent_micro_usd();
    const std::int64_t price = std::max(body->launch_requested().offer().price_micro_usd_per_hour(),
                                        body->instance_observed().price_micro_usd_per_hour());
    dearest[worker] = std::max(dearest[worker], price);
    return true;
  });
  EXPECT_THAT(read, IsOk());
  const std::map<std::string, std::string> workers = WorkersByInstance();
  for (const vastsim::LedgerLine& line : sim_.Ledger()) {
    const auto worker = workers.find(Cat(line.instance));
    if (line.ended == absl::InfiniteFuture() || worker == workers.end()) continue;
    const auto logged = spent.find(worker->second);
    if (logged == spent.end()) return Cat(worker->second, " has not ended in the log");
    const double usd = MicroUsd(logged->second).usd(), charged = line.total.usd();
    const double price = MicroUsd(dearest[worker->second]).usd();
    const double hours = absl::ToDoubleHours(line.ended - line.created + kSeenLateMax);
    if (usd < 0.98 * charged - 1e-4 || usd > 1.02 * price * hours + 1e-4) {
      return Cat(worker->second, " spent ", usd, " by the log, was charged ", charged, " for ",
                 FormatSpan(line.ended - line.created), " at most ", price);
    }
  }
  return "";
}

std::string Scenario::Unsettled() {
  for (const std::string& what :
       {Broken(), MachinesDiffer(), SpendingDiffers(), DeedWithoutCause(life_->store())}) {
    if (!what.empty()) return what;
  }
  return "";
}

}  // namespace muster
