// Random events: any kind in any stream, in no sensible order. What reads the log must survive
// them.
#pragma once

#include <string>

#include "eventstore/base/rng.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"

namespace muster::queries {

// One event, at the log's clock. Fatal failure when it cannot be written.
inline void WriteRandomEvent(LogBuilder& log, Rng& rng) {
  const auto& kinds = AllEventKinds();
  const std::string worker = Cat("w", rng.Below(5));
  eventpb::EventBody body;
  const EventKind kind = kinds[rng.Below(kinds.size())];
  const auto* field = body.GetDescriptor()->FindFieldByNumber(kind);
  body.GetReflection()->MutableMessage(&body, field);
  if (body.has_launch_requested()) {
    auto& e = *body.mutable_launch_requested();
    e.set_fleet(Cat("f", rng.Below(2)));
    e.set_provider("vast");
    e.mutable_offer()->set_gpu(rng.Chance(0.5) ? "RTX 3060" : "");
    e.mutable_offer()->set_price_micro_usd_per_hour(static_cast<std::int64_t>(rng.Below(200'000)) -
                                                    1000);
  }
  if (body.has_fleet_applied()) body.mutable_fleet_applied()->mutable_spec()->set_workers(3);
  if (body.has_instance_observed()) {
    auto& e = *body.mutable_instance_observed();
    e.set_price_known(rng.Chance(0.7));
    e.set_price_micro_usd_per_hour(static_cast<std::int64_t>(rng.Below(200'000)));
  }
  if (body.has_log_observed()) {
    auto& e = *body.mutable_log_observed();
    e.set_counter(static_cast<std::int64_t>(rng.Below(20)) - 1);
    e.set_rate_per_s(rng.Between(-1, 5));
  }
  if (body.has_worker_condemned()) {
    body.mutable_worker_condemned()->mutable_evidence()->add_positions(rng.Below(2000));
  }
  const std::string streams[] = {"worker/" + worker, Cat("fleet/f", rng.Below(2)),
                                 "host/vast/1",      "account/vast",
                                 "installation",     "host/odd"};
  const StreamId stream(rng.Chance(0.6) ? streams[0] : streams[rng.Below(6)]);
  const auto done =
      log.rt().Run(log.store().Append(stream, Expect::At(log.store().StreamVersion(stream)),
                                      {{.id = EventId(Cat("r", log.store().Head() + 1)),
                                        .type = std::string(TypeName(kind)),
                                        .payload = EncodeEvent(body),
                                        .occurred_at = log.now()}},
                                      log.now()));
  ASSERT_THAT(done, IsOk());
}

// `count` of them, with a clock that jumps about.
inline void WriteRandomEvents(LogBuilder& log, std::uint64_t seed, int count) {
  Rng rng(seed);
  for (int i = 0; i < count; ++i) {
    log.After(absl::Seconds(static_cast<std::int64_t>(rng.Below(7200)) - 1800));
    WriteRandomEvent(log, rng);
  }
}

}  // namespace muster::queries
