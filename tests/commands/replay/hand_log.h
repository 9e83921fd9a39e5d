// HandLog: a log written by hand, event by event, as muster would have written it; and its replay.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/fleet/plan/label.h"
#include "commands/replay/replay.h"
#include "eventstore/events/account_events.h"
#include "eventstore/events/worker_events.h"
#include "tests/support/matchers.h"

namespace muster::replay {

inline absl::Time Noon() { return absl::FromUnixSeconds(1'763'985'600); }  // 2025-11-24 12:00 UTC

inline specpb::FleetSpec HandSpec(std::int64_t price_max = 100'000, int workers = 1) {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  spec.set_workers(workers);
  spec.set_work_unit("games");
  spec.mutable_market()->set_price_max_micro_usd_per_hour(price_max);
  spec.mutable_market()->set_rate_default_per_s(2);
  spec.mutable_market()->add_gpus()->set_name("RTX 3070");
  spec.mutable_launch()->set_image("image");
  spec.mutable_launch()->set_disk_gb(15);
  return spec;
}

inline eventpb::OfferSeen HandOffer(std::string_view id, std::string_view machine,
                                    std::int64_t price) {
  eventpb::OfferSeen offer;
  offer.set_offer(std::string(id));
  offer.set_machine(std::string(machine));
  offer.set_gpu("RTX 3070");
  offer.set_gpus(1);
  offer.set_price_micro_usd_per_hour(price);
  offer.set_disk_free_gb(100);
  return offer;
}

class HandLog {
 public:
  struct Who {
    bool policy = false;
    bool marked = true;  // by the pass it came of
  };

  template <class Message>
  HandLog& Add(std::string_view stream, const Message& message, Who who) {
    Recorded recorded{.position = events_.size() + 1,
                      .stream = StreamId(stream),
                      .recorded_at = now_,
                      .occurred_at = now_,
                      .by_policy = who.policy,
                      .body = Wrap(message)};
    if (who.policy && who.marked) recorded.pass = PassMark{events_.size(), now_};
    events_.push_back(std::move(recorded));
    return *this;
  }
  template <class Message>
  HandLog& Add(std::string_view stream, const Message& message) {
    return Add(stream, message, Who{});
  }
  HandLog& After(absl::Duration span) {
    now_ += span;
    return *this;
  }
  absl::Time now() const { return now_; }
  std::uint64_t head() const { return events_.size(); }
  std::vector<Recorded>& events() { return events_; }

  // ---- what happens ----
  HandLog& Apply(const specpb::FleetSpec& spec, std::int64_t version = 1) {
    eventpb::FleetApplied applied;
    *applied.mutable_spec() = spec;
    applied.set_fleet_version(version);
    return Add(Cat("fleet/", spec.name()), applied);
  }
  HandLog& Offers(const std::vector<eventpb::OfferSeen>& offers) {
    eventpb::OffersObserved observed;
    for (const auto& offer : offers) *observed.add_offers() = offer;
    observed.set_found(static_cast<int>(offers.size()));
    return Add("account/vast", observed);
  }
  HandLog& Listed() {
    eventpb::InstanceListObserved listed;
    return Add("account/vast", listed);
  }
  // As the policy decides it by HandSpec: the only free place, the default rate.
  HandLog& Rent(const std::string& worker, const eventpb::OfferSeen& offer, bool marked = true) {
    eventpb::LaunchRequested intent;
    intent.set_fleet("zeb");
    intent.set_fleet_version(1);
    intent.set_provider("vast");
    intent.set_token(worker);
    intent.set_label(Cat("zeb-worker-0.", worker));
    *intent.mutable_offer() = MakeOfferTaken(ToOffer(offer), 2, "gpu default", 15);
    intent.mutable_evidence()->set_rule("replenish");
    return Add(Cat("worker/", worker), intent, {.policy = true, .marked = marked});
  }
  HandLog& Accept(const std::string& worker, std::string_view instance) {
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(std::string(instance));
    accepted.set_how(eventpb::LaunchAccepted::ANSWER);
    return Add(Cat("worker/", worker), accepted);
  }
  HandLog& See(const std::string& worker, std::int64_t price) {
    eventpb::InstanceObserved seen;
    seen.set_actual_status("running");
    seen.set_intended_raw("running");
    seen.set_price_micro_usd_per_hour(price);
    seen.set_price_known(true);
    return Add(Cat("worker/", worker), seen);
  }
  HandLog& Read(const std::string& worker, std::int64_t counter) {
    eventpb::LogObserved log;
    log.set_phase("producing");
    log.set_counter(counter);
    log.set_total(-1);
    log.set_step(-1);
    log.set_rate_per_s(2);
    log.set_agreeing_polls(2);
    return Add(Cat("worker/", worker), log);
  }

  // ---- and its replay ----
  Report Replayed(std::optional<Trial> trial, absl::Time end = absl::InfinitePast()) {
    Scan scan(0);
    for (const Recorded& event : events_) scan.Add(event);
    Options options;
    options.fleet = FleetName("zeb");
    options.trial = std::move(trial);
    Replay replay(World(), events_.front().recorded_at, std::move(options), scan);
    for (const Recorded& event : events_) replay.Take(event);
    return replay.Finish(end);
  }
  Report With(const specpb::FleetSpec& spec, absl::Time end = absl::InfinitePast()) {
    return Replayed(Trial{FleetName("zeb"), spec, std::nullopt}, end);
  }

 private:
  std::vector<Recorded> events_;
  absl::Time now_ = Noon();
};

}  // namespace muster::replay
