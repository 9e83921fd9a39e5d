// LogBuilder: writes a log by hand for the tests of read models, with a clock of its own.
//
//   LogBuilder log;
//   log.Fleet("zeb", {.workers = 2});
//   log.Launch("k7f2q", "zeb", {.gpu = "RTX 3070"});
//   log.After(absl::Minutes(10)).Accept("k7f2q", "123");
//   EXPECT_EQ(log.Models()->Fleet(FleetName("zeb"), log.now())->have, 1);
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/read_models.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::queries {

inline absl::Time At(std::string_view text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) << error;
  return time;
}

class LogBuilder {
 public:
  explicit LogBuilder(absl::Time start = At("2026-11-21T12:00:00Z"))
      : rt_(1, start), store_(rt_), now_(start) {}

  struct FleetShape {
    int workers = 1;
    std::int64_t setup_s = 600;
    int strike_limit = 3;
    std::int64_t cap_day = 0;
  };
  struct Offered {
    std::string gpu = "RTX 3070";
    std::string machine = "5512";
    std::int64_t price = 81'000;
    double expected = 2.4;
    int index = 0;
    std::string replaces = "";
  };

  VirtualRuntime& rt() { return rt_; }
  MemoryEventStore& store() { return store_; }
  absl::Time now() const { return now_; }
  LogBuilder& After(absl::Duration span) {
    now_ += span;
    return *this;
  }
  LogBuilder& SetClock(std::string_view text) {
    now_ = At(text);
    return *this;
  }

  // The root request of what is written from now on; "" = none.
  void SetCorrelation(std::string correlation) { correlation_ = std::move(correlation); }

  // Appends one event and returns its position; its id is "e<position>".
  template <class Message>
  Position Write(std::string_view stream, const Message& message, std::string cause = "") {
    const eventpb::EventBody body = Wrap(message);
    NewEvent event{.id = EventId(Cat("e", store_.Head() + 1)),
                   .type = std::string(TypeName(body.kind_case())),
                   .payload = EncodeEvent(body),
                   .actor = "test",
                   .cause = std::move(cause),
                   .correlation = correlation_,
                   .occurred_at = now_};
    const StreamId id(stream);
    auto done =
        rt_.Run(store_.Append(id, Expect::At(store_.StreamVersion(id)), {std::move(event)}, now_));
    EXPECT_TRUE(done.ok()) << done.status();
    return done->position;
  }

  Position Fleet(const std::string& name, FleetShape shape) {
    eventpb::FleetApplied e;
    auto& spec = *e.mutable_spec();
    spec.set_name(name);
    spec.set_provider("vast");
    spec.set_workers(shape.workers);
    spec.set_work_unit("games");
    spec.mutable_timers()->set_setup_s(shape.setup_s);
    spec.mutable_strikes()->set_limit(shape.strike_limit);
    spec.mutable_budget()->set_per_day_micro_usd(shape.cap_day);
    (*spec.mutable_launch()->mutable_env())["B"] = "2";
    (*spec.mutable_launch()->mutable_env())["A"] = "1";
    e.set_fleet_version(1);
    return Write("fleet/" + name, e);
  }
  Position Launch(const std::string& id, const std::string& fleet, Offered o,
                  std::string cause = "") {
    eventpb::LaunchRequested e;
    e.set_fleet(fleet);
    e.set_provider("vast");
    e.set_index(o.index);
    e.set_token(id);
    e.set_label(Cat(fleet, "-worker-vast-", o.index, ".", id));
    e.set_replaces(o.replaces);
    e.mutable_offer()->set_offer("9001");
    e.mutable_offer()->set_machine(o.machine);
    e.mutable_offer()->set_gpu(o.gpu);
    e.mutable_offer()->set_price_micro_usd_per_hour(o.price);
    e.mutable_offer()->set_expected_rate_per_s(o.expected);
    e.mutable_evidence()->set_rule("replenish");
    return Write("worker/" + id, e, std::move(cause));
  }
  Position Accept(const std::string& id, const std::string& instance,
                  eventpb::LaunchAccepted::How how = eventpb::LaunchAccepted::ANSWER,
                  std::string cause = "") {
    eventpb::LaunchAccepted e;
    e.set_instance(instance);
    e.set_how(how);
    return Write("worker/" + id, e, std::move(cause));
  }
  Position See(const std::string& id, std::int64_t price) {
    eventpb::InstanceObserved e;
    e.set_actual_status("running");
    e.set_price_micro_usd_per_hour(price);
    e.set_price_known(true);
    e.set_ssh_host("ssh4.example");
    e.set_ssh_port(2200);
    return Write("worker/" + id, e);
  }
  Position Health(const std::string& id, eventpb::WorkerHealthChanged::Health health) {
    eventpb::WorkerHealthChanged e;
    e.set_health(health);
    return Write("worker/" + id, e);
  }
  struct Log {
    std::string phase = "producing";
    std::int64_t counter = -1;
    std::int64_t total = -1;
    double rate = -1;
    int agreeing = 1;
    absl::Time first_seen = absl::InfinitePast();
    std::string container = "";
  };
  Position Read(const std::string& id, Log log) {
    eventpb::LogObserved e;
    e.set_phase(log.phase);
    e.set_counter(log.counter);
    e.set_total(log.total);
    e.set_step(-1);
    e.set_rate_per_s(log.rate);
    e.set_agreeing_polls(log.agreeing);
    e.set_first_seen_us(ToStoredTime(log.first_seen));
    e.set_container_id(log.container);
    return Write("worker/" + id, e);
  }
  Position End(const std::string& id, std::int64_t spent = 0) {
    eventpb::WorkerEnded e;
    e.set_how(eventpb::WorkerEnded::DESTROYED);
    e.set_confirmed_by("2 complete lists");
    e.set_spent_micro_usd(spent);
    return Write("worker/" + id, e);
  }

  // Everything written so far, folded from nothing.
  std::unique_ptr<ReadModels> Models() {
    auto models = std::make_unique<ReadModels>(store_);
    Fold(*models);
    return models;
  }
  void Fold(ReadModels& models) {
    EXPECT_TRUE(store_
                    .ReadAll(models.position(), 1 << 30,
                             [&](const RecordedEvent& event) {
                               const Status folded = models.Apply(event);
                               EXPECT_TRUE(folded.ok()) << folded;
                               return folded.ok();
                             })
                    .ok());
  }

 private:
  VirtualRuntime rt_;
  MemoryEventStore store_;
  absl::Time now_;
  std::string correlation_;
};

}  // namespace muster::queries
