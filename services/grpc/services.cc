#include "services/grpc/services.h"

namespace muster::grpc_api {

// Each body copies the request: the coroutine may outlive gRPC's own copy only until it finishes
// the call, but then nobody has to think about it.
#define MUSTER_COMMAND(Method, Request, Response)                                        \
  grpc::ServerUnaryReactor* CommandService::Method(grpc::CallbackServerContext* context, \
                                                   const api::Request* request,          \
                                                   api::Response* response) {            \
    return Answer<api::Response>(rt_, context, response,                                 \
                                 [this, copy = *request, caller = CallerOf(*context)] {  \
                                   return api_.Method(copy, caller);                     \
                                 });                                                     \
  }
#define MUSTER_READ(Service, Method, Request, Response)                                  \
  grpc::ServerUnaryReactor* Service::Method(grpc::CallbackServerContext* context,        \
                                            const api::Request* request,                 \
                                            api::Response* response) {                   \
    return Answer<api::Response>(rt_, context, response,                                 \
                                 [this, copy = *request] { return api_.Method(copy); }); \
  }
#define MUSTER_READ_STREAM(Service, Method, Request, Response)                                  \
  grpc::ServerWriteReactor<api::Response>* Service::Method(grpc::CallbackServerContext*,        \
                                                           const api::Request* request) {       \
    return AnswerStream<api::Response>(rt_,                                                     \
                                       [this, copy = *request](Stream<api::Response>& stream) { \
                                         return api_.Method(copy, stream);                      \
                                       });                                                      \
  }

#define MUSTER_QUERY(Method, Request, Response) MUSTER_READ(QueryService, Method, Request, Response)
#define MUSTER_QUERY_STREAM(Method, Request, Response) \
  MUSTER_READ_STREAM(QueryService, Method, Request, Response)
#define MUSTER_AUDIT(Method, Request, Response) MUSTER_READ(AuditService, Method, Request, Response)
#define MUSTER_AUDIT_STREAM(Method, Request, Response) \
  MUSTER_READ_STREAM(AuditService, Method, Request, Response)

MUSTER_COMMAND(ApplyFleet, ApplyFleetRequest, Operation)
MUSTER_COMMAND(ScaleFleet, ScaleFleetRequest, Operation)
MUSTER_COMMAND(DownFleet, DownFleetRequest, Operation)
MUSTER_COMMAND(ReplaceWorker, ReplaceWorkerRequest, Operation)
MUSTER_COMMAND(DestroyWorker, DestroyWorkerRequest, Operation)
MUSTER_COMMAND(AdoptInstances, AdoptInstancesRequest, Operation)
MUSTER_COMMAND(PardonHost, PardonHostRequest, PardonHostResponse)
MUSTER_COMMAND(ImportBadHosts, ImportBadHostsRequest, ImportBadHostsResponse)
MUSTER_COMMAND(BackupStore, BackupStoreRequest, BackupStoreResponse)
MUSTER_COMMAND(RedactPayload, RedactPayloadRequest, RedactPayloadResponse)
MUSTER_COMMAND(StartShadow, StartShadowRequest, Shadow)
MUSTER_COMMAND(PromoteShadow, PromoteShadowRequest, Operation)
MUSTER_COMMAND(StopShadow, StopShadowRequest, Shadow)
MUSTER_COMMAND(OrderServer, OrderServerRequest, ServerChange)
MUSTER_COMMAND(StepServer, StepServerRequest, ServerChange)
MUSTER_COMMAND(CancelServer, CancelServerRequest, ServerChange)
MUSTER_COMMAND(RevokeServerCancellation, RevokeServerCancellationRequest, ServerChange)
MUSTER_COMMAND(SettleServer, SettleServerRequest, ServerChange)
MUSTER_COMMAND(TestNotifyTarget, TestNotifyTargetRequest, TestNotifyTargetResponse)

MUSTER_QUERY(GetFleet, GetFleetRequest, Fleet)
MUSTER_QUERY(ListFleets, ListFleetsRequest, ListFleetsResponse)
MUSTER_QUERY(GetWorker, GetWorkerRequest, Worker)
MUSTER_QUERY(ListWorkers, ListWorkersRequest, ListWorkersResponse)
MUSTER_QUERY(ListHosts, ListHostsRequest, ListHostsResponse)
MUSTER_QUERY(ExportMarket, ExportMarketRequest, ExportMarketResponse)
MUSTER_QUERY(FindServers, FindServersRequest, FindServersResponse)
MUSTER_QUERY(ExportBadHosts, ExportBadHostsRequest, ExportBadHostsResponse)
MUSTER_QUERY(ListAccounts, ListAccountsRequest, ListAccountsResponse)
MUSTER_QUERY(ListOffers, ListOffersRequest, ListOffersResponse)
MUSTER_QUERY(GetEfficiency, GetEfficiencyRequest, GetEfficiencyResponse)
MUSTER_QUERY(GetCost, GetCostRequest, GetCostResponse)
MUSTER_QUERY(ListEvents, ListEventsRequest, ListEventsResponse)
MUSTER_QUERY(Explain, ExplainRequest, ExplainResponse)
MUSTER_QUERY(Diff, DiffRequest, DiffResponse)
MUSTER_QUERY(ListShadows, ListShadowsRequest, ListShadowsResponse)
MUSTER_QUERY(GetServer, GetServerRequest, Server)
MUSTER_QUERY(ListServers, ListServersRequest, ListServersResponse)
MUSTER_QUERY(ExportMachines, ExportMachinesRequest, ExportMachinesResponse)
MUSTER_QUERY(CheckBuilders, CheckBuildersRequest, CheckBuildersResponse)
MUSTER_QUERY(Replay, ReplayRequest, ReplayResponse)
MUSTER_QUERY(GetOperation, GetOperationRequest, Operation)
MUSTER_QUERY(Diagnose, DiagnoseRequest, DiagnoseResponse)
MUSTER_QUERY(ListNotifyTargets, ListNotifyTargetsRequest, ListNotifyTargetsResponse)
MUSTER_QUERY_STREAM(WatchFleets, WatchFleetsRequest, ListFleetsResponse)
MUSTER_QUERY_STREAM(WatchEvents, WatchEventsRequest, Event)
MUSTER_QUERY_STREAM(WatchOperation, GetOperationRequest, Operation)
MUSTER_QUERY_STREAM(ReadLogs, ReadLogsRequest, LogChunk)
MUSTER_QUERY_STREAM(PackBundle, PackBundleRequest, BundleChunk)

MUSTER_AUDIT(VerifyLog, VerifyLogRequest, VerifyLogResponse)
MUSTER_AUDIT(GetAuditKey, GetAuditKeyRequest, AuditKey)
MUSTER_AUDIT(GetHead, GetHeadRequest, SignedHead)
MUSTER_AUDIT(ProveEvent, ProveEventRequest, EventProof)
MUSTER_AUDIT(ProveOrphans, ProveOrphansRequest, ProveOrphansResponse)
MUSTER_AUDIT(ProveBudget, ProveBudgetRequest, ProveBudgetResponse)
MUSTER_AUDIT_STREAM(ExportRecords, ExportRecordsRequest, RecordBatch)
MUSTER_AUDIT_STREAM(ExportEvents, ExportEventsRequest, ExportedEvent)

#undef MUSTER_COMMAND
#undef MUSTER_READ
#undef MUSTER_READ_STREAM
#undef MUSTER_QUERY
#undef MUSTER_QUERY_STREAM
#undef MUSTER_AUDIT
#undef MUSTER_AUDIT_STREAM

}  // namespace muster::grpc_api
