// Questions about two states of affairs: Explain with why_not and the offers of a moment, for which
// the policy is asked on the World of that moment, and Diff.
#include "commands/fleet/plan/why_not.h"
#include "commands/handler/log_fold.h"
#include "queries/diff/diff.h"
#include "queries/words.h"
#include "services/files/problems.h"
#include "services/grpc/convert.h"
#include "services/grpc/plan_convert.h"
#include "services/grpc/query_api.h"
#include "services/grpc/server_bills.h"
#include "services/grpc/shadow_convert.h"

namespace muster::grpc_api {
namespace {

std::string WithoutKind(const std::string& name, std::string_view kind) {
  return name.starts_with(Cat(kind, "/")) ? name.substr(kind.size() + 1) : name;
}

// The fleet that an offer is asked about: as named, or the only one there is.
StatusOr<FleetName> FleetMeant(const World& world, const std::string& subject) {
  if (!subject.empty()) return FleetName(WithoutKind(subject, "fleet"));
  std::string names;
  FleetName only;
  int active = 0;
  for (const auto& [name, fleet] : world.fleets) {
    if (!fleet.active()) continue;
    ++active;
    only = name;
    names += Cat(names.empty() ? "" : ", ", name.str());
  }
  if (active == 1) return only;
  return BadRequest(
      {{"subject", active == 0 ? std::string("there is no fleet yet")
                               : Cat("name the fleet, as in fleet/NAME: one of ", names)}});
}

void Fill(const fleet::WhyNot& from, api::ExplainResponse& to) {
  to.set_title(queries::OneLine(from.title));
  for (const fleet::WhyNotLine& line : from.lines) {
    api::ExplainLine& shown = *to.add_lines();
    shown.set_position(line.position);
    shown.set_text(queries::OneLine(line.text));
  }
}

}  // namespace

Task<StatusOr<api::ExplainResponse>> QueryApi::WhyNot(api::ExplainRequest request) {
  if (!hooks_.world) {
    co_return Refusal(StatusCode::kUnavailable, "NO_POLICY", "this server runs no policy to ask");
  }
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  std::shared_ptr<const World> past;
  if (view.past != nullptr) {
    CO_ASSIGN_OR_RETURN(past, co_await WorldAt(rt_, store_, view.past->position()));
  }
  // Nothing is awaited from here on: the live World stays as it is.
  const World& world = past != nullptr ? *past : hooks_.world();
  const std::string& asked = request.why_not();
  const bool offer = asked.starts_with("offer/");
  StatusOr<fleet::WhyNot> why = NotFound("");
  const auto worker = view.models->Worker(WithoutKind(asked, "worker"), view.now);
  if (!offer && (worker.ok() || asked.starts_with("worker/"))) {
    if (!worker.ok()) {
      co_return Refusal(StatusCode::kNotFound, "WORKER_NOT_FOUND", Message(worker.status()),
                        {{"worker", asked}});
    }
    why = fleet::WhyNotWorker(world, worker->id, hooks_.plan, view.now);
  } else {
    CO_ASSIGN_OR_RETURN(const FleetName fleet, FleetMeant(world, request.subject()));
    why = fleet::WhyNotOffer(world, fleet, OfferId(WithoutKind(asked, "offer")), hooks_.plan,
                             view.now);
  }
  if (!why.ok()) {
    co_return Refusal(why.status().code(), "NOTHING_TO_EXPLAIN", Message(why.status()),
                      {{"why_not", asked}});
  }
  api::ExplainResponse out;
  Fill(*why, out);
  co_return out;
}

Task<StatusOr<api::ListOffersResponse>> QueryApi::OffersThen(api::ListOffersRequest request) {
  CO_ASSIGN_OR_RETURN(const Moment moment, moments_.Of(request.as_of()));
  CO_ASSIGN_OR_RETURN(const absl::Time now, moments_.TimeOf(request.as_of()));
  CO_ASSIGN_OR_RETURN(const auto world, co_await WorldAt(rt_, store_, moment.position));
  const fleet::State* fleet = world->FindFleet(FleetName(request.fleet()));
  if (fleet == nullptr) {
    co_return Refusal(
        StatusCode::kNotFound, "FLEET_NOT_FOUND",
        Cat("there was no fleet '", request.fleet(), "' at position ", moment.position),
        {{"fleet", request.fleet()}});
  }
  const ProviderName provider(fleet->spec.provider());
  const account::State* account = world->FindAccount(provider);
  if (account == nullptr || !account->offers_seen.seen()) {
    co_return Refusal(StatusCode::kNotFound, "NOTHING_RECORDED",
                      Cat("no offers of ", provider.str(), " were recorded up to position ",
                          moment.position, ": the market is searched once a fleet wants it"));
  }
  api::ListOffersResponse out = ToOffers(*world, fleet->spec, request, now);
  out.set_position(account->offers_seen.position);
  co_return out;
}

Task<StatusOr<api::ListShadowsResponse>> QueryApi::ListShadows(api::ListShadowsRequest request) {
  const bool live = IsNow(request.as_of());
  if (live && !hooks_.world) {
    co_return Refusal(StatusCode::kUnavailable, "NO_POLICY", "this server runs no policy to ask");
  }
  std::shared_ptr<const World> past;
  absl::Time now = rt_.Now();
  if (!live) {
    CO_ASSIGN_OR_RETURN(const Moment moment, moments_.Of(request.as_of()));
    CO_ASSIGN_OR_RETURN(now, moments_.TimeOf(request.as_of()));
    CO_ASSIGN_OR_RETURN(past, co_await WorldAt(rt_, store_, moment.position));
  }
  // Nothing is awaited from here on: the live World stays as it is.
  const World& world = past != nullptr ? *past : hooks_.world();
  const FleetName only(request.fleet());
  if (!only.empty() && world.FindFleet(only) == nullptr) {
    co_return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND",
                      Cat("there is no fleet '", only.str(), "'"), {{"fleet", only.str()}});
  }
  api::ListShadowsResponse out;
  for (const auto& [name, shadow] : world.shadows) {
    if (!only.empty() && only != name) continue;
    api::Shadow& shown = *out.add_shadows();
    shown = ToShadow(world, shadow, now);
    if (!live || !hooks_.shadow_counts) continue;
    const shadow::Driver::Counts counts = hooks_.shadow_counts(name);
    shown.set_moments(shown.moments() + counts.moments);
    shown.set_agreements(shown.agreements() + counts.agreements);
    shown.set_unrecorded(shown.unrecorded() + counts.unrecorded);
  }
  co_return out;
}

