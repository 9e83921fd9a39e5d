#include "queries/health/projection.h"

#include <algorithm>

#include "queries/packing.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

using Health = eventpb::WorkerHealthChanged;
constexpr std::int64_t kLayout = 1;

int LogPhase(std::string_view name) {
  if (name == "producing") return 3;
  if (name == "started") return 2;
  if (name == "setup") return 1;
  return 0;
}

void Offer(WorkerFacts& facts, const eventpb::OfferTaken& offer) {
  facts.machine = offer.machine();
  facts.gpu = offer.gpu();
  facts.location = offer.location();
  facts.offered_price = offer.price_micro_usd_per_hour();
  facts.expected_rate_per_s = offer.expected_rate_per_s();
}

void Enter(WorkerFacts& facts, Life life, absl::Time at) {
  facts.life = life;
  facts.life_since = at;
}

void EnterLive(WorkerFacts& facts, const std::string& instance, absl::Time at) {
  Enter(facts, Life::kLive, at);
  facts.instance = instance;
  facts.health = Health::BOOT;
  facts.health_since = at;
  facts.log_phase_since = at;
}

void See(WorkerFacts& facts, const eventpb::InstanceObserved& e, absl::Time at) {
  if (facts.instance_at == absl::InfinitePast() || e.actual_status() != facts.actual_status ||
      e.intended_raw() != facts.intended_raw) {
    facts.status_since = at;
  }
  facts.instance_at = at;
  facts.actual_status = e.actual_status();
  facts.intended_raw = e.intended_raw();
  facts.status_message = e.status_message();
  facts.ssh_host = e.ssh_host();
  facts.ssh_port = e.ssh_port();
  if (facts.machine.empty()) facts.machine = e.machine();
  if (facts.gpu.empty()) facts.gpu = e.gpu();
}

// A container started anew counts from zero again: another container id, or counters that fell.
bool Restarted(const WorkerFacts& facts, const eventpb::LogObserved& e) {
  if (!e.container_id().empty() && !facts.container_id.empty() &&
      e.container_id() != facts.container_id) {
    return true;
  }
  return e.counter() >= 0 && facts.counter > e.counter();
}

// Progress is a counter that grew, never the mere presence of a line.
bool Grew(const WorkerFacts& facts, const eventpb::LogObserved& e) {
  const bool first = facts.counter < 0 && facts.total < 0 && facts.step < 0;
  const auto grew = [&](std::int64_t before, std::int64_t after) {
    return after >= 0 && (first || (before >= 0 && after > before));
  };
  return grew(facts.counter, e.counter()) || grew(facts.total, e.total()) ||
         grew(facts.step, e.step());
}

void Progress(WorkerFacts& facts, const eventpb::LogObserved& e, absl::Time at) {
  facts.progress_at = at;
  facts.ever_produced = true;
  if (e.rate_per_s() <= 0) return;
  ++facts.rate_samples;
  facts.rate_mean_per_s += (e.rate_per_s() - facts.rate_mean_per_s) / facts.rate_samples;
}

void Read(WorkerFacts& facts, const eventpb::LogObserved& e, absl::Time at) {
  const bool restarted = Restarted(facts, e);
  if (restarted) {
    facts.total_before += std::max<std::int64_t>(facts.total, 0);
    facts.counter = facts.total = facts.step = -1;
  }
  if (Grew(facts, e)) Progress(facts, e, at);
  if (e.counter() >= 0) facts.counter = e.counter();
  if (e.total() >= 0) facts.total = std::max(facts.total, e.total());
  if (e.step() >= 0) facts.step = e.step();
  if (e.rate_per_s() >= 0) facts.rate_per_s = e.rate_per_s();

  const int phase = facts.progress_at == at ? 3 : LogPhase(e.phase());
  if (restarted || phase > facts.log_phase) {  // marks scroll out of the text: never just back
    facts.log_phase = phase;
    facts.log_phase_since = at;
  }
  if (e.error().empty()) {
    facts.error_since = absl::InfinitePast();
  } else if (facts.error.empty() || facts.progress_at == at) {
    facts.error_since = at;
  }
  facts.error = e.error();
  if (!e.container_id().empty()) facts.container_id = e.container_id();
  facts.log_at = at;
}

// The policy's own limit of the clock that it judged by; 0 = it named none.
double ClockLimit(const eventpb::Evidence& evidence) {
  for (const auto& measure : evidence.measures()) {
    if (measure.unit() == "s" && measure.threshold() > 0) return measure.threshold();
  }
  return 0;
}

std::string_view LifeName(Life life) {
  switch (life) {
    case Life::kLaunching:
      return "launching";
    case Life::kLive:
      return "live";
    case Life::kDestroying:
      return "destroying";
    case Life::kEnded:
      return "ended";
  }
  return "";
}

int HealthOf(const WorkerFacts& facts) {
  switch (facts.life) {
    case Life::kLaunching:
      return Health::LAUNCHING;
    case Life::kLive:
      return facts.health;
    case Life::kDestroying:
      return Health::DESTROYING;
    case Life::kEnded:
      return Health::GONE;
  }
  return Health::HEALTH_UNSPECIFIED;
}

