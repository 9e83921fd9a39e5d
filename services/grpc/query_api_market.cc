// QueryApi: the market as a file.
#include "queries/market/record.h"
#include "services/files/market_file.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"

namespace muster::grpc_api {

Task<StatusOr<api::ExportMarketResponse>> QueryApi::ExportMarket(api::ExportMarketRequest request) {
  absl::Time since = absl::InfinitePast(), until = rt_.Now();
  if (!IsNow(request.since())) {
    CO_ASSIGN_OR_RETURN(since, moments_.TimeOf(request.since()));
  }
  if (!IsNow(request.until())) {
    CO_ASSIGN_OR_RETURN(until, moments_.TimeOf(request.until()));
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
