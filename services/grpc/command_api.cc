#include "services/grpc/command_api.h"

#include <algorithm>

#include "services/files/spec_check.h"
#include "services/grpc/operations.h"
#include "services/grpc/plan_convert.h"

namespace muster::grpc_api {
namespace {

// Older offers are looked at again before a plan is made of them.
constexpr absl::Duration kOffersFresh = absl::Minutes(2);

// A plan without a look at the market must not read as if it cost nothing.
void AddUnknownPrices(const Status& searched, api::Plan& plan) {
  plan.add_refusals(Cat("the market could not be searched (", Message(searched),
                        "): what is rented, its price and the worst case are unknown"));
}

}  // namespace

// A plan that says what could not be seen is of use, a call that ran out of time is not. A tenth of
// the patience is for the answer.
absl::Time AnswerBy(const Caller& caller, absl::Time now) {
  return caller.until - (caller.until - now) / 10;
}

Status NoFleet(const std::string& name) {
  return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND", Cat("there is no fleet '", name, "'"),
                 {{"fleet", name}, {"next", "muster status lists the fleets there are"}});
}

CommandApi::CommandApi(Runtime& rt, Handler& handler, PolicyDriver& policy, CommandHooks hooks)
    : rt_(rt),
      handler_(handler),
      policy_(policy),
      hooks_(std::move(hooks)),
      book_(rt, handler, hooks_.written, hooks_.mask) {}

// ---- what all changes share -------------------------------------------------------------------

StatusOr<api::Plan> CommandApi::Preview(const fleet::Change& change) const {
  const StatusOr<fleet::Preview> preview =
      fleet::PlanPreview(handler_.world(), change, hooks_.plan, rt_.Now());
  if (!preview.ok()) return preview.status();
  return ToPlan(*preview);
}

Task<Status> CommandApi::LookAtMarket(specpb::FleetSpec spec, absl::Time deadline) {
  if (!hooks_.search_market) co_return absl::OkStatus();
  const World& world = handler_.world();
  const fleet::State* known = world.FindFleet(FleetName(spec.name()));
  const account::State* account = world.FindAccount(ProviderName(spec.provider()));
  const bool same = known != nullptr && known->active() &&
                    Deterministic(known->spec.market()) == Deterministic(spec.market()) &&
                    known->spec.launch().disk_gb() == spec.launch().disk_gb();
  const bool fresh = account != nullptr && account->offers_seen.seen() &&
                     rt_.Now() - account->offers_seen.at < kOffersFresh;
  // Who applies a new fleet has looked at its plan a moment ago: pages of a search cost seconds.
  const std::string wanted =
      Cat(spec.provider(), " ", spec.launch().disk_gb(), " ", Deterministic(spec.market()));
  const bool searched = account != nullptr && wanted == searched_for_ &&
                        account->offers_seen.at == searched_offers_at_;
  if (fresh && (same || searched)) co_return absl::OkStatus();
  const ProviderName provider(spec.provider());
  CO_RETURN_IF_ERROR(co_await hooks_.search_market(std::move(spec), deadline));
  const account::State* seen = world.FindAccount(provider);
  searched_for_ = wanted;
  searched_offers_at_ = seen == nullptr ? absl::InfinitePast() : seen->offers_seen.at;
  co_return absl::OkStatus();
}

api::Operation CommandApi::Answer(const Request& request, Target target, api::Plan plan,
                                  std::uint64_t position, std::string progress) const {
  api::Operation out;
  out.set_method(request.method);
  out.set_fleet(target.fleet);
  if (request.validate_only) {
    out.set_done(true);
    out.set_progress("planned only; nothing was done");
  } else {
    out.set_name(NameOf({request.method, std::move(target.subject), position}));
    out.set_position(position);
    out.set_progress(std::move(progress));
  }
  *out.mutable_started_at() = ToTimestamp(rt_.Now());
  *out.mutable_plan() = std::move(plan);
  return out;
}

Task<StatusOr<api::Operation>> CommandApi::Execute(
    Request request, Target target, api::Plan plan,
    std::function<Task<StatusOr<std::uint64_t>>()> act, std::string progress) {
  std::uint64_t position = 0;
  if (!request.validate_only) {
    CO_ASSIGN_OR_RETURN(position, co_await act());
  }
  api::Operation answer =
      Answer(request, std::move(target), std::move(plan), position, std::move(progress));
  if (request.validate_only) co_return answer;
  co_return co_await book_.Finish(std::move(request), std::move(answer), position);
}

