#include "services/grpc/query_api.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "services/grpc/convert.h"
#include "services/grpc/operations.h"
#include "services/grpc/query_refusals.h"
#include "services/grpc/server_bills.h"

namespace muster::grpc_api {
namespace {

// Watchers look again at least this often, so that ages and waits move on without events.
constexpr absl::Duration kLookAgain = absl::Seconds(5);

Status NoHook(std::string_view what) {
  return Refusal(StatusCode::kUnavailable, "NO_PROVIDER", Cat(what, ": no provider is configured"));
}

}  // namespace

QueryApi::QueryApi(Runtime& rt, const EventStore& store, queries::Projector& projector,
                   TailKeeper& tails, QueryHooks hooks)
    : rt_(rt),
      store_(store),
      projector_(projector),
      tails_(tails),
      hooks_(std::move(hooks)),
      moments_(rt, store, projector),
      started_(rt.Now()) {}

namespace {
// The later of what the log shows and when the poller looked; an unset time is never.
template <class Message>
void Later(Message& out, bool known, absl::Time looked,
           google::protobuf::Timestamp* (Message::*shown)()) {
  if (looked == absl::InfinitePast()) return;
  google::protobuf::Timestamp* time = (out.*shown)();
  if (!known || FromTimestamp(*time) < looked) *time = ToTimestamp(looked);
}
}  // namespace

void QueryApi::Freshen(const queries::FleetStatus& fleet, api::Fleet& out) const {
  if (!hooks_.freshness) return;
  const std::map<ProviderName, Freshness> looked = hooks_.freshness();
  const auto found = looked.find(ProviderName(fleet.spec->provider()));
  if (found == looked.end()) return;
  if (!out.has_observed_at()) return;
  Later(out, true, found->second.list, &api::Fleet::mutable_observed_at);
}

void QueryApi::Freshen(api::Account& out) const {
  if (!hooks_.freshness) return;
  const std::map<ProviderName, Freshness> looked = hooks_.freshness();
  const auto found = looked.find(ProviderName(out.provider()));
  if (found == looked.end()) return;
  const Freshness& at = found->second;
  if (out.credit_known()) {
    Later(out, out.has_credit_at(), at.account, &api::Account::mutable_credit_at);
  }
  Later(out, out.has_list_at(), at.list, &api::Account::mutable_list_at);
  Later(out, out.has_offers_at(), at.market, &api::Account::mutable_offers_at);
}

api::ListFleetsResponse QueryApi::Fleets(const queries::ReadModels& models, absl::Time now,
                                         const std::string& only, bool include_ended) const {
  const bool live = &models == &projector_.models();
  api::ListFleetsResponse out;
  for (const queries::FleetStatus& fleet : models.Fleets(now, include_ended)) {
    if (!only.empty() && fleet.name.str() != only) continue;
    api::Fleet& shown = *out.add_fleets();
    Fill(fleet, shown);
    if (live) Freshen(fleet, shown);
  }
  for (const queries::AccountStatus& account : models.Accounts(now)) {
    api::Account& shown = *out.add_accounts();
    Fill(account, shown);
    if (live) Freshen(shown);
  }
  out.set_position(models.position());
  *out.mutable_now() = ToTimestamp(now);
  return out;
}

Task<StatusOr<api::Fleet>> QueryApi::GetFleet(api::GetFleetRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  const auto fleet = view.models->Fleet(FleetName(request.fleet()), view.now);
  if (!fleet.ok()) co_return NoSuchFleet(*view.models, request.fleet(), view.now);
  api::Fleet out;
  Fill(*fleet, out);
  if (view.past == nullptr) Freshen(*fleet, out);
  co_return out;
}

Task<StatusOr<api::ListFleetsResponse>> QueryApi::ListFleets(api::ListFleetsRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  co_return Fleets(*view.models, view.now, "", request.include_ended());
}

Task<StatusOr<api::Worker>> QueryApi::GetWorker(api::GetWorkerRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  const auto worker = view.models->Worker(request.worker(), view.now);
  if (!worker.ok()) co_return WorkerProblem(request.worker(), worker.status());
  api::Worker out;
  Fill(*worker, out);
  co_return out;
}

Task<StatusOr<api::ListWorkersResponse>> QueryApi::ListWorkers(api::ListWorkersRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  CO_RETURN_IF_ERROR(CheckFleet(*view.models, request.fleet(), view.now));
  const queries::WorkerQuery query = {FleetName(request.fleet()), request.include_ended(),
                                      request.page_size(), request.page_token()};
  CO_ASSIGN_OR_RETURN(const queries::WorkerPage page, view.models->Workers(query, view.now));
  api::ListWorkersResponse out;
  for (const queries::WorkerStatus& worker : page.workers) Fill(worker, *out.add_workers());
  out.set_next_page_token(page.next_page_token);
  *out.mutable_now() = ToTimestamp(view.now);
  co_return out;
}

Task<StatusOr<api::ListHostsResponse>> QueryApi::ListHosts(api::ListHostsRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  const queries::HostQuery query = {ProviderName(request.provider()), MachineId(request.machine()),
                                    request.struck_only()};
  api::ListHostsResponse out;
  for (const queries::HostStatus& host : view.models->Hosts(query, view.now)) {
    Fill(host, *out.add_hosts());
  }
  *out.mutable_now() = ToTimestamp(view.now);
  co_return out;
}

Task<StatusOr<api::ExportBadHostsResponse>> QueryApi::ExportBadHosts(
    api::ExportBadHostsRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  api::ExportBadHostsResponse out;
  out.set_content(view.models->BadHosts(ProviderName(request.provider()), view.now));
  co_return out;
}

Task<StatusOr<api::ListAccountsResponse>> QueryApi::ListAccounts(api::ListAccountsRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  api::ListAccountsResponse out;
  for (const auto& account : view.models->Accounts(view.now)) {
    api::Account& shown = *out.add_accounts();
    Fill(account, shown);
    if (view.past == nullptr) Freshen(shown);
  }
  co_return out;
}

Task<StatusOr<api::ListOffersResponse>> QueryApi::ListOffers(api::ListOffersRequest request) {
  if (!IsNow(request.as_of())) {
    auto recorded = co_await OffersThen(std::move(request));
    co_return std::move(recorded);
  }
  if (!hooks_.list_offers) co_return NoHook("offers");
  co_return co_await hooks_.list_offers(std::move(request));
}

Task<StatusOr<api::GetEfficiencyResponse>> QueryApi::GetEfficiency(
    api::GetEfficiencyRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  CO_RETURN_IF_ERROR(CheckFleet(*view.models, request.fleet(), view.now));
  api::GetEfficiencyResponse out;
  Fill(view.models->Efficiency(FleetName(request.fleet()), view.now), out);
  co_return out;
}

Task<StatusOr<api::GetCostResponse>> QueryApi::GetCost(api::GetCostRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  CO_RETURN_IF_ERROR(CheckFleet(*view.models, request.fleet(), view.now));
  api::GetCostResponse out;
  Fill(view.models->Cost(FleetName(request.fleet()), view.now), out);
  if (!request.fleet().empty() || !hooks_.world) co_return out;
  CO_ASSIGN_OR_RETURN(const WorldView world, co_await WorldOf(request.as_of()));
  for (api::ServerBill& bill :
       ServerBills(*world.world, BillsOf::kEverOrdered, ProviderName(), world.now)) {
    *out.add_servers() = std::move(bill);
  }
  co_return out;
}

Task<StatusOr<api::ExplainResponse>> QueryApi::Explain(api::ExplainRequest request) {
  if (!request.why_not().empty()) {
    auto answer = co_await WhyNot(std::move(request));
    co_return std::move(answer);
  }
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  const auto explanation = view.models->Explain(request.subject());
  if (!explanation.ok()) {
    const Status& status = explanation.status();
    if (status.code() == StatusCode::kFailedPrecondition) {
      co_return WorkerProblem(request.subject(), status);
    }
    if (status.code() != StatusCode::kNotFound) co_return status;
    co_return Refusal(StatusCode::kNotFound, "SUBJECT_NOT_FOUND",
                      request.has_as_of() && view.past != nullptr
                          ? Cat(Message(status), " at position ", view.models->position())
                          : std::string(Message(status)),
                      {{"subject", request.subject()}});
  }
  api::ExplainResponse out;
  Fill(*explanation, out);
  co_return out;
}

Task<StatusOr<api::Operation>> QueryApi::GetOperation(api::GetOperationRequest request) {
  CO_ASSIGN_OR_RETURN(const OperationId id, ParseOperation(request.name()));
  co_return Look(id, projector_.models(), rt_.Now());
}

Task<StatusOr<api::ListNotifyTargetsResponse>> QueryApi::ListNotifyTargets(
    api::ListNotifyTargetsRequest) {
  api::ListNotifyTargetsResponse out;
  if (hooks_.notify_targets) {
    for (api::NotifyTarget& target : hooks_.notify_targets()) {
      *out.add_targets() = std::move(target);
    }
  }
  out.set_position(store_.Head());
  *out.mutable_now() = ToTimestamp(rt_.Now());
  co_return out;
}

Task<StatusOr<api::DiagnoseResponse>> QueryApi::Diagnose(api::DiagnoseRequest) {
  api::DiagnoseResponse out;
  out.set_version(MUSTER_VERSION);
  out.set_installation(projector_.models().installation());
  out.set_position(store_.Head());
  api::Check& models = *out.add_checks();
  models.set_name("read models");
  const queries::Lag lag = projector_.lag();
  if (!projector_.status().ok()) {
    models.set_result(api::Check::FAILED);
    models.set_detail(std::string(Message(projector_.status())));
    models.set_next("see deploy/runbooks: restore a backup");
  } else {
    models.set_result(lag.behind > absl::Seconds(30) ? api::Check::WARNING : api::Check::OK);
    models.set_detail(
        Cat("at position ", projector_.position(), ", ", lag.events, " events behind"));
  }
  if (hooks_.diagnose) {
    const std::vector<api::Check> more = co_await hooks_.diagnose();
    for (const api::Check& check : more) *out.add_checks() = check;
  }
  *out.mutable_now() = ToTimestamp(rt_.Now());
  out.set_uptime_s(absl::ToInt64Seconds(rt_.Now() - started_));
  co_return out;
}

Task<Status> QueryApi::WatchFleets(api::WatchFleetsRequest request,
                                   Stream<api::ListFleetsResponse>& stream) {
  CO_RETURN_IF_ERROR(CheckFleet(projector_.models(), request.fleet(), rt_.Now()));
  const absl::Duration least =
      absl::Milliseconds(std::clamp<std::int64_t>(request.least_interval_ms(), 100, 60'000));
  while (!stream.gone()) {
    const Position seen = projector_.position();
    api::ListFleetsResponse answer = Fleets(projector_.models(), rt_.Now(), request.fleet(), false);
    const bool sent = co_await stream.Write(std::move(answer));
    if (!sent) break;
    co_await stream.Pause(rt_.Now() + least);
    if (stream.gone()) break;
    co_await projector_.WaitPast(seen, rt_.Now() + kLookAgain);
  }
  co_return absl::OkStatus();
}

Task<Status> QueryApi::WatchOperation(api::GetOperationRequest request,
                                      Stream<api::Operation>& stream) {
  CO_ASSIGN_OR_RETURN(const OperationId id, ParseOperation(request.name()));
  std::string last;
  while (!stream.gone()) {
    const Position seen = projector_.position();
    CO_ASSIGN_OR_RETURN(api::Operation operation, Look(id, projector_.models(), rt_.Now()));
    const bool done = operation.done();
    const std::string bytes = operation.SerializeAsString();
    if (bytes != last) {
      last = bytes;
      const bool sent = co_await stream.Write(std::move(operation));
      if (!sent) break;
    }
    if (done) break;
    co_await projector_.WaitPast(seen, rt_.Now() + kLookAgain);
  }
  co_return absl::OkStatus();
}

Task<Status> QueryApi::ReadLogs(api::ReadLogsRequest request, Stream<api::LogChunk>& stream) {
  const auto found = projector_.models().Worker(request.worker(), rt_.Now());
  if (!found.ok()) co_return WorkerProblem(request.worker(), found.status());
  const WorkerId worker = found->id;
  const bool gone = found->phase == "ended";
  if (request.refresh() && !gone && hooks_.fetch_log) {
    StatusOr<LogTail> fresh =
        co_await hooks_.fetch_log(worker, request.lines() > 0 ? request.lines() : 1000);
    if (!fresh.ok()) co_return fresh.status();
    tails_.Keep(worker, *std::move(fresh));
  }
  const std::optional<TailKeeper::Tail> tail = tails_.Find(worker);
  std::string shown;
  api::LogChunk chunk;
  if (tail.has_value()) {
    shown = tail->text;
    std::vector<std::string> lines = absl::StrSplit(shown, '\n');
    const std::size_t wanted = request.lines() > 0 ? request.lines() + 1u : lines.size();
    const std::size_t skip = lines.size() > wanted ? lines.size() - wanted : 0;
    std::string text;
    for (std::size_t i = skip; i < lines.size(); ++i) {
      text += lines[i];
      if (i + 1 < lines.size()) text += '\n';
    }
    chunk.set_text(text);
    *chunk.mutable_fetched_at() = ToTimestamp(tail->at);
  }
  chunk.set_state(gone                ? "kept tail of a machine that is gone"
                  : !tail.has_value() ? "no log was read yet"
                  : tail->state == LogTail::State::kNoContainer ? "no container"
                  : tail->state == LogTail::State::kDaemon      ? "host log"
                                                                : "text");
  const bool sent = co_await stream.Write(std::move(chunk));
  if (!sent || !request.follow() || gone) co_return absl::OkStatus();
  co_return co_await Follow(worker, std::move(shown), stream);
}

Task<Status> QueryApi::Follow(WorkerId worker, std::string shown, Stream<api::LogChunk>& stream) {
  std::uint64_t change = 0;
  if (const auto tail = tails_.Find(worker)) change = tail->change;
  while (!stream.gone()) {
    const std::optional<TailKeeper::Tail> next =
        co_await tails_.Await(worker, change, rt_.Now() + kLookAgain);
    if (!next.has_value()) {
      const auto status = projector_.models().Worker(worker.str(), rt_.Now());
      if (!status.ok() || status->phase == "ended") co_return absl::OkStatus();
      continue;
    }
    change = next->change;
    api::LogChunk chunk;
    chunk.set_text(NewLines(shown, next->text));
    chunk.set_state("text");
    *chunk.mutable_fetched_at() = ToTimestamp(next->at);
    shown = next->text;
    if (chunk.text().empty()) continue;
    const bool sent = co_await stream.Write(std::move(chunk));
    if (!sent) break;
  }
  co_return absl::OkStatus();
}

}  // namespace muster::grpc_api
