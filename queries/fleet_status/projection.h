// FleetStatusProjection: what is wanted of each fleet and what it waits for. What exists is in the
// health model, what it costs in the cost model; view.h puts them together.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "queries/fleet_status/model.h"
#include "queries/projection.h"

namespace muster::queries {

class FleetStatusProjection final : public Projection {
 public:
  FleetStatusProjection();
  ~FleetStatusProjection() override;

  std::string_view name() const override { return "fleet_status"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  // Everything but what workers and money say. By name; a fleet that was never applied is absent.
  std::vector<FleetStatus> Fleets() const;
  // nullptr when it was never applied. Good until the next Apply.
  const specpb::FleetSpec* Spec(const std::string& fleet) const;
  bool Has(const std::string& fleet) const { return fleets_.contains(fleet); }
  // REQUIRES: Has(fleet)
  FleetStatus Show(const std::string& fleet) const;

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.fleets_);
  }

 private:
  struct Wait {
    std::string kind, detail, owner;
    absl::Time until = absl::InfinitePast();
    absl::Time since = absl::InfinitePast();
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.kind, s.detail, s.owner, s.until, s.since);
    }
  };
  struct Fleet {
    std::string spec_bytes;  // deterministic; what is saved
    std::shared_ptr<const specpb::FleetSpec> spec;
    std::int64_t version = 0;
    bool down = false, ended = false, suspended = false;
    std::string suspended_cause;
    std::int64_t upload_interval_s = 0;
    int workers_on_old = 0;
    std::vector<Wait> waits;
    absl::Time updated = absl::InfinitePast();
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.spec_bytes, s.version, s.down, s.ended, s.suspended, s.suspended_cause,
        s.upload_interval_s, s.workers_on_old, s.waits, s.updated);
    }
  };
  static void SetSpec(Fleet& fleet, std::shared_ptr<specpb::FleetSpec> spec);
  static void SetWaits(Fleet& fleet, const eventpb::EventBody& body, absl::Time at);

  std::map<std::string, Fleet> fleets_;
};

}  // namespace muster::queries
