// Convert: from what the read models answer to what clients see (muster.api.v1). Pure.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"
#include "muster/api/v1/query.pb.h"
#include "muster/api/v1/types.pb.h"
#include "queries/read_models.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Time FromTimestamp(const google::protobuf::Timestamp& time);

void Fill(const queries::FleetStatus& from, api::Fleet& to);
void Fill(const queries::WorkerStatus& from, api::Worker& to);
void Fill(const queries::HostStatus& from, api::Host& to);
void Fill(const queries::AccountStatus& from, api::Account& to);
void Fill(const queries::EfficiencyReport& from, api::GetEfficiencyResponse& to);
void Fill(const queries::CostReport& from, api::GetCostResponse& to);
void Fill(const queries::EventLine& from, bool with_payload, api::Event& to);
void Fill(const queries::Explanation& from, api::ExplainResponse& to);

}  // namespace muster::grpc_api
