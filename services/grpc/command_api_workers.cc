// CommandApi: what is asked of single workers, and of instances that are none yet.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "commands/fleet/plan/label.h"
#include "eventstore/base/strings.h"
#include "services/grpc/command_api.h"
#include "services/grpc/worker_lookup.h"

namespace muster::grpc_api {
namespace {

// Adoptions are written beside each other and share the store's syncs.
constexpr std::size_t kBesideEachOther = 64;

// The number that follows exactly `prefix` in `label`, with at most a token behind it.
bool HasIndexAfter(std::string_view label, std::string_view prefix) {
  if (!absl::StartsWith(ToAbsl(label), ToAbsl(prefix))) return false;
  std::string_view rest = label.substr(prefix.size());
  rest = rest.substr(0, rest.find('.'));
  int index = -1;
  return absl::SimpleAtoi(ToAbsl(rest), &index) && index >= 0;
}

bool IsBeingReplaced(const worker::State& state) {
  const auto* leaving = std::get_if<worker::Destroying>(&state.phase);
  return leaving != nullptr && leaving->replace;
}

// Whether an operator's destroy of this kind has begun already.
bool IsHalfDone(const worker::State& state, bool keep_size) {
  const auto* leaving = std::get_if<worker::Destroying>(&state.phase);
  return leaving != nullptr && leaving->rule == "operator" && leaving->replace == keep_size;
}

}  // namespace

Task<StatusOr<std::uint64_t>> CommandApi::TellWorker(WorkerId id, worker::Command command,
                                                     Origin origin) {
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Worker(id, std::move(command), std::move(origin)));
  co_return outcome.position;
}

Task<StatusOr<api::Operation>> CommandApi::ReplaceWorker(api::ReplaceWorkerRequest message,
                                                         Caller caller) {
  const Request request = book_.Begin("replace", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const WorkerId id, LookUpWorker(handler_.world(), message.worker()));
  const fleet::ReplaceChange change{id, message.reason(), message.strike()};
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(change));
  const worker::State& state = *handler_.world().FindWorker(id);  // the preview has found it
  const std::string fleet = state.identity.fleet.str();
  const worker::Condemn condemn{
      fleet::OperatorVerdict(state, {message.reason(), true, message.strike()})};
  const std::string progress = Cat("worker ", id.str(), " is destroyed; its replacement follows");
  const auto act = [=, this] { return TellWorker(id, condemn, request.origin); };
  co_return co_await Execute(request, {id.str(), fleet}, std::move(plan), act, progress);
}

Task<StatusOr<api::Operation>> CommandApi::DestroyWorker(api::DestroyWorkerRequest message,
                                                         Caller caller) {
  const Request request = book_.Begin("destroy", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const WorkerId id, LookUpWorker(handler_.world(), message.worker()));
  const worker::State& state = *handler_.world().FindWorker(id);
  const std::string fleet = state.identity.fleet.str();
  if (IsBeingReplaced(state) && !message.keep_size()) {
    co_return Refusal(StatusCode::kFailedPrecondition, "ALREADY_LEAVING",
                      Cat("worker ", id.str(), " is being destroyed and replaced already"),
                      {{"next", Cat("muster scale ", fleet, " N makes the fleet smaller")}});
  }
  api::Plan plan;
  // A destroy that a crash cut in two is completed by the next one; every other is planned first.
  if (request.validate_only || !IsHalfDone(state, message.keep_size())) {
    const fleet::DestroyChange change{id, message.reason(), message.keep_size()};
    CO_ASSIGN_OR_RETURN(plan, Preview(change));
  }
  const std::string progress = Cat("worker ", id.str(), " is destroyed");
  const auto act = [=, this] { return Destroy(id, message, request.origin); };
  co_return co_await Execute(request, {id.str(), fleet}, std::move(plan), act, progress);
}

Task<StatusOr<std::uint64_t>> CommandApi::Destroy(WorkerId id, api::DestroyWorkerRequest message,
                                                  Origin origin) {
  // Two streams change, and between them the policy would see a worker too many or too few.
  const PolicyDriver::Hold hold = co_await policy_.Pause();
  const worker::State* state = handler_.world().FindWorker(id);
  if (state == nullptr) co_return NotFound(Cat("worker ", id.str(), " is gone"));
  const FleetName fleet = state->identity.fleet;
  worker::Command condemn = worker::Condemn{
      fleet::OperatorVerdict(*state, {message.reason(), message.keep_size(), false})};
  CO_ASSIGN_OR_RETURN(const Outcome condemned,
                      co_await handler_.Worker(id, std::move(condemn), origin));
  std::uint64_t position = condemned.position;
  const fleet::State* owner = handler_.world().FindFleet(fleet);
  if (!message.keep_size() && owner != nullptr && owner->wanted() > 0) {
    // By the worker, not by the request: however often it is destroyed, the fleet shrinks once.
    origin.idempotency_key = Cat("destroy/", id.str(), "/scale");
    fleet::Command scale = fleet::Scale{owner->wanted() - 1};
    CO_ASSIGN_OR_RETURN(const Outcome scaled,
                        co_await handler_.Fleet(fleet, std::move(scale), origin));
    position = std::max<std::uint64_t>(position, scaled.position);
  }
  co_return position;
}