Task<StatusOr<std::uint64_t>> CommandApi::TellFleet(FleetName name, fleet::Command command,
                                                    Origin origin) {
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Fleet(name, std::move(command), std::move(origin)));
  co_return outcome.position;
}

// ---- fleets -----------------------------------------------------------------------------------

Status CommandApi::CheckSpec(const specpb::FleetSpec& spec) const {
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
  // Again, now that the references of this spec are resolved and their values known.
  for (auto& [field, problem] : FieldsWithSecrets(spec, hooks_.mask)) {
    wrong.emplace_back(Cat("spec.", field), std::move(problem));
  }
  return wrong.empty() ? absl::OkStatus() : BadRequest(wrong);
}

Task<StatusOr<api::Operation>> CommandApi::ApplyFleet(api::ApplyFleetRequest message,
                                                      Caller caller) {
  const Request request = book_.Begin("apply", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  specpb::FleetSpec spec = message.spec();
  FillDefaults(spec);
  CO_RETURN_IF_ERROR(CheckSpec(spec));
  // The list comes after the search and must have its share of the client's patience.
  const absl::Time answer_by = AnswerBy(caller, rt_.Now());
  const absl::Time search_by = rt_.Now() + (answer_by - rt_.Now()) * 2 / 3;
  const Status searched = co_await LookAtMarket(spec, search_by);
  const Strays strays = co_await StraysOf(spec, answer_by);
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(fleet::ApplyChange{spec, strays.found}));
  for (const std::string& note : strays.notes) plan.add_refusals(note);
  if (!searched.ok()) AddUnknownPrices(searched, plan);
  if (!message.plan_id().empty() && message.plan_id() != plan.id()) {
    co_return Refusal(StatusCode::kAborted, "PLAN_STALE",
                      Cat("plan ", message.plan_id(), " is no longer what would be done; it is ",
                          plan.id(), " now"),
                      {{"next", "look at the new plan: muster plan -f FILE"}});
  }
  const std::string progress = Cat("fleet ", spec.name(), " applied: ", plan.adds(), " to add, ",
                                   plan.destroys(), " to destroy");
  const FleetName name(spec.name());
  const auto act = [=, this] { return TellFleet(name, fleet::Apply{spec}, request.origin); };
  co_return co_await Execute(request, {name.str(), name.str()}, std::move(plan), act, progress);
}

Task<StatusOr<api::Operation>> CommandApi::ScaleFleet(api::ScaleFleetRequest message,
                                                      Caller caller) {
  const Request request = book_.Begin("scale", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const int workers = message.workers();
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (fleet == nullptr) co_return NoFleet(message.fleet());
  const specpb::FleetSpec spec = fleet->spec;
  const Status searched = co_await LookAtMarket(spec, AnswerBy(caller, rt_.Now()));
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(fleet::ScaleChange{name, workers}));
  if (!searched.ok()) AddUnknownPrices(searched, plan);
  const std::string progress = Cat("fleet ", name.str(), " is to have ", workers, " workers");
  const auto act = [=, this] { return TellFleet(name, fleet::Scale{workers}, request.origin); };
  co_return co_await Execute(request, {name.str(), name.str()}, std::move(plan), act, progress);
}

Task<StatusOr<api::Operation>> CommandApi::DownFleet(api::DownFleetRequest message, Caller caller) {
  const Request request = book_.Begin("down", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const std::string& reason = message.reason();
  if (handler_.world().FindFleet(name) == nullptr) co_return NoFleet(message.fleet());
  CO_ASSIGN_OR_RETURN(api::Plan plan, Preview(fleet::DownChange{name, reason}));
  const std::string progress =
      Cat("fleet ", name.str(), " goes down: ", plan.destroys(), " workers to destroy");
  const auto act = [=, this] { return TellFleet(name, fleet::Down{reason}, request.origin); };
  co_return co_await Execute(request, {name.str(), name.str()}, std::move(plan), act, progress);
}

}  // namespace muster::grpc_api
