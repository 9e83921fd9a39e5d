#include "services/grpc/command_api.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/sha256.h"
#include "services/files/spec_check.h"
#include "services/grpc/operations.h"
#include "services/grpc/plan_convert.h"
#include "services/grpc/worker_lookup.h"

namespace muster::grpc_api {
namespace {

// As long as strikes of our own do by default. The old list never forgot a machine.
constexpr absl::Duration kImportedStrikesCount = absl::Hours(30 * 24);
// Older offers are looked at again before a plan is made of them.
constexpr absl::Duration kOffersFresh = absl::Minutes(2);

Status NoFleet(const std::string& name) {
  return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND", Cat("there is no fleet '", name, "'"),
                 {{"fleet", name}, {"next", "muster status lists the fleets there are"}});
}

// A plan without a look at the market must not read as if it cost nothing.
void AddUnknownPrices(const Status& searched, api::Plan& plan) {
  plan.add_refusals(Cat("the market could not be searched (", Message(searched),
                        "): what is rented, its price and the worst case are unknown"));
}

// The number that follows exactly `prefix` in `label`, with at most a token behind it.
bool HasIndexAfter(std::string_view label, std::string_view prefix) {
  if (!absl::StartsWith(ToAbsl(label), ToAbsl(prefix))) return false;
  std::string_view rest = label.substr(prefix.size());
  rest = rest.substr(0, rest.find('.'));
  int index = -1;
  return absl::SimpleAtoi(ToAbsl(rest), &index) && index >= 0;
}

// The same message gives the same bytes: maps are written in order.
std::string Deterministic(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream text(&bytes);
  google::protobuf::io::CodedOutputStream coded(&text);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
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

account::Orphan StrayOf(const Instance& instance, const FleetName& fleet, absl::Time now) {
  account::Orphan stray;
  stray.instance = instance.id;
  stray.label = instance.label;
  stray.machine = instance.machine;
  stray.gpu = instance.gpu;
  stray.price = instance.price;
  stray.fleet = fleet;
  stray.why = "asked for by an operator";
  stray.found.at = now;
  return stray;
}

}  // namespace

CommandApi::CommandApi(Runtime& rt, Handler& handler, PolicyDriver& policy, CommandHooks hooks)
    : rt_(rt), handler_(handler), policy_(policy), hooks_(std::move(hooks)) {}

template <class Message>
CommandApi::Request CommandApi::Begin(std::string method, const Message& message,
                                      const Caller& caller) {
  Request request;
  request.method = std::move(method);
  request.id = message.request_id();
  request.validate_only = message.validate_only();
  Message bare = message;
  bare.clear_request_id();
  bare.clear_validate_only();
  request.digest = Sha256Hex(Deterministic(bare));
  const std::string command =
      request.id.empty() ? Cat("request/", rt_.rng().Token(12)) : Cat("request/", request.id);
  request.origin.actor = caller.actor;
  request.origin.cause = command;
  request.origin.correlation = command;
  if (!request.id.empty()) request.origin.idempotency_key = command;
  return request;
}

template <class Response>
StatusOr<std::optional<Response>> CommandApi::Repeated(const Request& request) const {
  if (request.id.empty() || request.validate_only) return std::optional<Response>();
  MUSTER_ASSIGN_OR_RETURN(const auto first, handler_.FindRequest(request.id));
  if (!first.has_value()) return std::optional<Response>();
  if (first->method() != request.method || first->digest() != request.digest) {
    return Refusal(StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                   Cat("request_id '", request.id, "' was used for another ", first->method(),
                       " request: take a fresh one"));
  }
  Response response;
  if (!google::protobuf::util::JsonStringToMessage(first->result(), &response).ok()) {
    return DataLoss(Cat("the kept answer to request '", request.id, "' cannot be read"));
  }
  return std::optional<Response>(std::move(response));
}

template <class Response>
Task<StatusOr<Response>> CommandApi::Finish(Request request, Response response,
                                            std::uint64_t position) {
  if (!request.id.empty()) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(response, &json).ok()) {
      co_return Internal("the answer cannot be written as JSON");
    }
    Origin origin = request.origin;
    origin.idempotency_key = Cat(request.origin.idempotency_key, "/answer");
    const auto recorded =
        co_await handler_.RecordRequest(request.id, request.method, request.digest, json, origin);
    CO_RETURN_IF_ERROR(recorded.status());
    position = std::max<std::uint64_t>(position, handler_.world().head);
  }
  if (hooks_.written) co_await hooks_.written(position);
  co_return response;
}

