#include "commands/handler/policy_driver.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/preview.h"
#include "commands/handler/host_notes.h"
#include "commands/pass_mark.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

// Decisions about different workers are written beside each other and share the store's syncs.
constexpr std::size_t kBesideEachOther = 64;
constexpr int kTokenLength = 5;

bool IsStoreError(const Status& status) {
  return status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDataLoss ||
         status.code() == StatusCode::kUnimplemented;
}

// The log keeps whole microseconds, and a replay is to decide at the very time that the log names.
// Rounded up: what is due at `now` is due then.
absl::Time OnTheMicrosecond(absl::Time now) {
  const absl::Time stored = Stored(now);
  return stored < now ? stored + absl::Microseconds(1) : stored;
}

// Decisions that touch a worker's stream alone: their order does not matter.
bool IsForWorker(const fleet::Decision& decision) {
  return std::holds_alternative<fleet::ForWorker>(decision.act) ||
         std::holds_alternative<fleet::Launch>(decision.act);
}

}  // namespace

struct PolicyDriver::Core {
  Core(Runtime& runtime, Handler& the_handler, Options the_options)
      : rt(runtime),
        handler(the_handler),
        options(std::move(the_options)),
        signal(rt.MakeSignal()),
        notes(runtime, the_handler) {}

  Runtime& rt;
  Handler& handler;
  const Options options;
  fleet::Board board;
  std::unique_ptr<Signal> signal;
  HostNotes notes;
  Watcher watcher;
  int listener = 0;
  bool stopped = false;
  bool busy = false;
  int holds = 0;
  bool changed = true;
  bool store_failed = false;
  bool clock_stepped = false;
  // Newest event of each stream since the last pass, and of all: the causes of what is decided.
  absl::flat_hash_map<StreamId, EventId> newest;
  EventId newest_of_all;
  PassMark pass;                 // the one whose decisions are being carried out
  std::set<WorkerId> given_out;  // ids made and not yet in the World
  std::map<std::string, std::int64_t> decisions, refusals;
  std::int64_t passes = 0;
  absl::Duration last_pass;

  void Heard(const Written& written) {
    if (IsShadow(written.stream)) return;
    if (IsAside(written.stream)) return;  // neither a reason to decide nor the cause of a decision
    board.Touch(written.stream);
    newest[written.stream] = written.id;
    newest_of_all = written.id;
    changed = true;
    if (written.body.has_clock_stepped()) clock_stepped = true;
    notes.Heard(written);
    signal->NotifyAll();
  }

  Origin OriginOf(const fleet::Decision& decision, const StreamId& stream) const {
    const auto it = newest.find(stream);
    return {.actor = decision.actor,
            .cause = (it == newest.end() ? newest_of_all : it->second).str(),
            .correlation = PassMarkText(pass)};
  }

  WorkerId FreshId() {
    WorkerId id;
    do {
      id = fleet::MakeWorkerId(handler.world(), rt.rng().Token(kTokenLength));
    } while (handler.world().FindWorker(id) != nullptr || !given_out.insert(id).second);
    return id;
  }

  void Count(const std::string& rule, const StatusOr<Outcome>& outcome) {
    if (!outcome.ok()) {
      ++refusals[rule];
      store_failed = store_failed || IsStoreError(outcome.status());
    } else if (!outcome->events.empty()) {
      ++decisions[rule];
    }
  }
};

