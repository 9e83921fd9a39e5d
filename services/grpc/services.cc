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
#define MUSTER_QUERY(Method, Request, Response)                                          \
  grpc::ServerUnaryReactor* QueryService::Method(grpc::CallbackServerContext* context,   \
                                                 const api::Request* request,            \
                                                 api::Response* response) {              \
    return Answer<api::Response>(rt_, context, response,                                 \
                                 [this, copy = *request] { return api_.Method(copy); }); \
  }
#define MUSTER_QUERY_STREAM(Method, Request, Response)                                          \
  grpc::ServerWriteReactor<api::Response>* QueryService::Method(grpc::CallbackServerContext*,   \
                                                                const api::Request* request) {  \
    return AnswerStream<api::Response>(rt_,                                                     \
                                       [this, copy = *request](Stream<api::Response>& stream) { \
                                         return api_.Method(copy, stream);                      \
                                       });                                                      \
  }

MUSTER_COMMAND(ApplyFleet, ApplyFleetRequest, Operation)
MUSTER_COMMAND(ScaleFleet, ScaleFleetRequest, Operation)
MUSTER_COMMAND(DownFleet, DownFleetRequest, Operation)
MUSTER_COMMAND(ReplaceWorker, ReplaceWorkerRequest, Operation)
MUSTER_COMMAND(DestroyWorker, DestroyWorkerRequest, Operation)
MUSTER_COMMAND(AdoptInstances, AdoptInstancesRequest, Operation)
MUSTER_COMMAND(PardonHost, PardonHostRequest, PardonHostResponse)
MUSTER_COMMAND(ImportBadHosts, ImportBadHostsRequest, ImportBadHostsResponse)
MUSTER_COMMAND(BackupStore, BackupStoreRequest, BackupStoreResponse)

MUSTER_QUERY(GetFleet, GetFleetRequest, Fleet)
MUSTER_QUERY(ListFleets, ListFleetsRequest, ListFleetsResponse)
MUSTER_QUERY(GetWorker, GetWorkerRequest, Worker)
MUSTER_QUERY(ListWorkers, ListWorkersRequest, ListWorkersResponse)
MUSTER_QUERY(ListHosts, ListHostsRequest, ListHostsResponse)
MUSTER_QUERY(ExportMarket, ExportMarketRequest, ExportMarketResponse)
MUSTER_QUERY(ExportBadHosts, ExportBadHostsRequest, ExportBadHostsResponse)
MUSTER_QUERY(ListAccounts, ListAccountsRequest, ListAccountsResponse)
MUSTER_QUERY(ListOffers, ListOffersRequest, ListOffersResponse)
MUSTER_QUERY(GetEfficiency, GetEfficiencyRequest, GetEfficiencyResponse)
MUSTER_QUERY(GetCost, GetCostRequest, GetCostResponse)
MUSTER_QUERY(ListEvents, ListEventsRequest, ListEventsResponse)
MUSTER_QUERY(Explain, ExplainRequest, ExplainResponse)
MUSTER_QUERY(Diff, DiffRequest, DiffResponse)
MUSTER_QUERY(GetOperation, GetOperationRequest, Operation)
MUSTER_QUERY(Diagnose, DiagnoseRequest, DiagnoseResponse)
MUSTER_QUERY_STREAM(WatchFleets, WatchFleetsRequest, ListFleetsResponse)
MUSTER_QUERY_STREAM(WatchEvents, WatchEventsRequest, Event)
MUSTER_QUERY_STREAM(WatchOperation, GetOperationRequest, Operation)
MUSTER_QUERY_STREAM(ReadLogs, ReadLogsRequest, LogChunk)

#undef MUSTER_COMMAND
#undef MUSTER_QUERY
#undef MUSTER_QUERY_STREAM

}  // namespace muster::grpc_api