StatusOr<api::Plan> CommandApi::Preview(const fleet::Change& change) const {
  const StatusOr<fleet::Preview> preview =
      fleet::PlanPreview(handler_.world(), change, hooks_.plan, rt_.Now());
  if (!preview.ok()) return preview.status();
  return ToPlan(*preview);
}

Task<Status> CommandApi::LookAtMarket(specpb::FleetSpec spec) {
  if (!hooks_.search_market) co_return absl::OkStatus();
  const World& world = handler_.world();
  const fleet::State* known = world.FindFleet(FleetName(spec.name()));
  const account::State* account = world.FindAccount(ProviderName(spec.provider()));
  const bool same = known != nullptr && known->active() &&
                    Deterministic(known->spec.market()) == Deterministic(spec.market()) &&
                    known->spec.launch().disk_gb() == spec.launch().disk_gb();
  const bool fresh = account != nullptr && account->offers_seen.seen() &&
                     rt_.Now() - account->offers_seen.at < kOffersFresh;
  if (same && fresh) co_return absl::OkStatus();
  co_return co_await hooks_.search_market(std::move(spec));
}

api::Operation CommandApi::Answer(const Request& request, std::string subject, std::string fleet,
                                  api::Plan plan, std::uint64_t position,
                                  std::string progress) const {
  api::Operation out;
  out.set_method(request.method);
  out.set_fleet(fleet);
  if (request.validate_only) {
    out.set_done(true);
    out.set_progress("planned only; nothing was done");
  } else {
    out.set_name(NameOf({request.method, std::move(subject), position}));
    out.set_position(position);
    out.set_progress(std::move(progress));
  }
  *out.mutable_started_at() = ToTimestamp(rt_.Now());
  *out.mutable_plan() = std::move(plan);
  return out;
}

StatusOr<WorkerId> CommandApi::FindWorker(const std::string& key) const {
  return LookUpWorker(handler_.world(), key);
}

Task<StatusOr<api::Operation>> CommandApi::ApplyFleet(api::ApplyFleetRequest message,
                                                      Caller caller) {
  const Request request = Begin("apply", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  specpb::FleetSpec spec = message.spec();
  FillDefaults(spec);
  std::vector<std::pair<std::string, std::string>> wrong;
  for (const Violation& violation : ValidateSpec(spec)) {
    wrong.emplace_back(Cat("spec.", violation.field), violation.description);
  }
  const ProviderName provider(spec.provider());
  if (std::find(hooks_.providers.begin(), hooks_.providers.end(), provider) ==
      hooks_.providers.end()) {
    wrong.emplace_back("spec.provider", Cat("'", spec.provider(),
                                            "' is not configured in this musterd; see providers "
                                            "in its configuration"));
  }
  if (hooks_.missing_secrets) {
    for (auto& [field, problem] : hooks_.missing_secrets(spec)) {
      wrong.emplace_back(Cat("spec.", field), std::move(problem));
    }
  }
  if (!wrong.empty()) co_return BadRequest(wrong);
  const Status searched = co_await LookAtMarket(spec);
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(fleet::ApplyChange{spec}));
  if (!searched.ok()) AddUnknownPrices(searched, plan);
  if (!message.plan_id().empty() && message.plan_id() != plan.id()) {
    co_return Refusal(StatusCode::kAborted, "PLAN_STALE",
                      Cat("plan ", message.plan_id(), " is no longer what would be done; it is ",
                          plan.id(), " now"),
                      {{"next", "look at the new plan: muster plan -f FILE"}});
  }
  std::uint64_t position = 0;
  if (!request.validate_only) {
    fleet::Apply apply{spec};
    CO_ASSIGN_OR_RETURN(
        const Outcome outcome,
        co_await handler_.Fleet(FleetName(spec.name()), std::move(apply), request.origin));
    position = outcome.position;
    if (outcome.events.empty()) plan.clear_steps();
  }
  const std::string progress = Cat("fleet ", spec.name(), " applied: ", plan.adds(), " to add, ",
                                   plan.destroys(), " to destroy");
  api::Operation answer =
      Answer(request, spec.name(), spec.name(), std::move(plan), position, progress);
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
}

