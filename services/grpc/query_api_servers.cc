// Questions about dedicated servers: answered from the World, as it is or as it was.
#include "commands/handler/log_fold.h"
#include "services/files/problems.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"
#include "services/grpc/server_convert.h"
#include "workers/servers/nix/machines_file.h"

namespace muster::grpc_api {
namespace {

Status NoSuchServer(const World& world, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [id, state] : world.servers) names.push_back(state.name.str());
  return Refusal(StatusCode::kNotFound, "SERVER_NOT_FOUND",
                 Cat("there is no server \"", name, "\"", DidYouMean(name, names)),
                 {{"server", name}, {"next", "muster server list --all"}});
}

}  // namespace

Task<StatusOr<QueryApi::WorldView>> QueryApi::WorldOf(api::AsOf as_of) {
  WorldView view;
  if (IsNow(as_of)) {
    if (!hooks_.world) {
      co_return Refusal(StatusCode::kUnavailable, "NO_SERVERS", "this server knows of none");
    }
    view.world = &hooks_.world();
    view.now = rt_.Now();
    co_return view;
  }
  CO_ASSIGN_OR_RETURN(const Moment moment, moments_.Of(as_of));
  CO_ASSIGN_OR_RETURN(view.now, moments_.TimeOf(as_of));
  CO_ASSIGN_OR_RETURN(view.past, co_await WorldAt(rt_, store_, moment.position));
  view.world = view.past.get();
  co_return view;
}

ServerPlace QueryApi::PlaceOf(const server::State& state) const {
  return hooks_.server_place ? hooks_.server_place(state) : OwnPlace(state);
}

api::Server QueryApi::ShownIn(const WorldView& view, const server::State& state) const {
  api::Server out = ToServer(state, PlaceOf(state), view.now);
  if (view.past != nullptr || !hooks_.server_doing) return out;
  if (const auto doing = hooks_.server_doing(state)) *out.mutable_progress() = ToProgress(*doing);
  return out;
}

Task<StatusOr<api::Server>> QueryApi::GetServer(api::GetServerRequest request) {
  CO_ASSIGN_OR_RETURN(const WorldView view, co_await WorldOf(request.as_of()));
  const server::State* state = view.world->FindServerNamed(request.server());
  if (state == nullptr) co_return NoSuchServer(*view.world, request.server());
  co_return ShownIn(view, *state);
}

Task<StatusOr<api::ListServersResponse>> QueryApi::ListServers(api::ListServersRequest request) {
  CO_ASSIGN_OR_RETURN(const WorldView view, co_await WorldOf(request.as_of()));
  std::vector<const server::State*> found;
  for (const auto& [id, state] : view.world->servers) {
    if (!state.ended_already() || request.include_ended()) found.push_back(&state);
  }
  std::sort(found.begin(), found.end(), [](const server::State* a, const server::State* b) {
    return std::make_pair(a->name, a->planned.position) <
           std::make_pair(b->name, b->planned.position);
  });
  api::ListServersResponse out;
  for (const server::State* state : found) *out.add_servers() = ShownIn(view, *state);
  *out.mutable_now() = ToTimestamp(view.now);
  co_return out;
}

Task<StatusOr<api::ExportMachinesResponse>> QueryApi::ExportMachines(
    api::ExportMachinesRequest request) {
  CO_ASSIGN_OR_RETURN(const WorldView view, co_await WorldOf(request.as_of()));
  std::vector<std::string> lines;
  for (const auto& [id, state] : view.world->servers) {
    if (IsInMachinesFile(state)) lines.push_back(state.machine_line);
  }
  api::ExportMachinesResponse out;
  out.set_text(nix::MachinesText(lines));
  co_return out;
}

Task<StatusOr<api::CheckBuildersResponse>> QueryApi::CheckBuilders(
    api::CheckBuildersRequest request) {
  if (!hooks_.world || hooks_.files == nullptr) {
    co_return Refusal(StatusCode::kUnavailable, "NO_SERVERS", "this server keeps no builders");
  }
  const World& world = hooks_.world();
  const server::State* only = nullptr;
  if (!request.server().empty()) {
    only = world.FindServerNamed(request.server());
    if (only == nullptr) co_return NoSuchServer(world, request.server());
  }
  std::vector<nix::KnownBuilder> builders;
  for (const auto& [id, state] : world.servers) {
    if (state.ended_already()) continue;
    builders.push_back(ToKnownBuilder(state, PlaceOf(state)));
  }
  using Kind = nix::Finding::Kind;
  api::CheckBuildersResponse out;
  for (const nix::Finding& finding :
       nix::CheckBuilders(builders, *hooks_.files, hooks_.machines_file)) {
    // Of one server: what is about it, and what is about nobody in particular.
    const std::size_t colon = finding.subject.find(": ");
    const bool of_one = colon != std::string::npos;
    if (only != nullptr && of_one && finding.subject.substr(0, colon) != only->name.str()) continue;
    api::Check& check = *out.add_checks();
    check.set_name(finding.subject);
    check.set_result(finding.kind == Kind::kOk        ? api::Check::OK
                     : finding.kind == Kind::kWarning ? api::Check::WARNING
                                                      : api::Check::FAILED);
    check.set_detail(finding.detail);
    check.set_next(finding.next);
  }
  co_return out;
}

}  // namespace muster::grpc_api
