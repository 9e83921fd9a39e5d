// A dedicated server at each point of its life: what the tests of its decisions share.
#pragma once

#include "commands/server/commands.h"
#include "tests/commands/given.h"

namespace muster::server {

inline std::string When(const State& state, const Command& command, absl::Time now = At(0)) {
  return Kinds(Decide(state, command, {now}));
}
inline std::string Then(State& state, const Command& command, absl::Time now = At(0)) {
  const auto decided = Decide(state, command, {now});
  if (decided.ok()) Given(state, *decided, now);
  return Kinds(decided);
}

inline Order AnOrder(std::string_view offer = "3100001") {
  Order order;
  order.planned.mutable_spec()->set_name("builder-01");
  order.planned.mutable_spec()->set_provider("hetzner");
  order.planned.set_order_key_md5("15:28");
  order.planned.set_order_public_key("ssh-ed25519 AAAA");
  order.planned.set_host_public_key("ssh-ed25519 BBBB");
  order.requested.set_key_md5("15:28");
  order.requested.set_plan_id("7f3a");
  order.requested.mutable_offer()->set_offer(std::string(offer));
  order.requested.mutable_offer()->set_channel("auction");
  auto* price = order.requested.mutable_offer()->mutable_price();
  price->set_currency("EUR");
  price->set_micros_per_month(148'000'000);
  price->set_micros_per_hour(237'200);
  *order.requested.mutable_evidence() = Because("operator");
  return order;
}
inline Deliver ADelivery(bool with_keys = true) {
  Deliver deliver;
  deliver.delivered.set_server("3100001");
  deliver.delivered.set_ipv6_net("2001:db8:61:1f::");
  if (with_keys) {
    auto* key = deliver.delivered.add_host_keys();
    key->set_type("ED25519");
    key->set_sha256("qz0a");
  }
  return deliver;
}
inline eventpb::DiskSeen ADisk(std::string_view identity = "wwn-1",
                               std::string_view path = "/dev/sda") {
  eventpb::DiskSeen disk;
  disk.set_identity(std::string(identity));
  disk.set_path(std::string(path));
  disk.set_bytes(1'920'000'000'000);
  return disk;
}
inline RequestStep AStep(Step step, std::string_view plan = "p1") {
  RequestStep request{.step = step, .plan_id = std::string(plan)};
  request.evidence = Because("operator");
  return request;
}
inline RequestStep APrepare(std::vector<eventpb::DiskSeen> disks,
                            std::string_view typed = "builder-01") {
  RequestStep request = AStep(eventpb::PREPARE);
  request.disks = std::move(disks);
  request.confirmed_name = std::string(typed);
  return request;
}
inline StepDone Done(std::string_view text = "") {
  StepDone done;
  done.done.set_text(std::string(text));
  return done;
}
inline StepDone Inspected() {
  StepDone done;
  *done.done.mutable_inspection()->add_disks() = ADisk("wwn-1", "/dev/sda");
  *done.done.mutable_inspection()->add_disks() = ADisk("wwn-2", "/dev/sdb");
  return done;
}
inline RequestCancel ACancel(std::string_view date, std::string_view typed = "builder-01") {
  RequestCancel cancel{.date = std::string(date),
                       .reason = "done",
                       .plan_id = "c1",
                       .confirmed_name = std::string(typed)};
  cancel.evidence = Because("operator");
  return cancel;
}
inline ObserveServer Listed(bool listed = true) {
  ObserveServer observe;
  observe.seen.set_listed(listed);
  observe.seen.set_state(listed ? "ready" : "");
  return observe;
}

inline State Ordered() {
  State state;
  Then(state, AnOrder());
  Then(state, OrderAnswered{OrderId("B1")});
  return state;
}
inline State Delivered(bool with_keys = true) {
  State state = Ordered();
  Then(state, ADelivery(with_keys), At(60));
  return state;
}
// A step asked for and done.
inline void Step_(State& state, RequestStep request, StepDone done = Done()) {
  ASSERT_EQ(Then(state, request), "server.step_requested") << StepName(request.step);
  ASSERT_EQ(Then(state, done), "server.step_done") << StepName(request.step);
}
inline State InstalledServer() {
  State state = Delivered();
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  Step_(state, APrepare({ADisk("wwn-1"), ADisk("wwn-2")}));
  Step_(state, AStep(eventpb::BOOT));
  return state;
}
inline State ServingServer() {
  State state = InstalledServer();
  StepDone registered = Done();
  registered.done.set_machine_line("ssh-ng://builder@h x86_64-linux");
  Step_(state, AStep(eventpb::REGISTER), registered);
  Step_(state, AStep(eventpb::VALIDATE));
  return state;
}

}  // namespace muster::server