Task<StatusOr<api::Operation>> CommandApi::ScaleFleet(api::ScaleFleetRequest message,
                                                      Caller caller) {
  const Request request = Begin("scale", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (fleet == nullptr) co_return NoFleet(message.fleet());
  const specpb::FleetSpec spec = fleet->spec;
  const Status searched = co_await LookAtMarket(spec);
  const fleet::ScaleChange change{name, message.workers()};
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(change));
  if (!searched.ok()) AddUnknownPrices(searched, plan);
  std::uint64_t position = 0;
  if (!request.validate_only) {
    fleet::Scale scale{message.workers()};
    CO_ASSIGN_OR_RETURN(const Outcome outcome,
                        co_await handler_.Fleet(name, std::move(scale), request.origin));
    position = outcome.position;
  }
  api::Operation answer =
      Answer(request, name.str(), name.str(), std::move(plan), position,
             Cat("fleet ", name.str(), " is to have ", message.workers(), " workers"));
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
}

Task<StatusOr<api::Operation>> CommandApi::DownFleet(api::DownFleetRequest message, Caller caller) {
  const Request request = Begin("down", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  if (handler_.world().FindFleet(name) == nullptr) co_return NoFleet(message.fleet());
  const fleet::DownChange change{name, message.reason()};
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(change));
  std::uint64_t position = 0;
  if (!request.validate_only) {
    fleet::Down down{message.reason()};
    CO_ASSIGN_OR_RETURN(const Outcome outcome,
                        co_await handler_.Fleet(name, std::move(down), request.origin));
    position = outcome.position;
  }
  const int destroys = plan.destroys();
  api::Operation answer =
      Answer(request, name.str(), name.str(), std::move(plan), position,
             Cat("fleet ", name.str(), " goes down: ", destroys, " workers to destroy"));
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
}

Task<StatusOr<api::Operation>> CommandApi::ReplaceWorker(api::ReplaceWorkerRequest message,
                                                         Caller caller) {
  const Request request = Begin("replace", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const WorkerId id, FindWorker(message.worker()));
  const fleet::ReplaceChange change{id, message.reason(), message.strike()};
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(change));
  const worker::State& state = *handler_.world().FindWorker(id);  // the preview has found it
  const std::string fleet = state.identity.fleet.str();
  std::uint64_t position = 0;
  if (!request.validate_only) {
    const worker::Condemn condemn{
        fleet::OperatorVerdict(state, {message.reason(), true, message.strike()})};
    CO_ASSIGN_OR_RETURN(const Outcome outcome,
                        co_await handler_.Worker(id, condemn, request.origin));
    position = outcome.position;
  }
  api::Operation answer =
      Answer(request, id.str(), fleet, std::move(plan), position,
             Cat("worker ", id.str(), " is destroyed; its replacement follows"));
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
}

