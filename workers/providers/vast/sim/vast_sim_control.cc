// VastSim's controls and views.
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

MicroUsd Rounded(MoneyTime amount) {
  return MicroUsd(static_cast<std::int64_t>(amount / kMoneyTimePerMicro));
}

LedgerLine LineOf(const Contract& c, absl::Time now) {
  Contract settled = c;
  if (c.alive()) {
    const std::int64_t ns = absl::ToInt64Nanoseconds(now - c.settled);
    if (c.GpuBilled()) settled.gpu_spent += MoneyTime(c.gpu_micros_per_hour) * ns;
    if (c.StorageBilled()) settled.storage_spent += MoneyTime(c.storage_micros_per_hour) * ns;
  }
  return {.instance = c.id,
          .label = c.order.label.value_or(""),
          .machine = c.machine,
          .created = c.created,
          .ended = c.ended,
          .gpu = Rounded(settled.gpu_spent),
          .storage = Rounded(settled.storage_spent),
          .total = Rounded(settled.gpu_spent + settled.storage_spent)};
}

InstanceView ViewOf(const World& world, const Contract& c) {
  const Machine& machine = world.market.machine(c.machine);
  const bool stopped = c.Is("stopped") || c.Is("exited");
  const std::int64_t micros = (stopped ? 0 : c.gpu_micros_per_hour) + c.storage_micros_per_hour;
  return {.id = c.id,
          .label = c.order.label.value_or(""),
          .machine = c.machine,
          .offer = c.offer,
          .gpu = machine.gpu.name,
          .gpus = c.gpus,
          .actual = c.actual.value_or(""),
          .intended = c.intended,
          .status_message = c.status_message,
          .usd_per_hour = static_cast<double>(micros) / 1e6,
          .created = c.created,
          .ended = c.ended,
          .end_cause = c.end_cause,
          .batches = c.program.batches(),
          .last_batch = c.program.last_batch(),
          .failures = c.failures,
          .bad_machine = machine.bad.has_value()};
}

}  // namespace

SimReply ShowUser(World& world, const Call&, const Json&) {
  const double credit = world.credit_usd();
  return JsonReply(200, {{"id", 4711},
                         {"username", "sim"},
                         {"fullname", "Simulated User"},
                         {"email", "sim@example.invalid"},
                         {"credit", credit},
                         {"balance", credit < 0 ? credit : 0.0},
                         {"balance_threshold", 0.0},
                         {"balance_threshold_enabled", false},
                         {"autobill_threshold", nullptr},
                         {"billaddress_line1", nullptr},
                         {"billaddress_line2", nullptr},
                         {"billaddress_city", nullptr},
                         {"billaddress_zip", nullptr},
                         {"billaddress_country", nullptr},
                         {"billed_expected", 0.0},
                         {"billing_creditonly", 1},
                         {"can_pay", credit > 0},
                         {"got_signup_credit", 0},
                         {"has_billing", true},
                         {"has_payout", false},
                         {"host_only", false},
                         {"host_agreement_accepted", false},
                         {"last4", nullptr},
                         {"password_resettable", true},
                         {"paypal_email", nullptr},
                         {"sid", "sim"},
                         {"ssh_key", "ssh-ed25519 AAAASIM"},
                         {"user", "sim"},
                         {"api_key", "secret-of-the-user-row"}});
}

void VastSim::SetFault(Fault fault) { world_->faults.push_back(std::move(fault)); }

int VastSim::ClearFaults(std::optional<Trap> trap) {
  const std::size_t before = world_->faults.size();
  std::deque<Fault> kept;
  for (Fault& fault : world_->faults) {
    if (trap.has_value() && fault.trap != *trap) kept.push_back(std::move(fault));
  }
  world_->faults = std::move(kept);
  return static_cast<int>(before - world_->faults.size());
}

Status VastSim::FailWorker(std::int64_t instance, FailureSpec spec) {
  Contract* contract = world_->Find(instance);
  if (contract == nullptr) return NotFound(Cat("no living instance ", instance));
  world_->PlanFailure(*contract, std::move(spec));
  return {};
}

