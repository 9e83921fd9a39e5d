// QueryApi: which dedicated servers can be ordered now, and which of them fit.
#include "commands/server/offers.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"

namespace muster::grpc_api {
namespace {

constexpr int kShown = 20;

api::ServerOffer ToServerOffer(const server::JudgedOffer& judged) {
  const ServerOffer& offer = judged.offer;
  api::ServerOffer out;
  out.set_channel(std::string(ServerChannelName(offer.channel)));
  out.set_offer(offer.id.str());
  out.set_name(offer.name);
  out.set_cpu(offer.cpu);
  out.set_cores(offer.cores);
  out.set_benchmark(offer.benchmark);
  out.set_memory_gb(offer.memory_gb);
  out.set_disk_gb(offer.disk_gb);
  out.set_disks(offer.disks);
  out.set_gpu(offer.gpu);
  out.set_location(offer.location);
  out.set_currency(judged.price.month.currency);
  out.set_micros_per_month(judged.price.month.micros);
  out.set_micros_per_hour(judged.price.hour.has_value() ? judged.price.hour->micros : 0);
  out.set_setup_micros(judged.price.setup.micros);
  out.set_micros_per_point(judged.micros_per_point);
  if (offer.next_reduction.has_value()) {
    *out.mutable_next_reduction() = ToTimestamp(*offer.next_reduction);
  }
  for (const std::string& line : offer.description) out.add_description(line);
  out.set_refused(judged.refused);
  return out;
}

}  // namespace

Task<StatusOr<api::FindServersResponse>> QueryApi::FindServers(api::FindServersRequest request) {
  if (!hooks_.search_servers) {
    co_return Refusal(StatusCode::kUnavailable, "NO_PROVIDER", "no provider is configured");
  }
  const ProviderName provider(request.provider());
  const ServerChannel channel = server::ChannelOf(request.market());
  CO_ASSIGN_OR_RETURN(std::vector<ServerOffer> offers,
                      co_await hooks_.search_servers(provider, channel));
  api::FindServersResponse out;
  out.set_found(static_cast<int>(offers.size()));
  *out.mutable_seen_at() = ToTimestamp(rt_.Now());
  const int limit = request.limit() > 0 ? request.limit() : kShown;
  for (const server::JudgedOffer& judged :
       server::JudgeServerOffers(request.market(), std::move(offers))) {
    if (out.offers_size() == limit) break;
    if (!judged.refused.empty() && !request.include_refused()) continue;
    *out.add_offers() = ToServerOffer(judged);
  }
  co_return out;
}

}  // namespace muster::grpc_api
