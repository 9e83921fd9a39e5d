#include "commands/fleet/plan/preview.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/str_format.h"
#include "commands/fleet/commands.h"
#include "commands/fleet/plan/budget.h"
#include "commands/fleet/plan/evidence.h"
#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/plan.h"
#include "commands/rules.h"
#include "commands/worker/commands.h"
#include "eventstore/base/overloaded.h"

namespace muster::fleet {
namespace {

constexpr int kRoundsMax = 6;
constexpr std::string_view kMadeUp = "preview";
using Action = PreviewStep::Action;

eventpb::EventBody Accepted() {
  eventpb::EventBody body;
  body.mutable_destroy_answered()->set_answer(eventpb::DestroyAnswered::ACCEPTED);
  return body;
}

// The copy of the World on which the change is played through.
class Rehearsal {
 public:
  Rehearsal(const World& world, const PlanOptions& options, absl::Time now)
      : world_(world.Copy()), options_(options), now_(now) {
    // What lies in flight at once is a matter of pace, not of the plan.
    options_.launches_in_flight_max = std::numeric_limits<int>::max() / 2;
    preview_.position = world.head;
    preview_.worst_case_until = NextMidnight(now);
  }

  Status Begin(const ApplyChange& change);
  Status Begin(const ScaleChange& change);
  Status Begin(const DownChange& change);
  Status Begin(const ReplaceChange& change);
  Status Begin(const DestroyChange& change);
  Status Begin(const AdoptChange& change);
  void Play();
  Preview Finish();

 private:
  void Fold(const StreamId& stream, const Events& events) {
    for (const eventpb::EventBody& body : events) {
      Evolve(world_, stream, body, Stamp{world_.head + 1, now_});
    }
  }
  Status DoFleet(const FleetName& name, const Command& command) {
    const State* known = world_.FindFleet(name);
    MUSTER_ASSIGN_OR_RETURN(const Events events,
                            fleet::Decide(known == nullptr ? State{} : *known, command, {now_}));
    Fold(FleetStream(name), events);
    return absl::OkStatus();
  }
  Status DoWorker(const WorkerId& id, const worker::Command& command) {
    const worker::State* known = world_.FindWorker(id);
    if (known == nullptr && !std::holds_alternative<worker::RequestLaunch>(command) &&
        !std::holds_alternative<worker::Adopt>(command)) {
      return NotFound(Cat("there is no worker ", id.str()));
    }
    MUSTER_ASSIGN_OR_RETURN(
        const Events events,
        worker::Decide(known == nullptr ? worker::State{} : *known, command, {now_}));
    Fold(WorkerStream(id), events);
    return absl::OkStatus();
  }

  PreviewStep& Add(Action action, std::string text) {
    preview_.steps.push_back({.action = action, .text = std::move(text)});
    return preview_.steps.back();
  }
  void Show(const eventpb::LaunchRequested& intent);
  void ShowDestroy(const worker::State& worker, const eventpb::WorkerCondemned& verdict);
  Status CondemnOne(const WorkerId& id, eventpb::WorkerCondemned verdict);
  bool Carry(const Decision& decision);
  bool CarryStray(const TakeIn& take);
  void ShowInterval(const eventpb::QuotaIntervalChanged& change);
  void PassPreflight();
  void WarnOfExcess();
  bool PlayOn();
  bool EndCondemned();
  // The rehearsal's own workers; ids of real ones begin with the installation's.
  WorkerId NextId() { return WorkerId(Cat(kMadeUp, ++made_up_)); }
  static bool IsMadeUp(const WorkerId& id) { return id.str().starts_with(kMadeUp); }

