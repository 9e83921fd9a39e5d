#include "queries/read_models.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "eventstore/base/check.h"
#include "queries/account/projection.h"
#include "queries/cost/projection.h"
#include "queries/efficiency/report.h"
#include "queries/fleet_status/projection.h"
#include "queries/fleet_status/view.h"
#include "queries/health/projection.h"
#include "queries/packing.h"
#include "queries/strikes/projection.h"
#include "queries/timeline/explain.h"
#include "queries/timeline/projection.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 1;

// "worker/x" and "workers/x" -> "x".
std::string_view WithoutKind(std::string_view key, std::string_view kind) {
  if (!key.starts_with(kind)) return key;
  std::string_view rest = key.substr(kind.size());
  if (rest.starts_with("s/")) return rest.substr(2);
  return rest.starts_with("/") ? rest.substr(1) : key;
}

bool IsCalled(const WorkerFacts& facts, std::string_view key) {
  return facts.label == key || (!facts.instance.empty() && facts.instance == key) ||
         Cat(facts.fleet, "/", facts.index) == key;
}

bool SortsBefore(const WorkerStatus& a, const WorkerStatus& b) {
  return std::tie(a.fleet, a.index, a.begun_at, a.id) <
         std::tie(b.fleet, b.index, b.begun_at, b.id);
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The log says how far a clock had run when the health changed; people ask how far it is now.
void SetClockDetail(WorkerStatus& worker, absl::Time now) {
  const bool stalled = worker.health == "STALLED";
  const bool starting =
      worker.health == "BOOT" || worker.health == "SETUP" || worker.health == "WARMUP";
  if ((!stalled && !starting) || worker.clock_since == absl::InfinitePast() ||
      worker.clock_limit <= absl::ZeroDuration()) {
    return;
  }
  const absl::Duration running = std::max(now - worker.clock_since, absl::ZeroDuration());
  worker.health_detail = Cat(stalled ? "no progress for " : "", FormatSpan(running), " of ",
                             FormatSpan(worker.clock_limit));
}

// The open workers of one health.
struct Alike {
  int count = 0;
  double rate_per_s = 0;
  absl::Time observed_at = absl::InfiniteFuture();
  const OpenRow* oldest = nullptr;  // whose clock has run longest

  void Add(const OpenRow& row) {
    ++count;
    rate_per_s += row.rate_per_s;
    observed_at = std::min(observed_at, row.observed_at);
    const auto before = [](const OpenRow& a, const OpenRow& b) {
      return a.clock_since != b.clock_since ? a.clock_since < b.clock_since
                                            : a.facts->id < b.facts->id;
    };
    if (oldest == nullptr || before(row, *oldest)) oldest = &row;
  }
};

// What several open workers (or ended ones, newest first) are reduced to.
StatusOr<const WorkerFacts*> TheOne(std::vector<const WorkerFacts*> found, std::string_view key,
                                    bool newest_ended) {
  if (found.empty()) return NotFound(Cat("no worker is called \"", key, "\""));
  std::sort(found.begin(), found.end(), [](const WorkerFacts* a, const WorkerFacts* b) {
    return std::make_tuple(!a->open(), -PackTime(a->begun), a->id) <
           std::make_tuple(!b->open(), -PackTime(b->begun), b->id);
  });
  const bool open = found.front()->open();
  const bool alone = found.size() == 1 || found[1]->open() != open;
  if (alone || (!open && newest_ended)) return found.front();
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 5); ++i) {
    names += Cat(i == 0 ? "" : ", ", found[i]->id);
  }
  return FailedPrecondition(Cat("\"", key, "\" may be any of ", names));
}

}  // namespace

ReadModels::ReadModels(const EventStore& store)
    : store_(store),
      health_(std::make_unique<HealthProjection>()),
      cost_(std::make_unique<CostProjection>()),
      strikes_(std::make_unique<StrikesProjection>()),
      account_(std::make_unique<AccountProjection>()),
      fleets_(std::make_unique<FleetStatusProjection>()),
      timeline_(std::make_unique<TimelineProjection>()) {}
