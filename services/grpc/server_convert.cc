#include "services/grpc/server_convert.h"

#include <algorithm>

#include "commands/server/commands.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "services/grpc/convert.h"
#include "workers/servers/remote/install.h"

namespace muster::grpc_api {
namespace {

// The hosts of a server's IPv6 network that answer: the rescue system's and the installed one's.
constexpr int kRescueHost = 2;
constexpr int kInstalledHost = 1;

void FillOffer(const eventpb::ServerOfferTaken& from, api::ServerOffer& to) {
  to.set_channel(from.channel());
  to.set_offer(from.offer());
  to.set_name(from.name());
  to.set_cpu(from.cpu());
  to.set_cores(from.cores());
  to.set_benchmark(from.benchmark());
  to.set_memory_gb(from.memory_gb());
  to.set_disk_gb(from.disk_gb());
  to.set_disks(from.disks());
  to.set_gpu(from.gpu());
  to.set_location(from.location());
  to.set_currency(from.price().currency());
  to.set_micros_per_month(from.price().micros_per_month());
  to.set_micros_per_hour(from.price().micros_per_hour());
  to.set_setup_micros(from.price().setup_micros());
  if (from.benchmark() > 0) {
    to.set_micros_per_point(static_cast<double>(from.price().micros_per_month()) /
                            from.benchmark());
  }
}

void FillVitals(const eventpb::BuilderObserved& from, absl::Time at, api::BuilderVitals& to) {
  *to.mutable_seen_at() = ToTimestamp(at);
  to.set_reached(from.reached());
  to.set_detail(from.detail());
  to.set_load1(from.load1());
  to.set_memory_total_kb(from.memory_total_kb());
  to.set_memory_available_kb(from.memory_available_kb());
  to.set_disk_total_bytes(from.disk_total_bytes());
  to.set_disk_free_bytes(from.disk_free_bytes());
  to.set_build_processes(from.build_processes());
  for (const eventpb::GpuVitals& gpu : from.gpus()) {
    api::GpuUse& shown = *to.add_gpus();
    shown.set_name(gpu.name());
    shown.set_utilization_percent(gpu.utilization_percent());
    shown.set_memory_used_mib(gpu.memory_used_mib());
    shown.set_memory_total_mib(gpu.memory_total_mib());
  }
}

void FillHardware(const eventpb::Inspection& from, api::Server& to) {
  for (const eventpb::DiskSeen& disk : from.disks()) {
    api::ServerDisk& shown = *to.add_disks();
    shown.set_path(disk.path());
    shown.set_identity(disk.identity());
    shown.set_model(disk.model());
    shown.set_bytes(disk.bytes());
    shown.set_holds(disk.holds());
  }
  for (const std::string& gpu : from.gpus()) to.add_gpus(gpu);
}

bool HasSystem(const server::State& state) {
  return state.order_phase == server::OrderPhase::kDelivered && !state.ended_already() &&
         state.system != server::System::kUnknown;
}

}  // namespace

ServerPlace OwnPlace(const server::State& state) {
  const int host = state.system == server::System::kInstalled ? kInstalledHost : kRescueHost;
  if (!state.ipv4.empty()) return {state.ipv4, 22};
  if (state.ipv6_net.empty()) return {};
  return {remote::Ipv6Address(state.ipv6_net, host), 22};
}

std::string ServerDetail(const server::State& state, absl::Time now) {
  if (state.ended_already()) return "";
  if (!state.overdue.what().empty()) {
    return Cat("no ", state.overdue.what(), " after ",
               FormatSpan(absl::Seconds(state.overdue.waited_s())));
  }
  if (state.order_phase != server::OrderPhase::kDelivered) return state.order_detail;
  if (state.Leaving()) {
    return Cat(state.absent_lists, " of 2 complete lists in a row were without it");
  }
  if (state.running != eventpb::SERVER_STEP_UNSPECIFIED) {
    const server::StepState& step = state.At(state.running);
    const absl::Duration span = std::max(now - step.requested.at, absl::ZeroDuration());
    return Cat("attempt ", step.attempts, ", for ", FormatSpan(span));
  }
  if (!state.cancel_detail.empty()) return state.cancel_detail;
  const server::Step failed = server::FailedStep(state);
  if (failed != eventpb::SERVER_STEP_UNSPECIFIED) return state.At(failed).detail;
  if (state.InService() && state.vitals_at.seen() && !state.vitals.reached()) {
    return Cat("not reached: ", state.vitals.detail());
  }
  return "";
}

absl::Time ServerSince(const server::State& state) {
  if (state.ended_already()) return state.ended.at;
  Stamp newest = state.planned;
  const auto later = [&newest](const Stamp& stamp) {
    if (stamp.position > newest.position) newest = stamp;
  };
  later(state.order_requested);
  later(state.delivered);
  for (int i = 1; i < server::kSteps; ++i) {
    const server::StepState& step = state.At(static_cast<server::Step>(i));
    later(step.requested);
    later(step.done);
    later(step.failed);
  }
  if (state.Leaving()) later(state.cancel_asked);
  return newest.at;
}

api::Server ToServer(const server::State& state, const ServerPlace& place, absl::Time now) {
  api::Server out;
  out.set_id(state.id.str());
  out.set_name(state.name.str());
  out.set_provider(state.provider.str());
  out.set_state(server::StateText(state));
  out.set_detail(ServerDetail(state, now));
  out.set_next_step(std::string(server::StepName(server::NextStep(state))));
  out.set_next(server::NextText(state));
  out.set_needs_operator(server::NeedsOperator(state));
  out.set_running_step(std::string(server::StepName(state.running)));
  out.set_number(state.number.str());
  out.set_order(state.order.str());
  out.set_ipv4(state.ipv4);
  const bool v6 = state.ipv4.empty() && !state.ipv6_net.empty();
  if (v6) out.set_ipv6(OwnPlace(state).address);
  FillOffer(state.offer, *out.mutable_offer());
  const auto set = [](const Stamp& stamp, google::protobuf::Timestamp* to) {
    *to = ToTimestamp(stamp.at);
  };
  if (state.order_requested.seen()) set(state.order_requested, out.mutable_ordered_at());
  if (state.delivered.seen()) set(state.delivered, out.mutable_delivered_at());
  if (state.ended.seen()) set(state.ended, out.mutable_ended_at());
  *out.mutable_state_since() = ToTimestamp(ServerSince(state));
  out.set_spent_micros(server::Spent(state, now).micros);
  out.set_cancelled_for(state.cancel_set);
  out.set_paid_until(state.seen.paid_until());
  if (state.inspection.has_value()) FillHardware(*state.inspection, out);
  out.set_machine_line(state.machine_line);
  if (state.vitals_at.seen()) {
    FillVitals(state.vitals, state.vitals_at.at, *out.mutable_vitals());
  }
  if (state.system == server::System::kRescue) {
    for (const eventpb::HostKey& key : state.rescue_keys) {
      out.add_host_keys(Cat(key.type(), " SHA256:", key.sha256()));
    }
  }
  if (HasSystem(state)) {
    out.set_address(place.address);
    out.set_ssh_port(place.port);
  }
  if (state.system == server::System::kInstalled) out.set_host_public_key(state.host_public_key);
  out.set_position(state.last_position);
  return out;
}

api::ServerProgress ToProgress(const ServerDoing& doing) {
  api::ServerProgress out;
  out.set_step(std::string(server::StepName(doing.step)));
  out.set_command(doing.command);
  out.set_commands(doing.commands);
  out.set_name(doing.name);
  out.set_for_s(absl::ToInt64Seconds(doing.lasts));
  out.set_bytes_sent(doing.bytes_sent);
  out.set_bytes_total(doing.bytes_total);
  out.set_bytes_per_s(doing.bytes_per_s);
  return out;
}

nix::KnownBuilder ToKnownBuilder(const server::State& state, const ServerPlace& place) {
  nix::KnownBuilder out;
  out.name = state.name.str();
  out.spec = state.spec;
  out.number = state.number.str();
  out.address = place.address;
  out.port = place.port;
  out.host_public_key = state.host_public_key;
  out.line = state.machine_line;
  out.in_file = IsInMachinesFile(state);
  return out;
}

bool IsInMachinesFile(const server::State& state) {
  return state.Registered() && !state.ended_already();
}

}  // namespace muster::grpc_api
