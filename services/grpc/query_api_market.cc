// QueryApi: the market as a file.
#include "queries/market/record.h"
#include "services/files/market_file.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"

namespace muster::grpc_api {

StatusOr<absl::Time> QueryApi::TimeOf(const api::AsOf& as_of) const {
  MUSTER_ASSIGN_OR_RETURN(const Moment moment, MomentOf(as_of));
  if (moment.time.has_value()) return *moment.time;
  absl::Time time = rt_.Now();
  MUSTER_RETURN_IF_ERROR(store_.ReadAll(moment.position - 1, 1, [&](const RecordedEvent& recorded) {
    time = recorded.recorded_at;
    return false;
  }));
  return time;
}

Task<StatusOr<api::ExportMarketResponse>> QueryApi::ExportMarket(api::ExportMarketRequest request) {
  absl::Time since = absl::InfinitePast(), until = rt_.Now();
  if (request.since().moment_case() != api::AsOf::MOMENT_NOT_SET) {
    CO_ASSIGN_OR_RETURN(since, TimeOf(request.since()));
  }
  if (request.until().moment_case() != api::AsOf::MOMENT_NOT_SET) {
    CO_ASSIGN_OR_RETURN(until, TimeOf(request.until()));
  }
  const ProviderName provider(request.provider());
  CO_ASSIGN_OR_RETURN(const MarketRecord record,
                      queries::RecordMarket(store_, provider, since, until));
  if (record.machines.empty()) {
    co_return Refusal(StatusCode::kNotFound, "NOTHING_RECORDED",
                      Cat("the log holds no offers of ", request.provider(),
                          " in that time: expected a span in which a fleet was applied"));
  }
  api::ExportMarketResponse out;
  const bool json = request.form() == api::ExportMarketRequest::JSON;
  out.set_content(FormatMarketFile(record, json ? MarketForm::kJson : MarketForm::kYaml));
  out.set_machines(static_cast<int>(record.machines.size()));
  int rentals = 0;
  for (const auto& machine : record.machines) rentals += static_cast<int>(machine.rentals.size());
  out.set_rentals(rentals);
  *out.mutable_from() = ToTimestamp(record.from);
  *out.mutable_to() = ToTimestamp(record.to);
  co_return out;
}

}  // namespace muster::grpc_api