Task<StatusOr<api::DiffResponse>> QueryApi::Diff(api::DiffRequest request) {
  if (!request.has_from()) co_return BadRequest({{"from", "expected a position or a time"}});
  CO_ASSIGN_OR_RETURN(const View from, co_await moments_.At(request.from()));
  CO_ASSIGN_OR_RETURN(const View to, co_await moments_.At(request.to()));
  const bool known = request.fleet().empty() || from.models->HasFleet(FleetName(request.fleet())) ||
                     to.models->HasFleet(FleetName(request.fleet()));
  if (!known) {
    co_return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND",
                      Cat("there was no fleet \"", request.fleet(), "\" at either moment"),
                      {{"fleet", request.fleet()}});
  }
  std::vector<queries::Change> changes =
      queries::Diff({*from.models, from.now}, {*to.models, to.now}, FleetName(request.fleet()));
  if (request.fleet().empty() && hooks_.world) {
    CO_ASSIGN_OR_RETURN(const WorldView before, co_await WorldOf(request.from()));
    CO_ASSIGN_OR_RETURN(const WorldView after, co_await WorldOf(request.to()));
    std::vector<queries::Change> servers =
        DiffServers(*before.world, before.now, *after.world, after.now);
    std::move(servers.begin(), servers.end(), std::back_inserter(changes));
  }
  api::DiffResponse out;
  out.mutable_from()->set_position(from.models->position());
  *out.mutable_from()->mutable_time() = ToTimestamp(from.now);
  out.mutable_to()->set_position(to.models->position());
  *out.mutable_to()->mutable_time() = ToTimestamp(to.now);
  for (queries::Change& change : changes) {
    api::DiffResponse::Change& shown = *out.add_changes();
    shown.set_subject(std::move(change.subject));
    shown.set_field(std::move(change.field));
    shown.set_before(std::move(change.before));
    shown.set_after(std::move(change.after));
  }
  co_return out;
}

}  // namespace muster::grpc_api
