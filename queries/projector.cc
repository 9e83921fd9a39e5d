#include "queries/projector.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/check.h"

namespace muster::queries {
namespace {

// Nobody wakes the follower when it is to stop, so it looks up now and then.
constexpr absl::Duration kLookUp = absl::Hours(1);

// Folds events after models.position() up to `upto`, `limit` at most.
Status Fold(const EventStore& store, ReadModels& models, Position upto, std::size_t limit) {
  if (models.position() >= upto) return {};
  const std::size_t left = std::min<Position>(upto - models.position(), limit);
  Status folded;
  const Status read = store.ReadAll(models.position(), left, [&](const RecordedEvent& event) {
    folded = models.Apply(event);
    return folded.ok();
  });
  return folded.ok() ? read : folded;
}

}  // namespace

// Shared with the follower, which may wake once more after the Projector is gone.
struct Projector::Core {
  Core(Runtime& runtime, EventStore& event_store, ProjectorOptions opts)
      : rt(runtime),
        store(event_store),
        options(std::move(opts)),
        shelf(event_store, options.snapshot_name + "-past", options.past),
        models(std::make_unique<ReadModels>(event_store)),
        changed(runtime.MakeSignal()) {}

  Runtime& rt;
  EventStore& store;
  const ProjectorOptions options;
  SnapshotShelf shelf;
  std::unique_ptr<ReadModels> models;
  std::unique_ptr<Signal> changed;
  Position snapshot_at = 0;        // of the newest one saved or taken up
  Position snapshot_tried_at = 0;  // one that failed is not tried again at once
  Status status;
  bool stopped = false;

  Task<void> Yield() { co_await rt.SleepUntil(rt.Now()); }

  // One batch of the live models.
  Status Advance() {
    const Position before = models->position();
    const Status folded = Fold(store, *models, store.Head(), options.batch);
    if (models->position() != before) changed->NotifyAll();
    if (shelf.Due(models->position())) {  // one that cannot be saved costs time later
      shelf.Save({models->position(), models->SavePast()}).IgnoreError();
    }
    return folded;
  }

  Status SaveSnapshot() {
    const Status saved =
        store.SaveSnapshot(options.snapshot_name, {models->position(), models->Save()});
    snapshot_tried_at = models->position();
    if (saved.ok()) snapshot_at = snapshot_tried_at;
    return saved;
  }
  void MaybeSaveSnapshot() {
    if (options.snapshot_every == 0) return;
    if (models->position() - snapshot_tried_at < options.snapshot_every) return;
    SaveSnapshot().IgnoreError();  // a snapshot that cannot be saved costs time at the next start
  }

  // The newest snapshot at or before `position`, or empty models.
  std::unique_ptr<ReadModels> FromSnapshot(Position position) const {
    auto fresh = std::make_unique<ReadModels>(store);
    const auto snapshot = store.LoadSnapshot(options.snapshot_name);
    if (!snapshot.ok() || snapshot->position > position) return fresh;
    auto loaded = std::make_unique<ReadModels>(store);
    const bool usable = loaded->Load(snapshot->state) && loaded->position() == snapshot->position &&
                        IsOfThisLog(*loaded);
    return usable ? std::move(loaded) : std::move(fresh);
  }

  // Models from which to fold on to `position`: those of the nearest earlier moment there are. What
  // the live ones have not folded yet, they cannot be asked for.
  std::unique_ptr<ReadModels> Before(Position position) const {
    if (position > models->position()) return FromSnapshot(position);
    std::unique_ptr<ReadModels> past;
    const auto usable = [&](const Snapshot& saved) {
      past = std::make_unique<ReadModels>(store, *models);
      return past->LoadPast(saved.state) && past->position() == saved.position &&
             IsOfThisLog(*past);
    };
    const auto found = NearestSnapshot(store, options.snapshot_name + "-past", position, usable);
    return found.has_value() ? std::move(past) : std::make_unique<ReadModels>(store, *models);
  }

  // A snapshot may be of a log that was restored from a backup since and went another way.
  bool IsOfThisLog(const ReadModels& loaded) const {
    std::string hash;
    const Position at = loaded.position();
    if (at == 0) return false;  // nothing is saved by it
    const Status read = store.ReadAll(at - 1, 1, [&](const RecordedEvent& event) {
      hash.assign(event.hash.begin(), event.hash.end());
      return false;
    });
    return read.ok() && hash == loaded.hash();
  }