ReadModels::ReadModels(const EventStore& store, const ReadModels& later) : ReadModels(store) {
  timeline_ = later.timeline_->Earlier();
}
ReadModels::~ReadModels() = default;

std::vector<Projection*> ReadModels::Parts() const {
  return {health_.get(),  cost_.get(),   strikes_.get(),
          account_.get(), fleets_.get(), timeline_.get()};
}

void ReadModels::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  MUSTER_CHECK(recorded.position == position_ + 1);
  health_->Apply(recorded, body);
  cost_->Apply(recorded, body);
  strikes_->Apply(recorded, body);
  account_->Apply(recorded, body);
  fleets_->Apply(recorded, body);
  timeline_->Apply(recorded, body);
  if (body.has_installation_created()) installation_ = body.installation_created().id();
  position_ = recorded.position;
  recorded_at_ = recorded.recorded_at;
  hash_.assign(recorded.hash.begin(), recorded.hash.end());
}

Status ReadModels::Apply(const RecordedEvent& recorded) {
  if (recorded.position != position_ + 1) {
    return DataLoss(Cat("position ", recorded.position, " follows ", position_));
  }
  const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
  if (!body.ok()) return Annotate(body.status(), Cat("position ", recorded.position));
  Apply(recorded, *body);
  return {};
}

std::string ReadModels::Digest() const {
  std::string digest;
  for (const Projection* part : Parts()) {
    digest += Cat(digest.empty() ? "" : " ", part->name(), ":", part->Digest());
  }
  return digest;
}

// The bytes begin with their own digest: a damaged model may parse and still not hold together.
std::string ReadModels::SaveWith(const std::function<std::string(const Projection&)>& save) const {
  Packer packer;
  packer(kLayout, position_, recorded_at_, hash_, installation_);
  for (const Projection* part : Parts()) packer(std::string(part->name()), save(*part));
  std::string state = packer.Take();
  return DigestOf(state) + state;
}

bool ReadModels::LoadWith(std::string_view bytes,
                          const std::function<bool(Projection&, std::string_view)>& load) {
  if (bytes.size() < kDigestBytes) return false;
  const std::string_view state = bytes.substr(kDigestBytes);
  if (bytes.substr(0, kDigestBytes) != DigestOf(state)) return false;
  Unpacker unpacker(state);
  std::int64_t layout = 0;
  unpacker(layout);
  if (!unpacker.ok() || layout != kLayout) return false;
  unpacker(position_, recorded_at_, hash_, installation_);
  for (Projection* part : Parts()) {
    std::string name, part_state;
    unpacker(name, part_state);
    if (!unpacker.ok() || name != part->name() || !load(*part, part_state)) return false;
  }
  return unpacker.done();
}

std::string ReadModels::Save() const {
  return SaveWith([](const Projection& part) { return part.Save(); });
}
bool ReadModels::Load(std::string_view bytes) {
  return LoadWith(bytes, [](Projection& part, std::string_view state) { return part.Load(state); });
}
std::string ReadModels::SavePast() const {
  return SaveWith([this](const Projection& part) {
    return &part == timeline_.get() ? timeline_->SavePast() : part.Save();
  });
}
bool ReadModels::LoadPast(std::string_view bytes) {
  return LoadWith(bytes, [this](Projection& part, std::string_view state) {
    return &part == timeline_.get() ? timeline_->LoadPast(state, position_) : part.Load(state);
  });
}

WorkerStatus ReadModels::FullWorker(const WorkerFacts& facts, absl::Time now) const {
  WorkerStatus worker = HealthProjection::Show(facts);
  if (facts.life == Life::kLaunching) worker.price = MicroUsdPerHour(facts.offered_price);
  if (const Meter* meter = cost_->Find(facts.id); meter != nullptr) {
    if (facts.life != Life::kLaunching) worker.price = meter->price;
    worker.spent = meter->TotalAt(now);
  }
  worker.host_strikes = strikes_->LiveStrikes(facts.provider, facts.machine, now);
  const specpb::FleetSpec* spec = fleets_->Spec(facts.fleet);
  if (spec != nullptr && worker.clock_limit == absl::ZeroDuration()) {
    worker.clock_limit = ClockLimit(spec->timers(), worker.health);
  }
  if (facts.life == Life::kLive) SetClockDetail(worker, now);
  return worker;
}