Task<StatusOr<api::Operation>> CommandApi::DestroyWorker(api::DestroyWorkerRequest message,
                                                         Caller caller) {
  const Request request = Begin("destroy", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const WorkerId id, FindWorker(message.worker()));
  const worker::State& state = *handler_.world().FindWorker(id);
  const FleetName fleet = state.identity.fleet;
  api::Plan plan;
  if (IsBeingReplaced(state) && !message.keep_size()) {
    co_return Refusal(StatusCode::kFailedPrecondition, "ALREADY_LEAVING",
                      Cat("worker ", id.str(), " is being destroyed and replaced already"),
                      {{"next", Cat("muster scale ", fleet.str(), " N makes the fleet smaller")}});
  }
  // A destroy that a crash cut in two is completed by the next one; every other is planned first.
  if (request.validate_only || !IsHalfDone(state, message.keep_size())) {
    const fleet::DestroyChange change{id, message.reason(), message.keep_size()};
    CO_ASSIGN_OR_RETURN(plan, Preview(change));
  }
  std::uint64_t position = 0;
  if (!request.validate_only) {
    CO_ASSIGN_OR_RETURN(position, co_await Destroy(id, message, request.origin));
  }
  api::Operation answer = Answer(request, id.str(), fleet.str(), std::move(plan), position,
                                 Cat("worker ", id.str(), " is destroyed"));
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
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

Task<StatusOr<std::vector<account::Orphan>>> CommandApi::Adoptable(
    const fleet::State& fleet, const api::AdoptInstancesRequest& request) {
  if (request.label_prefix().empty() && request.instances().empty()) {
    co_return BadRequest({{"label_prefix", "give a label prefix or instance ids"}});
  }
  if (!hooks_.list_instances) {
    co_return Refusal(StatusCode::kUnavailable, "NO_PROVIDER", "no provider is configured");
  }
  const FleetName name = fleet.name;
  const ProviderName provider(fleet.spec.provider());
  const std::string prefix = request.label_prefix();
  std::vector<std::string> wanted(request.instances().begin(), request.instances().end());
  CO_ASSIGN_OR_RETURN(const std::vector<Instance> all, co_await hooks_.list_instances(provider));
  std::vector<account::Orphan> strays;
  for (const Instance& instance : all) {
    const auto named = std::find(wanted.begin(), wanted.end(), instance.id.str());
    const bool asked =
        named != wanted.end() || (!prefix.empty() && HasIndexAfter(instance.label, prefix));
    if (named != wanted.end()) wanted.erase(named);
    if (!asked || handler_.world().by_instance.contains(instance.id)) continue;
    strays.push_back(StrayOf(instance, name, rt_.Now()));
  }
  if (!wanted.empty()) {
    co_return Refusal(
        StatusCode::kNotFound, "INSTANCE_NOT_FOUND",
        Cat("the account has no instance ", std::string(absl::StrJoin(wanted, ", "))));
  }
  co_return strays;
}

Task<StatusOr<std::uint64_t>> CommandApi::AdoptAll(FleetName fleet,
                                                   std::vector<account::Orphan> strays,
                                                   Origin origin) {
  std::uint64_t position = handler_.world().head;
  origin.idempotency_key.clear();  // ids of workers are fresh; what was adopted is no stray again
  const PolicyDriver::Hold hold = co_await policy_.Pause();
  for (const account::Orphan& stray : strays) {
    if (handler_.world().by_instance.contains(stray.instance)) continue;
    const fleet::State* owner = handler_.world().FindFleet(fleet);
    if (owner == nullptr) co_return NoFleet(fleet.str());
    const worker::Adopt adopt{fleet::AdoptionOf(handler_.world(), *owner, stray)};
    const WorkerId id = fleet::MakeWorkerId(handler_.world(), rt_.rng().Token(5));
    CO_ASSIGN_OR_RETURN(const Outcome outcome, co_await handler_.Worker(id, adopt, origin));
    position = std::max<std::uint64_t>(position, outcome.position);
    const ProviderName provider(owner->spec.provider());
    const account::State* account = handler_.world().FindAccount(provider);
    if (account == nullptr || !account->orphans.contains(stray.instance)) continue;
    const account::ResolveOrphan resolve{stray.instance, eventpb::OrphanResolved::ADOPTED, id};
    CO_ASSIGN_OR_RETURN(const Outcome resolved,
                        co_await handler_.Account(provider, resolve, origin));
    position = std::max<std::uint64_t>(position, resolved.position);
  }
  co_return position;
}

Task<StatusOr<api::Operation>> CommandApi::AdoptInstances(api::AdoptInstancesRequest message,
                                                          Caller caller) {
  const Request request = Begin("adopt", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (fleet == nullptr) co_return NoFleet(message.fleet());
  CO_ASSIGN_OR_RETURN(const std::vector<account::Orphan> strays,
                      co_await Adoptable(*fleet, message));
  const fleet::AdoptChange change{name, strays};
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(change));
  std::uint64_t position = 0;
  if (!request.validate_only) {
    CO_ASSIGN_OR_RETURN(position, co_await AdoptAll(name, strays, request.origin));
  }
  api::Operation answer = Answer(request, name.str(), name.str(), std::move(plan), position,
                                 Cat(strays.size(), " instances adopted, none touched"));
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, std::move(answer), position);
}

