// What the APIs ask of the world outside log and read models.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "commands/fleet/plan/preview.h"
#include "eventstore/base/log.h"
#include "services/grpc/plan_convert.h"
#include "services/musterd/daemon.h"
#include "services/musterd/machines_check.h"
#include "services/musterd/nix_here.h"
#include "workers/pollers/market_poller.h"

namespace muster {
namespace {

constexpr absl::Duration kCallTime = absl::Seconds(60);
constexpr absl::Duration kPatience = absl::Seconds(25);  // a client waits 30 s by default
// Thousands of instances come 25 a second at the provider's pace.
constexpr absl::Duration kListTime = absl::Minutes(10);

api::v1::Check MakeCheck(std::string name, api::v1::Check::Result result, std::string detail,
                         std::string next = "") {
  api::v1::Check check;
  check.set_name(std::move(name));
  check.set_result(result);
  check.set_detail(std::move(detail));
  check.set_next(std::move(next));
  return check;
}

Status NotConfigured(const ProviderName& name) {
  return FailedPrecondition(Cat("provider '", name.str(), "' is not configured in this musterd"));
}

std::string NextFor(Trouble trouble) {
  switch (trouble) {
    case Trouble::kAuth:
    case Trouble::kForbidden:
      return "put a valid key where providers.NAME.api_key (or password) points; it is read anew "
             "at "
             "each call";
    case Trouble::kNoCredit:
      return "top up the account; muster goes on by itself";
    case Trouble::kThrottled:
    case Trouble::kUnavailable:
    case Trouble::kUnclear:
      return "nothing: muster tries again by itself and kills nobody for it";
    default:
      return "see the daemon's log";
  }
}

}  // namespace

grpc_api::QueryHooks Daemon::MakeQueryHooks() {
  grpc_api::QueryHooks hooks;
  hooks.list_offers = [this](api::v1::ListOffersRequest request) {
    return ListOffers(std::move(request));
  };
  hooks.search_servers = [this](ProviderName name, ServerChannel channel) {
    return SearchServers(std::move(name), channel);
  };
  hooks.fetch_log = [this](WorkerId worker, int lines) {
    return FetchLog(std::move(worker), lines);
  };
  hooks.freshness = [this] { return engine_->freshness(); };
  hooks.diagnose = [this] { return Diagnose(); };
  hooks.notify_targets = [this] { return NotifyTargets(); };
  hooks.world = [this]() -> const World& { return engine_->handler().world(); };
  hooks.plan = MakePlanOptions();
  hooks.shadow_counts = [this](const FleetName& name) { return engine_->shadows().Pending(name); };
  hooks.server_place = [this](const server::State& state) { return PlaceOf(state); };
  hooks.server_doing = [this](const server::State& state) { return DoingWith(state); };
  hooks.files = server_files_.get();
  hooks.machines_file = MachinesFileOf(config_);
  return hooks;
}

grpc_api::CommandHooks Daemon::MakeCommandHooks() {
  grpc_api::CommandHooks hooks;
  hooks.providers = MachineProviders();
  hooks.search_market = [this](specpb::FleetSpec spec, absl::Time deadline) {
    return SearchMarket(std::move(spec), deadline);
  };
  hooks.missing_secrets = [this](const specpb::FleetSpec& spec) { return MissingSecrets(spec); };
  hooks.mask = [this](std::string_view text) { return secrets_.Mask(text); };
  hooks.list_instances = [this](ProviderName name, absl::Time deadline) {
    return ListInstances(std::move(name), deadline);
  };
  hooks.backup = [this] { return Backup(); };
  if (!config_.notify.targets.empty()) {
    hooks.test_notify = [this](std::string target) { return TestNotify(std::move(target)); };
  }
  hooks.store = store_.get();
  hooks.servers = [this](const ProviderName& name) { return PlansOf(name); };
  hooks.server_keys = server_keys_.get();
  hooks.flush_shadow = [this](FleetName name) { return engine_->shadows().Flush(std::move(name)); };
  hooks.written = [this](std::uint64_t position) -> Task<void> {
    co_await projector_->WaitPast(position == 0 ? 0 : position - 1, rt_.Now() + kCallTime);
  };
  return hooks;
}

grpc_api::AuditHooks Daemon::MakeAuditHooks() {
  grpc_api::AuditHooks hooks;
  hooks.providers = MachineProviders();
  hooks.list_instances = [this](ProviderName name) {
    return ListInstances(std::move(name), absl::InfiniteFuture());
  };
  for (const auto& [name, account] : accounts_) {
    if (account.made.servers != nullptr) hooks.server_providers.push_back(name);
  }
  hooks.list_servers = [this](ProviderName name) -> Task<StatusOr<std::vector<Server>>> {
    co_return co_await accounts_.at(name).made.servers->ListServers(rt_.Now() + kListTime);
  };
  hooks.world = [this]() -> const World& { return engine_->handler().world(); };
  hooks.heads = heads_.get();
  hooks.key_file = AuditKeyFile();
  return hooks;
}

std::vector<ProviderName> Daemon::MachineProviders() const {
  std::vector<ProviderName> names;
  for (const auto& [name, account] : accounts_) {
    if (account.made.provider != nullptr) names.push_back(name);
  }
  return names;
}

StatusOr<Provider*> Daemon::MachinesOf(const ProviderName& name) {
  const auto account = accounts_.find(name);
  if (account == accounts_.end()) return NotConfigured(name);
  if (account->second.made.provider == nullptr) {
    return FailedPrecondition(Cat("provider '", name.str(), "' has no machines for fleets"));
  }
  return account->second.made.provider.get();
}

StatusOr<ServerProvider*> Daemon::ServersOf(const ProviderName& name) {
  const auto account = accounts_.find(name);
  if (account == accounts_.end()) return NotConfigured(name);
  if (account->second.made.servers == nullptr) {
    return FailedPrecondition(Cat("provider '", name.str(), "' has no dedicated servers"));
  }
  return account->second.made.servers.get();
}

Task<StatusOr<std::vector<Instance>>> Daemon::ListInstances(ProviderName name,
                                                            absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(Provider* const provider, MachinesOf(name));
  co_return co_await provider->ListInstances(std::min(deadline, rt_.Now() + kListTime));
}

Task<StatusOr<api::v1::ListOffersResponse>> Daemon::ListOffers(api::v1::ListOffersRequest request) {
  const World& world = engine_->handler().world();
  const fleet::State* fleet = world.FindFleet(FleetName(request.fleet()));
  if (fleet == nullptr) co_return NotFound(Cat("there is no fleet '", request.fleet(), "'"));
  const specpb::FleetSpec spec = fleet->spec;
  const ProviderName name(spec.provider());
  // Judged as the policy would see them, without writing what an operator happened to look at.
  World seen;
  seen.installation = world.installation;
  seen.hosts = world.hosts;
  seen.fleets[fleet->name] = *fleet;
  account::State& market = seen.accounts[name];
  if (const account::State* known = world.FindAccount(name)) market = *known;
  CO_ASSIGN_OR_RETURN(market.offers, co_await SearchFor(seen, name, rt_.Now() + kPatience));
  market.offers_found = static_cast<int>(market.offers.size());
  market.offers_seen.at = rt_.Now();
  co_return grpc_api::ToOffers(seen, spec, request, rt_.Now());
}

Task<StatusOr<std::vector<ServerOffer>>> Daemon::SearchServers(ProviderName name,
                                                               ServerChannel channel) {
  CO_ASSIGN_OR_RETURN(ServerProvider* const servers, ServersOf(name));
  co_return co_await servers->SearchServers(channel, rt_.Now() + kCallTime);
}

// The offers that fit any of `fleets`, by the poller's own queries.
Task<StatusOr<std::vector<Offer>>> Daemon::SearchFor(const World& fleets, ProviderName name,
                                                     absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(Provider* const provider, MachinesOf(name));
  std::vector<Offer> found;
  for (const OfferQuery& query : MarketQueries(fleets, name)) {
    CO_ASSIGN_OR_RETURN(
        std::vector<Offer> offers,
        co_await provider->SearchOffers(query, std::min(deadline, rt_.Now() + kCallTime)));
    std::move(offers.begin(), offers.end(), std::back_inserter(found));
  }
  co_return found;
}

Task<Status> Daemon::SearchMarket(specpb::FleetSpec spec, absl::Time deadline) {
  const ProviderName name(spec.provider());
  World wanted;  // the fleets there are, and this one as it is to be
  wanted.fleets = engine_->handler().world().fleets;
  fleet::State& planned = wanted.fleets[FleetName(spec.name())];
  planned.name = FleetName(spec.name());
  planned.spec = std::move(spec);
  planned.fleet_version = std::max<std::int64_t>(planned.fleet_version, 1);
  planned.down_requested = false;
  account::ObserveOffers observed;
  CO_ASSIGN_OR_RETURN(observed.offers, co_await SearchFor(wanted, name, deadline));
  observed.found = static_cast<int>(observed.offers.size());
  observed.query_digest = "plan";
  account::Command command = std::move(observed);
  Origin origin;
  origin.actor = "poller:market";
  const StatusOr<Outcome> outcome =
      co_await engine_->handler().Account(name, std::move(command), std::move(origin));
  co_return outcome.status();
}

std::vector<std::pair<std::string, std::string>> Daemon::MissingSecrets(
    const specpb::FleetSpec& spec) {
  std::vector<std::pair<std::string, std::string>> missing;
  const auto check = [&](std::string field, const std::string& ref) {
    if (!IsSecretRef(ref)) return;
    const StatusOr<std::string> secret = secrets_.Resolve(ref);
    if (!secret.ok()) {
      missing.emplace_back(std::move(field), Cat(Message(secret.status()), ", seen from musterd"));
    }
  };
  for (const auto& [key, value] : spec.launch().env()) check(Cat("launch.env.", key), value);
  check("launch.image_login", spec.launch().image_login_ref());
  for (const specpb::Preflight& each : spec.preflight()) {
    check(Cat("preflight.", each.name(), ".bearer"), each.bearer_ref());
  }
  return missing;
}

Task<StatusOr<LogTail>> Daemon::FetchLog(WorkerId worker, int lines) {
  const worker::State* state = engine_->handler().world().FindWorker(worker);
  if (state == nullptr || state->instance.empty()) {
    co_return FailedPrecondition(Cat("worker ", worker.str(), " has no instance to read from"));
  }
  const InstanceId instance = state->instance;
  CO_ASSIGN_OR_RETURN(Provider* const provider, MachinesOf(state->identity.provider));
  co_return co_await provider->FetchLog(instance, lines, rt_.Now() + kCallTime);
}

api::v1::Check Daemon::CheckStore() const {
  const auto counters = store_->counters();
  if (chain_watch_ != nullptr && !chain_watch_->problem().empty()) {
    return MakeCheck("store", api::v1::Check::FAILED,
                     Cat("the log is not as it was written: ", chain_watch_->problem()),
                     "muster audit verify; deploy/runbooks/alerts.md#musterlogchainbroken");
  }
  return MakeCheck("store", api::v1::Check::OK,
                   Cat(config_.store_path, ", ", store_->Head(), " events, ", counters.groups,
                       " syncs since the start"));
}

api::v1::Check Daemon::CheckSecrets() {
  std::vector<std::string> missing;
  for (const auto& [name, fleet] : engine_->handler().world().fleets) {
    if (!fleet.active()) continue;
    for (const auto& [field, problem] : MissingSecrets(fleet.spec)) {
      missing.push_back(Cat(name.str(), ": ", field, ": ", problem));
    }
  }
  if (missing.empty()) {
    return MakeCheck("secrets", api::v1::Check::OK, "every reference of the fleets resolves");
  }
  return MakeCheck("secrets", api::v1::Check::FAILED, std::string(absl::StrJoin(missing, "; ")),
                   "set it for musterd; it is read anew when a worker is rented");
}

Task<api::v1::Check> Daemon::CheckAccount(ProviderName name, absl::Time until) {
  const std::string title = Cat("provider ", name.str());
  Provider& provider = *accounts_.at(name).made.provider;
  const StatusOr<::muster::Account> account = co_await provider.GetAccount(until);
  if (!account.ok()) {
    const Trouble trouble = TroubleOf(account.status());
    co_return MakeCheck(title, api::v1::Check::FAILED,
                        Cat(TroubleName(trouble), ": ", Message(account.status())),
                        NextFor(trouble));
  }
  const Freshness ages = engine_->freshness()[name];
  const bool listed = ages.list != absl::InfinitePast();
  co_return MakeCheck(
      title, listed ? api::v1::Check::OK : api::v1::Check::WARNING,
      Cat("answers; credit ",
          FormatUsd(MicroUsd(static_cast<std::int64_t>(account->credit_usd * 1e6))),
          listed ? Cat(", instance list ", FormatSpan(rt_.Now() - ages.list), " old")
                 : std::string(", no complete instance list yet")),
      listed ? "" : "wait a minute; nothing is decided before the first complete list");
}

// Whether the web service answers, and whether this login may order.
Task<std::vector<api::v1::Check>> Daemon::CheckServers(ProviderName name, absl::Time until) {
  std::vector<api::v1::Check> checks;
  ServerProvider& servers = *accounts_.at(name).made.servers;
  const std::string title = Cat("provider ", name.str());
  const auto failed = [](const std::string& what, const Status& status, std::string next) {
    return MakeCheck(what, api::v1::Check::FAILED,
                     Cat(TroubleName(TroubleOf(status)), ": ", Message(status)), std::move(next));
  };
  const StatusOr<std::vector<Server>> list = co_await servers.ListServers(until);
  if (!list.ok()) {
    checks.push_back(failed(title, list.status(), NextFor(TroubleOf(list.status()))));
    co_return checks;
  }
  checks.push_back(MakeCheck(title, api::v1::Check::OK,
                             Cat("answers; ", list->size(), " servers in the account")));
  const std::string ordering = Cat("ordering ", name.str());
  const StatusOr<std::vector<ServerOrder>> orders = co_await servers.ListOrders(until);
  if (orders.ok()) {
    checks.push_back(MakeCheck(ordering, api::v1::Check::OK,
                               Cat("allowed; ", orders->size(), " orders listed, at most ",
                                   servers.OrdersPerDay(), " a day of each list")));
  } else if (TroubleOf(orders.status()) == Trouble::kForbidden) {
    checks.push_back(MakeCheck(ordering, api::v1::Check::WARNING, "this login may not order",
                               "allow it for the user of the web service, if muster shall order"));
  } else {
    checks.push_back(failed(ordering, orders.status(), NextFor(TroubleOf(orders.status()))));
  }
  co_return checks;
}

Task<void> Daemon::CheckProvider(ProviderName name, absl::Time until,
                                 std::vector<api::v1::Check>* checks) {
  const auto& made = accounts_.at(name).made;
  if (made.servers != nullptr) *checks = co_await CheckServers(name, until);
  if (made.provider == nullptr) co_return;
  api::v1::Check check = co_await CheckAccount(name, until);
  const bool answers = check.result() != api::v1::Check::FAILED;
  checks->push_back(std::move(check));
  if (!answers) co_return;
  const StatusOr<std::vector<Instance>> list = co_await made.provider->ListInstances(until);
  checks->push_back(list.ok() ? CheckMachines(engine_->handler().world(), name, *list, rt_.Now())
                              : MakeCheck(Cat("machines ", name.str()), api::v1::Check::WARNING,
                                          Cat("cannot be listed: ", Message(list.status())),
                                          NextFor(TroubleOf(list.status()))));
}

Task<std::vector<api::v1::Check>> Daemon::Diagnose() {
  std::vector<api::v1::Check> checks = {CheckStore(), CheckSecrets()};
  // Beside each other and within a client's patience: a provider that hangs is what the doctor is
  // asked about, and the others have to be told of all the same.
  const absl::Time until = rt_.Now() + kPatience;
  std::vector<std::vector<api::v1::Check>> found(accounts_.size());
  std::vector<Task<void>> asked;
  asked.reserve(accounts_.size());
  for (const auto& [name, account] : accounts_) {
    asked.push_back(CheckProvider(name, until, &found[asked.size()]));
  }
  co_await WhenAll(rt_, std::move(asked));
  for (std::vector<api::v1::Check>& each : found) {
    std::move(each.begin(), each.end(), std::back_inserter(checks));
  }
  for (const notify::TargetStatus& target : notifier_->Targets()) {
    if (target.error.empty()) continue;
    checks.push_back(MakeCheck(Cat("notify ", target.name), api::v1::Check::WARNING, target.error,
                               Cat("muster notify test ", target.name)));
  }
  if (accounts_.empty()) {
    checks.push_back(MakeCheck("providers", api::v1::Check::WARNING, "none is configured",
                               "add providers.vast.api_key to the configuration"));
  }
  co_return checks;
}

std::string Daemon::BackupFolder() const { return Cat(config_.store_path, "-backup"); }

Task<StatusOr<api::v1::BackupStoreResponse>> Daemon::Backup() {
  if (std::exchange(copying_, true)) {
    co_return FailedPrecondition("a backup is being made already: wait for it");
  }
  if (copier_.joinable()) copier_.join();
  Promise<StatusOr<Position>> made(rt_);
  copier_ = std::thread([this, &made, folder = BackupFolder()] {
    StatusOr<Position> position = store_->Backup(folder);
    rt_.Post([&made, position = std::move(position)]() mutable { made.Set(std::move(position)); });
  });
  const StatusOr<Position> position = co_await made.Take();
  copying_ = false;
  if (!position.ok()) co_return position.status();
  api::v1::BackupStoreResponse out;
  out.set_folder(BackupFolder());
  out.set_position(*position);
  co_return out;
}

}  // namespace muster
