#include "services/grpc/convert.h"

#include <google/protobuf/util/json_util.h>

#include "eventstore/events/codec.h"

namespace muster::grpc_api {
namespace {

bool Finite(absl::Time time) {
  return time != absl::InfinitePast() && time != absl::InfiniteFuture();
}

// Calls `mutable_field` only for a time that is known: an unset Timestamp means "never".
template <class Message>
void Set(Message& to, google::protobuf::Timestamp* (Message::*mutable_field)(), absl::Time time) {
  if (Finite(time)) *(to.*mutable_field)() = ToTimestamp(time);
}

void Fill(const queries::WaitStatus& from, api::Wait& to) {
  to.set_kind(from.kind);
  to.set_detail(from.detail);
  to.set_owner(from.owner);
  Set(to, &api::Wait::mutable_until, from.until);
}

void Fill(const queries::CostRow& from, api::CostRow& to) {
  to.set_key(from.key);
  to.set_burn_micro_usd_per_hour(from.burn.micros);
  to.set_today_micro_usd(from.today.micros);
  to.set_total_micro_usd(from.total.micros);
  to.set_lost_micro_usd(from.lost.micros);
}

void Fill(const queries::EfficiencyRow& from, api::EfficiencyRow& to) {
  to.set_key(from.key);
  to.set_gpu(from.gpu);
  to.set_workers(from.workers);
  to.set_rate_per_s(from.rate_per_s);
  to.set_rate_mean_per_s(from.rate_mean_per_s);
  to.set_expected_rate_per_s(from.expected_rate_per_s);
  to.set_price_micro_usd_per_hour(from.price.micros);
  to.set_cost_per_unit_rate_micro_usd(from.cost_per_unit_rate.micros);
  to.set_total_units(from.total_units);
  to.set_spent_micro_usd(from.spent.micros);
}

}  // namespace

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  stamp.set_seconds(seconds);
  stamp.set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return stamp;
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void Fill(const queries::FleetStatus& from, api::Fleet& to) {
  to.set_name(from.name.str());
  *to.mutable_spec() = *from.spec;
  to.set_fleet_version(from.fleet_version);
  to.set_wanted(from.wanted);
  to.set_have(from.have);
  to.set_healthy(from.healthy);
  to.set_burn_micro_usd_per_hour(from.burn.micros);
  to.set_spent_today_micro_usd(from.spent_today.micros);
  to.set_spent_total_micro_usd(from.spent_total.micros);
  to.set_cap_day_micro_usd(from.cap_day.micros);
  to.set_rate_per_s(from.rate_per_s);
  to.set_work_unit(from.work_unit);
  to.set_cost_per_unit_rate_micro_usd(from.cost_per_unit_rate.micros);
  to.set_state(from.state);
  for (const auto& wait : from.waits) Fill(wait, *to.add_waits());
  Set(to, &api::Fleet::mutable_observed_at, from.observed_at);
  to.set_down_requested(from.down_requested);
  to.set_ended(from.ended);
  to.set_upload_interval_s(from.upload_interval_s);
  to.set_strikes_suspended(from.strikes_suspended);
  to.set_worst_case_micro_usd(from.worst_case.micros);
  Set(to, &api::Fleet::mutable_updated_at, from.updated_at);
}

void Fill(const queries::WorkerStatus& from, api::Worker& to) {
  to.set_id(from.id.str());
  to.set_fleet(from.fleet.str());
  to.set_index(from.index);
  to.set_label(from.label);
  to.set_provider(from.provider.str());
  to.set_instance(from.instance.str());
  to.set_machine(from.machine.str());
  to.set_gpu(from.gpu.str());
  to.set_phase(from.phase);
  to.set_health(from.health);
  to.set_health_detail(from.health_detail);
  to.set_price_micro_usd_per_hour(from.price.micros);
  to.set_rate_per_s(from.rate_per_s);
  to.set_rate_mean_per_s(from.rate_mean_per_s);
  to.set_expected_rate_per_s(from.expected_rate_per_s);
  to.set_counter(from.counter);
  to.set_total(from.total);
  to.set_step(from.step);
  Set(to, &api::Worker::mutable_begun_at, from.begun_at);
  Set(to, &api::Worker::mutable_phase_since, from.phase_since);
  Set(to, &api::Worker::mutable_last_progress_at, from.last_progress_at);
  Set(to, &api::Worker::mutable_observed_at, from.observed_at);
  Set(to, &api::Worker::mutable_ended_at, from.ended_at);
  to.set_ended_how(from.ended_how);
  to.set_ssh_host(from.ssh_host);
  to.set_ssh_port(from.ssh_port);
  to.set_spent_micro_usd(from.spent.micros);
  to.set_actual_status(from.actual_status);
  to.set_status_message(from.status_message);
  to.set_error(from.error);
  to.set_host_strikes(from.host_strikes);
  to.set_location(from.location);
  to.set_adopted(from.adopted);
  to.set_replaces(from.replaces.str());
  to.set_upload_interval_s(from.upload_interval_s);
  Set(to, &api::Worker::mutable_health_since, from.health_since);
}

void Fill(const queries::HostStatus& from, api::Host& to) {
  to.set_provider(from.provider.str());
  to.set_machine(from.machine.str());
  to.set_gpu(from.gpu.str());
  to.set_live_strikes(from.live_strikes);
  to.set_blocked(from.blocked);
  for (const auto& each : from.strikes) {
    api::Strike& strike = *to.add_strikes();
    strike.set_cause(each.cause);
    strike.set_weight(each.weight);
    strike.set_worker(each.worker.str());
    strike.set_fleet(each.fleet.str());
    Set(strike, &api::Strike::mutable_at, each.at);
    Set(strike, &api::Strike::mutable_expires_at, each.expires_at);
    strike.set_summary(each.summary);
  }
  to.set_rate_mean_per_s(from.rate_mean_per_s);
  to.set_samples(from.samples);
  to.set_launches(from.launches);
  to.set_boots(from.boots);
}

void Fill(const queries::AccountStatus& from, api::Account& to) {
  to.set_provider(from.provider.str());
  to.set_credit_known(from.credit.has_value());
  to.set_credit_micro_usd(from.credit.value_or(MicroUsd()).micros);
  Set(to, &api::Account::mutable_credit_at, from.credit_at);
  to.set_credit_wait(from.credit_wait);
  Set(to, &api::Account::mutable_credit_wait_since, from.credit_wait_since);
  for (const auto& trouble : from.troubles) Fill(trouble, *to.add_troubles());
  to.set_burn_micro_usd_per_hour(from.burn.micros);
  to.set_runway_s(absl::ToInt64Seconds(from.runway));
  for (const auto& each : from.orphans) {
    api::Orphan& orphan = *to.add_orphans();
    orphan.set_instance(each.instance.str());
    orphan.set_label(each.label);
    orphan.set_machine(each.machine.str());
    orphan.set_gpu(each.gpu.str());
    orphan.set_price_micro_usd_per_hour(each.price.micros);
    orphan.set_fleet(each.fleet.str());
    orphan.set_why(each.why);
    Set(orphan, &api::Orphan::mutable_found_at, each.found_at);
  }
  Set(to, &api::Account::mutable_list_at, from.list_at);
  Set(to, &api::Account::mutable_offers_at, from.offers_at);
}

void Fill(const queries::EfficiencyReport& from, api::GetEfficiencyResponse& to) {
  for (const auto& row : from.workers) Fill(row, *to.add_workers());
  for (const auto& row : from.gpus) Fill(row, *to.add_gpus());
  for (const auto& row : from.fleets) Fill(row, *to.add_fleets());
  to.set_work_unit(from.work_unit);
}

void Fill(const queries::CostReport& from, api::GetCostResponse& to) {
  for (const auto& row : from.fleets) Fill(row, *to.add_fleets());
  for (const auto& row : from.gpus) Fill(row, *to.add_gpus());
  for (const auto& row : from.workers) Fill(row, *to.add_workers());
  for (const auto& row : from.days) Fill(row, *to.add_days());
}

void Fill(const queries::EventLine& from, bool with_payload, api::Event& to) {
  const RecordedEvent& recorded = from.recorded;
  to.set_position(recorded.position);
  to.set_stream(recorded.stream.str());
  to.set_version(recorded.version);
  to.set_type(recorded.event.type);
  *to.mutable_recorded_at() = ToTimestamp(recorded.recorded_at);
  *to.mutable_occurred_at() = ToTimestamp(recorded.event.occurred_at);
  to.set_actor(recorded.event.actor);
  to.set_cause(recorded.event.cause);
  to.set_correlation(recorded.event.correlation);
  to.set_id(recorded.event.id.str());
  to.set_text(from.text);
  if (!with_payload) return;
  const StatusOr<eventpb::EventBody> body =
      DecodeEvent(recorded.event.type, recorded.event.payload);
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (body.ok() &&
      !google::protobuf::util::MessageToJsonString(*body, to.mutable_payload_json(), options)
           .ok()) {
    to.clear_payload_json();
  }
}

void Fill(const queries::Explanation& from, api::ExplainResponse& to) {
  to.set_title(from.title);
  for (const auto& each : from.lines) {
    api::ExplainLine& line = *to.add_lines();
    line.set_position(each.position);
    Set(line, &api::ExplainLine::mutable_at, each.at);
    line.set_text(each.text);
    line.set_detail(each.detail);
    for (const Position position : each.evidence) line.add_evidence(position);
    line.set_type(each.type);
  }
}

}  // namespace muster::grpc_api
