// AuditApi: every question of muster.api.v1.AuditService, as coroutines on the reactor.
//
// Transport-free, as QueryApi is. Long walks over the log give others their turns. References must
// outlive it. Reactor thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/audit/signed_head.h"
#include "eventstore/base/rental.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/audit.pb.h"
#include "queries/projector.h"
#include "services/grpc/bridge.h"
#include "services/grpc/moments.h"
#include "workers/audit/head_maker.h"

namespace muster::grpc_api {

struct AuditHooks {
  std::vector<ProviderName> providers;
  // What is billed there now; complete, or an error.
  std::function<Task<StatusOr<std::vector<Instance>>>(ProviderName)> list_instances;
  // Who rents dedicated servers, and what is billed there now; complete, or an error.
  std::vector<ProviderName> server_providers;
  std::function<Task<StatusOr<std::vector<Server>>>(ProviderName)> list_servers;
  std::function<const World&()> world;
  HeadMaker* heads = nullptr;  // null: this daemon signs nothing
  std::string key_file;        // where its private key is
};

class AuditApi {
 public:
  AuditApi(Runtime& rt, const EventStore& store, queries::Projector& projector, AuditHooks hooks);

  Task<Status> ExportRecords(api::ExportRecordsRequest request, Stream<api::RecordBatch>& stream);
  Task<Status> ExportEvents(api::ExportEventsRequest request, Stream<api::ExportedEvent>& stream);
  Task<StatusOr<api::VerifyLogResponse>> VerifyLog(api::VerifyLogRequest request);
  Task<StatusOr<api::AuditKey>> GetAuditKey(api::GetAuditKeyRequest request);
  Task<StatusOr<api::SignedHead>> GetHead(api::GetHeadRequest request);
  Task<StatusOr<api::EventProof>> ProveEvent(api::ProveEventRequest request);
  Task<StatusOr<api::ProveOrphansResponse>> ProveOrphans(api::ProveOrphansRequest request);
  Task<StatusOr<api::ProveBudgetResponse>> ProveBudget(api::ProveBudgetRequest request);

 private:
  Task<StatusOr<audit::SignedHead>> HeadNow();
  // ProveOrphans with `as_of` set: by what was recorded then.
  Task<StatusOr<api::ProveOrphansResponse>> OrphansThen(api::ProveOrphansRequest request);

  Runtime& rt_;
  const EventStore& store_;
  const AuditHooks hooks_;
  const Moments moments_;
};

}  // namespace muster::grpc_api
