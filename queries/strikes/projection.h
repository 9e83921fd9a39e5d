// StrikesProjection: machines, the strikes against them, and what they did while they were ours.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "queries/projection.h"
#include "queries/strikes/model.h"

namespace muster::queries {

class StrikesProjection final : public Projection {
 public:
  std::string_view name() const override { return "strikes"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  // Most live strikes first, then by provider and id.
  std::vector<HostStatus> Hosts(const HostQuery& query, absl::Time now) const;
  // One machine id a line, a line per whole live strike; three at least when a fleet of ours does
  // not rent it any more, since that is where the old scripts block.
  std::string Export(const std::string& provider, absl::Time now) const;
  double LiveStrikes(const std::string& provider, const std::string& machine, absl::Time now) const;

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.hosts_, s.fleets_);
  }

 private:
  struct Strike {
    std::string cause, worker, fleet, summary;
    double weight = 1;
    absl::Time at = absl::InfinitePast();
    absl::Time expires = absl::InfiniteFuture();
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.cause, s.worker, s.fleet, s.summary, s.weight, s.at, s.expires);
    }
  };
  struct Host {
    std::string gpu;
    std::vector<Strike> strikes;
    double rate_seconds = 0;  // sum of rate x seconds
    double seconds = 0;
    int samples = 0, launches = 0, boots = 0;
    double Live(absl::Time now) const;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.gpu, s.strikes, s.rate_seconds, s.seconds, s.samples, s.launches, s.boots);
    }
  };
  struct Limit {
    std::string provider;
    int strikes = 0;
    bool active = false;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.provider, s.strikes, s.active);
    }
  };
  using Key = std::pair<std::string, std::string>;  // provider, machine

  void ApplyToHost(const Key& key, const RecordedEvent& recorded, const eventpb::EventBody& body);
  void ApplyToFleet(const std::string& fleet, const eventpb::EventBody& body);
  HostStatus Show(const Key& key, const Host& host, absl::Time now) const;

  std::map<Key, Host> hosts_;
  std::map<std::string, Limit> fleets_;
};

}  // namespace muster::queries
