#include "eventstore/events/worker_events.h"

#include <utility>

namespace muster {

eventpb::OfferTaken MakeOfferTaken(const Offer& offer, double expected_rate_per_s,
                                   std::string_view expected_from, std::int64_t disk_gb) {
  eventpb::OfferTaken taken;
  taken.set_offer(offer.id.str());
  taken.set_machine(offer.machine.str());
  taken.set_host(offer.host);
  taken.set_gpu(offer.gpu.str());
  taken.set_gpus(offer.gpus);
  taken.set_price_micro_usd_per_hour(offer.price.micros);
  taken.set_expected_rate_per_s(expected_rate_per_s);
  taken.set_expected_from(expected_from.data(), expected_from.size());
  taken.set_disk_gb(disk_gb);
  taken.set_location(StoredText(offer.location));
  return taken;
}

eventpb::InstanceObserved MakeInstanceObserved(const Instance& instance) {
  const std::string_view status = ActualStatusName(instance.actual);
  eventpb::InstanceObserved seen;
  seen.set_actual_status(status.data(), status.size());
  seen.set_actual_raw(StoredText(instance.actual_raw, 64));
  seen.set_intended_raw(StoredText(instance.intended_raw, 64));
  seen.set_status_message(StoredText(instance.status_message));
  seen.set_price_known(instance.price_known);
  if (instance.price_known) seen.set_price_micro_usd_per_hour(instance.price.micros);
  seen.set_ssh_host(StoredText(instance.ssh_host, 255));
  seen.set_ssh_port(instance.ssh_port);
  seen.set_machine(instance.machine.str());
  seen.set_gpu(StoredText(instance.gpu.str(), 64));
  seen.set_label(StoredText(instance.label, 255));
  return seen;
}

Instance ToInstance(const eventpb::InstanceObserved& seen) {
  Instance instance;
  instance.actual = ActualStatusFromName(seen.actual_status());
  instance.actual_raw = seen.actual_raw();
  instance.intended_raw = seen.intended_raw();
  instance.status_message = seen.status_message();
  instance.price = PriceOf(seen);
  instance.price_known = seen.price_known();
  instance.ssh_host = seen.ssh_host();
  instance.ssh_port = seen.ssh_port();
  instance.machine = MachineId(seen.machine());
  instance.gpu = GpuName(seen.gpu());
  instance.label = seen.label();
  return instance;
}

eventpb::WorkerCondemned MakeWorkerCondemned(eventpb::Evidence evidence, specpb::Fault fault,
                                             bool replace, double strike_weight) {
  eventpb::WorkerCondemned condemned;
  *condemned.mutable_evidence() = std::move(evidence);
  condemned.set_fault(fault);
  condemned.set_replace(replace);
  condemned.set_strike_weight(strike_weight);
  return condemned;
}

}  // namespace muster
