#include "tests/storm/log_book.h"

#include <algorithm>
#include <cstdint>

#include "commands/rules.h"
#include "eventstore/base/strings.h"
#include "eventstore/events/evidence.h"

namespace muster::storm {
namespace {

// Decisions that cost or end something: those must say what they were drawn from.
bool MustCite(const eventpb::EventBody& body) {
  return body.has_worker_condemned() || body.has_destroy_requested() || body.has_host_struck() ||
         body.has_start_requested() || body.has_launch_requested() ||
         body.has_credit_wait_began() || body.has_credit_wait_ended() ||
         body.has_strikes_suspended();
}

std::string AfterSlash(std::string_view text) {
  return std::string(text.substr(text.rfind('/') + 1));
}

// Verdicts on how a worker is, unlike those on what is wanted: they rest on what was seen of it.
bool RestsOnSight(const std::string& rule) {
  static const std::set<std::string> of_sight = {
      rules::kFatalError,  rules::kBrokenLaunch, rules::kStuckBoot, rules::kStuckSetup,
      rules::kStuckWarmup, rules::kNoProgress,   rules::kOffline};
  return of_sight.contains(rule);
}

}  // namespace

Status LogBook::ReadOn(const EventStore& store, absl::Duration ahead) {
  ahead_ = ahead;
  Status bad;
  const Status read = store.ReadAll(world_.head, SIZE_MAX, [&](const RecordedEvent& recorded) {
    StatusOr<eventpb::EventBody> body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) {
      bad = body.status();
      return false;
    }
    streams_.resize(recorded.position);
    streams_[recorded.position - 1] = recorded.stream.str();
    CheckSecrets(recorded);
    CheckEvidence(recorded, *body);
    Note(recorded, *body);
    Evolve(world_, recorded.stream, *body, Stamp{recorded.position, recorded.event.occurred_at});
    return true;
  });
  return bad.ok() ? read : bad;
}

void LogBook::CheckSecrets(const RecordedEvent& recorded) {
  if (!secret_problem_.empty()) return;
  for (const std::string& secret : secrets_) {
    const NewEvent& event = recorded.event;
    for (const std::string* text :
         {&event.payload, &event.actor, &event.cause, &event.correlation}) {
      if (text->find(secret) == std::string::npos) continue;
      secret_problem_ = Cat("a secret in event ", recorded.position, " ", event.type);
    }
  }
}

void LogBook::CheckEvidence(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const eventpb::Evidence* evidence = EvidenceIn(body);
  if (evidence == nullptr && !MustCite(body)) return;
  if (evidence == nullptr) evidence = &eventpb::Evidence::default_instance();
  if (!evidence->rule().empty()) ++rules_[evidence->rule()];
  if (!evidence_problem_.empty()) return;
  const std::string where = Cat("event ", recorded.position, " ", recorded.event.type);
  CheckCited(recorded, body, *evidence, where);
  if (!MustCite(body)) return;
  if (evidence->rule().empty()) evidence_problem_ = Cat(where, " names no rule");
  const bool by_operator = recorded.event.actor.rfind("operator:", 0) == 0;
  if (evidence->positions().empty() && !by_operator) {
    evidence_problem_ = Cat(where, " (", evidence->rule(), ") cites nothing");
  }
}

void LogBook::CheckCited(const RecordedEvent& recorded, const eventpb::EventBody& body,
                         const eventpb::Evidence& evidence, const std::string& where) {
  bool own = false;
  for (const std::uint64_t position : evidence.positions()) {
    if (position == 0 || position >= recorded.position || streams_[position - 1].empty()) {
      evidence_problem_ = Cat(where, " cites ", position);
      return;
    }
    own = own || streams_[position - 1] == recorded.stream.str();
  }
  if (body.has_worker_condemned() && RestsOnSight(evidence.rule()) && !own) {
    evidence_problem_ = Cat(where, " (", evidence.rule(), ") cites nothing of its own worker");
  }
}

void LogBook::Note(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  if (body.has_fleet_applied()) {
    const specpb::FleetSpec& spec = body.fleet_applied().spec();
    budgets_[spec.name()].push_back({At(recorded), spec.budget()});
    wanted_[spec.name()].push_back({At(recorded), spec.workers()});
  } else if (body.has_fleet_scaled()) {
    wanted_[AfterSlash(recorded.stream.str())].push_back(
        {At(recorded), body.fleet_scaled().workers()});
  } else if (body.has_host_struck()) {
    struck_.push_back({body.host_struck().worker(), body.host_struck().cause(),
                       AfterSlash(recorded.stream.str()), recorded.position, At(recorded)});
  } else if (body.has_credit_wait_ended()) {
    credit_ended_.push_back(At(recorded));
  } else {
    NoteWorker(recorded, body);
  }
}

