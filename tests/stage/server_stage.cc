#include "tests/stage/server_stage.h"

#include "eventstore/base/check.h"

namespace muster {
namespace {

using server::OrderPhase;

hetznersim::HetznerSimOptions Service(std::uint64_t seed) {
  hetznersim::HetznerSimOptions options = ServerOutside::Calm();
  options.seed = seed;
  options.reduce_interval = hetznersim::HetznerSimOptions().reduce_interval;
  return options;
}

}  // namespace

ServerStage::ServerStage(std::uint64_t seed)
    : rt_(seed), outside_(rt_, Service(seed), /*boot_time=*/absl::Seconds(12)) {}

ServerStage::~ServerStage() { Crash(); }

void ServerStage::Crash() {
  rt_.DestroyTasks();
  life_.reset();
  loaded_ = false;
}

void ServerStage::Live() {
  Crash();
  life_ = std::make_unique<ServerLife>(rt_, outside_, log_);
  rt_.Spawn("operator", Operate());
}

Task<void> ServerStage::Operate() {
  const Status started = co_await life_->Start();
  MUSTER_CHECK(started.ok());
  loaded_ = true;
  for (;;) {
    co_await rt_.SleepFor(absl::Seconds(5));
    co_await OperateOnce();
  }
}

const server::State* ServerStage::state() const {
  return loaded_ ? life_->hands().world().FindServerNamed(kBuilder) : nullptr;
}

VirtualMachines::Machine* ServerStage::machine() {
  return state() == nullptr ? nullptr : outside_.machines.Find(state()->number);
}

Task<void> ServerStage::OperateOnce() {
  const server::State* now = state();
  ServerHands& hands = life_->hands();
  const bool no_order = now == nullptr || now->order_phase == OrderPhase::kRefused ||
                        now->order_phase == OrderPhase::kNotFound;
  if (no_order) {
    if (!giving_back_) (void)co_await hands.Order(ABuilder());
    co_return;
  }
  if (now->ended_already()) co_return;
  if (now->order_phase == OrderPhase::kInDoubt) {
    ++interventions_;
    const Status settled = co_await hands.Settle();
    MUSTER_CHECK(settled.code() != StatusCode::kFailedPrecondition);
    co_return;
  }
  if (giving_back_) {
    if (!now->Leaving()) (void)co_await hands.Cancel("now");
    co_return;
  }
  if (now->running != eventpb::SERVER_STEP_UNSPECIFIED || now->InService()) co_return;
  if (now->order_phase != OrderPhase::kDelivered) co_return;
  server::Step step = server::NextStep(*now);
  if (server::NeedsOperator(*now) || step == eventpb::SERVER_STEP_UNSPECIFIED) {
    ++interventions_;
    step = eventpb::RESCUE;
  }
  (void)co_await hands.Step(step);
}

bool ServerStage::RunUntilInService(absl::Duration span_max) {
  return rt_.RunUntil([this] { return state() != nullptr && state()->InService(); }, span_max);
}

bool ServerStage::RunCrashingUntilInService(std::uint64_t steps_max, int crashes) {
  for (; crashes > 0; --crashes) {
    rt_.RunSteps(1 + rt_.rng().Below(steps_max), absl::Hours(1));
    if (state() != nullptr && state()->InService()) return true;
    Live();
  }
  return RunUntilInService();
}

bool ServerStage::GiveBack() {
  giving_back_ = true;
  return rt_.RunUntil([this] { return state() != nullptr && state()->ended_already(); },
                      absl::Hours(2));
}

std::string ServerStage::Violations() {
  if (!loaded_) return "";
  const Status read = promises_.ReadOn(life_->store());
  MUSTER_CHECK(read.ok());
  return promises_.Broken(outside_, life_->hands().world());
}

}  // namespace muster