// When the clock of `health` began to run; see commands/fleet for the rules it belongs to.
absl::Time ClockSince(const WorkerFacts& facts, int health) {
  switch (health) {
    case Health::LAUNCHING:
      return facts.begun;
    case Health::BOOT:
      return facts.life_since;
    case Health::SETUP:
    case Health::WARMUP:
      return facts.log_phase_since;
    case Health::STALLED:
      return facts.progress_at;
    case Health::FAILING:
      return facts.error_since;
    case Health::OFFLINE:
      return facts.status_since;
    case Health::DESTROYING:
      return facts.life_since;
    default:
      return absl::InfinitePast();
  }
}

// On "unknown" nobody is written off: its last rate stands until something is known again.
bool IsProducing(const WorkerFacts& facts) {
  const int health = HealthOf(facts);
  return facts.life == Life::kLive && facts.rate_per_s > 0 &&
         (health == Health::HEALTHY || health == Health::UNKNOWN);
}

absl::Time LastObserved(const WorkerFacts& facts) {
  if (facts.life == Life::kLaunching) return facts.begun;
  const bool listed = facts.instance_at != absl::InfinitePast();
  const bool read = facts.log_at != absl::InfinitePast();
  if (listed && read) return std::min(facts.instance_at, facts.log_at);
  if (listed != read) return listed ? facts.instance_at : facts.log_at;
  return facts.life_since;
}

OpenRow RowOf(WorkerFacts& facts) {
  const int health = HealthOf(facts);
  return {.facts = &facts,
          .health = health,
          .rate_per_s = IsProducing(facts) ? facts.rate_per_s : 0,
          .observed_at = LastObserved(facts),
          .clock_since = ClockSince(facts, health)};
}

}  // namespace

void HealthProjection::AddRow(WorkerFacts& facts) {
  std::vector<OpenRow>& rows = rows_[facts.fleet];
  facts.row = rows.size();
  rows.push_back(RowOf(facts));
}

void HealthProjection::RemoveRow(WorkerFacts& facts) {
  const auto rows = rows_.find(facts.fleet);
  OpenRow& last = rows->second.back();
  last.facts->row = facts.row;
  rows->second[facts.row] = last;
  rows->second.pop_back();
  if (rows->second.empty()) rows_.erase(rows);
}

WorkerFacts& HealthProjection::Begin(std::string_view id, const std::string& fleet, absl::Time at) {
  auto& slot = workers_[std::string(id)];
  if (slot == nullptr) slot = std::make_unique<WorkerFacts>();
  slot->id = id;
  slot->fleet = fleet;
  slot->begun = at;
  Enter(*slot, Life::kLaunching, at);
  open_[fleet].insert(slot->id);
  AddRow(*slot);
  return *slot;
}

void HealthProjection::Decided(const std::string& fleet, const std::string& rule,
                               const char* action) {
  ++decisions_[{fleet, {rule.empty() ? "unnamed" : rule, action}}];
}

void HealthProjection::End(WorkerFacts& facts, absl::Time at) {
  if (!facts.open()) return;
  RemoveRow(facts);
  Enter(facts, Life::kEnded, at);
  if (const double units = facts.TotalUnits(); units > 0) {
    units_ended_[{facts.fleet, facts.gpu}] += units;
  }
  const auto open = open_.find(facts.fleet);
  open->second.erase(facts.id);
  if (open->second.empty()) open_.erase(open);
}

void HealthProjection::ApplyToWorker(WorkerFacts& facts, const eventpb::EventBody& body,
                                     absl::Time at) {
  absl::Time& updated = updated_[facts.fleet];
  updated = std::max(updated, at);
  const Overloaded fold{
      [&](const eventpb::LaunchAccepted& e) {
        if (facts.life == Life::kLaunching) EnterLive(facts, e.instance(), at);
      },
      [&](const eventpb::InstanceObserved& e) {
        if (facts.open()) See(facts, e, at);
      },
      [&](const eventpb::LogObserved& e) {
        if (facts.open()) Read(facts, e, at);
      },
      [&](const eventpb::WorkerHealthChanged& e) {
        facts.health = e.health();
        facts.health_detail = e.detail();
        facts.health_limit_s = ClockLimit(e.evidence());
        facts.health_since = at;
      },
      [&](const eventpb::WorkerCondemned& e) {
        facts.rule = e.evidence().rule();
        Decided(facts.fleet, facts.rule, "destroy");
      },
      [&](const eventpb::DestroyRequested&) {
        if (facts.life == Life::kLaunching || facts.life == Life::kLive) {
          Enter(facts, Life::kDestroying, at);
        }
      },
      [&](const eventpb::StartRequested& e) { Decided(facts.fleet, e.evidence().rule(), "start"); },
      [&](const eventpb::WorkerEnded& e) {
        facts.ended_how = EndedWord(e.how());
        End(facts, at);
      },
      [](const auto&) {}};
  VisitEvent(body, fold);
  if (facts.open()) rows_.at(facts.fleet)[facts.row] = RowOf(facts);
}

void HealthProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const absl::Time at = recorded.event.occurred_at;
  const std::string_view id = NameInStream(recorded.stream, "worker/");
  if (id.empty()) {
    if (body.has_host_struck()) {
      Decided(body.host_struck().fleet(), body.host_struck().cause(), "strike");
    }
    return;
  }
  const auto known = workers_.find(ToAbsl(id));
  if (known != workers_.end()) return ApplyToWorker(*known->second, body, at);

  const Overloaded fold{[&](const eventpb::LaunchRequested& e) {
                          WorkerFacts& facts = Begin(id, e.fleet(), at);
                          facts.label = e.label();
                          facts.provider = e.provider();
                          facts.index = e.index();
                          facts.replaces = e.replaces();
                          facts.upload_interval_s = e.upload_interval_s();
                          Offer(facts, e.offer());
                          Decided(e.fleet(), e.evidence().rule(), "launch");
                          ApplyToWorker(facts, body, at);
                        },
                        [&](const eventpb::WorkerAdopted& e) {
                          WorkerFacts& facts = Begin(id, e.fleet(), at);
                          facts.label = e.label();
                          facts.provider = e.provider();
                          facts.index = e.index();
                          facts.adopted = true;
                          Offer(facts, e.offer());
                          EnterLive(facts, e.instance(), at);
                          ApplyToWorker(facts, body, at);
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

const WorkerFacts* HealthProjection::Find(std::string_view id) const {
  const auto it = workers_.find(ToAbsl(id));
  return it == workers_.end() ? nullptr : it->second.get();
}

const std::set<std::string>& HealthProjection::OpenOf(const std::string& fleet) const {
  static const auto* const none = new std::set<std::string>;
  const auto it = open_.find(fleet);
  return it == open_.end() ? *none : it->second;
}

const std::vector<OpenRow>& HealthProjection::RowsOf(const std::string& fleet) const {
  static const auto* const none = new std::vector<OpenRow>;
  const auto it = rows_.find(fleet);
  return it == rows_.end() ? *none : it->second;
}

absl::Time HealthProjection::UpdatedAt(const std::string& fleet) const {
  const auto it = updated_.find(fleet);
  return it == updated_.end() ? absl::InfinitePast() : it->second;
}

std::vector<DecisionCount> HealthProjection::Decisions() const {
  std::vector<DecisionCount> all;
  all.reserve(decisions_.size());
  for (const auto& [key, count] : decisions_) {
    all.push_back({FleetName(key.first), key.second.first, key.second.second, count});
  }
  return all;
}

WorkerStatus HealthProjection::Show(const WorkerFacts& facts) {
  const int health = HealthOf(facts);
  WorkerStatus shown;
  shown.id = WorkerId(facts.id);
  shown.fleet = FleetName(facts.fleet);
  shown.index = facts.index;
  shown.label = facts.label;
  shown.provider = ProviderName(facts.provider);
  shown.instance = InstanceId(facts.instance);
  shown.machine = MachineId(facts.machine);
  shown.gpu = GpuName(facts.gpu);
  shown.location = facts.location;
  shown.phase = LifeName(facts.life);
  shown.health = HealthWord(health);
  shown.health_detail = facts.life == Life::kLive ? facts.health_detail : "";
  shown.adopted = facts.adopted;
  shown.replaces = WorkerId(facts.replaces);
  shown.upload_interval_s = facts.upload_interval_s;
  shown.rate_per_s = facts.rate_per_s;
  shown.rate_mean_per_s = facts.rate_mean_per_s;
  shown.expected_rate_per_s = facts.expected_rate_per_s;
  shown.counter = facts.counter;
  shown.total = facts.total;
  shown.step = facts.step;
  shown.producing = IsProducing(facts);
  shown.ever_produced = facts.ever_produced;
  shown.actual_status = facts.actual_status;
  shown.status_message = facts.status_message;
  shown.error = facts.error;
  shown.ssh_host = facts.ssh_host;
  shown.ssh_port = facts.ssh_port;
  shown.begun_at = facts.begun;
  shown.phase_since = facts.life_since;
  shown.health_since = facts.life == Life::kLive ? facts.health_since : facts.life_since;
  shown.last_progress_at = facts.progress_at;
  shown.observed_at = LastObserved(facts);
  shown.ended_at = facts.open() ? absl::InfinitePast() : facts.life_since;
  shown.ended_how = facts.ended_how;
  shown.ended_rule = facts.rule;
  shown.clock_since = ClockSince(facts, health);
  if (facts.life == Life::kLive) shown.clock_limit = absl::Seconds(facts.health_limit_s);
  return shown;
}

std::string HealthProjection::Save() const { return PackModel(kLayout, *this); }
bool HealthProjection::Load(std::string_view bytes) {
  if (!UnpackModel(kLayout, bytes, *this)) return false;
  rows_.clear();
  for (const auto& [fleet, ids] : open_) {
    for (const std::string& id : ids) {
      const auto worker = workers_.find(id);
      if (worker == workers_.end() || worker->second->fleet != fleet) return false;
      AddRow(*worker->second);
    }
  }
  return true;
}

}  // namespace muster::queries
