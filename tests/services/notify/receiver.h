// A receiver of web hooks with a will of its own, and lives of the notifier over one log.
#pragma once

#include <deque>
#include <functional>

#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "services/notify/notifier.h"
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "workers/notify/http_target.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::notify {

class Receiver final : public HttpClient {
 public:
  enum class Mood {
    kFine,
    kDead,    // never answers
    kSilent,  // takes it, and its answer is lost
    kSick,    // 503
    kPicky,   // 400
  };
  explicit Receiver(Runtime& rt) : rt_(rt) {}

  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override {
    ++tries;
    const Mood mood_now = moods.empty() ? mood : moods.front();
    if (!moods.empty()) moods.pop_front();
    co_await rt_.SleepFor(absl::Milliseconds(40));
    if (mood_now == Mood::kDead) {
      co_await rt_.SleepUntil(request.deadline);
      co_return DeadlineExceeded("no answer");
    }
    if (mood_now == Mood::kSick) co_return HttpResponse{.status = 503, .body = "not today"};
    if (mood_now == Mood::kPicky) co_return HttpResponse{.status = 400, .body = "what is this?"};
    ids.emplace_back(FindHeader(request.headers, "Idempotency-Key"));
    bodies.push_back(request.body);
    requests.push_back(std::move(request));
    co_await rt_.SleepFor(absl::Milliseconds(40));
    if (mood_now == Mood::kSilent) co_return Unknown("connection reset");
    co_return HttpResponse{.status = 204};
  }

  Mood mood = Mood::kFine;
  std::deque<Mood> moods;  // of the next calls, before `mood`
  int tries = 0;
  std::vector<std::string> ids, bodies;  // of what arrived, in order
  std::vector<HttpRequest> requests;

 private:
  Runtime& rt_;
};

// One run of the daemon's parts over a log that outlives it. Ends as a crash does.
class Life {
 public:
  Life(VirtualRuntime& rt, std::shared_ptr<MemoryLog> log,
       const std::map<std::string, Receiver*>& targets, NotifierOptions options = {},
       AllowanceOptions allowance = {})
      : rt_(rt), store_(rt, std::move(log)), handler_(rt, store_) {
    EXPECT_THAT(rt.Run(handler_.Load()), IsOk());
    std::vector<Notifier::Target> made;
    for (const auto& [name, receiver] : targets) {
      HttpTargetOptions http;
      http.url = "https://hooks.example/muster";
      http.key_ref = "env:HOOK";
      made.push_back(
          {name, std::make_unique<HttpTarget>(PostPorts{rt, *receiver, secrets}, std::move(http)),
           allowance});
    }
    notifier_ = std::make_unique<Notifier>(Notifier::Ports{rt, store_, handler_, secrets},
                                           std::move(made), std::move(options));
  }
  ~Life() { rt_.DestroyTasks(); }

  void Start() { notifier_->Start(); }
  // Begins to write an alert of `subject`; it is in the log some steps later.
  void Spawn(const std::string& subject, const std::string& kind = "fleet-short") {
    rt_.Spawn("write", Write(&handler_, subject, kind));
  }
  void Raise(const std::string& subject, const std::string& kind = "fleet-short") {
    Spawn(subject, kind);
    rt_.RunUntilIdle();
  }
  TargetStatus StatusOf(const std::string& name) {
    for (TargetStatus& status : notifier_->Targets()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no target " << name;
    return {};
  }
  // What the log says of the target, oldest first.
  std::vector<eventpb::NoticesServed> Served(const std::string& name) const {
    std::vector<eventpb::NoticesServed> out;
    EXPECT_THAT(store_.ReadStream(NotifyStream(name), 0,
                                  [&](const RecordedEvent& recorded) {
                                    const auto body =
                                        DecodeEvent(recorded.event.type, recorded.event.payload);
                                    out.push_back(body->notices_served());
                                    return true;
                                  }),
                IsOk());
    return out;
  }
  Notifier& notifier() { return *notifier_; }
  MemoryEventStore& store() { return store_; }
  Handler& handler() { return handler_; }

  MapSecrets secrets{{"env:HOOK", "a-key-of-the-hook"}};

 private:
  static Task<void> Write(Handler* handler, std::string subject, std::string kind) {
    eventpb::AlertRaised raised;
    raised.set_subject(subject);
    raised.set_fleet("zeb");
    *raised.mutable_evidence() = MakeEvidence(kind, Cat("2 of 8 healthy, ", subject));
    Handler::AsideDecision decide = [raised](const DecideContext&) {
      return StatusOr<Events>(Events{Wrap(raised)});
    };
    StreamId stream = AlertStream();
    Origin origin;
    origin.actor = "muster";
    const auto written =
        co_await handler->Aside(std::move(stream), std::move(decide), std::move(origin));
    EXPECT_THAT(written, IsOk());
  }

  VirtualRuntime& rt_;
  MemoryEventStore store_;
  Handler handler_;
  std::unique_ptr<Notifier> notifier_;
};

}  // namespace muster::notify