Task<StatusOr<api::PardonHostResponse>> CommandApi::PardonHost(api::PardonHostRequest message,
                                                               Caller caller) {
  const Request request = Begin("pardon", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::PardonHostResponse>(request));
  if (first.has_value()) co_return *first;
  const ProviderName provider(message.provider());
  const MachineId machine(message.machine());
  const host::State* host = handler_.world().FindHost(provider, machine);
  if (host == nullptr) {
    co_return Refusal(StatusCode::kNotFound, "HOST_NOT_FOUND",
                      Cat("no machine ", machine.str(), " of ", provider.str(), " is known"),
                      {{"next", "muster hosts lists those with strikes"}});
  }
  api::PardonHostResponse answer;
  answer.set_strikes_cleared(static_cast<int>(host->strikes.size()));
  if (request.validate_only) co_return answer;
  host::Pardon pardon{message.reason()};
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Host(provider, machine, std::move(pardon), request.origin));
  co_return co_await Finish(request, answer, outcome.position);
}

Task<StatusOr<api::ImportBadHostsResponse>> CommandApi::ImportBadHosts(
    api::ImportBadHostsRequest message, Caller caller) {
  const Request request = Begin("import", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, Repeated<api::ImportBadHostsResponse>(request));
  if (first.has_value()) co_return *first;
  const BadHosts parsed = ParseBadHosts(message.content());
  api::ImportBadHostsResponse answer;
  for (const std::string& problem : parsed.problems) answer.add_problems(problem);
  const ProviderName provider(message.provider().empty() ? "vast" : message.provider());
  std::uint64_t position = handler_.world().head;
  for (const auto& [machine, strikes] : parsed.strikes) {
    answer.set_machines(answer.machines() + 1);
    answer.set_strikes(answer.strikes() + strikes);
    if (request.validate_only) continue;
    Origin origin = request.origin;
    if (!origin.idempotency_key.empty()) origin.idempotency_key += Cat("/", machine.str());
    const host::ImportStrikes import{message.file_name(), strikes,
                                     rt_.Now() + kImportedStrikesCount};
    CO_ASSIGN_OR_RETURN(const Outcome outcome,
                        co_await handler_.Host(provider, machine, import, origin));
    position = std::max<std::uint64_t>(position, outcome.position);
  }
  if (request.validate_only) co_return answer;
  co_return co_await Finish(request, answer, position);
}

Task<StatusOr<api::BackupStoreResponse>> CommandApi::BackupStore(api::BackupStoreRequest, Caller) {
  if (!hooks_.backup) {
    co_return Refusal(StatusCode::kFailedPrecondition, "NO_BACKUP",
                      "this daemon's log is kept in memory only");
  }
  co_return co_await hooks_.backup();
}

}  // namespace muster::grpc_api
