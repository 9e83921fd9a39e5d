// Heads on a schedule: signed before they go out, delivered until they arrive, none lost.
#include "workers/audit/head_keeper.h"

#include <deque>

#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/support/answering_http.h"
#include "workers/audit/webhook_sink.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);

// A place that can be out of order.
struct Inbox {
  std::vector<std::string> lines;
  Status trouble;
  int tries = 0;
};
class InboxSink final : public HeadSink {
 public:
  InboxSink(Inbox& inbox, std::string place) : inbox_(inbox), place_(std::move(place)) {}
  std::string_view place() const override { return place_; }
  Task<Status> Deliver(std::string line) override {
    ++inbox_.tries;
    if (inbox_.trouble.ok()) inbox_.lines.push_back(std::move(line));
    co_return inbox_.trouble;
  }

 private:
  Inbox& inbox_;
  const std::string place_;
};

// One run of the daemon's parts over a log that outlives it.
class Life {
 public:
  Life(VirtualRuntime& rt, std::shared_ptr<MemoryLog> log, const audit::SigningKey& key,
       std::vector<std::pair<std::string, Inbox*>> places)
      : rt_(rt), store_(rt, std::move(log)), handler_(rt, store_), heads_(rt, store_, key) {
    EXPECT_THAT(rt.Run(handler_.Load()), IsOk());
    std::vector<std::unique_ptr<HeadSink>> sinks;
    for (const auto& [place, inbox] : places) {
      sinks.push_back(std::make_unique<InboxSink>(*inbox, place));
    }
    keeper_ = std::make_unique<HeadKeeper>(HeadKeeper::Ports{rt, store_, handler_, heads_},
                                           std::move(sinks));
    rt.Spawn("heads", keeper_->Run());
  }
  ~Life() { rt_.DestroyTasks(); }

  void Observe(std::int64_t credit) {
    account::ObserveCredit observed;
    observed.credit = MicroUsd(credit);
    EXPECT_THAT(rt_.Run(handler_.Account(ProviderName("vast"), observed, {.actor = "poller:x"})),
                IsOk());
  }
  MemoryEventStore& store() { return store_; }

 private:
  VirtualRuntime& rt_;
  MemoryEventStore store_;
  Handler handler_;
  HeadMaker heads_;
  std::unique_ptr<HeadKeeper> keeper_;
};

class Heads : public testing::Test {
 protected:
  Life Begin(std::vector<std::pair<std::string, Inbox*>> places) {
    return Life(rt, log, key, std::move(places));
  }
  VirtualRuntime rt{1};
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  const audit::SigningKey key = audit::SigningKey::Make().value();
  Inbox file, webhook;
};

TEST_F(Heads, OneADayGoesToEveryPlaceWhenSomethingHappened) {
  Life life = Begin({{"file", &file}, {"webhook", &webhook}});
  rt.RunFor(kDay - absl::Seconds(1));
  EXPECT_THAT(file.lines, SizeIs(0));
  rt.RunFor(absl::Seconds(1));
  ASSERT_THAT(file.lines, SizeIs(1));
  EXPECT_EQ(webhook.lines, file.lines);
  const auto head = audit::ReadHead(file.lines[0], key.PublicHex());
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head->head.position, 1u);
  rt.RunFor(3 * kDay);
  EXPECT_THAT(file.lines, SizeIs(1)) << "a quiet log is not signed again for its own heads";
  life.Observe(1'000'000);
  rt.RunFor(kDay);
  EXPECT_THAT(file.lines, SizeIs(2));
}

TEST_F(Heads, APlaceOutOfOrderIsTriedAgainLessAndLessOftenAndHoldsUpNoOther) {
  webhook.trouble = Unavailable("HTTP 503");
  Life life = Begin({{"webhook", &webhook}, {"file", &file}});
  rt.RunFor(kDay);
  EXPECT_THAT(file.lines, SizeIs(1));
  EXPECT_EQ(webhook.tries, 1);
  rt.RunFor(absl::Hours(10));
  EXPECT_GT(webhook.tries, 8);
  EXPECT_LT(webhook.tries, 20);
  webhook.trouble = {};
  rt.RunFor(absl::Hours(1));
  EXPECT_EQ(webhook.lines, file.lines);
}

TEST_F(Heads, WhatWasSignedAndNotDeliveredIsDeliveredAfterARestart) {
  webhook.trouble = Unavailable("HTTP 503");
  {
    Life life = Begin({{"file", &file}, {"webhook", &webhook}});
    rt.RunFor(kDay);
    life.Observe(1'000'000);
    rt.RunFor(kDay);
  }
  ASSERT_THAT(file.lines, SizeIs(2));
  webhook.trouble = {};
  Life life = Begin({{"file", &file}, {"webhook", &webhook}});
  rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(webhook.lines, file.lines);
  EXPECT_THAT(file.lines, SizeIs(2)) << "what had arrived is not sent again";
}

TEST_F(Heads, AnEarlyRestartEveryDayDoesNotPutTheHeadOffForEver) {
  for (int day = 0; day < 2; ++day) {
    Life life = Begin({{"file", &file}});
    rt.RunFor(kDay / 2);
  }
  Life life = Begin({{"file", &file}});
  rt.RunFor(absl::Seconds(1));
  EXPECT_THAT(file.lines, SizeIs(1));
}

TEST_F(Heads, ALogWhoseChainIsBrokenIsNeverSigned) {
  Life life = Begin({{"file", &file}});
  life.Observe(1'000'000);
  {
    absl::MutexLock lock(&log->mutex);
    log->events[1].event.actor = "operator:mallory";
  }
  rt.RunFor(3 * kDay);
  EXPECT_THAT(file.lines, SizeIs(0));
}

TEST_F(Heads, TheWebhookTakesOnlyASuccessForAnArrival) {
  Answering http;
  MapSecrets secrets({{"env:HOOK", "hunter2-hunter2"}});
  WebhookHeadSink sink(rt, http, secrets, "https://audit.example/heads", "env:HOOK");
  http.answers = {HttpResponse{.status = 204}, HttpResponse{.status = 500},
                  HttpResponse{.status = 302}, DeadlineExceeded("no answer hunter2-hunter2")};
  EXPECT_THAT(rt.Run(sink.Deliver("{}")), IsOk());
  EXPECT_THAT(rt.Run(sink.Deliver("{}")), StatusIs(StatusCode::kUnavailable, HasSubstr("500")));
  EXPECT_THAT(rt.Run(sink.Deliver("{}")), StatusIs(StatusCode::kUnavailable));
  const Status late = rt.Run(sink.Deliver("{}"));
  EXPECT_THAT(std::string(Message(late)), testing::Not(HasSubstr("hunter2")));
  EXPECT_EQ(http.requests[0].method, "POST");
  EXPECT_EQ(http.requests[0].body, "{}");
  EXPECT_EQ(FindHeader(http.requests[0].headers, "authorization"), "Bearer hunter2-hunter2");
  EXPECT_EQ(http.requests[0].deadline, rt.Now() + absl::Seconds(20));
}

}  // namespace
}  // namespace muster