namespace {

using CorePtr = std::shared_ptr<PolicyDriver::Core>;

Task<void> CarryLaunch(CorePtr core, fleet::Decision decision) {
  eventpb::LaunchRequested intent = std::get<fleet::Launch>(decision.act).intent;
  const fleet::State* fleet = core->handler.world().FindFleet(FleetName(intent.fleet()));
  if (fleet == nullptr) co_return;
  const WorkerId id = core->FreshId();
  intent.set_token(id.str());
  intent.set_label(fleet::LabelFor(fleet->spec, intent.index(), id));
  Origin origin = core->OriginOf(decision, FleetStream(fleet->name));
  worker::Command command = worker::RequestLaunch{std::move(intent)};
  const StatusOr<Outcome> outcome =
      co_await core->handler.Worker(id, std::move(command), std::move(origin));
  core->given_out.erase(id);
  core->Count(decision.rule, outcome);
}

Task<void> CarryTakeIn(CorePtr core, fleet::Decision decision) {
  fleet::TakeIn take = std::get<fleet::TakeIn>(decision.act);
  const ProviderName provider(take.adoption.provider());
  const InstanceId instance(take.adoption.instance());
  const WorkerId id = core->FreshId();
  const Origin origin = core->OriginOf(decision, AccountStream(provider));
  worker::Command adopt = worker::Adopt{take.adoption};
  StatusOr<Outcome> outcome = co_await core->handler.Worker(id, std::move(adopt), origin);
  core->given_out.erase(id);
  core->Count(decision.rule, outcome);
  if (!outcome.ok()) co_return;
  auto how = eventpb::OrphanResolved::ADOPTED;
  if (take.condemn) {
    how = eventpb::OrphanResolved::DESTROYED;
    worker::Command condemn = worker::Condemn{*std::move(take.condemn)};
    outcome = co_await core->handler.Worker(id, std::move(condemn), origin);
    core->Count(decision.rule, outcome);
  }
  account::Command resolve = account::ResolveOrphan{instance, how, id};
  outcome = co_await core->handler.Account(provider, std::move(resolve), origin);
  core->Count(decision.rule, outcome);
}

Task<void> CarryWorker(CorePtr core, fleet::Decision decision) {
  fleet::ForWorker act = std::get<fleet::ForWorker>(std::move(decision.act));
  Origin origin = core->OriginOf(decision, WorkerStream(act.worker));
  const StatusOr<Outcome> outcome =
      co_await core->handler.Worker(act.worker, std::move(act.command), std::move(origin));
  core->Count(decision.rule, outcome);
}

Task<void> CarryFleet(CorePtr core, fleet::Decision decision) {
  fleet::ForFleet act = std::get<fleet::ForFleet>(std::move(decision.act));
  Origin origin = core->OriginOf(decision, FleetStream(act.fleet));
  const StatusOr<Outcome> outcome =
      co_await core->handler.Fleet(act.fleet, std::move(act.command), std::move(origin));
  core->Count(decision.rule, outcome);
}

Task<void> CarryAccount(CorePtr core, fleet::Decision decision) {
  fleet::ForAccount act = std::get<fleet::ForAccount>(std::move(decision.act));
  Origin origin = core->OriginOf(decision, AccountStream(act.provider));
  const StatusOr<Outcome> outcome =
      co_await core->handler.Account(act.provider, std::move(act.command), std::move(origin));
  core->Count(decision.rule, outcome);
}

Task<void> Carry(CorePtr core, fleet::Decision decision) {
  if (std::holds_alternative<fleet::Launch>(decision.act)) {
    return CarryLaunch(std::move(core), std::move(decision));
  }
  if (std::holds_alternative<fleet::TakeIn>(decision.act)) {
    return CarryTakeIn(std::move(core), std::move(decision));
  }
  if (std::holds_alternative<fleet::ForWorker>(decision.act)) {
    return CarryWorker(std::move(core), std::move(decision));
  }
  if (std::holds_alternative<fleet::ForFleet>(decision.act)) {
    return CarryFleet(std::move(core), std::move(decision));
  }
  return CarryAccount(std::move(core), std::move(decision));
}

// decisions[first, last), those about one worker together. A launch is about nobody yet.
std::vector<std::vector<fleet::Decision>> InTurns(std::vector<fleet::Decision>& decisions,
                                                  std::size_t first, std::size_t last) {
  std::vector<std::vector<fleet::Decision>> turns;
  absl::flat_hash_map<WorkerId, std::size_t> turn_of;
  for (std::size_t i = first; i < last; ++i) {
    std::size_t turn = turns.size();
    if (const auto* act = std::get_if<fleet::ForWorker>(&decisions[i].act)) {
      turn = turn_of.try_emplace(act->worker, turn).first->second;
    }
    if (turn == turns.size()) turns.emplace_back();
    turns[turn].push_back(std::move(decisions[i]));
  }
  return turns;
}

// What a worker was found to be must stand in the log before what is done about it.
Task<void> CarryInTurn(CorePtr core, std::vector<fleet::Decision> decisions) {
  for (fleet::Decision& decision : decisions) co_await Carry(core, std::move(decision));
}

// In order; runs of decisions about single workers beside each other, those about one in turn.
Task<void> CarryAll(CorePtr core, std::vector<fleet::Decision> decisions) {
  std::size_t next = 0;
  while (next < decisions.size() && !core->stopped && !core->store_failed) {
    const std::size_t first = next++;
    while (next < decisions.size() && next - first < kBesideEachOther &&
           IsForWorker(decisions[first]) && IsForWorker(decisions[next])) {
      ++next;
    }
    std::vector<Task<void>> beside;
    for (auto& turn : InTurns(decisions, first, next)) {
      beside.push_back(CarryInTurn(core, std::move(turn)));
    }
    co_await WhenAll(core->rt, std::move(beside));
  }
}

void EndPass(PolicyDriver::Core& core) {
  core.busy = false;
  if (core.holds > 0) core.signal->NotifyAll();  // who holds waits for the end of the pass
}

// Waits for news or `until`.
Task<void> WaitForNews(CorePtr core, absl::Time until) {
  while (!core->changed && !core->stopped && core->rt.Now() < until) {
    const bool notified = co_await core->signal->WaitUntil(until);
    if (!notified) co_return;
  }
}

Task<void> Run(CorePtr core) {
  absl::Time due = core->rt.Now();
  while (!core->stopped) {
    while (core->holds > 0 && !core->stopped) {
      co_await core->signal->WaitUntil(absl::InfiniteFuture());
    }
    if (core->stopped) break;
    core->busy = true;
    const Status followed = co_await core->handler.FollowClock();
    core->store_failed = !followed.ok() && IsStoreError(followed);
    core->changed = false;
    if (std::exchange(core->clock_stepped, false)) {  // all times known here are of the old clock
      core->board.TouchAll();
      due = core->rt.Now();
    }
    const absl::Time began = OnTheMicrosecond(core->rt.Now());
    const bool check = began >= due;
    core->pass = {core->handler.world().head, began};
    fleet::PlanResult plan =
        fleet::PlanOn(core->board, core->handler.world(), core->options.plan, began, check);
    // A partial pass speaks for the fleets it looked at; what the others wait for stands.
    if (check) due = plan.check_due;
    due = std::min(due, plan.next_due);
    ++core->passes;
    if (core->watcher) core->watcher(plan, began);
    co_await CarryAll(core, std::move(plan.decisions));
    core->last_pass = std::max(absl::ZeroDuration(), core->rt.Now() - began);
    EndPass(*core);
    if (core->stopped) break;
    if (core->store_failed) {
      core->store_failed = false;
      core->board.TouchAll();
      due = core->rt.Now();
      co_await core->rt.SleepFor(core->options.store_retry);
      continue;
    }
    if (!core->changed) core->newest.clear();
    co_await WaitForNews(core, due);
  }
  EndPass(*core);
}

}  // namespace

