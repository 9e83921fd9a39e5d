#include "commands/replay/scan.h"

#include <algorithm>

namespace muster::replay {
namespace {

constexpr std::string_view kWorker = "worker/";

absl::Duration Default(Habits::Span span) {
  switch (span) {
    case Habits::Span::kAccept:
      return absl::Seconds(5);
    case Habits::Span::kUp:
      return absl::Minutes(3);
    case Habits::Span::kProgress:
      return absl::Minutes(6);
    case Habits::Span::kDestroyTaken:
      return absl::Seconds(5);
    case Habits::Span::kDestroyed:
      return absl::Minutes(1);
  }
  return absl::ZeroDuration();
}

// The lower one of two in the middle: a span that was seen.
absl::Duration Median(std::vector<absl::Duration> lengths) {
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>((lengths.size() - 1) / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return *middle;
}

}  // namespace

void Habits::Add(Span span, const FleetName& fleet, const MachineId& machine,
                 absl::Duration length) {
  if (length < absl::ZeroDuration()) return;  // a clock that was set back
  by_fleet_[{span, fleet}].push_back(length);
  by_machine_[{span, {fleet, machine}}].push_back(length);
}

absl::Duration Habits::Of(Span span, const FleetName& fleet, const MachineId& machine) const {
  const auto own = by_machine_.find({span, {fleet, machine}});
  if (own != by_machine_.end()) return Median(own->second);
  const auto all = by_fleet_.find({span, fleet});
  return all != by_fleet_.end() ? Median(all->second) : Default(span);
}

std::int64_t Habits::Seen(Span span, const FleetName& fleet) const {
  const auto all = by_fleet_.find({span, fleet});
  return all == by_fleet_.end() ? 0 : static_cast<std::int64_t>(all->second.size());
}

void Scan::Add(const Recorded& recorded) {
  last_position_ = recorded.position;
  last_recorded_ = recorded.recorded_at;
  if (recorded.by_policy) AddPass(recorded);
  const std::string_view stream = recorded.stream.str();
  if (stream.starts_with(kWorker)) Follow(std::string(stream.substr(kWorker.size())), recorded);
}

void Scan::AddTo(LivePass& pass, const Recorded& recorded) {
  pass.last = recorded.position;
  const eventpb::EventBody& body = recorded.body;
  if (body.has_worker_adopted() && body.worker_adopted().index() < 0) {
    strays_.insert(recorded.stream);
  }
  const bool note = body.has_worker_health_changed() || body.has_fleet_wait_changed() ||
                    body.has_fleet_health_changed() || body.has_destroy_requested() ||
                    body.has_orphan_resolved();
  const bool of_stray = body.has_worker_condemned() && strays_.contains(recorded.stream);
  if (!note && !of_stray) pass.decided.push_back(recorded);
}

void Scan::AddPass(const Recorded& recorded) {
  // What a worker's end says of its machine is written beside the passes.
  if (recorded.body.has_host_struck() || recorded.body.has_host_measured()) return;
  if (recorded.pass.has_value()) {
    unmarked_pass_.reset();
    if (recorded.pass->head < start_) return;
    LivePass& pass = passes_[{recorded.pass->head, absl::ToUnixMicros(recorded.pass->at)}];
    pass.head = recorded.pass->head;
    pass.at = recorded.pass->at;
    pass.marked = true;
    return AddTo(pass, recorded);
  }
  // Of an older log: what was written at one time came of one pass, over all that stood before.
  const std::int64_t at = absl::ToUnixMicros(recorded.occurred_at);
  if (!unmarked_pass_.has_value() || unmarked_pass_->second != at) {
    ++unmarked_;
    unmarked_pass_ = {recorded.position - 1, at};
  }
  LivePass& pass = passes_[*unmarked_pass_];
  pass.head = unmarked_pass_->first;
  pass.at = recorded.occurred_at;
  AddTo(pass, recorded);
}

void Scan::Follow(const std::string& worker, const Recorded& recorded) {
  const eventpb::EventBody& body = recorded.body;
  const absl::Time at = recorded.occurred_at;
  if (body.has_launch_requested()) {
    const eventpb::LaunchRequested& e = body.launch_requested();
    lives_[worker] = {FleetName(e.fleet()), MachineId(e.offer().machine()), at};
    return;
  }
  const auto found = lives_.find(worker);
  if (found == lives_.end()) return;
  Life& life = found->second;
  const auto note = [&](Habits::Span span, absl::Time since) {
    habits_.Add(span, life.fleet, life.machine, at - since);
  };
  if (body.has_launch_accepted()) {
    life.accepted = at;
    note(Habits::Span::kAccept, life.asked);
  } else if (body.has_log_observed() && life.accepted != absl::InfiniteFuture()) {
    const eventpb::LogObserved& e = body.log_observed();
    const bool up = e.phase() != "boot" && !e.no_container();
    if (up && !std::exchange(life.up, true)) note(Habits::Span::kUp, life.accepted);
    const bool counts = e.counter() >= 0 || e.total() >= 0;
    if (counts && !std::exchange(life.progressed, true)) {
      note(Habits::Span::kProgress, life.accepted);
    }
  } else if (body.has_worker_condemned()) {
    life.condemned = at;
  } else if (body.has_destroy_answered() && life.condemned != absl::InfiniteFuture()) {
    if (!std::exchange(life.taken, true)) note(Habits::Span::kDestroyTaken, life.condemned);
  } else if (body.has_worker_ended()) {
    if (life.condemned != absl::InfiniteFuture()) note(Habits::Span::kDestroyed, life.condemned);
    lives_.erase(found);
  }
}

std::vector<LivePass> Scan::TakePasses() {
  std::vector<LivePass> passes;
  passes.reserve(passes_.size());
  for (auto& [key, pass] : passes_) passes.push_back(std::move(pass));
  passes_.clear();
  return passes;
}

}  // namespace muster::replay
