// Bridge: from gRPC's threads to coroutines on the reactor and back.
//
// gRPC calls its callbacks on threads of its own. Each call is posted to the reactor, runs there as
// a Task, and its answer is handed back from there: no state of ours is touched by another thread.
// The Runtime must run until grpc::Server::Shutdown has returned.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "eventstore/base/runtime.h"
#include "services/grpc/errors.h"

namespace muster::grpc_api {

// What an API function knows about who calls it. By value: outlives the gRPC call.
struct Caller {
  std::string actor;  // "operator:alice"; as claimed over the socket, or the TLS client's name
  absl::Time until = absl::InfiniteFuture();  // when the client waits no longer
};
Caller CallerOf(const grpc::CallbackServerContext& context);

namespace internal {
template <class Response>
Task<void> RunUnary(std::function<Task<StatusOr<Response>>()> call,
                    grpc::ServerUnaryReactor* reactor, Response* out) {
  StatusOr<Response> answer = co_await call();
  if (answer.ok()) {
    *out = *std::move(answer);
    reactor->Finish(grpc::Status::OK);
  } else {
    reactor->Finish(ToGrpc(answer.status()));
  }
}
}  // namespace internal

// Runs `call` on the reactor and finishes the gRPC call with what it returns.
template <class Response>
grpc::ServerUnaryReactor* Answer(Runtime& rt, grpc::CallbackServerContext* context, Response* out,
                                 std::function<Task<StatusOr<Response>>()> call) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rt.Post([&rt, reactor, out, call = std::move(call)]() mutable {
    rt.Spawn("grpc", internal::RunUnary<Response>(std::move(call), reactor, out));
  });
  return reactor;
}

// Stream: what a streaming API function writes to. Reactor thread.
template <class Response>
class Stream {
 public:
  virtual ~Stream() = default;
  // Sends one message and returns when gRPC took it (its flow control is the back-pressure).
  // False: the client has gone; end.
  virtual Task<bool> Write(Response message) = 0;
  // Notified when the client goes, and by nothing else; wait on it beside your own news.
  virtual bool gone() const = 0;
  // Returns at `deadline` or as soon as the client has gone.
  virtual Task<void> Pause(absl::Time deadline) = 0;
};

namespace internal {

// What the gRPC threads and the coroutine share. Fields are touched on the reactor only.
struct StreamState {
  explicit StreamState(Runtime& rt) : signal(rt.MakeSignal()) {}
  std::unique_ptr<Signal> signal;
  bool gone = false;
  std::optional<bool> written;
};

template <class Response>
class Writer final : public grpc::ServerWriteReactor<Response>, public Stream<Response> {
 public:
  using Body = std::function<Task<Status>(Stream<Response>&)>;

  Writer(Runtime& rt, Body body) : rt_(rt), body_(std::move(body)) {}

  // Called once, on any thread; the reactor takes it from there.
  void Start() {
    rt_.Post([this] {
      state_ = std::make_shared<StreamState>(rt_);
      rt_.Spawn("grpc stream", Run(this));
    });
  }

  Task<bool> Write(Response message) override {
    const std::shared_ptr<StreamState> state = state_;
    if (state->gone) co_return false;
    message_ = std::move(message);
    state->written.reset();
    this->StartWrite(&message_);
    while (!state->written.has_value()) {
      co_await state->signal->WaitUntil(absl::InfiniteFuture());
    }
    co_return *state->written && !state->gone;
  }
  bool gone() const override { return state_->gone; }
  Task<void> Pause(absl::Time deadline) override {
    const std::shared_ptr<StreamState> state = state_;
    if (state->gone) co_return;
    co_await state->signal->WaitUntil(deadline);
  }

  // gRPC threads.
  void OnWriteDone(bool ok) override {
    rt_.Post([this, ok] {
      state_->written = ok;
      if (!ok) state_->gone = true;
      state_->signal->NotifyAll();
    });
  }
  void OnCancel() override {
    rt_.Post([this] {
      state_->gone = true;
      state_->signal->NotifyAll();
    });
  }
  // The last callback. Whatever was posted before it runs before the deletion.
  void OnDone() override {
    rt_.Post([this] { delete this; });
  }

 private:
  static Task<void> Run(Writer* self) {
    const Status status = co_await self->body_(*self);
    self->Finish(ToGrpc(status));
  }

  Runtime& rt_;
  Body body_;
  Response message_;
  std::shared_ptr<StreamState> state_;
};

}  // namespace internal

// Runs `body` on the reactor with a Stream and finishes the call with its Status.
template <class Response>
grpc::ServerWriteReactor<Response>* AnswerStream(Runtime& rt,
                                                 typename internal::Writer<Response>::Body body) {
  auto* writer = new internal::Writer<Response>(rt, std::move(body));  // deletes itself in OnDone
  writer->Start();
  return writer;
}

}  // namespace muster::grpc_api
