#include "tests/scenario/scenario.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include "services/files/fleet_file.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/vast_provider.h"

namespace muster {
namespace {

constexpr char kOrigin[] = "http://market.internal";

// "zeb-worker-vast-3.m7k2abcde" -> "m7k2abcde"; "" when there is no token.
std::string TokenOf(const std::string& label) {
  const std::size_t dot = label.rfind('.');
  return dot == std::string::npos ? "" : label.substr(dot + 1);
}

}  // namespace

std::string ZebFleet(int workers, std::string_view more) {
  return Cat("name: zeb\nworkers: ", workers, R"(
market:
  price_max: $0.12/h
launch:
  onstart: echo hello
)",
             more);
}

Scenario::Life::Life(VirtualRuntime& rt, vastsim::VastSim& sim, std::shared_ptr<MemoryLog> log)
    : store(rt, std::move(log)),
      http(rt, sim),
      secrets({{"env:VAST_API_KEY", "sim-key"}, {"env:HF_TOKEN", "hf_scenario_token"}}),
      tails(rt, {}) {
  limiter = MakeRateLimiter(rt, vast::DefaultRateLimits());
  VastOptions options;
  options.base_url = kOrigin;
  options.log_hosts = {kOrigin};
  provider = MakeVastProvider(options, rt, http, *limiter, secrets);
  engine =
      std::make_unique<Engine>(Engine::Ports{rt, store, http, secrets, tails}, EngineOptions{});
  engine->AddProvider(*provider);
}

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
  life_ = std::make_unique<Life>(rt_, sim_, log_);
  EXPECT_THAT(rt_.Run(engine().Start()), IsOk());
}

void Scenario::Crash() {
  rt_.DestroyTasks();
  life_.reset();
  Begin();
}

void Scenario::Apply(std::string_view yaml) {
  const auto spec = ParseFleetFile(yaml, "fleet.yaml");
  ASSERT_THAT(spec, IsOk());
  const FleetName name(spec->name());
  Origin origin;
  origin.actor = "operator:test";
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(name, fleet::Apply{*spec}, origin)), IsOk());
}

void Scenario::Scale(const std::string& fleet, int workers) {
  Origin origin;
  origin.actor = "operator:test";
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(FleetName(fleet), fleet::Scale{workers}, origin)),
              IsOk());
}

void Scenario::Down(const std::string& fleet) {
  Origin origin;
  origin.actor = "operator:test";
  ASSERT_THAT(rt_.Run(engine().handler().Fleet(FleetName(fleet), fleet::Down{"test"}, origin)),
              IsOk());
}

bool Scenario::Until(const std::function<bool()>& done, absl::Duration span) {
  return rt_.RunUntil(done, span);
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
  const Status read = life_->store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
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
  const Status read = life_->store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
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

std::string Scenario::Broken() const {
  std::set<std::string> intents;
  for (const eventpb::EventBody& body : Log(EventKind::kLaunchRequested)) {
    intents.insert(body.launch_requested().token());
  }
  std::map<std::string, int> contracts;
  for (const vastsim::LedgerLine& line : sim_.Ledger()) {
    const std::string token = TokenOf(line.label);
    if (!intents.contains(token)) return Cat("instance ", line.instance, " without an intent");
    if (++contracts[token] > 1) return Cat("two contracts for token ", token);
  }
  return "";
}

}  // namespace muster