void LogBook::NoteIntent(const RecordedEvent& recorded, const eventpb::LaunchRequested& event) {
  Intent intent;
  intent.worker = AfterSlash(recorded.stream.str());
  intent.fleet = event.fleet();
  intent.label = event.label();
  intent.position = recorded.position;
  intent.at = At(recorded);
  intent.by_our_clock = recorded.event.occurred_at;
  intent.price = MicroUsdPerHour(event.offer().price_micro_usd_per_hour());
  intent.replaces = event.replaces();
  intent.trial = event.upgrade_trial();
  intent.probe = event.credit_probe();
  if (const account::State* account = world_.FindAccount(ProviderName(event.provider()))) {
    intent.credit_wait = account->credit_wait;
    intent.offers_age = recorded.event.occurred_at - account->offers_seen.at;
    intent.offer_known =
        std::any_of(account->offers.begin(), account->offers.end(), [&](const Offer& offer) {
          return offer.id.str() == event.offer().offer() && offer.price == intent.price;
        });
  }
  fleet_of_[intent.worker] = intent.fleet;
  intents_[event.token()] = std::move(intent);
}

void LogBook::NoteVerdict(const RecordedEvent& recorded, const eventpb::WorkerCondemned& event) {
  Condemned verdict;
  verdict.worker = AfterSlash(recorded.stream.str());
  verdict.rule = event.evidence().rule();
  verdict.summary = event.evidence().summary();
  verdict.actor = recorded.event.actor;
  verdict.fleet = fleet_of_[verdict.worker];
  verdict.position = recorded.position;
  verdict.at = At(recorded);
  verdict.strike_weight = event.strike_weight();
  if (const worker::State* worker = world_.FindWorker(WorkerId(verdict.worker))) {
    verdict.index = worker->identity.index;
    verdict.adopted = worker->identity.adopted;
    if (const worker::Live* live = worker->live()) {
      verdict.health = live->health;
      verdict.log_failures = live->seen.log_failures;
      verdict.list_failures = live->seen.instance_failures;
    }
  }
  if (const fleet::State* fleet = world_.FindFleet(FleetName(verdict.fleet))) {
    verdict.fleet_active = fleet->active();
    verdict.wanted = fleet->wanted();
    verdict.price_max = MicroUsdPerHour(fleet->spec.market().price_max_micro_usd_per_hour());
    verdict.budget = fleet->spec.budget();
    verdict.quota = !fleet->spec.quota().name().empty();
    const auto open = world_.open_by_fleet.find(FleetName(verdict.fleet));
    if (open != world_.open_by_fleet.end()) {
      for (const WorkerId& id : open->second) {
        const worker::State* other = world_.FindWorker(id);
        if (!std::holds_alternative<worker::Launching>(other->phase)) continue;
        ++verdict.launching;
        verdict.launching_burn += other->identity.offered.price;
      }
    }
  }
  ++rules_condemned_[verdict.rule];
  condemned_[verdict.worker] = std::move(verdict);
}

void LogBook::NoteWorker(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const std::string worker = AfterSlash(recorded.stream.str());
  if (body.has_launch_requested()) {
    NoteIntent(recorded, body.launch_requested());
  } else if (body.has_launch_accepted()) {
    instances_[worker].insert(body.launch_accepted().instance());
    worker_of_[body.launch_accepted().instance()] = worker;
  } else if (body.has_worker_adopted()) {
    instances_[worker].insert(body.worker_adopted().instance());
    worker_of_[body.worker_adopted().instance()] = worker;
    fleet_of_[worker] = body.worker_adopted().fleet();
    adopted_[worker] = At(recorded);
  } else if (body.has_instance_observed()) {
    const eventpb::InstanceObserved& seen = body.instance_observed();
    if (!seen.price_known()) return;
    const MicroUsdPerHour price(seen.price_micro_usd_per_hour());
    std::vector<PriceSeen>& prices = prices_[worker];
    if (prices.empty() || prices.back().price != price) prices.push_back({At(recorded), price});
  } else if (body.has_worker_condemned()) {
    NoteVerdict(recorded, body.worker_condemned());
  } else if (body.has_destroy_requested()) {
    destroyers_[body.destroy_requested().instance()].insert(worker);
  } else if (body.has_worker_ended()) {
    const eventpb::WorkerEnded& end = body.worker_ended();
    ended_[worker] = {worker, end.how(), MicroUsd(end.spent_micro_usd()), recorded.position,
                      At(recorded)};
  }
}

}  // namespace muster::storm
