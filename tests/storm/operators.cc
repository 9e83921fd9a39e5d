#include "tests/storm/operators.h"

#include <utility>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "services/files/fleet_file.h"
#include "tests/storm/requests.h"

namespace muster::storm {

namespace api = ::muster::api::v1;

void Operators::Apply(const FleetDraw& fleet) {
  stage_.did(Cat("apply ", fleet.name, " with ", fleet.workers));
  StatusOr<specpb::FleetSpec> spec = ParseFleetFile(FleetFile(fleet), "fleet.yaml");
  MUSTER_CHECK(spec.ok());
  api::ApplyFleetRequest request;
  *request.mutable_spec() = *std::move(spec);
  Request(stage_, stage_.daemon()->api().ApplyFleet(std::move(request), Somebody()));
}

void Operators::Scale(const std::string& fleet, int workers) {
  stage_.did(Cat("scale ", fleet, " to ", workers));
  api::ScaleFleetRequest request;
  request.set_fleet(fleet);
  request.set_workers(workers);
  Request(stage_, stage_.daemon()->api().ScaleFleet(std::move(request), Somebody()));
}

void Operators::Down(const std::string& fleet) {
  stage_.did(Cat("down ", fleet));
  stage_.deeds.fleets_downed[fleet].push_back(stage_.true_time(stage_.rt.Now()));
  api::DownFleetRequest request;
  request.set_fleet(fleet);
  request.set_reason("storm");
  Request(stage_, stage_.daemon()->api().DownFleet(std::move(request), Somebody()));
}

void Operators::EndAWorker() {
  std::vector<std::string> open;
  for (const auto& [fleet, workers] : stage_.daemon()->world().open_by_fleet) {
    for (const WorkerId& id : workers) open.push_back(id.str());
  }
  if (open.empty()) return;
  Rng& rng = stage_.rng;
  const std::string worker = open[rng.Below(open.size())];
  Deeds::Named& named = stage_.deeds.workers_named[worker].emplace_back();
  named.at = stage_.true_time(stage_.rt.Now());
  if (rng.Chance(0.7)) {
    stage_.did(Cat("replace ", worker));
    api::ReplaceWorkerRequest request;
    request.set_worker(worker);
    request.set_reason("storm");
    named.strike = rng.Chance(0.3);
    request.set_strike(named.strike);
    Request(stage_, stage_.daemon()->api().ReplaceWorker(std::move(request), Somebody()));
    return;
  }
  stage_.did(Cat("destroy ", worker));
  api::DestroyWorkerRequest request;
  request.set_worker(worker);
  request.set_reason("storm");
  request.set_keep_size(rng.Chance(0.5));
  Request(stage_, stage_.daemon()->api().DestroyWorker(std::move(request), Somebody()));
}

void Operators::Pardon() {
  for (const auto& [key, host] : stage_.daemon()->world().hosts) {
    if (host.LiveStrikes(stage_.rt.Now()) <= 0) continue;
    stage_.did(Cat("pardon ", key.second.str()));
    api::PardonHostRequest request;
    request.set_provider(key.first.str());
    request.set_machine(key.second.str());
    request.set_reason("storm");
    Request(stage_, stage_.daemon()->api().PardonHost(std::move(request), Somebody()));
    return;
  }
}

void Operators::Act() {
  ++stage_.report.happened["act"];
  Rng& rng = stage_.rng;
  FleetDraw fleet = stage_.weather.fleets[rng.Below(stage_.weather.fleets.size())];
  switch (rng.Below(6)) {
    case 0:
      return Scale(fleet.name, static_cast<int>(rng.Below(6)));
    case 1:  // again, with another size
      fleet.workers = 1 + static_cast<int>(rng.Below(5));
      return Apply(fleet);
    case 2:
      Down(fleet.name);
      if (rng.Chance(0.7)) stage_.rt.RunFor(absl::Seconds(300) * rng.Unit());
      return Apply(fleet);
    case 3:
    case 4:
      return EndAWorker();
    default:
      return Pardon();
  }
}

void Operators::Shadow(Rng& draw) {
  ++stage_.report.happened["shadow"];
  FleetDraw fleet = stage_.weather.fleets[draw.Below(stage_.weather.fleets.size())];
  const std::string id = Cat("shadow-", ++shadow_requests_);
  const std::uint64_t what = draw.Below(5);
  if (what == 0) {
    stage_.did(Cat("stop the shadow of ", fleet.name));
    api::StopShadowRequest request;
    request.set_fleet(fleet.name);
    request.set_request_id(id);
    return Request(stage_, stage_.daemon()->api().StopShadow(std::move(request), Somebody()));
  }
  if (what == 1) {
    stage_.did(Cat("promote the shadow of ", fleet.name));
    api::PromoteShadowRequest request;
    request.set_fleet(fleet.name);
    request.set_request_id(id);
    return Request(stage_, stage_.daemon()->api().PromoteShadow(std::move(request), Somebody()));
  }
  fleet.workers = static_cast<int>(draw.Below(7));
  fleet.price_max = 0.01 * static_cast<double>(5 + draw.Below(12));
  fleet.upgrades = draw.Chance(0.5);
  stage_.did(Cat("a shadow of ", fleet.name, " with ", fleet.workers));
  StatusOr<specpb::FleetSpec> spec = ParseFleetFile(FleetFile(fleet), "candidate.yaml");
  MUSTER_CHECK(spec.ok());
  api::StartShadowRequest request;
  *request.mutable_spec() = *std::move(spec);
  request.set_request_id(id);
  Request(stage_, stage_.daemon()->api().StartShadow(std::move(request), Somebody()));
}

}  // namespace muster::storm
