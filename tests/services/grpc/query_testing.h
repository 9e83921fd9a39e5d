// QueryBench: a QueryApi over a log written by hand, in virtual time, and streams that keep what
// they were sent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "queries/projector.h"
#include "services/grpc/query_api.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/pollers/tail_keeper.h"

namespace muster::grpc_api {

template <class Response>
class KeptStream final : public Stream<Response> {
 public:
  explicit KeptStream(Runtime& rt) : signal_(rt.MakeSignal()) {}

  Task<bool> Write(Response message) override {
    if (gone_) co_return false;
    sent.push_back(std::move(message));
    co_return true;
  }
  bool gone() const override { return gone_; }
  Task<void> Pause(absl::Time deadline) override {
    if (!gone_) co_await signal_->WaitUntil(deadline);
  }
  // The client goes.
  void Leave() {
    gone_ = true;
    signal_->NotifyAll();
  }

  std::vector<Response> sent;

 private:
  bool gone_ = false;
  std::unique_ptr<Signal> signal_;
};

class QueryBench {
 public:
  QueryBench() {
    const Status started = log.rt().Run(projector.Start());
    EXPECT_TRUE(started.ok()) << started;
  }
  ~QueryBench() { log.rt().DestroyTasks(); }

  VirtualRuntime& rt() { return log.rt(); }
  // Both clocks go on: of what is written, and of who asks.
  void After(absl::Duration span) {
    log.After(span);
    rt().RunFor(span);
  }
  template <class T>
  T Ask(Task<T> question) {
    rt().RunUntilIdle();  // the models take up what was written
    return rt().Run(std::move(question));
  }
  // Begins to serve a stream; `*ended` is set when the call ends.
  void Serve(Task<Status> call, std::optional<Status>* ended) {
    rt().Spawn("stream", [](Task<Status> task, std::optional<Status>* out) -> Task<void> {
      *out = co_await std::move(task);
    }(std::move(call), ended));
    rt().RunUntilIdle();
  }

  queries::LogBuilder log;
  queries::Projector projector{log.rt(), log.store()};
  TailKeeper tails{log.rt(), {}};
  std::vector<::muster::api::v1::NotifyTarget> notify_targets;
  std::vector<ServerOffer> server_offers;  // of every provider and list
  QueryApi api{log.rt(), log.store(), projector, tails, Hooks()};

 private:
  Task<StatusOr<std::vector<ServerOffer>>> OffersOf(ProviderName provider, ServerChannel channel) {
    if (provider != ProviderName("hetzner")) {
      co_return FailedPrecondition(Cat("provider '", provider.str(), "' is not configured"));
    }
    std::vector<ServerOffer> offers = server_offers;
    std::erase_if(offers, [&](const ServerOffer& offer) { return offer.channel != channel; });
    co_return offers;
  }

  QueryHooks Hooks() {
    QueryHooks hooks;
    hooks.notify_targets = [this] { return notify_targets; };
    hooks.search_servers = [this](ProviderName provider, ServerChannel channel) {
      return OffersOf(std::move(provider), channel);
    };
    return hooks;
  }
};

}  // namespace muster::grpc_api
