#include "services/grpc/audit_api.h"

#include <algorithm>
#include <set>
#include <utility>

#include "commands/handler/log_fold.h"
#include "eventstore/audit/cloud_events.h"
#include "eventstore/audit/log_check.h"
#include "eventstore/audit/proof.h"
#include "eventstore/base/sha256.h"
#include "services/grpc/convert.h"
#include "services/grpc/exposure.h"
#include "services/grpc/server_bills.h"

namespace muster::grpc_api {
namespace {

using TakeRecord = std::function<Status(std::string_view record)>;

constexpr std::size_t kBatchBytes = 256u << 10;

Status NoKey() {
  return Refusal(StatusCode::kFailedPrecondition, "NO_AUDIT_KEY", "this daemon signs no heads");
}

Status PastHead(std::string_view field, Position asked, Position head) {
  return Refusal(StatusCode::kOutOfRange, "POSITION_PAST_HEAD",
                 Cat(field, " ", asked, " is past the end of the log, ", head));
}

// The head in a request, as an error of the request when it is none.
StatusOr<audit::SignedHead> GivenHead(const std::string& text) {
  StatusOr<audit::SignedHead> head = audit::ReadHead(text);
  if (!head.ok()) return BadRequest({{"head", std::string(Message(head.status()))}});
  return head;
}

}  // namespace

AuditApi::AuditApi(Runtime& rt, const EventStore& store, queries::Projector& projector,
                   AuditHooks hooks)
    : rt_(rt), store_(store), hooks_(std::move(hooks)), moments_(rt, store, projector) {}

Task<Status> AuditApi::ExportRecords(api::ExportRecordsRequest request,
                                     Stream<api::RecordBatch>& stream) {
  const Position end = request.until() == 0 ? store_.Head() : request.until();
  if (end > store_.Head()) co_return PastHead("until", end, store_.Head());
  if (request.after() > end) co_return PastHead("after", request.after(), end);
  api::RecordBatch batch;
  batch.set_after(request.after());
  EventHash hash{};
  if (request.after() > 0) {
    CO_RETURN_IF_ERROR(store_.ReadAll(request.after() - 1, 1, [&](const RecordedEvent& event) {
      hash = event.hash;
      return false;
    }));
  }
  batch.set_hash(std::string(Bytes(hash)));
  Position after = request.after();
  bool first = true;
  while (first || after < end) {
    std::size_t bytes = 0;
    const Status read =
        store_.ReadRecords(after, end - after, [&](Position position, std::string_view record) {
          batch.add_records(std::string(record));
          bytes += record.size();
          after = position;
          return bytes < kBatchBytes;
        });
    const bool empty = batch.records_size() == 0;
    if (!empty || first) {
      const bool sent = co_await stream.Write(std::move(batch));
      if (!sent) co_return absl::OkStatus();
    }
    CO_RETURN_IF_ERROR(read);
    if (empty && after < end) co_return DataLoss(Cat("event ", after + 1, " is missing"));
    first = false;
    batch = {};
    batch.set_after(after);
  }
  co_return absl::OkStatus();
}

Task<Status> AuditApi::ExportEvents(api::ExportEventsRequest request,
                                    Stream<api::ExportedEvent>& stream) {
  audit::ExportFilter filter;
  filter.fleet = request.fleet();
  filter.worker = request.worker();
  filter.server = request.server();
  filter.since = request.since().position();
  if (request.since().has_time()) filter.since_time = FromTimestamp(request.since().time());
  if (request.since().moment_case() == api::AsOf::kSecondsAgo) {
    filter.since_time = rt_.Now() - absl::Seconds(request.since().seconds_ago());
  }
  audit::Replacements replacements;
  CO_RETURN_IF_ERROR(store_.ReadStream(AuditStream(), 0, [&](const RecordedEvent& event) {
    replacements.See(event);
    return true;
  }));
  audit::CloudEvents events(std::move(filter), std::move(replacements));
  const Position end = store_.Head();
  for (Position after = 0; after < end;) {
    std::vector<api::ExportedEvent> found;
    const Position until = std::min<Position>(end, after + 256);
    TakeRecord take = [&](std::string_view record) -> Status {
      ++after;
      MUSTER_ASSIGN_OR_RETURN(auto json, events.Take(record));
      if (!json.has_value()) return absl::OkStatus();
      found.emplace_back().set_position(after);
      found.back().set_json(*std::move(json));
      return absl::OkStatus();
    };
    CO_RETURN_IF_ERROR(co_await WalkRecords(rt_, store_, after, until, std::move(take)));
    for (api::ExportedEvent& event : found) {
      const bool sent = co_await stream.Write(std::move(event));
      if (!sent) co_return absl::OkStatus();
    }
  }
  co_return absl::OkStatus();
}

Task<StatusOr<api::VerifyLogResponse>> AuditApi::VerifyLog(api::VerifyLogRequest request) {
  std::optional<audit::Head> stated;
  if (!request.head().empty()) {
    CO_ASSIGN_OR_RETURN(audit::SignedHead head, GivenHead(request.head()));
    stated = std::move(head.head);
  }
  audit::LogCheck check(std::move(stated));
  TakeRecord take = [&check](std::string_view record) { return check.Take(record); };
  Status status = co_await WalkRecords(rt_, store_, 0, store_.Head(), std::move(take));
  if (!status.ok() && status.code() != StatusCode::kDataLoss) co_return status;
  Position bad = check.first_bad();
  if (status.ok()) {
    status = check.End();
    bad = check.first_bad();
  } else if (bad == 0) {  // the store itself misses one
    bad = check.walk().position() + 1;
  }
  api::VerifyLogResponse out;
  out.set_whole(status.ok());
  out.set_events(check.walk().position());
  out.set_first_bad(bad);
  out.set_problem(std::string(Message(status)));
  out.set_hash(ToHex(check.walk().hash()));
  out.set_redacted(check.walk().redacted());
  co_return out;
}

Task<StatusOr<api::AuditKey>> AuditApi::GetAuditKey(api::GetAuditKeyRequest) {
  if (hooks_.heads == nullptr) co_return NoKey();
  api::AuditKey out;
  out.set_public_key(hooks_.heads->key().PublicHex());
  out.set_pem(hooks_.heads->key().PublicPem());
  out.set_file(hooks_.key_file);
  co_return out;
}

Task<StatusOr<audit::SignedHead>> AuditApi::HeadNow() {
  if (hooks_.heads == nullptr) co_return NoKey();
  std::string installation = hooks_.world().installation;
  co_return co_await hooks_.heads->Make(std::move(installation));
}

Task<StatusOr<api::SignedHead>> AuditApi::GetHead(api::GetHeadRequest) {
  CO_ASSIGN_OR_RETURN(const audit::SignedHead head, co_await HeadNow());
  api::SignedHead out;
  out.set_position(head.head.position);
  out.set_head(head.text);
  co_return out;
}

Task<StatusOr<api::EventProof>> AuditApi::ProveEvent(api::ProveEventRequest request) {
  StatusOr<audit::SignedHead> head = InvalidArgument("");
  if (request.head().empty()) {
    head = co_await HeadNow();
  } else {
    head = GivenHead(request.head());
  }
  if (!head.ok()) co_return head.status();
  const Position until = head->head.position;
  if (until > store_.Head()) co_return PastHead("the head at", until, store_.Head());
  StatusOr<audit::ProofMaker> maker = audit::ProofMaker::For(request.position(), *std::move(head));
  if (!maker.ok()) co_return BadRequest({{"position", std::string(Message(maker.status()))}});
  TakeRecord take = [&maker](std::string_view record) { return maker->Take(record); };
  CO_RETURN_IF_ERROR(co_await WalkRecords(rt_, store_, 0, until, std::move(take)));
  api::EventProof out;
  out.set_proof(maker->Proof());
  co_return out;
}

Task<StatusOr<api::ProveOrphansResponse>> AuditApi::ProveOrphans(api::ProveOrphansRequest request) {
  if (!IsNow(request.as_of())) {
    auto recorded = co_await OrphansThen(std::move(request));
    co_return std::move(recorded);
  }
  std::vector<ProviderName> providers = hooks_.providers;
  const auto& rents = hooks_.server_providers;
  const ProviderName only(request.provider());
  const bool servers_only = std::find(rents.begin(), rents.end(), only) != rents.end() &&
                            std::find(providers.begin(), providers.end(), only) == providers.end();
  if (servers_only) {
    providers.clear();
  } else if (!only.empty()) {
    providers = {only};
  }
  BilledReport report;
  for (const ProviderName& provider : providers) {
    const StatusOr<std::vector<Instance>> list = co_await hooks_.list_instances(provider);
    if (list.ok()) {
      report.Add(hooks_.world(), store_, provider, *list, rt_.Now());
    } else {
      report.Unlisted(provider, list.status());
    }
  }
  for (const ProviderName& provider : hooks_.server_providers) {
    if (!request.provider().empty() && request.provider() != provider.str()) continue;
    const StatusOr<std::vector<Server>> list = co_await hooks_.list_servers(provider);
    if (!list.ok()) {
      report.Unlisted(provider, list.status());
      continue;
    }
    report.AddServers(ServerBills(hooks_.world(), BillsOf::kMayCostNow, provider, rt_.Now()),
                      StrayBills(hooks_.world(), provider, *list));
  }
  api::ProveOrphansResponse out = report.Finish();
  *out.mutable_now() = ToTimestamp(rt_.Now());
  out.set_position(hooks_.world().head);
  co_return out;
}

Task<StatusOr<api::ProveOrphansResponse>> AuditApi::OrphansThen(api::ProveOrphansRequest request) {
  CO_ASSIGN_OR_RETURN(const Moment moment, moments_.Of(request.as_of()));
  CO_ASSIGN_OR_RETURN(const absl::Time now, moments_.TimeOf(request.as_of()));
  CO_ASSIGN_OR_RETURN(const auto world, co_await WorldAt(rt_, store_, moment.position));
  std::set<ProviderName> providers;
  const ProviderName only(request.provider());
  const auto& rents = hooks_.server_providers;
  if (std::find(rents.begin(), rents.end(), only) != rents.end()) {
    // rents servers, which follow below
  } else if (!only.empty()) {
    providers.insert(only);
  } else {
    // Of one that rents and was never heard of nothing is proved; some have dedicated servers only.
    for (const auto& [provider, account] : world->accounts) {
      if (account.list_seen.seen()) providers.insert(provider);
    }
    providers.insert(hooks_.providers.begin(), hooks_.providers.end());
  }
  BilledReport report;
  for (const ProviderName& provider : providers) {
    report.AddRecorded(*world, store_, provider, now);
  }
  std::set<ProviderName> landlords;
  for (const auto& [id, state] : world->servers) landlords.insert(state.provider);
  for (const auto& [provider, account] : world->accounts) {
    if (!account.stray_servers.empty()) landlords.insert(provider);
  }
  for (const ProviderName& provider : landlords) {
    if (!request.provider().empty() && request.provider() != provider.str()) continue;
    report.AddServers(ServerBills(*world, BillsOf::kMayCostNow, provider, now),
                      RecordedStrayBills(*world, provider));
  }
  api::ProveOrphansResponse out = report.Finish();
  *out.mutable_now() = ToTimestamp(now);
  out.set_position(moment.position);
  co_return out;
}

Task<StatusOr<api::ProveBudgetResponse>> AuditApi::ProveBudget(api::ProveBudgetRequest request) {
  CO_ASSIGN_OR_RETURN(const View view, co_await moments_.At(request.as_of()));
  if (view.past == nullptr) co_return WorstCase(*view.models, hooks_.world(), view.now);
  CO_ASSIGN_OR_RETURN(const auto world, co_await WorldAt(rt_, store_, view.past->position()));
  co_return WorstCase(*view.models, *world, view.now);
}

}  // namespace muster::grpc_api