Task<CommandApi::Strays> CommandApi::StraysOf(specpb::FleetSpec spec, absl::Time deadline) {
  Strays strays;
  const FleetName name(spec.name());
  const fleet::State* known = handler_.world().FindFleet(name);
  if ((known != nullptr && known->active()) || !hooks_.list_instances) co_return strays;
  const StatusOr<std::vector<Instance>> all =
      co_await hooks_.list_instances(ProviderName(spec.provider()), deadline);
  if (!all.ok()) {
    strays.notes.push_back(Cat("the account's instances could not be listed (",
                               Message(all.status()),
                               "): what runs under this fleet's label already is unknown"));
    co_return strays;
  }
  const absl::Time now = rt_.Now();
  for (const Instance& instance : *all) {
    if (!fleet::IndexFromLabel(spec, instance.label).has_value()) continue;
    if (handler_.world().by_instance.contains(instance.id)) continue;
    strays.found.push_back(fleet::StrayOf(instance, name, now));
    strays.notes.push_back(
        Cat("instance ", fleet::DescribeInstance(instance, now),
            " runs under this fleet's label already: adopt it (muster adopt), destroy it, or set "
            "orphans"));
  }
  co_return strays;
}

Task<StatusOr<std::vector<Instance>>> CommandApi::Adoptable(
    absl::Time deadline, const fleet::State& fleet, const api::AdoptInstancesRequest& request) {
  if (request.label_prefix().empty() && request.instances().empty()) {
    co_return BadRequest({{"label_prefix", "give a label prefix or instance ids"}});
  }
  if (!hooks_.list_instances) {
    co_return Refusal(StatusCode::kUnavailable, "NO_PROVIDER", "no provider is configured");
  }
  const ProviderName provider(fleet.spec.provider());
  const std::string& prefix = request.label_prefix();
  std::set<std::string> wanted(request.instances().begin(), request.instances().end());
  CO_ASSIGN_OR_RETURN(const std::vector<Instance> all,
                      co_await hooks_.list_instances(provider, deadline));
  std::vector<Instance> adoptable;
  for (const Instance& instance : all) {
    const bool named = wanted.erase(instance.id.str()) > 0;
    const bool asked = named || (!prefix.empty() && HasIndexAfter(instance.label, prefix));
    if (!asked || handler_.world().by_instance.contains(instance.id)) continue;
    adoptable.push_back(instance);
  }
  if (!wanted.empty()) {
    co_return Refusal(
        StatusCode::kNotFound, "INSTANCE_NOT_FOUND",
        Cat("the account has no instance ", std::string(absl::StrJoin(wanted, ", "))));
  }
  co_return adoptable;
}

struct CommandApi::Adopted {
  std::uint64_t position = 0;
  Status failed;           // the first that was
  std::set<WorkerId> ids;  // given out
};

Task<void> CommandApi::AdoptOne(worker::Adopt adopt, Origin origin, std::shared_ptr<Adopted> done) {
  const InstanceId instance(adopt.adoption.instance());
  const ProviderName provider(adopt.adoption.provider());
  if (handler_.world().by_instance.contains(instance)) co_return;
  WorkerId id;
  do {  // among ten thousand two draws are often the same
    id = fleet::MakeWorkerId(handler_.world(), rt_.rng().Token(5));
  } while (handler_.world().FindWorker(id) != nullptr || !done->ids.insert(id).second);
  worker::Command command = std::move(adopt);
  StatusOr<Outcome> outcome = co_await handler_.Worker(id, std::move(command), origin);
  const account::State* account = handler_.world().FindAccount(provider);
  if (outcome.ok() && account != nullptr && account->orphans.contains(instance)) {
    account::Command resolve =
        account::ResolveOrphan{instance, eventpb::OrphanResolved::ADOPTED, id};
    outcome = co_await handler_.Account(provider, std::move(resolve), origin);
  }
  if (outcome.ok()) {
    done->position = std::max<std::uint64_t>(done->position, outcome->position);
  } else if (done->failed.ok()) {
    done->failed = outcome.status();
  }
}

Task<StatusOr<std::uint64_t>> CommandApi::AdoptAll(FleetName fleet, std::vector<Instance> instances,
                                                   Origin origin) {
  auto done = std::make_shared<Adopted>();
  done->position = handler_.world().head;
  origin.idempotency_key.clear();  // ids of workers are fresh; what was adopted is no stray again
  const PolicyDriver::Hold hold = co_await policy_.Pause();
  const fleet::State* owner = handler_.world().FindFleet(fleet);
  if (owner == nullptr) co_return NoFleet(fleet.str());
  fleet::Adoptions make(handler_.world(), *owner);
  std::vector<Task<void>> beside;
  std::size_t left = instances.size();
  for (const Instance& instance : instances) {
    worker::Adopt adopt{make.Of(fleet::StrayOf(instance, fleet, rt_.Now()))};
    beside.push_back(AdoptOne(std::move(adopt), origin, done));
    if (--left > 0 && beside.size() < kBesideEachOther) continue;
    co_await WhenAll(rt_, std::exchange(beside, {}));
    CO_RETURN_IF_ERROR(done->failed);
  }
  co_return done->position;
}

Task<StatusOr<api::Operation>> CommandApi::AdoptInstances(api::AdoptInstancesRequest message,
                                                          Caller caller) {
  const Request request = book_.Begin("adopt", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (fleet == nullptr) co_return NoFleet(message.fleet());
  CO_ASSIGN_OR_RETURN(const std::vector<Instance> found,
                      co_await Adoptable(AnswerBy(caller, rt_.Now()), *fleet, message));
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(fleet::AdoptChange{name, found}));
  const std::string progress = Cat(found.size(), " instances adopted, none touched");
  const auto act = [=, this] { return AdoptAll(name, found, request.origin); };
  co_return co_await Execute(request, {name.str(), name.str()}, std::move(plan), act, progress);
}

}  // namespace muster::grpc_api