std::vector<WorkerStatus> ReadModels::OpenWorkers(const std::string& fleet, absl::Time now) const {
  std::vector<WorkerStatus> open;
  const auto add = [&](const std::set<std::string>& ids) {
    for (const std::string& id : ids) open.push_back(FullWorker(*health_->Find(id), now));
  };
  if (!fleet.empty()) {
    add(health_->OpenOf(fleet));
  } else {
    for (const auto& [name, ids] : health_->open_by_fleet()) add(ids);
  }
  return open;
}

void ReadModels::Complete(FleetStatus& fleet, absl::Time now) const {
  const std::string& name = fleet.name.str();
  const CostProjection::Spending spending = cost_->OfFleet(name, now);
  fleet.burn = spending.burn;
  fleet.spent_today = spending.today;
  fleet.spent_total = spending.total;
  fleet.updated_at = std::max(fleet.updated_at, health_->UpdatedAt(name));
  std::map<int, Alike> by_health;
  for (const OpenRow& row : health_->RowsOf(name)) by_health[row.health].Add(row);
  WorkerTally tally;
  for (const auto& [health, alike] : by_health) {
    tally.Add(FullWorker(*alike.oldest->facts, now), alike.count, alike.rate_per_s,
              alike.observed_at);
  }
  tally.AddTo(fleet, now);
}

std::map<std::string, std::map<std::string, int>> ReadModels::HealthCounts() const {
  std::map<std::string, std::map<std::string, int>> counts;
  for (const auto& [fleet, rows] : health_->rows_by_fleet()) {
    std::map<int, int> of_fleet;
    for (const OpenRow& row : rows) ++of_fleet[row.health];
    for (const auto& [health, count] : of_fleet) counts[fleet][HealthWord(health)] += count;
  }
  return counts;
}

std::vector<FleetStatus> ReadModels::Fleets(absl::Time now, bool include_ended) const {
  std::vector<FleetStatus> shown;
  for (FleetStatus& fleet : fleets_->Fleets()) {
    if (fleet.ended && !include_ended) continue;
    Complete(fleet, now);
    shown.push_back(std::move(fleet));
  }
  return shown;
}

bool ReadModels::HasFleet(const FleetName& name) const { return fleets_->Has(name.str()); }

StatusOr<FleetStatus> ReadModels::Fleet(const FleetName& name, absl::Time now) const {
  if (!fleets_->Has(name.str())) return NotFound(Cat("there is no fleet ", name.str()));
  FleetStatus fleet = fleets_->Show(name.str());
  Complete(fleet, now);
  return fleet;
}

// The token is the id of the last worker of the page before; it stays good while workers come and
// go, since none is ever forgotten.
StatusOr<WorkerPage> ReadModels::Workers(const WorkerQuery& query, absl::Time now) const {
  std::vector<WorkerStatus> all;
  if (query.include_ended) {
    for (const auto& [id, facts] : health_->workers()) {
      if (query.fleet.empty() || query.fleet.str() == facts->fleet) {
        all.push_back(FullWorker(*facts, now));
      }
    }
  } else {
    all = OpenWorkers(query.fleet.str(), now);
  }
  std::sort(all.begin(), all.end(), SortsBefore);
  auto first = all.begin();
  if (!query.page_token.empty()) {
    const WorkerFacts* last = health_->Find(query.page_token);
    if (last == nullptr) return InvalidArgument("the page token is none of ours");
    first = std::upper_bound(all.begin(), all.end(), HealthProjection::Show(*last), SortsBefore);
  }
  WorkerPage page;
  const std::ptrdiff_t left = all.end() - first;
  const std::ptrdiff_t take =
      query.page_size <= 0 ? left : std::min<std::ptrdiff_t>(left, query.page_size);
  page.workers.assign(std::make_move_iterator(first), std::make_move_iterator(first + take));
  if (take < left && take > 0) page.next_page_token = page.workers.back().id.str();
  return page;
}

