#include "commands/replay/replay.h"

#include <algorithm>
#include <set>
#include <utility>

#include "commands/fleet/plan/plan.h"
#include "commands/snapshot.h"
#include "eventstore/base/check.h"
#include "eventstore/base/overloaded.h"

namespace muster::replay {
namespace {

// While muster runs, something is written every five minutes at least. Where the log is silent for
// longer muster did not run, and nobody decided anything.
constexpr absl::Duration kSilenceMax = absl::Minutes(6);
// A pass this much later than the event before it was not made for that event.
constexpr absl::Duration kPromptly = absl::Seconds(1);
// Decisions this close to each other are one.
constexpr absl::Duration kSoon = absl::Minutes(1);
constexpr int kRoundsMax = 6;  // of deciding on what was just decided
// Differences after the divergence of which the text is kept; all are counted.
constexpr std::size_t kTextsKept = 1000;

World Copy(const World& world) {
  StatusOr<World> copy = ParseWorld(SerializeWorld(world));
  MUSTER_CHECK(copy.ok());
  return *std::move(copy);
}

bool Holds(const std::vector<Act>& acts, const Act& act) {
  return std::any_of(acts.begin(), acts.end(),
                     [&](const Act& one) { return one.line == act.line; });
}
const Act* Find(const std::vector<Act>& acts, const Act& act) {
  const auto found =
      std::find_if(acts.begin(), acts.end(), [&](const Act& one) { return one.line == act.line; });
  return found == acts.end() ? nullptr : &*found;
}

void SortByLine(std::vector<Act>& acts) {
  std::sort(acts.begin(), acts.end(), [](const Act& a, const Act& b) { return a.line < b.line; });
}

// One append writes one stream at one time.
bool SameAppend(const Recorded& a, const Recorded& b) {
  return a.stream == b.stream && a.recorded_at == b.recorded_at && a.position + 1 == b.position;
}

Options Checked(Options options) {
  MUSTER_CHECK(!options.trial.has_value() || options.fleet == options.trial->fleet);
  return options;
}

}  // namespace

Replay::Replay(World start, absl::Time from, Options options, Scan& scan)
    : options_(Checked(std::move(options))),
      scan_(scan),
      from_(from),
      passes_(scan.TakePasses()),
      live_(std::move(start)),
      live_counter_(options_.fleet, from) {
  report_.first_position = live_.head;
  report_.from = from;
  if (options_.trial.has_value()) {
    other_ = std::make_unique<OtherWorld>(Copy(live_), options_.trial, scan.habits(),
                                          Counter(options_.fleet, from));
    if (const fleet::State* fleet = live_.FindFleet(options_.trial->fleet)) {
      if (fleet->fleet_version > 0) live_specs_.push_back(fleet->spec);
    }
  }
  live_before_ = other_before_ = SpentAt(live_, from);
  heard_ = from;
}

Replay::~Replay() = default;

// ---- going through the log --------------------------------------------------------------------

void Replay::Take(Recorded recorded) {
  if (pending_.has_value()) Settle(*pending_, &recorded);
  pending_ = std::move(recorded);
}

void Replay::Settle(const Recorded& recorded, const Recorded* next) {
  if (diverged_ || recorded.position > busy_until_) RunDue(recorded.recorded_at);
  ++report_.events;
  live_counter_.Before(live_, recorded.stream, recorded.body, recorded.occurred_at);
  Evolve(live_, recorded.stream, recorded.body, Stamp{recorded.position, recorded.occurred_at});
  live_board_.Touch(recorded.stream);
  if (recorded.body.has_clock_stepped()) {
    live_board_.TouchAll();
    due_ = absl::InfinitePast();  // of the old clock
  }
  if (other_ != nullptr) other_->Follow(recorded, live_);
  if (options_.trial.has_value() && recorded.body.has_fleet_applied() &&
      recorded.body.fleet_applied().spec().name() == options_.trial->fleet.str()) {
    live_specs_.push_back(recorded.body.fleet_applied().spec());
  }
  heard_ = recorded.recorded_at;
  while (next_pass_ < passes_.size() && passes_[next_pass_].head < recorded.position) ++next_pass_;
  const bool passes = next_pass_ < passes_.size() && passes_[next_pass_].head == recorded.position;
  const bool busy = !diverged_ && recorded.position < busy_until_;
  const bool whole = next == nullptr || !SameAppend(recorded, *next);
  if (!busy && whole && (!passes || passes_[next_pass_].at - recorded.recorded_at > kPromptly)) {
    Evaluate(recorded.recorded_at, nullptr);
  }
  while (next_pass_ < passes_.size() && passes_[next_pass_].head == recorded.position) {
    const LivePass& pass = passes_[next_pass_++];
    if (!busy) RunDue(pass.at);
    Evaluate(pass.at, &pass);
    busy_until_ = std::max(busy_until_, pass.last);
  }
}

void Replay::RunDue(absl::Time until) {
  while (true) {
    absl::Time due = due_;
    if (diverged_) due = std::min(due, other_->next());
    if (due == absl::InfinitePast()) return;  // never asked yet
    // A decision that bears a time years before the events around it does not open those years.
    due = std::max(due, heard_ - kSilenceMax);
    if (due >= until || due > heard_ + kSilenceMax) break;
    Evaluate(due, nullptr);
    due_ = std::max(due_, due + absl::Seconds(1));
  }
  // What is made up goes on while nobody decides.
  if (diverged_ && until != absl::InfiniteFuture()) other_->Advance(until);
}

// ---- asking the policy ------------------------------------------------------------------------

bool Replay::Concerns(const Act& act) const {
  if (!options_.fleet.has_value()) return true;
  if (!act.fleet.empty()) return act.fleet == *options_.fleet;
  if (diverged_) return false;  // the account's credit is as recorded
  const fleet::State* fleet = live_.FindFleet(*options_.fleet);
  return fleet != nullptr && fleet->spec.provider() == act.provider.str();
}

Replay::Asked Replay::Ask(const World& world, fleet::Board& board, absl::Time at) const {
  Asked asked;
  asked.plan = fleet::PlanOn(board, world, options_.plan, at, /*check=*/true);
  for (const fleet::Decision& decision : asked.plan.decisions) {
    std::optional<Act> act = ActOf(decision, world);
    if (act.has_value() && Concerns(*act)) asked.acts.push_back(*std::move(act));
  }
  SortByLine(asked.acts);
  return asked;
}

Replay::Acts Replay::LiveActs(const LivePass* pass) const {
  Acts acts;
  if (pass == nullptr) return acts;
  for (const Recorded& recorded : pass->decided) {
    std::optional<Act> act = ActOf(recorded, live_);
    if (act.has_value() && Concerns(*act)) acts.push_back(*std::move(act));
  }
  SortByLine(acts);
  return acts;
}

void Replay::Evaluate(absl::Time at, const LivePass* pass) {
  ++report_.moments;
  if (diverged_) other_->Advance(at);
  Asked asked =
      other_ != nullptr ? Ask(other_->world(), other_->board(), at) : Ask(live_, live_board_, at);
  due_ = std::min(asked.plan.next_due, asked.plan.check_due);
  if (diverged_) {
    EvaluateModelled(at, pass, std::move(asked));
  } else if (pass != nullptr || !asked.acts.empty()) {
    EvaluateExact(at, pass, asked);
  }
}

// What is decided on a fresh view: one that was kept since bears the numbers of when a worker was
// judged, and sums of money rounded on the way. Of all fleets, and of those alone that the live
// pass decided about: it may have looked at no other, and then another's turn to give way was not.
Replay::Acts Replay::Afresh(const World& world, const Acts& live, absl::Time at) const {
  fleet::Board board;
  Acts acts = Ask(world, board, at).acts;
  std::set<FleetName> fleets;
  for (const Act& act : live) {
    if (!act.fleet.empty()) fleets.insert(act.fleet);
  }
  if (fleets.size() == world.fleets.size()) return acts;
  board.TouchAll();
  board.Refresh(world, at);
  board.dirty() = fleets;
  const fleet::PlanResult some = fleet::PlanOn(board, world, options_.plan, at, /*check=*/false);
  for (const fleet::Decision& decision : some.decisions) {
    std::optional<Act> act = ActOf(decision, world);
    if (act.has_value() && !Holds(acts, *act)) acts.push_back(*std::move(act));
  }
  return acts;
}

// Both policies look at one World. What the policy in force would have done besides what is
// recorded tells nothing of the other: it was overtaken, or muster ended before it was written.
void Replay::EvaluateExact(absl::Time at, const LivePass* pass, Asked& asked) {
  const Acts live = LiveActs(pass);
  Asked control;
  if (other_ != nullptr) control = Ask(live_, live_board_, at);
  const Acts& in_force = other_ != nullptr ? control.acts : asked.acts;
  bool differs = false;
  std::optional<Acts> afresh, trial_afresh;
  for (const Act& act : live) {
    ++report_.decisions;
    ++report_.live.by_rule[act.rule];
    digest_.Add(live_.head, act);
    const Act* same = Find(in_force, act);
    if (same == nullptr || !SameEvidence(act, *same)) {
      if (!afresh.has_value()) afresh = Afresh(live_, live, at);
      const Act* other = Find(*afresh, act);
      if (other != nullptr) same = other;
    }
    if (same != nullptr) {
      ++report_.reproduced;
      report_.same_numbers += SameEvidence(act, *same) ? 1 : 0;
    } else {
      Keep(report_.unreproduced, {false, act.position, at, act});
    }
    bool alike = Holds(asked.acts, act);
    if (!alike && same != nullptr) {
      if (other_ != nullptr && !trial_afresh.has_value()) {
        trial_afresh = Afresh(other_->world(), live, at);
      }
      alike = other_ == nullptr || Holds(*trial_afresh, act);
    }
    if (alike) {
      ++report_.both;
      ++report_.replayed.by_rule[act.rule];
      digest_replayed_.Add(live_.head, act);
    } else if (same != nullptr) {
      differs = true;
    }
  }
  for (const Act& act : asked.acts) {
    differs = differs || (!Holds(live, act) && !Holds(in_force, act));
  }
  if (!differs) return;
  Begin(at, asked, live, in_force);
}

void Replay::Begin(absl::Time at, const Asked& asked, const Acts& live, const Acts& instead) {
  report_.first = Divergence{.position = live_.head, .at = at, .spent = {}};
  report_.first->spent = SpentAt(live_, at) - live_before_;
  for (const Act& act : live) {
    if (!Holds(asked.acts, act)) {
      report_.first->live.push_back(act);
      Note(false, act, at);
    }
  }
  for (const Act& act : asked.acts) {
    if (Holds(live, act)) continue;
    // What the policy in force plans at this moment too is no part of the divergence.
    if (!Holds(instead, act)) report_.first->replayed.push_back(act);
    digest_replayed_.Add(live_.head, act);
    ++report_.replayed.by_rule[act.rule];
    Note(true, act, at);
  }
  diverged_ = true;
  other_->Diverge();
  for (const fleet::Decision& decision : asked.plan.decisions) other_->Carry(decision, at, live);
  due_ = at + absl::Microseconds(1);  // what was decided calls for a look
}

// What the log is about to decide alike is the same decision, if not made at the same second.
Replay::Acts Replay::Upcoming(absl::Time at) const {
  Acts acts;
  for (std::size_t i = next_pass_; i < passes_.size() && passes_[i].at <= at + kSoon; ++i) {
    for (Act& act : LiveActs(&passes_[i])) acts.push_back(std::move(act));
  }
  return acts;
}

void Replay::EvaluateModelled(absl::Time at, const LivePass* pass, Asked asked) {
  const Acts live = LiveActs(pass);
  Acts alike = live;
  if (!asked.acts.empty()) {
    for (Act& act : Upcoming(at)) alike.push_back(std::move(act));
  }
  for (const Act& act : live) {
    ++report_.decisions;
    ++report_.live.by_rule[act.rule];
    digest_.Add(live_.head, act);
    Note(false, act, at);
  }
  for (int round = 0; round < kRoundsMax; ++round) {
    for (const Act& act : asked.acts) {
      ++report_.replayed.by_rule[act.rule];
      digest_replayed_.Add(live_.head, act);
      Note(true, act, at);
    }
    for (const fleet::Decision& decision : asked.plan.decisions) other_->Carry(decision, at, alike);
    if (asked.acts.empty()) break;
    asked = Ask(other_->world(), other_->board(), at);
    due_ = std::min(asked.plan.next_due, asked.plan.check_due);
  }
}

// ---- the report -------------------------------------------------------------------------------

void Replay::Keep(std::vector<Sided>& list, Sided sided) const {
  if (list.size() < options_.differences_max) list.push_back(std::move(sided));
}

// What both do, if not at the same moment, is no difference: known at the end only.
void Replay::Note(bool replayed, const Act& act, absl::Time at) {
  ++(replayed ? lines_replayed_ : lines_live_)[act.line];
  if (after_.size() < kTextsKept) {
    after_.push_back({replayed, act.position > 0 ? act.position : live_.head, at, act});
  }
}

void Replay::CountLines(Report& report) const {
  std::map<std::string, std::int64_t> common;
  for (const auto& [line, count] : lines_live_) {
    const auto other = lines_replayed_.find(line);
    const std::int64_t alike = other == lines_replayed_.end() ? 0 : std::min(count, other->second);
    common[line] = alike;
    report.both += alike;
    report.live_only += count - alike;
  }
  for (const auto& [line, count] : lines_replayed_) {
    const auto alike = common.find(line);
    report.replayed_only += count - (alike == common.end() ? 0 : alike->second);
  }
  std::map<std::pair<bool, std::string>, std::int64_t> passed;
  for (const Sided& sided : after_) {
    const auto alike = common.find(sided.act.line);
    const std::int64_t skip = alike == common.end() ? 0 : alike->second;
    if (++passed[{sided.replayed, sided.act.line}] <= skip) continue;
    Keep(report.differences, sided);
  }
}

MicroUsd Replay::SpentAt(const World& world, absl::Time at) const {
  MicroUsd spent;
  for (const auto& [name, amount] : world.spent_ended_total) {
    if (live_counter_.Counts(name)) spent += amount;
  }
  for (const auto& [id, state] : world.WorkersInOrder()) {
    if (state->open() && live_counter_.Counts(state->identity.fleet)) spent += state->SpentAt(at);
  }
  return spent;
}

SideSum Replay::SumOf(const World& world, const Counter& counter, MicroUsd before,
                      absl::Time end) const {
  SideSum sum;
  sum.tally = counter.Until(world, end);
  sum.spent = SpentAt(world, end) - before;
  for (const auto& [id, state] : world.WorkersInOrder()) {
    if (!state->open() || !counter.Counts(state->identity.fleet)) continue;
    ++sum.running;
    sum.burn += state->price;
  }
  return sum;
}

Report Replay::Finish(absl::Time end) {
  if (pending_.has_value()) Settle(*pending_, nullptr);
  pending_.reset();
  end = std::max(end, heard_);
  if (diverged_ || busy_until_ <= live_.head) RunDue(end);
  Report report = std::move(report_);
  report.last_position = live_.head;
  report.to = end;
  report.digest = digest_.Hex();
  report.digest_replayed = digest_replayed_.Hex();
  CountLines(report);
  auto live_rules = std::move(report.live.by_rule);
  auto other_rules = std::move(report.replayed.by_rule);
  report.live = SumOf(live_, live_counter_, live_before_, end);
  report.replayed = other_ == nullptr
                        ? report.live
                        : SumOf(other_->world(), other_->counter(), other_before_, end);
  report.live.by_rule = std::move(live_rules);
  report.replayed.by_rule = std::move(other_rules);
  if (report.first.has_value()) TellModel(report);
  TellUnknown(report);
  for (const auto& [name, fleet] : live_.fleets) {
    if (live_counter_.Counts(name)) report.work_units.push_back(fleet.spec.work_unit());
  }
  return report;
}

}  // namespace muster::replay