  static Task<void> Follow(std::shared_ptr<Core> core) {
    while (!core->stopped) {
      co_await core->store.WaitPast(core->models->position(), core->rt.Now() + kLookUp);
      if (core->stopped) co_return;
      core->status = core->Advance();
      if (!core->status.ok()) co_return;
      core->MaybeSaveSnapshot();
      if (core->models->position() < core->store.Head()) co_await core->Yield();
    }
  }
};

Projector::Projector(Runtime& rt, EventStore& store, ProjectorOptions options)
    : core_(std::make_shared<Core>(rt, store, std::move(options))) {}
Projector::~Projector() { Stop(); }

Task<Status> Projector::Start() {
  const std::shared_ptr<Core> core = core_;
  core->models = core->FromSnapshot(core->store.Head());
  core->snapshot_at = core->snapshot_tried_at = core->models->position();
  while (core->models->position() < core->store.Head()) {
    core->status = core->Advance();
    if (!core->status.ok()) co_return core->status;
    co_await core->Yield();
    if (core->stopped) co_return core->status;
  }
  core->MaybeSaveSnapshot();
  core->rt.Spawn("projector", Core::Follow(core));
  co_return core->status;
}

void Projector::Stop() { core_->stopped = true; }
const Status& Projector::status() const { return core_->status; }
const ReadModels& Projector::models() const { return *core_->models; }

Position Projector::snapshot_position() const { return core_->snapshot_at; }

Lag Projector::lag() const {
  Lag lag;
  const Position head = core_->store.Head();
  const Position at = core_->models->position();
  if (head <= at) return lag;
  lag.events = head - at;
  const Status read = core_->store.ReadAll(at, 1, [&](const RecordedEvent& oldest) {
    lag.behind = std::max(core_->rt.Now() - oldest.recorded_at, absl::ZeroDuration());
    return false;
  });
  if (!read.ok()) lag.behind = absl::ZeroDuration();  // status() says what is wrong
  return lag;
}

Task<bool> Projector::WaitPast(Position after, absl::Time deadline) {
  const std::shared_ptr<Core> core = core_;
  while (core->models->position() <= after) {
    const bool notified = co_await core->changed->WaitUntil(deadline);
    if (!notified) break;
  }
  co_return core->models->position() > after;
}

Task<StatusOr<RebuildReport>> Projector::Rebuild() {
  const std::shared_ptr<Core> core = core_;
  auto fresh = std::make_unique<ReadModels>(core->store);
  // The live models move on meanwhile; the last stretch is folded in one go.
  while (core->models->position() - fresh->position() > core->options.batch) {
    CO_RETURN_IF_ERROR(Fold(core->store, *fresh, core->models->position(), core->options.batch));
    co_await core->Yield();
  }
  CO_RETURN_IF_ERROR(Fold(core->store, *fresh, core->models->position(), core->options.batch));
  RebuildReport report;
  report.position = fresh->position();
  report.digest_live = core->models->Digest();
  report.digest_rebuilt = fresh->Digest();
  core->models = std::move(fresh);
  core->changed->NotifyAll();
  co_return report;
}

Task<StatusOr<std::unique_ptr<const ReadModels>>> Projector::AsOf(Position position) {
  const std::shared_ptr<Core> core = core_;
  if (position > core->store.Head()) {
    co_return MakeStatus(StatusCode::kOutOfRange,
                         Cat("position ", position, " is past the head, ", core->store.Head()));
  }
  std::unique_ptr<ReadModels> models = core->Before(position);
  while (models->position() < position) {
    CO_RETURN_IF_ERROR(Fold(core->store, *models, position, core->options.batch));
    co_await core->Yield();
  }
  co_return std::unique_ptr<const ReadModels>(std::move(models));
}

Task<StatusOr<std::unique_ptr<const ReadModels>>> Projector::AsOf(absl::Time time) {
  CO_ASSIGN_OR_RETURN(const Position position, PositionAt(time));
  auto built = co_await AsOf(position);
  co_return std::move(built);
}

// The recording clock may have stepped back; then any of the positions that fit is found.
StatusOr<Position> Projector::PositionAt(absl::Time time) const {
  Position before = 0, after = core_->store.Head() + 1;
  while (after - before > 1) {
    const Position middle = before + (after - before) / 2;
    bool early = false;
    MUSTER_RETURN_IF_ERROR(core_->store.ReadAll(middle - 1, 1, [&](const RecordedEvent& event) {
      early = event.recorded_at <= time;
      return false;
    }));
    (early ? before : after) = middle;
  }
  return before;
}

Status Projector::SaveSnapshot() { return core_->SaveSnapshot(); }

}  // namespace muster::queries
