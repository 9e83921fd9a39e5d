// CommandApi: candidates that run beside live fleets.
#include "commands/shadow/money.h"
#include "services/files/spec_check.h"
#include "services/grpc/command_api.h"
#include "services/grpc/shadow_convert.h"

namespace muster::grpc_api {
namespace {

Status NoShadow(const std::string& fleet) {
  return Refusal(StatusCode::kNotFound, "SHADOW_NOT_FOUND",
                 Cat("no shadow of fleet '", fleet, "' runs"),
                 {{"fleet", fleet}, {"next", "muster shadow start FLEET -f candidate.yaml"}});
}

}  // namespace

Task<StatusOr<std::uint64_t>> CommandApi::TellShadow(FleetName name, shadow::Command command,
                                                     Origin origin) {
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Shadow(name, std::move(command), std::move(origin)));
  co_return outcome.position;
}

// What is counted and not in the log yet belongs to the shadow that ends.
Task<StatusOr<std::uint64_t>> CommandApi::EndShadow(FleetName name, shadow::End end,
                                                    Origin origin) {
  if (hooks_.flush_shadow) co_await hooks_.flush_shadow(name);
  co_return co_await TellShadow(name, std::move(end), std::move(origin));
}

api::Shadow CommandApi::ShadowNow(const FleetName& name) const {
  const shadow::State* shadow = handler_.world().FindShadow(name);
  return shadow == nullptr ? api::Shadow() : ToShadow(handler_.world(), *shadow, rt_.Now());
}

// As applying it would be refused, and besides.
Status CommandApi::CheckCandidate(const specpb::FleetSpec& spec) const {
  const FleetName name(spec.name());
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (fleet == nullptr) return NoFleet(spec.name());
  if (!fleet->active()) {
    return Refusal(StatusCode::kFailedPrecondition, "FLEET_DOWN",
                   Cat("fleet ", spec.name(), " is ", fleet->ended ? "down" : "going down",
                       ": there is nothing to run beside"),
                   {{"fleet", spec.name()}});
  }
  MUSTER_RETURN_IF_ERROR(CheckSpec(spec));
  MUSTER_RETURN_IF_ERROR(fleet::Decide(*fleet, fleet::Apply{spec}, {rt_.Now()}).status());
  const shadow::State* running = handler_.world().FindShadow(name);
  if (running != nullptr && running->running) {
    return Refusal(
        StatusCode::kFailedPrecondition, "SHADOW_RUNS",
        Cat("a shadow of fleet ", spec.name(), " runs since ", FormatUtc(running->started.at)),
        {{"fleet", spec.name()},
         {"next",
          Cat("muster shadow report ", spec.name(), "; muster shadow stop ", spec.name())}});
  }
  return absl::OkStatus();
}

Task<StatusOr<api::Shadow>> CommandApi::StartShadow(api::StartShadowRequest message,
                                                    Caller caller) {
  const Request request = book_.Begin("shadow-start", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Shadow>(request));
  if (first.has_value()) co_return *first;
  specpb::FleetSpec spec = message.spec();
  FillDefaults(spec);
  CO_RETURN_IF_ERROR(CheckCandidate(spec));
  const FleetName name(spec.name());
  const fleet::State* fleet = handler_.world().FindFleet(name);
  if (request.validate_only) {
    api::Shadow planned;
    planned.set_fleet(name.str());
    for (std::string& line : DiffSpecs(fleet->spec, spec)) {
      planned.add_differences(std::move(line));
    }
    co_return planned;
  }
  shadow::Start start;
  start.fleet_version = fleet->fleet_version;
  start.live_digest = fleet->spec_digest;
  start.live_spent = shadow::SpentByFleet(handler_.world(), name, rt_.Now()).total;
  start.candidate = std::move(spec);
  CO_ASSIGN_OR_RETURN(const std::uint64_t position,
                      co_await TellShadow(name, std::move(start), request.origin));
  co_return co_await book_.Finish(request, ShadowNow(name), position);
}

Task<StatusOr<api::Shadow>> CommandApi::StopShadow(api::StopShadowRequest message, Caller caller) {
  const Request request = book_.Begin("shadow-stop", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Shadow>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const shadow::State* shadow = handler_.world().FindShadow(name);
  if (shadow == nullptr || !shadow->running) co_return NoShadow(message.fleet());
  if (request.validate_only) co_return ShadowNow(name);
  shadow::End end{eventpb::ShadowEnded::STOPPED, message.reason()};
  CO_ASSIGN_OR_RETURN(const std::uint64_t position,
                      co_await EndShadow(name, std::move(end), request.origin));
  co_return co_await book_.Finish(request, ShadowNow(name), position);
}

// Applied first: a crash in between leaves a shadow that agrees with the fleet in everything, and
// promoting it again ends it.
Task<StatusOr<api::Operation>> CommandApi::PromoteShadow(api::PromoteShadowRequest message,
                                                         Caller caller) {
  const Request request = book_.Begin("shadow-promote", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::Operation>(request));
  if (first.has_value()) co_return *first;
  const FleetName name(message.fleet());
  const shadow::State* shadow = handler_.world().FindShadow(name);
  if (shadow == nullptr || !shadow->running) co_return NoShadow(message.fleet());
  api::ApplyFleetRequest apply;
  *apply.mutable_spec() = shadow->candidate;
  apply.set_validate_only(message.validate_only());
  apply.set_plan_id(message.plan_id());
  if (!message.request_id().empty()) apply.set_request_id(Cat(message.request_id(), "-apply"));
  CO_ASSIGN_OR_RETURN(api::Operation applied, co_await ApplyFleet(apply, caller));
  if (request.validate_only) co_return applied;
  applied.set_progress(Cat("candidate promoted: ", applied.progress()));
  shadow::End end{eventpb::ShadowEnded::PROMOTED, ""};
  CO_ASSIGN_OR_RETURN(const std::uint64_t position,
                      co_await EndShadow(name, std::move(end), request.origin));
  co_return co_await book_.Finish(request, std::move(applied), position);
}

}  // namespace muster::grpc_api
