// From the policy's preview and verdicts to what clients see, and the old bad-hosts.txt. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "commands/fleet/plan/preview.h"
#include "muster/api/v1/types.pb.h"
#include "services/grpc/convert.h"

namespace muster::grpc_api {

api::Plan ToPlan(const fleet::Preview& preview);
api::Offer ToOffer(const fleet::OfferVerdict& verdict);
// The offers last seen of the account of `spec`, judged as the policy would judge them for it: as
// many as `asked` wants, best first.
api::ListOffersResponse ToOffers(const World& world, const specpb::FleetSpec& spec,
                                 const api::ListOffersRequest& asked, absl::Time now);

// One machine id a line, one line per strike; '#' begins a comment.
struct BadHosts {
  std::map<MachineId, int> strikes;
  std::vector<std::string> problems;  // "line 7: 'abc' is no machine id: expected digits"
};
BadHosts ParseBadHosts(std::string_view text);

}  // namespace muster::grpc_api
