#include "workers/os/os_runtime.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <csignal>
#include <ctime>
#include <exception>
#include <random>

#include "absl/time/clock.h"

namespace muster {
namespace {

// Smaller differences between the clocks are drift and jitter, not a step.
constexpr absl::Duration kStepMin = absl::Milliseconds(50);
constexpr std::size_t kResumedAtOnce = 64;

std::uint64_t SeedFromOs() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

// Since the machine was started, the time it was suspended included.
absl::Duration SinceBoot() {
  timespec passed{};
  MUSTER_CHECK(clock_gettime(CLOCK_BOOTTIME, &passed) == 0);
  return absl::DurationFromTimespec(passed);
}

}  // namespace

OsRuntime::OsRuntime() : OsRuntime(Options()) {}

OsRuntime::OsRuntime(Options options)
    : options_(std::move(options)),
      start_wall_(options_.wall_clock ? options_.wall_clock() : absl::Now()),
      start_steady_(SinceBoot()),
      rng_(options_.seed.has_value() ? *options_.seed : SeedFromOs()) {
  MUSTER_CHECK(options_.speed > 0);
  // A peer that closes its socket is an error code, never the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  ArmTick();
}

OsRuntime::~OsRuntime() { DestroyTasks(); }

absl::Time OsRuntime::Steady() const {
  return start_wall_ + (SinceBoot() - start_steady_) * options_.speed;
}

absl::Time OsRuntime::Now() const { return Steady() + step(); }

void OsRuntime::FollowWallClock() {
  if (options_.speed != 1) return;
  const absl::Time wall = options_.wall_clock ? options_.wall_clock() : absl::Now();
  const absl::Duration moved = wall - Now();
  if (absl::AbsDuration(moved) < kStepMin) return;
  step_ns_.fetch_add(absl::ToInt64Nanoseconds(moved), std::memory_order_relaxed);
  if (moved < absl::ZeroDuration()) return;  // sleepers keep the span they asked for
  BringForward(moved);
}

void OsRuntime::Arrive(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake) {
  if (closing_) return;
  if (wake <= Now()) return MakeReady(std::move(resumption));
  Hold(waiter, std::move(resumption), wake - step());
  if (wake == absl::InfiniteFuture() || sleepers().begin()->second != &waiter) return;
  NoteLag();  // a tick that is overdue already is not forgotten for the earlier one
  ArmTick();
}

void OsRuntime::MakeReady(std::unique_ptr<Resumption> resumption) {
  ready_.push_back(std::move(resumption));
  PostDrain();
}

// Resumes those who are ready now, a few dozen at most: sockets and timers are served between, also
// when ten thousand are woken together. Who becomes ready meanwhile waits a turn.
void OsRuntime::Drain() {
  draining_ = false;
  for (std::size_t left = std::min(ready_.size(), kResumedAtOnce); left > 0 && !closing_; --left) {
    const std::unique_ptr<Resumption> resumption = std::move(ready_.front());
    ready_.pop_front();
    resumption->Resume();
  }
  if (!ready_.empty()) PostDrain();
}

void OsRuntime::PostDrain() {
  if (std::exchange(draining_, true)) return;
  asio::post(io_, [this] { Drain(); });
}

void OsRuntime::ArmTick() {
  absl::Duration wait = options_.recheck;
  if (!sleepers().empty()) wait = std::min(wait, RealSpan(sleepers().begin()->first - Steady()));
  wait = std::max(wait, absl::ZeroDuration());
  tick_.expires_after(absl::ToChronoNanoseconds(wait));
  tick_.async_wait([this](const asio::error_code& error) {
    if (!error && !closing_) Tick();
  });
}

void OsRuntime::NoteLag() {
  const auto late = std::chrono::steady_clock::now() - tick_.expiry();
  if (late >= late.zero()) lag_.Record(absl::FromChrono(late));
}

void OsRuntime::Tick() {
  NoteLag();
  FollowWallClock();
  const absl::Time now = Steady();
  while (!sleepers().empty() && sleepers().begin()->first <= now) WakeEarliest();
  ArmTick();
}

// Tasks that had not begun when DestroyTasks came never begin.
Task<void> OsRuntime::Enter(Task<void> task) {
  if (closing_) co_return;
  co_await std::move(task);
}

void OsRuntime::Spawn(std::string, Task<void> task) {
  if (closing_) return;
  asio::co_spawn(io_, Enter(std::move(task)), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
}

void OsRuntime::Post(std::function<void()> work) {
  asio::post(io_, [this, work = std::move(work)] {
    if (!closing_) work();
  });
}

void OsRuntime::Run() {
  const auto guard = asio::make_work_guard(io_);
  io_.restart();
  io_.run();
}

// Posted, so that a Stop that comes before Run is not lost.
void OsRuntime::Stop() {
  asio::post(io_, [this] { io_.stop(); });
}

void OsRuntime::RunFor(absl::Duration span) {
  io_.restart();
  io_.run_for(absl::ToChronoNanoseconds(RealSpan(span)));
}

void OsRuntime::RunOne() {
  io_.restart();
  io_.run_one();
}

void OsRuntime::DestroyTasks() {
  closing_ = true;
  signals_.clear();
  tick_.cancel();
  // A dropped handler posts the destruction of its frames; those may wake or drop others.
  std::size_t ran = 0;
  do {
    DropParked();
    ready_.clear();
    io_.restart();
    ran = io_.poll();
  } while (ran > 0 || any_parked() || !ready_.empty());
}

void OsRuntime::OnSignal(int signal_number, std::function<void()> callback) {
  auto& signals = signals_[signal_number];
  signals = std::make_unique<asio::signal_set>(io_, signal_number);
  Listen(*signals, std::move(callback));
}

void OsRuntime::Listen(asio::signal_set& signals, std::function<void()> callback) {
  signals.async_wait(
      [this, &signals, callback = std::move(callback)](const asio::error_code& error, int) {
        if (error || closing_) return;
        callback();
        if (!closing_) Listen(signals, callback);
      });
}

}  // namespace muster