StatusOr<const WorkerFacts*> ReadModels::FindWorker(std::string_view key) const {
  key = WithoutKind(key, "worker");
  if (const WorkerFacts* exact = health_->Find(key); exact != nullptr) return exact;
  if (key.empty()) return NotFound("a worker must be named");
  std::vector<const WorkerFacts*> called, prefixed;
  for (const auto& [id, facts] : health_->workers()) {
    if (IsCalled(*facts, key)) called.push_back(facts.get());
    if (std::string_view(id).starts_with(key)) prefixed.push_back(facts.get());
  }
  // A label or slot is used again and again: of the ended ones the newest is meant.
  if (!called.empty()) return TheOne(std::move(called), key, /*newest_ended=*/true);
  return TheOne(std::move(prefixed), key, /*newest_ended=*/false);
}

StatusOr<WorkerStatus> ReadModels::Worker(std::string_view key, absl::Time now) const {
  MUSTER_ASSIGN_OR_RETURN(const WorkerFacts* facts, FindWorker(key));
  return FullWorker(*facts, now);
}

std::vector<HostStatus> ReadModels::Hosts(const HostQuery& query, absl::Time now) const {
  return strikes_->Hosts(query, now);
}
std::string ReadModels::BadHosts(const ProviderName& provider, absl::Time now) const {
  return strikes_->Export(provider.str(), now);
}

std::vector<AccountStatus> ReadModels::Accounts(absl::Time) const {
  std::vector<AccountStatus> accounts = account_->Accounts();
  for (AccountStatus& account : accounts) {
    account.burn += cost_->BurnOfProvider(account.provider.str());
    if (!account.credit || account.credit->micros <= 0 || account.burn.micros <= 0) continue;
    const double hours =
        static_cast<double>(account.credit->micros) / static_cast<double>(account.burn.micros);
    account.runway = absl::Seconds(
        std::min<std::int64_t>(static_cast<std::int64_t>(std::min(hours, 1e9) * 3600), INT32_MAX));
  }
  return accounts;
}

EfficiencyReport ReadModels::Efficiency(const FleetName& fleet, absl::Time now) const {
  EfficiencyReport report =
      MakeEfficiency(OpenWorkers(fleet.str(), now), *health_, *cost_, fleet.str());
  std::set<std::string> units;
  for (const EfficiencyRow& row : report.fleets) {
    const specpb::FleetSpec* spec = fleets_->Spec(row.key);
    if (spec != nullptr) units.insert(spec->work_unit());
  }
  if (units.size() == 1) report.work_unit = *units.begin();
  return report;
}

CostReport ReadModels::Cost(const FleetName& fleet, absl::Time now) const {
  return cost_->Report(fleet.str(), now);
}

std::map<std::string, MicroUsd> ReadModels::Lost() const { return cost_->Lost(); }

std::vector<DecisionCount> ReadModels::Decisions() const { return health_->Decisions(); }

StatusOr<EventPage> ReadModels::Events(const EventQuery& query) const {
  return timeline_->Page(store_, position_, query);
}

StatusOr<Explanation> ReadModels::Explain(std::string_view subject) const {
  const ExplainSource source{store_, *timeline_, position_};
  if (subject.empty())
    return InvalidArgument(Cat("nothing is named; ask for ", WhatCanBeExplained()));
  for (const ExplainedKind& each : kExplainedKinds) {
    const std::string_view name = WithoutKind(subject, each.kind);
    if (name == subject) continue;
    if (each.kind == "build") return ExplainBuild(source, name);
    return ExplainStream(source, Cat(each.kind, "/", name));
  }
  for (const std::string_view kind : {"command", "request"}) {
    const std::string_view id = WithoutKind(subject, kind);
    if (id != subject) return ExplainRequest(source, id);
  }
  if (const auto position = ParseNumber(subject)) return ExplainPosition(source, *position);
  if (fleets_->Has(std::string(subject))) return ExplainStream(source, Cat("fleet/", subject));
  const auto worker = FindWorker(subject);
  if (worker.ok()) return ExplainWorker(source, (*worker)->id);
  const bool stream = subject.find('/') != subject.npos && !subject.starts_with("worker");
  return stream ? ExplainStream(source, subject) : worker.status();
}

}  // namespace muster::queries