  World world_;
  PlanOptions options_;
  absl::Time now_;
  Preview preview_;
  std::vector<std::string> waits_;
  std::vector<WorkerId> condemned_;  // and not yet played as gone
  bool old_gone_ = false;            // what is decided now waits until those are gone
  int made_up_ = 0;
};

std::string Money4(double usd) { return absl::StrFormat("$%.4f", usd); }

void Rehearsal::Show(const eventpb::LaunchRequested& intent) {
  if (intent.fleet() != preview_.fleet.str()) return;
  const eventpb::OfferTaken& offer = intent.offer();
  const MicroUsdPerHour price(offer.price_micro_usd_per_hour());
  const State* fleet = world_.FindFleet(preview_.fleet);
  const std::string unit = fleet->spec.work_unit();
  std::string text =
      Cat("1 x ", offer.gpu(), "  offer ", offer.offer(), "  ", FormatUsdPerHour(price), "  ",
          absl::StrFormat("%.1f", offer.expected_rate_per_s()), " ", unit, "/s expected (",
          offer.expected_from(), ")");
  if (offer.expected_rate_per_s() > 0) {
    text = Cat(text, "  ", Money4(MicroUsd(price.micros).usd() / offer.expected_rate_per_s()),
               " per ", unit, "/s");
  }
  if (old_gone_) text += "  once the old one is confirmed gone";
  PreviewStep& step = Add(Action::kAdd, std::move(text));
  step.offer = OfferId(offer.offer());
  step.gpu = GpuName(offer.gpu());
  step.price = price;
  step.expected_rate_per_s = offer.expected_rate_per_s();
  step.rule = intent.evidence().rule();
  ++preview_.adds;
  preview_.burn_change += price;
}

void Rehearsal::ShowDestroy(const worker::State& worker, const eventpb::WorkerCondemned& verdict) {
  const worker::Identity& me = worker.identity;
  if (me.fleet != preview_.fleet) return;
  const bool stray = IsMadeUp(me.id);
  const std::string who =
      stray ? Cat("instance ", worker.instance.str()) : Cat("worker ", me.id.str());
  PreviewStep& step =
      Add(Action::kDestroy, Cat(who, " ", me.offered.gpu.str(), "  ", verdict.evidence().rule(),
                                ": ", verdict.evidence().summary()));
  if (verdict.strike_weight() > 0) {
    const host::State* host = world_.FindHost(me.provider, me.offered.machine);
    const double live = host == nullptr ? 0 : host->LiveStrikes(now_);
    const State* fleet = world_.FindFleet(me.fleet);
    const int limit = fleet->spec.strikes().limit() > 0 ? fleet->spec.strikes().limit() : 3;
    step.text = Cat(step.text, ", strike ", live + verdict.strike_weight(), " of ", limit,
                    " on machine ", me.offered.machine.str());
  }
  if (stray) {
    step.instance = worker.instance;
  } else {
    step.worker = me.id;
  }
  step.gpu = me.offered.gpu;
  step.price = worker.price;
  step.rule = verdict.evidence().rule();
  ++preview_.destroys;
  preview_.burn_change -= worker.price;
}

// Condemned, and taken as gone: what follows from that belongs to the plan.
Status Rehearsal::CondemnOne(const WorkerId& id, eventpb::WorkerCondemned verdict) {
  const worker::State* worker = world_.FindWorker(id);
  if (worker == nullptr) return NotFound(Cat("there is no worker ", id.str()));
  preview_.fleet = preview_.fleet.empty() ? worker->identity.fleet : preview_.fleet;
  const bool live = worker->live() != nullptr;
  if (live) ShowDestroy(*worker, verdict);
  MUSTER_RETURN_IF_ERROR(DoWorker(id, worker::Condemn{std::move(verdict)}));
  if (!live) return absl::OkStatus();  // on its way out already
  Fold(WorkerStream(id), {Accepted()});
  condemned_.push_back(id);
  return absl::OkStatus();
}

Status Rehearsal::Begin(const ApplyChange& change) {
  preview_.fleet = FleetName(change.spec.name());
  const State* before = world_.FindFleet(preview_.fleet);
  const int wanted_before = before == nullptr ? 0 : before->wanted();
  const std::string digest_before = before == nullptr ? "" : before->spec_digest;
  const bool created = before == nullptr || before->fleet_version == 0 || !before->active();
  MUSTER_RETURN_IF_ERROR(DoFleet(preview_.fleet, Apply{change.spec}));
  const State* after = world_.FindFleet(preview_.fleet);
  if (created) {
    Add(Action::kChange, Cat("creates fleet ", preview_.fleet.str()));
  } else if (after->spec_digest != digest_before) {
    Add(Action::kChange, Cat("changes the spec to version ", after->fleet_version));
  }
  if (after->wanted() != wanted_before) {
    Add(Action::kChange, Cat(wanted_before, " -> ", Workers(after->wanted())));
  }
  PassPreflight();
  // A fleet that adopts strays looks at one more list first; here it is as the last one was.
  const ProviderName provider(after->spec.provider());
  const account::State* account = world_.FindAccount(provider);
  if (account != nullptr && account->list_seen.seen()) {
    eventpb::EventBody body;
    body.mutable_instance_list_observed()->set_instances(static_cast<int>(account->listed.size()));
    Fold(AccountStream(provider), {body});
  }
  for (const account::Orphan& stray : change.strays) {
    eventpb::EventBody body;
    eventpb::OrphanFound& found = *body.mutable_orphan_found();
    found.set_instance(stray.instance.str());
    found.set_label(stray.label);
    found.set_machine(stray.machine.str());
    found.set_gpu(stray.gpu.str());
    found.set_price_micro_usd_per_hour(stray.price.micros);
    found.set_fleet(preview_.fleet.str());
    Fold(AccountStream(provider), {body});
  }
  return absl::OkStatus();
}

// What the checks will say is not known yet; the plan shows what follows when they pass.
void Rehearsal::PassPreflight() {
  const State* fleet = world_.FindFleet(preview_.fleet);
  const specpb::FleetSpec spec = fleet->spec;
  for (const specpb::Preflight& check : spec.preflight()) {
    const auto known = fleet->preflight.find(check.name());
    if (known != fleet->preflight.end() &&
        known->second.result == eventpb::PreflightChecked::PASSED) {
      continue;
    }
    preview_.refusals.push_back(Cat("preflight ", check.name(), " must pass first"));
    eventpb::EventBody body;
    eventpb::PreflightChecked* passed = body.mutable_preflight_checked();
    passed->set_fleet_version(fleet->fleet_version);
    passed->set_name(check.name());
    passed->set_result(eventpb::PreflightChecked::PASSED);
    Fold(FleetStream(preview_.fleet), {body});
  }
}

Status Rehearsal::Begin(const ScaleChange& change) {
  preview_.fleet = change.fleet;
  const State* fleet = world_.FindFleet(change.fleet);
  if (fleet == nullptr) return NotFound(Cat("there is no fleet ", change.fleet.str()));
  const int before = fleet->wanted();
  MUSTER_RETURN_IF_ERROR(DoFleet(change.fleet, Scale{change.workers}));
  if (before != change.workers) {
    Add(Action::kChange, Cat(before, " -> ", Workers(change.workers)));
  }
  PassPreflight();
  return absl::OkStatus();
}

Status Rehearsal::Begin(const DownChange& change) {
  preview_.fleet = change.fleet;
  if (world_.FindFleet(change.fleet) == nullptr) {
    return NotFound(Cat("there is no fleet ", change.fleet.str()));
  }
  MUSTER_RETURN_IF_ERROR(DoFleet(change.fleet, Down{change.reason}));
  Add(Action::kChange, Cat("ends fleet ", change.fleet.str()));
  return absl::OkStatus();
}

Status Rehearsal::Begin(const ReplaceChange& change) {
  const worker::State* worker = world_.FindWorker(change.worker);
  if (worker == nullptr) return NotFound(Cat("there is no worker ", change.worker.str()));
  return CondemnOne(change.worker,
                    OperatorVerdict(*worker, {change.reason, /*replace=*/true, change.strike}));
}

Status Rehearsal::Begin(const DestroyChange& change) {
  const worker::State* worker = world_.FindWorker(change.worker);
  if (worker == nullptr) return NotFound(Cat("there is no worker ", change.worker.str()));
  if (std::holds_alternative<worker::Destroying>(worker->phase)) {
    return FailedPrecondition(Cat("worker ", change.worker.str(), " is already being destroyed"));
  }
  preview_.fleet = worker->identity.fleet;
  const State* fleet = world_.FindFleet(preview_.fleet);
  if (!change.keep_size && fleet != nullptr && fleet->wanted() > 0) {
    Add(Action::kChange, Cat(fleet->wanted(), " -> ", Workers(fleet->wanted() - 1)));
    MUSTER_RETURN_IF_ERROR(DoFleet(preview_.fleet, Scale{fleet->wanted() - 1}));
  }
  return CondemnOne(change.worker, OperatorVerdict(*worker, {change.reason, change.keep_size}));
}

Status Rehearsal::Begin(const AdoptChange& change) {
  preview_.fleet = change.fleet;
  const State* fleet = world_.FindFleet(change.fleet);
  if (fleet == nullptr) return NotFound(Cat("there is no fleet ", change.fleet.str()));
  std::vector<eventpb::WorkerAdopted> adoptions;
  adoptions.reserve(change.instances.size());
  Adoptions make(world_, *fleet);
  for (const Instance& instance : change.instances) {
    adoptions.push_back(make.Of(StrayOf(instance, change.fleet, now_)));
  }
  for (std::size_t i = 0; i < adoptions.size(); ++i) {
    const Instance& instance = change.instances[i];
    const eventpb::WorkerAdopted& adoption = adoptions[i];
    MUSTER_RETURN_IF_ERROR(DoWorker(NextId(), worker::Adopt{adoption}));
    PreviewStep& step =
        Add(Action::kChange, Cat("adopts instance ", DescribeInstance(instance, now_),
                                 " as it is, place ", adoption.index()));
    step.instance = instance.id;
    step.gpu = instance.gpu;
    step.price = instance.price;
  }
  WarnOfExcess();
  return absl::OkStatus();
}

// Whoever takes in more than the fleet wants loses the worst of all, not those he had in mind.
void Rehearsal::WarnOfExcess() {
  Board board;
  board.Refresh(world_, now_);
  const State* fleet = world_.FindFleet(preview_.fleet);
  const FleetBoard* cards = board.Find(preview_.fleet);
  if (fleet == nullptr || cards == nullptr) return;
  const int excess = cards->occupying - cards->leaving - fleet->wanted();
  if (excess <= 0) return;
  preview_.refusals.push_back(Cat("fleet ", preview_.fleet.str(), " wants ",
                                  Workers(fleet->wanted()), " and would have ",
                                  fleet->wanted() + excess, ": scale it first, or ", excess,
                                  " of them ", excess == 1 ? "is" : "are", " destroyed"));
}

bool Rehearsal::CarryStray(const TakeIn& take) {
  const WorkerId id = NextId();
  if (!DoWorker(id, worker::Adopt{take.adoption}).ok()) return false;
  if (take.condemn) return CondemnOne(id, *take.condemn).ok();
  if (take.adoption.fleet() == preview_.fleet.str()) {
    Add(Action::kChange, Cat("adopts instance ", take.adoption.instance(), " (",
                             take.adoption.label(), ") as it is, place ", take.adoption.index()));
  }
  return true;
}

// Folds one decision into the copy. True when it changed what is rented.
bool Rehearsal::Carry(const Decision& decision) {
  return std::visit(
      Overloaded{[&](const Launch& launch) {
                   eventpb::LaunchRequested intent = launch.intent;
                   const WorkerId id = NextId();
                   intent.set_token(id.str());
                   intent.set_label(id.str());
                   const bool done = DoWorker(id, worker::RequestLaunch{intent}).ok();
                   if (done) Show(intent);
                   return done;
                 },
                 [&](const TakeIn& take) { return CarryStray(take); },
                 [&](const ForWorker& act) {
                   const auto* condemn = std::get_if<worker::Condemn>(&act.command);
                   if (condemn == nullptr) return false;
                   return CondemnOne(act.worker, condemn->verdict).ok();
                 },
                 [&](const ForFleet& act) {
                   if (act.fleet != preview_.fleet) return false;
                   if (const auto* changed = std::get_if<ChangeWaits>(&act.command)) {
                     waits_.clear();
                     for (const eventpb::Wait& wait : changed->waits)
                       waits_.push_back(wait.detail());
                   } else if (const auto* quota = std::get_if<ChangeQuotaInterval>(&act.command)) {
                     ShowInterval(quota->change);
                   }
                   return DoFleet(act.fleet, act.command).ok() && false;
                 },
                 [&](const ForAccount&) { return false; }},
      decision.act);
}

void Rehearsal::ShowInterval(const eventpb::QuotaIntervalChanged& change) {
  const std::string before =
      change.interval_before_s() > 0 ? Cat(change.interval_before_s(), "s -> ") : "";
  std::string text = Cat("upload interval ", before, change.interval_s(), "s: ", change.quota(),
                         " is shared by ", Workers(static_cast<int>(change.workers_sharing())));
  if (change.workers_on_old() > 0) {
    text = Cat(text, "; ", change.workers_on_old(), " run with a shorter one");
  }
  Add(Action::kChange, std::move(text));
}

// True when anything that is rented changed.
bool Rehearsal::PlayOn() {
  bool any = false;
  for (int round = 0; round < kRoundsMax; ++round) {
    bool changed = false;
    for (const Decision& decision : Plan(world_, options_, now_).decisions) {
      const auto* launch = std::get_if<Launch>(&decision.act);
      // Upgrades are no consequence of the change; they come when all is calm again.
      if (old_gone_ && launch != nullptr && launch->intent.upgrade_trial()) continue;
      changed = Carry(decision) || changed;
    }
    if (!changed) return any;
    any = true;
  }
  return any;
}

// Those that were destroyed are gone and cost nothing more.
bool Rehearsal::EndCondemned() {
  const std::vector<WorkerId> going = std::exchange(condemned_, {});
  for (const WorkerId& id : going) {
    eventpb::EventBody body;
    body.mutable_worker_ended()->set_how(eventpb::WorkerEnded::DESTROYED);
    Fold(WorkerStream(id), {body});
  }
  return !going.empty();
}

// First what happens at once, then what has to wait until the old ones are gone: a budget, say.
void Rehearsal::Play() {
  PlayOn();
  for (int round = 0; round < kRoundsMax && EndCondemned(); ++round) {
    old_gone_ = true;
    PlayOn();
  }
}

std::string ShortDigest(const Preview& preview) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  const auto mix = [&](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    hash *= 0x100000001B3ull;
  };
  mix(preview.fleet.str());
  for (const PreviewStep& step : preview.steps) {
    mix(Cat(static_cast<int>(step.action), "/", step.worker.str(), step.instance.str(), "/",
            step.offer.str(), "/", step.price.micros, "/", step.rule));
    // Texts of destroys hold spans that grow by the second.
    if (step.action == Action::kChange) mix(step.text);
  }
  return absl::StrFormat("%04x", static_cast<unsigned>((hash >> 40) & 0xFFFF));
}

Preview Rehearsal::Finish() {
  Board board;
  board.Refresh(world_, now_);
  const State* fleet = world_.FindFleet(preview_.fleet);
  const FleetBoard* cards = board.Find(preview_.fleet);
  MicroUsdPerHour burn;
  int kept = 0;
  if (cards != nullptr) {
    for (const auto& [id, card] : cards->cards) {
      if (!card.occupies) continue;
      burn += card.burn;
      ++kept;
    }
    kept -= preview_.adds;
  }
  if (kept > 0) Add(Action::kKeep, Cat("keeps ", Workers(kept)));
  preview_.worst_case = Cost(burn, preview_.worst_case_until - now_);
  const account::State* account =
      fleet == nullptr ? nullptr : world_.FindAccount(ProviderName(fleet->spec.provider()));
  preview_.offers_age = account != nullptr && account->offers_seen.seen()
                            ? now_ - account->offers_seen.at
                            : absl::InfiniteDuration();
  const int missing = fleet == nullptr || cards == nullptr ? 0 : fleet->wanted() - cards->occupying;
  if (waits_.empty() && missing > 0) {
    for (const eventpb::Wait& wait : fleet->waits) waits_.push_back(wait.detail());
  }
  if (missing > 0) {
    Add(Action::kRefused, Cat(missing, " of ", Workers(fleet->wanted()), " cannot be rented now"));
  }
  for (std::string& wait : waits_) preview_.refusals.push_back(std::move(wait));
  preview_.id = ShortDigest(preview_);
  return std::move(preview_);
}

}  // namespace

StatusOr<Preview> PlanPreview(const World& world, const Change& change, const PlanOptions& options,
                              absl::Time now) {
  Rehearsal rehearsal(world, options, now);
  MUSTER_RETURN_IF_ERROR(std::visit([&](const auto& one) { return rehearsal.Begin(one); }, change));
  rehearsal.Play();
  return rehearsal.Finish();
}

eventpb::WorkerCondemned OperatorVerdict(const worker::State& worker, const OperatorAsk& ask) {
  eventpb::WorkerCondemned verdict;
  verdict.set_fault(ask.strike ? specpb::MACHINE : specpb::NOBODY);
  verdict.set_replace(ask.replace);
  verdict.set_strike_weight(ask.strike ? 1 : 0);
  eventpb::Evidence* evidence = verdict.mutable_evidence();
  evidence->set_rule(rules::kOperator);
  evidence->set_summary(ask.reason.empty() ? std::string("asked for by an operator") : ask.reason);
  if (worker.last_position > 0) evidence->add_positions(worker.last_position);
  return verdict;
}

WorkerId MakeWorkerId(const World& world, std::string_view random) {
  return WorkerId(Cat(world.installation, random));
}

}  // namespace muster::fleet
