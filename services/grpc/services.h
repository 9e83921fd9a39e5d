// The gRPC services: thin shells that carry calls to CommandApi, QueryApi and AuditApi on the
// reactor.
//
// Called by gRPC on its own threads; the APIs and the Runtime must outlive the GrpcServer.
#pragma once

#include "muster/api/v1/audit.grpc.pb.h"
#include "muster/api/v1/command.grpc.pb.h"
#include "muster/api/v1/query.grpc.pb.h"
#include "services/grpc/audit_api.h"
#include "services/grpc/command_api.h"
#include "services/grpc/query_api.h"

namespace muster::grpc_api {

#define MUSTER_UNARY(Method, Request, Response)                          \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, \
                                   const api::Request* request, api::Response* response) override;
#define MUSTER_STREAM(Method, Request, Response)                                        \
  grpc::ServerWriteReactor<api::Response>* Method(grpc::CallbackServerContext* context, \
                                                  const api::Request* request) override;

class CommandService final : public api::CommandService::CallbackService {
 public:
  CommandService(Runtime& rt, CommandApi& commands) : rt_(rt), api_(commands) {}

  MUSTER_UNARY(ApplyFleet, ApplyFleetRequest, Operation)
  MUSTER_UNARY(ScaleFleet, ScaleFleetRequest, Operation)
  MUSTER_UNARY(DownFleet, DownFleetRequest, Operation)
  MUSTER_UNARY(ReplaceWorker, ReplaceWorkerRequest, Operation)
  MUSTER_UNARY(DestroyWorker, DestroyWorkerRequest, Operation)
  MUSTER_UNARY(AdoptInstances, AdoptInstancesRequest, Operation)
  MUSTER_UNARY(PardonHost, PardonHostRequest, PardonHostResponse)
  MUSTER_UNARY(ImportBadHosts, ImportBadHostsRequest, ImportBadHostsResponse)
  MUSTER_UNARY(BackupStore, BackupStoreRequest, BackupStoreResponse)
  MUSTER_UNARY(RedactPayload, RedactPayloadRequest, RedactPayloadResponse)
  MUSTER_UNARY(StartShadow, StartShadowRequest, Shadow)
  MUSTER_UNARY(PromoteShadow, PromoteShadowRequest, Operation)
  MUSTER_UNARY(StopShadow, StopShadowRequest, Shadow)
  MUSTER_UNARY(OrderServer, OrderServerRequest, ServerChange)
  MUSTER_UNARY(StepServer, StepServerRequest, ServerChange)
  MUSTER_UNARY(CancelServer, CancelServerRequest, ServerChange)
  MUSTER_UNARY(RevokeServerCancellation, RevokeServerCancellationRequest, ServerChange)
  MUSTER_UNARY(SettleServer, SettleServerRequest, ServerChange)
  MUSTER_UNARY(TestNotifyTarget, TestNotifyTargetRequest, TestNotifyTargetResponse)

 private:
  Runtime& rt_;
  CommandApi& api_;
};

class QueryService final : public api::QueryService::CallbackService {
 public:
  QueryService(Runtime& rt, QueryApi& queries) : rt_(rt), api_(queries) {}

  MUSTER_UNARY(GetFleet, GetFleetRequest, Fleet)
  MUSTER_UNARY(ListFleets, ListFleetsRequest, ListFleetsResponse)
  MUSTER_UNARY(GetWorker, GetWorkerRequest, Worker)
  MUSTER_UNARY(ListWorkers, ListWorkersRequest, ListWorkersResponse)
  MUSTER_UNARY(ListHosts, ListHostsRequest, ListHostsResponse)
  MUSTER_UNARY(ExportMarket, ExportMarketRequest, ExportMarketResponse)
  MUSTER_UNARY(FindServers, FindServersRequest, FindServersResponse)
  MUSTER_UNARY(ExportBadHosts, ExportBadHostsRequest, ExportBadHostsResponse)
  MUSTER_UNARY(ListAccounts, ListAccountsRequest, ListAccountsResponse)
  MUSTER_UNARY(ListOffers, ListOffersRequest, ListOffersResponse)
  MUSTER_UNARY(GetEfficiency, GetEfficiencyRequest, GetEfficiencyResponse)
  MUSTER_UNARY(GetCost, GetCostRequest, GetCostResponse)
  MUSTER_UNARY(ListEvents, ListEventsRequest, ListEventsResponse)
  MUSTER_UNARY(Explain, ExplainRequest, ExplainResponse)
  MUSTER_UNARY(Diff, DiffRequest, DiffResponse)
  MUSTER_UNARY(ListShadows, ListShadowsRequest, ListShadowsResponse)
  MUSTER_UNARY(GetServer, GetServerRequest, Server)
  MUSTER_UNARY(ListServers, ListServersRequest, ListServersResponse)
  MUSTER_UNARY(ExportMachines, ExportMachinesRequest, ExportMachinesResponse)
  MUSTER_UNARY(CheckBuilders, CheckBuildersRequest, CheckBuildersResponse)
  MUSTER_UNARY(Replay, ReplayRequest, ReplayResponse)
  MUSTER_UNARY(GetOperation, GetOperationRequest, Operation)
  MUSTER_UNARY(Diagnose, DiagnoseRequest, DiagnoseResponse)
  MUSTER_UNARY(ListNotifyTargets, ListNotifyTargetsRequest, ListNotifyTargetsResponse)
  MUSTER_STREAM(WatchFleets, WatchFleetsRequest, ListFleetsResponse)
  MUSTER_STREAM(WatchEvents, WatchEventsRequest, Event)
  MUSTER_STREAM(WatchOperation, GetOperationRequest, Operation)
  MUSTER_STREAM(ReadLogs, ReadLogsRequest, LogChunk)
  MUSTER_STREAM(PackBundle, PackBundleRequest, BundleChunk)

 private:
  Runtime& rt_;
  QueryApi& api_;
};

class AuditService final : public api::AuditService::CallbackService {
 public:
  AuditService(Runtime& rt, AuditApi& audit) : rt_(rt), api_(audit) {}

  MUSTER_UNARY(VerifyLog, VerifyLogRequest, VerifyLogResponse)
  MUSTER_UNARY(GetAuditKey, GetAuditKeyRequest, AuditKey)
  MUSTER_UNARY(GetHead, GetHeadRequest, SignedHead)
  MUSTER_UNARY(ProveEvent, ProveEventRequest, EventProof)
  MUSTER_UNARY(ProveOrphans, ProveOrphansRequest, ProveOrphansResponse)
  MUSTER_UNARY(ProveBudget, ProveBudgetRequest, ProveBudgetResponse)
  MUSTER_STREAM(ExportRecords, ExportRecordsRequest, RecordBatch)
  MUSTER_STREAM(ExportEvents, ExportEventsRequest, ExportedEvent)

 private:
  Runtime& rt_;
  AuditApi& api_;
};

#undef MUSTER_UNARY
#undef MUSTER_STREAM

}  // namespace muster::grpc_api
