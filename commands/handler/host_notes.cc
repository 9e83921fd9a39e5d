#include "commands/handler/host_notes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "commands/fleet/plan/label.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

struct Note {
  ProviderName provider;
  MachineId machine;
  host::Command command;
  Origin origin;
};

std::optional<WorkerId> WorkerOf(const StreamId& stream) {
  constexpr std::string_view kPrefix = "worker/";
  const std::string_view name = stream.str();
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  return WorkerId(name.substr(kPrefix.size()));
}

Origin OriginOf(const World& world, const worker::State& worker, std::string_view kind,
                const EventId& cause) {
  const fleet::State* fleet = world.FindFleet(worker.identity.fleet);
  return {.actor = Cat("policy:",
                       fleet == nullptr ? worker.identity.fleet.str() : fleet->PolicyVersion()),
          .cause = cause.str(),
          .idempotency_key = Cat(kind, ":", worker.identity.id.str())};
}

std::int64_t StrikeExpiry(const World& world, const FleetName& name, absl::Time now) {
  const fleet::State* fleet = world.FindFleet(name);
  const std::int64_t span = fleet == nullptr ? 0 : fleet->spec.strikes().expiry_s();
  return span > 0 ? absl::ToUnixMicros(now + absl::Seconds(span)) : 0;
}

// The strike of a worker that was condemned with one.
std::optional<Note> StrikeOf(const World& world, const worker::State& worker,
                             const eventpb::Evidence* evidence, const EventId& cause,
                             absl::Time now) {
  const auto* leaving = std::get_if<worker::Destroying>(&worker.phase);
  const worker::Identity& me = worker.identity;
  if (leaving == nullptr || leaving->strike_weight <= 0 || me.offered.machine.empty()) {
    return std::nullopt;
  }
  eventpb::HostStruck strike;
  strike.set_worker(me.id.str());
  strike.set_cause(leaving->rule);
  strike.set_weight(leaving->strike_weight);
  strike.set_expires_us(StrikeExpiry(world, me.fleet, now));
  strike.set_fleet(me.fleet.str());
  if (evidence != nullptr) {
    *strike.mutable_evidence() = *evidence;
  } else {
    strike.mutable_evidence()->set_rule(leaving->rule);
    strike.mutable_evidence()->set_summary(Cat("worker ", me.id.str(), " was condemned"));
  }
  strike.mutable_evidence()->add_positions(leaving->requested.position);
  return Note{me.provider, me.offered.machine, host::StrikeHost{std::move(strike)},
              OriginOf(world, worker, "strike", cause)};
}

// What the machine did. A worker that was sent away before it could produce says nothing about
// its machine, unless the machine was why.
std::optional<Note> MeasureOf(const World& world, const worker::State& worker,
                              const worker::Observed& seen, specpb::Fault fault,
                              const EventId& cause) {
  const worker::Identity& me = worker.identity;
  const fleet::State* fleet = world.FindFleet(me.fleet);
  const bool booted = seen.first_progress.seen();
  if (fleet == nullptr || me.offered.machine.empty()) return std::nullopt;
  if (!booted && fault != specpb::MACHINE) return std::nullopt;
  eventpb::HostMeasured measured;
  measured.set_worker(me.id.str());
  measured.set_gpu(me.offered.gpu.str());
  measured.set_work_key(fleet::WorkKey(fleet->spec));
  measured.set_booted(booted);
  if (booted) {
    const absl::Duration producing = seen.progress.at - seen.first_progress.at;
    measured.set_rate_per_s(seen.rate_samples > 0 ? std::max(0.0, seen.rate_mean_per_s) : 0);
    measured.set_producing_s(
        seen.rate_samples > 0 ? std::max<std::int64_t>(0, absl::ToInt64Seconds(producing)) : 0);
    measured.set_boot_s(
        std::max<std::int64_t>(0, absl::ToInt64Seconds(seen.first_progress.at - me.begun.at)));
  }
  return Note{me.provider, me.offered.machine, host::Measure{std::move(measured)},
              OriginOf(world, worker, "measure", cause)};
}

}  // namespace

struct HostNotes::Shared {
  Shared(Runtime& runtime, Handler& the_handler) : rt(runtime), handler(the_handler) {}
  Runtime& rt;
  Handler& handler;
  bool stopped = false;
  // Of live workers that a list lacks: their end leaves nothing to measure from.
  std::map<WorkerId, Note> if_it_vanished;
};

namespace {

Task<void> WriteNote(Handler& handler, Note note) {
  // Refused or failed: TakeUp tries again at the next start, and nothing hangs on it before.
  const StatusOr<Outcome> outcome = co_await handler.Host(
      note.provider, note.machine, std::move(note.command), std::move(note.origin));
  (void)outcome;
}

}  // namespace

HostNotes::HostNotes(Runtime& rt, Handler& handler)
    : shared_(std::make_shared<Shared>(rt, handler)) {}

void HostNotes::Stop() { shared_->stopped = true; }

void HostNotes::Heard(const Written& written) {
  const std::optional<WorkerId> id = WorkerOf(written.stream);
  if (shared_->stopped || !id) return;
  Handler& handler = shared_->handler;
  const auto write = [&](std::optional<Note> note) {
    if (note) shared_->rt.Spawn("host-note", WriteNote(handler, *std::move(note)));
  };
  const World& world = handler.world();
  const worker::State* worker = world.FindWorker(*id);
  if (worker == nullptr) return;
  if (written.body.has_worker_condemned()) {
    const eventpb::WorkerCondemned& verdict = written.body.worker_condemned();
    write(StrikeOf(world, *worker, &verdict.evidence(), written.id, shared_->rt.Now()));
    if (const auto* leaving = std::get_if<worker::Destroying>(&worker->phase)) {
      write(MeasureOf(world, *worker, leaving->seen, verdict.fault(), written.id));
    }
  } else if (written.body.has_instance_absent()) {
    const worker::Live* live = worker->live();
    if (live == nullptr) return;
    auto note = MeasureOf(world, *worker, live->seen, specpb::FAULT_UNSPECIFIED, written.id);
    if (note) shared_->if_it_vanished.insert_or_assign(*id, *std::move(note));
  } else if (written.body.has_instance_observed()) {
    shared_->if_it_vanished.erase(*id);
  } else if (written.body.has_worker_ended()) {
    auto kept = shared_->if_it_vanished.extract(*id);
    if (!kept.empty() && written.body.worker_ended().how() == eventpb::WorkerEnded::VANISHED) {
      write(std::move(kept.mapped()));
    }
  }
}

void HostNotes::TakeUp() {
  const World& world = shared_->handler.world();
  for (const auto& [id, worker] : world.WorkersInOrder()) {
    const auto* leaving = std::get_if<worker::Destroying>(&worker->phase);
    if (leaving == nullptr) continue;
    auto strike = StrikeOf(world, *worker, nullptr, EventId(), shared_->rt.Now());
    auto measure = MeasureOf(world, *worker, leaving->seen, leaving->fault, EventId());
    for (auto* note : {&strike, &measure}) {
      if (*note) {
        shared_->rt.Spawn("host-note", WriteNote(shared_->handler, *std::move(*note)));
      }
    }
  }
}

}  // namespace muster
