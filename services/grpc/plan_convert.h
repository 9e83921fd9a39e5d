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

// One machine id a line, one line per strike; '#' begins a comment.
struct BadHosts {
  std::map<MachineId, int> strikes;
  std::vector<std::string> problems;  // "line 7: 'abc' is no machine id: expected digits"
};
BadHosts ParseBadHosts(std::string_view text);

}  // namespace muster::grpc_api