Status VastSim::FailMachine(std::int64_t machine, const FailureSpec& spec) {
  Machine* found = world_->market.FindMachine(machine);
  if (found == nullptr) return NotFound(Cat("no machine ", machine));
  found->bad = spec;
  if (spec.how == Failure::kRepair) found->bad.reset();
  std::vector<std::int64_t> there;
  for (const auto& [id, contract] : world_->living) {
    if (contract.machine == machine) there.push_back(id);
  }
  for (const std::int64_t id : there) world_->PlanFailure(world_->living.at(id), spec);
  return {};
}

Status VastSim::ScriptLog(std::int64_t instance, const std::vector<std::string>& lines) {
  Contract* contract = world_->Find(instance);
  if (contract == nullptr) return NotFound(Cat("no living instance ", instance));
  contract->program.Script(world_->now(), lines);
  contract->container = true;
  return {};
}

Status VastSim::SetPrice(std::int64_t instance, double usd_per_hour) {
  Contract* contract = world_->Find(instance);
  if (contract == nullptr) return NotFound(Cat("no living instance ", instance));
  world_->SetPrice(*contract, usd_per_hour);
  return {};
}

Status VastSim::SetOfferPrice(std::int64_t offer, double usd_per_hour) {
  const OfferRow* row = world_->market.FindOffer(offer);
  if (row == nullptr) return NotFound(Cat("no offer ", offer));
  world_->market.FindMachine(row->machine)->usd_per_gpu_hour = usd_per_hour / row->gpus;
  return {};
}

Status VastSim::RemoveOffer(std::int64_t offer) {
  const OfferRow* row = world_->market.FindOffer(offer);
  if (row == nullptr) return NotFound(Cat("no offer ", offer));
  world_->market.Take(OfferRow(*row));
  return {};
}

std::int64_t VastSim::AddForeign(const ForeignSpec& spec) { return world_->AddForeign(spec).id; }

void VastSim::SetKeys(std::vector<std::string> keys) { world_->options.api_keys = std::move(keys); }
void VastSim::SetCredit(double usd) { world_->SetCredit(usd); }
void VastSim::AddCredit(double usd) { world_->SetCredit(world_->credit_usd() + usd); }
double VastSim::credit_usd() const { return world_->credit_usd(); }

void VastSim::EndFailures() {
  world_->options.failures_per_hour = 0;
  world_->options.stuck_boot_share = 0;
}

std::vector<OfferView> VastSim::Offers() const {
  std::vector<OfferView> views;
  for (const auto& [id, offer] : world_->market.offers()) {
    const Machine& machine = world_->market.machine(offer.machine);
    views.push_back({.id = id,
                     .machine = offer.machine,
                     .gpu = machine.gpu.name,
                     .gpus = offer.gpus,
                     .usd_per_hour = machine.usd_per_gpu_hour * offer.gpus,
                     .storage_usd_per_gb_month = machine.storage_usd_per_gb_month,
                     .verified = machine.verified});
  }
  return views;
}

std::vector<InstanceView> VastSim::Instances() const {
  std::vector<InstanceView> views;
  for (auto& [id, contract] : world_->living) {
    contract.program.AdvanceTo(world_->now());
    views.push_back(ViewOf(*world_, contract));
  }
  return views;
}

std::vector<InstanceView> VastSim::PastInstances() const {
  std::vector<InstanceView> views;
  for (const auto& [id, contract] : world_->past) views.push_back(ViewOf(*world_, contract));
  return views;
}

std::vector<LedgerLine> VastSim::Ledger() const {
  std::map<std::int64_t, LedgerLine> lines;
  for (const auto& [id, contract] : world_->past) lines[id] = LineOf(contract, world_->now());
  for (const auto& [id, contract] : world_->living) lines[id] = LineOf(contract, world_->now());
  std::vector<LedgerLine> all;
  all.reserve(lines.size());
  for (auto& [id, line] : lines) all.push_back(std::move(line));
  return all;
}

MicroUsd VastSim::Spent() const {
  MicroUsd spent;
  for (const LedgerLine& line : Ledger()) spent += line.total;
  return spent;
}

std::vector<JournalEntry> VastSim::Journal() const {
  return {world_->journal.begin(), world_->journal.end()};
}
void VastSim::ClearJournal() { world_->journal.clear(); }
int VastSim::KeysLeaked() const { return world_->keys_leaked; }

}  // namespace muster::vastsim
