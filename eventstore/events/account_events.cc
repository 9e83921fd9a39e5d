#include "eventstore/events/account_events.h"

namespace muster {

eventpb::OfferSeen MakeOfferSeen(const Offer& offer) {
  eventpb::OfferSeen seen;
  seen.set_offer(offer.id.str());
  seen.set_machine(offer.machine.str());
  seen.set_host(offer.host);
  seen.set_gpu(StoredText(offer.gpu.str(), 64));
  seen.set_gpus(offer.gpus);
  seen.set_price_micro_usd_per_hour(offer.price.micros);
  seen.set_reliability(offer.reliability);
  seen.set_cuda(offer.cuda);
  seen.set_inet_down_mbps(offer.inet_down_mbps);
  seen.set_inet_up_mbps(offer.inet_up_mbps);
  seen.set_remaining_s(absl::ToInt64Seconds(offer.remaining));
  seen.set_location(StoredText(offer.location, 64));
  seen.set_disk_free_gb(offer.disk_free_gb);
  return seen;
}

Offer ToOffer(const eventpb::OfferSeen& seen) {
  Offer offer;
  offer.id = OfferId(seen.offer());
  offer.machine = MachineId(seen.machine());
  offer.host = seen.host();
  offer.gpu = GpuName(seen.gpu());
  offer.gpus = seen.gpus();
  offer.price = PriceOf(seen);
  offer.reliability = seen.reliability();
  offer.cuda = seen.cuda();
  offer.inet_down_mbps = seen.inet_down_mbps();
  offer.inet_up_mbps = seen.inet_up_mbps();
  offer.remaining = absl::Seconds(seen.remaining_s());
  offer.location = seen.location();
  offer.disk_free_gb = seen.disk_free_gb();
  return offer;
}

eventpb::OrphanFound MakeOrphanFound(const Instance& instance, const FleetName& fleet,
                                     std::string_view why) {
  eventpb::OrphanFound found;
  found.set_instance(instance.id.str());
  found.set_label(StoredText(instance.label, 255));
  found.set_machine(instance.machine.str());
  found.set_gpu(StoredText(instance.gpu.str(), 64));
  if (instance.price_known) found.set_price_micro_usd_per_hour(instance.price.micros);
  found.set_fleet(fleet.str());
  found.set_why(why.data(), why.size());
  return found;
}

}  // namespace muster
