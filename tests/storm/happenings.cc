#include "tests/storm/happenings.h"

#include <utility>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "services/files/fleet_file.h"
#include "tests/storm/requests.h"

namespace muster::storm {
namespace {

namespace api = ::muster::api::v1;
using vastsim::Trap;

}  // namespace

void Restore(const Stage& stage, Trap trap) {
  stage.sim.ClearFaults(trap);
  for (const vastsim::Fault& lasting : stage.weather.faults) {
    if (lasting.trap == trap) stage.sim.SetFault(lasting);
  }
}

SimReply Weights::Handle(const HttpRequest& request, absl::Time now) {
  if (request.url.rfind(kWeightsOrigin, 0) != 0) return market_.Handle(request, now);
  SimReply reply;
  reply.response.status = status;
  return reply;
}

double Happenings::Cents(int low, int high) {
  const auto more = stage_.rng.Below(static_cast<std::uint64_t>(high - low + 1));
  return (low + static_cast<double>(more)) / 100;
}

const FleetDraw& Happenings::AnyFleet() {
  return stage_.weather.fleets[stage_.rng.Below(stage_.weather.fleets.size())];
}

void Happenings::One() {
  switch (stage_.rng.Below(11)) {
    case 0:
      return AddStranger();
    case 1:
      return AddStray();
    case 2:
      return LoseWeights();
    case 3:
      return RevokeKey();
    case 4:
      return HideMarket();
    case 5:
      return SellMarket();
    case 6:
      return RaiseOffers();
    case 7:
      return ImportBadHosts();
    case 8:
      return Adopt();
    case 9:
      return RepeatYourself();
    default:
      return ChangeSpec();
  }
}

void Happenings::ForgetOne() {
  const auto living = stage_.sim.Instances();
  if (living.empty()) return;
  const std::int64_t id = living[stage_.rng.Below(living.size())].id;
  stage_.did(Cat("the next list leaves out ", id));
  stage_.sim.SetFault({.trap = Trap::kListLag,
                       .endpoint = "GET v1/instances",
                       .instance = id,
                       .times = 1,
                       .value = absl::ToDoubleSeconds(absl::Hours(1000))});
  stage_.pass(absl::Minutes(2));
  Restore(stage_, Trap::kListLag);
}

void Happenings::AddStranger() {
  constexpr const char* kLabels[] = {"", "somebody-else", "zeb", "zebra-worker-vast-0", "a.b.c"};
  vastsim::ForeignSpec spec;
  spec.label = kLabels[stage_.rng.Below(std::size(kLabels))];
  const std::int64_t id = stage_.sim.AddForeign(spec);
  stage_.deeds.strangers.insert(id);
  stage_.did(Cat("a stranger rents instance ", id, ", labelled '", spec.label, "'"));
}

void Happenings::AddStray() {
  vastsim::ForeignSpec spec;
  spec.label = Cat(AnyFleet().name, "-worker-vast-", stage_.rng.Below(6));
  if (stage_.rng.Chance(0.5)) spec.label += Cat(".zzzz", stage_.rng.Token(5));
  const std::int64_t id = stage_.sim.AddForeign(spec);
  stage_.deeds.strays.insert(id);
  stage_.did(Cat("somebody rents instance ", id, " by hand, labelled '", spec.label, "'"));
}

void Happenings::LoseWeights() {
  constexpr int kStatus[] = {404, 403, 500};
  stage_.weights.status = kStatus[stage_.rng.Below(std::size(kStatus))];
  stage_.did(Cat("the weights answer ", stage_.weights.status));
  stage_.pass(absl::Minutes(2) + absl::Minutes(30) * stage_.rng.Unit());
  stage_.weights.status = 200;
  stage_.did("the weights are back");
}

void Happenings::RevokeKey() {
  stage_.did("the key is revoked");
  stage_.sim.SetFault({.trap = Trap::kAuth401});
  stage_.pass(absl::Minutes(2) + absl::Minutes(40) * stage_.rng.Unit());
  Restore(stage_, Trap::kAuth401);
  stage_.did("the key is good again");
}

void Happenings::HideMarket() {
  stage_.did("nobody may search");
  stage_.sim.SetFault({.trap = Trap::kServerErrorBefore, .endpoint = "POST bundles"});
  stage_.pass(absl::Minutes(10) + absl::Minutes(40) * stage_.rng.Unit());
  Restore(stage_, Trap::kServerErrorBefore);
  stage_.did("searching works again");
}

// The best offers are sold to others, while they are still in our hands.
void Happenings::SellMarket() {
  int sold = 0;
  for (const vastsim::OfferView& offer : stage_.sim.Offers()) {
    if (offer.usd_per_hour > 0.09 || !stage_.rng.Chance(0.6)) continue;
    sold += stage_.sim.RemoveOffer(offer.id).ok() ? 1 : 0;
  }
  stage_.did(Cat(sold, " offers go to others"));
}

void Happenings::RaiseOffers() {
  const double factor = stage_.rng.Between(0.7, 1.8);
  for (const vastsim::OfferView& offer : stage_.sim.Offers()) {
    if (stage_.rng.Chance(0.5))
      (void)stage_.sim.SetOfferPrice(offer.id, offer.usd_per_hour * factor);
  }
  stage_.did(Cat("half of the offers cost ", factor, " times as much"));
}

void Happenings::ImportBadHosts() {
  api::ImportBadHostsRequest request;
  request.set_provider("vast");
  request.set_file_name("bad-hosts.txt");
  std::string content = "no machine\n";
  for (const vastsim::OfferView& offer : stage_.sim.Offers()) {
    if (!stage_.rng.Chance(0.05)) continue;
    for (int i = 0; i < 3; ++i) content += Cat(offer.machine, "\n");
    stage_.deeds.machines_imported.insert(Cat(offer.machine));
  }
  request.set_content(content);
  stage_.did("import of bad hosts");
  Request(stage_, stage_.daemon()->api().ImportBadHosts(std::move(request), Somebody()));
}

void Happenings::Adopt() {
  api::AdoptInstancesRequest request;
  request.set_fleet(AnyFleet().name);
  request.set_label_prefix(Cat(AnyFleet().name, "-worker-vast-"));
  stage_.did(Cat("adopt ", request.label_prefix(), "* into ", request.fleet()));
  Request(stage_, stage_.daemon()->api().AdoptInstances(std::move(request), Somebody()));
}

// The same request twice at once, and another one under the same id.
void Happenings::RepeatYourself() {
  api::ScaleFleetRequest request;
  request.set_fleet(AnyFleet().name);
  request.set_workers(1 + static_cast<int>(stage_.rng.Below(4)));
  request.set_request_id(Cat("00000000-0000-4000-8000-", 100'000'000'000 + ++request_ids_));
  stage_.did(Cat("scale ", request.fleet(), " to ", request.workers(), ", twice"));
  Request(stage_, stage_.daemon()->api().ScaleFleet(request, Somebody()));
  Request(stage_, stage_.daemon()->api().ScaleFleet(request, Somebody()));
  if (stage_.rng.Chance(0.5)) stage_.rt.RunFor(absl::Seconds(30) * stage_.rng.Unit());
  request.set_workers(request.workers() + 1);
  Request(stage_, stage_.daemon()->api().ScaleFleet(std::move(request), Somebody()));
}

void Happenings::ChangeSpec() {
  FleetDraw fleet = AnyFleet();
  fleet.price_max = Cents(7, 15);
  fleet.upgrades = stage_.rng.Chance(0.5);
  fleet.preflight = stage_.rng.Chance(0.3);
  if (stage_.rng.Chance(0.3)) fleet.budget_per_hour = Cents(10, 50);
  if (stage_.rng.Chance(0.3)) fleet.budget_total = Cents(30, 300);
  StatusOr<specpb::FleetSpec> spec = ParseFleetFile(FleetFile(fleet), "fleet.yaml");
  MUSTER_CHECK(spec.ok());
  stage_.did(Cat("another spec for ", fleet.name, ": at most $", fleet.price_max, "/h"));
  api::ApplyFleetRequest request;
  *request.mutable_spec() = *std::move(spec);
  Request(stage_, stage_.daemon()->api().ApplyFleet(std::move(request), Somebody()));
}

void Happenings::Calm() {
  stage_.weights.status = 200;
  for (const std::int64_t id : stage_.deeds.strays) {
    const auto& known = stage_.daemon()->world().by_instance;
    if (!known.contains(InstanceId(Cat(id)))) {
      (void)stage_.sim.FailWorker(id, vastsim::Failure::kVanish);
    }
  }
}

}  // namespace muster::storm