PolicyDriver::Hold::Hold(std::shared_ptr<Core> core) : core_(std::move(core)) { ++core_->holds; }

PolicyDriver::Hold::~Hold() {
  if (core_ == nullptr) return;  // moved from
  --core_->holds;
  core_->signal->NotifyAll();
}

Task<PolicyDriver::Hold> PolicyDriver::Pause() {
  const std::shared_ptr<Core> core = core_;
  Hold hold(core);
  while (core->busy) co_await core->signal->WaitUntil(absl::InfiniteFuture());
  co_return hold;
}

PolicyDriver::PolicyDriver(Runtime& rt, Handler& handler, Options options)
    : core_(std::make_shared<Core>(rt, handler, std::move(options))) {}

PolicyDriver::~PolicyDriver() { Stop(); }

void PolicyDriver::Start() {
  Core* core = core_.get();
  core->listener = core->handler.Listen([core](const Written& written) { core->Heard(written); });
  core->notes.TakeUp();
  core->rt.Spawn("policy", Run(core_));
}

void PolicyDriver::Watch(Watcher watcher) { core_->watcher = std::move(watcher); }

void PolicyDriver::Stop() {
  if (core_->stopped) return;
  core_->stopped = true;
  core_->notes.Stop();
  if (core_->listener != 0) core_->handler.Unlisten(core_->listener);
  core_->signal->NotifyAll();
}

bool PolicyDriver::busy() const { return core_->busy; }
const std::map<std::string, std::int64_t>& PolicyDriver::decisions_by_rule() const {
  return core_->decisions;
}
const std::map<std::string, std::int64_t>& PolicyDriver::refusals_by_rule() const {
  return core_->refusals;
}
std::int64_t PolicyDriver::passes() const { return core_->passes; }
absl::Duration PolicyDriver::last_pass() const { return core_->last_pass; }

}  // namespace muster
