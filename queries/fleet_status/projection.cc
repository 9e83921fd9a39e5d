#include "queries/fleet_status/projection.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "queries/packing.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 1;

std::string Bytes(const specpb::FleetSpec& spec) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  spec.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

FleetStatusProjection::FleetStatusProjection() = default;
FleetStatusProjection::~FleetStatusProjection() = default;

void FleetStatusProjection::SetSpec(Fleet& fleet, std::shared_ptr<specpb::FleetSpec> spec) {
  fleet.spec_bytes = Bytes(*spec);
  fleet.spec = std::move(spec);
}

// A wait that goes on keeps its beginning, whatever its detail says now.
void FleetStatusProjection::SetWaits(Fleet& fleet, const eventpb::EventBody& body, absl::Time at) {
  std::vector<Wait> waits;
  for (const auto& wait : body.fleet_wait_changed().waits()) {
    Wait next{.kind = std::string(WaitWord(wait.kind())),
              .detail = wait.detail(),
              .owner = wait.owner(),
              .until = wait.until_us() == 0 ? absl::InfinitePast()
                                            : absl::FromUnixMicros(wait.until_us()),
              .since = at};
    for (const Wait& before : fleet.waits) {
      if (before.kind == next.kind) next.since = before.since;
    }
    waits.push_back(std::move(next));
  }
  fleet.waits = std::move(waits);
}

void FleetStatusProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const std::string_view name = NameInStream(recorded.stream, "fleet/");
  if (name.empty()) return;
  const absl::Time at = recorded.event.occurred_at;
  if (body.has_fleet_applied()) {
    const auto& e = body.fleet_applied();
    Fleet& fleet = fleets_[std::string(name)];
    SetSpec(fleet, std::make_shared<specpb::FleetSpec>(e.spec()));
    fleet.version = e.fleet_version();
    fleet.down = fleet.ended = false;
    fleet.updated = std::max(fleet.updated, at);
    return;
  }
  const auto known = fleets_.find(std::string(name));
  if (known == fleets_.end()) return;  // nothing can be shown of a fleet without its spec
  Fleet& fleet = known->second;
  fleet.updated = std::max(fleet.updated, at);
  const Overloaded fold{[&](const eventpb::FleetScaled& e) {
                          auto spec = std::make_shared<specpb::FleetSpec>(*fleet.spec);
                          spec->set_workers(e.workers());
                          SetSpec(fleet, std::move(spec));
                        },
                        [&](const eventpb::FleetDownRequested&) { fleet.down = true; },
                        [&](const eventpb::FleetEnded&) {
                          fleet.ended = true;
                          fleet.waits.clear();
                        },
                        [&](const eventpb::FleetWaitChanged&) { SetWaits(fleet, body, at); },
                        [&](const eventpb::QuotaIntervalChanged& e) {
                          fleet.upload_interval_s = e.interval_s();
                          fleet.workers_on_old = e.workers_on_old();
                        },
                        [&](const eventpb::StrikesSuspended& e) {
                          fleet.suspended = true;
                          fleet.suspended_cause = e.cause();
                        },
                        [&](const eventpb::StrikesResumed&) {
                          fleet.suspended = false;
                          fleet.suspended_cause.clear();
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

FleetStatus FleetStatusProjection::Show(const std::string& name) const {
  const Fleet& fleet = fleets_.at(name);
  FleetStatus shown;
  shown.name = FleetName(name);
  shown.spec = fleet.spec;
  shown.fleet_version = fleet.version;
  shown.wanted = fleet.down ? 0 : fleet.spec->workers();
  shown.cap_day = MicroUsd(fleet.spec->budget().per_day_micro_usd());
  shown.work_unit = fleet.spec->work_unit();
  for (const Wait& w : fleet.waits) {
    shown.waits.push_back({w.kind, w.detail, w.owner, w.until, w.since});
  }
  shown.down_requested = fleet.down;
  shown.ended = fleet.ended;
  shown.strikes_suspended = fleet.suspended;
  shown.suspended_cause = fleet.suspended_cause;
  shown.upload_interval_s = fleet.upload_interval_s;
  shown.workers_on_old_interval = fleet.workers_on_old;
  shown.updated_at = fleet.updated;
  return shown;
}

std::vector<FleetStatus> FleetStatusProjection::Fleets() const {
  std::vector<FleetStatus> shown;
  shown.reserve(fleets_.size());
  for (const auto& [name, fleet] : fleets_) shown.push_back(Show(name));
  return shown;
}

const specpb::FleetSpec* FleetStatusProjection::Spec(const std::string& fleet) const {
  const auto it = fleets_.find(fleet);
  return it == fleets_.end() ? nullptr : it->second.spec.get();
}

std::string FleetStatusProjection::Save() const { return PackModel(kLayout, *this); }

bool FleetStatusProjection::Load(std::string_view bytes) {
  if (!UnpackModel(kLayout, bytes, *this)) return false;
  for (auto& [name, fleet] : fleets_) {
    auto spec = std::make_shared<specpb::FleetSpec>();
    if (!spec->ParseFromString(fleet.spec_bytes)) return false;
    fleet.spec = std::move(spec);
  }
  return true;
}

}  // namespace muster::queries
