// What a status query costs over an empty gRPC call: the same socket, the same client, by turns.
// Links: muster_grpc muster_eventstore muster_os
#include <grpcpp/create_channel.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <future>
#include <thread>

#include "commands/handler/handler.h"
#include "eventstore/memory/memory_event_store.h"
#include "services/grpc/command_api.h"
#include "services/grpc/server.h"
#include "services/grpc/services.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kCalls = 4'000;

// The empty call: a unary call of the same kind that touches nothing of ours.
class EmptyService final : public api::v1::CommandService::CallbackService {
 public:
  grpc::ServerUnaryReactor* PardonHost(grpc::CallbackServerContext* context,
                                       const api::v1::PardonHostRequest*,
                                       api::v1::PardonHostResponse*) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

double Median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

template <class Call>
double Microseconds(Call call) {
  const auto begun = Clock::now();
  if (!call().ok()) {
    std::fprintf(stderr, "bench_grpc: a call failed\n");
    std::exit(1);
  }
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

void Measure(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto commands = api::v1::CommandService::NewStub(channel);
  const auto queries = api::v1::QueryService::NewStub(channel);
  std::vector<double> empty, status;
  for (int i = 0; i < kCalls; ++i) {
    empty.push_back(Microseconds([&] {
      grpc::ClientContext context;
      api::v1::PardonHostResponse answer;
      return commands->PardonHost(&context, {}, &answer);
    }));
    status.push_back(Microseconds([&] {
      grpc::ClientContext context;
      api::v1::ListFleetsResponse answer;
      return queries->ListFleets(&context, {}, &answer);
    }));
  }
  const double bare = Median(empty), asked = Median(status);
  std::printf("empty call %.0f us, status query %.0f us (medians of %d)\n", bare, asked, kCalls);
  std::printf("RATIO grpc_status_vs_empty %.2f <=1.3\n", asked / bare);
}

Task<Status> Begin(Handler& handler, queries::Projector& projector) {
  CO_RETURN_IF_ERROR(co_await handler.Load());
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  spec.set_workers(0);
  Origin origin;
  origin.actor = "bench";
  fleet::Command apply = fleet::Apply{spec};
  CO_RETURN_IF_ERROR(
      (co_await handler.Fleet(FleetName("zeb"), std::move(apply), std::move(origin))).status());
  co_return co_await projector.Start();
}

int Main() {
  std::string folder = std::filesystem::temp_directory_path().string() + "/muster-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  OsRuntime rt;
  MemoryEventStore store(rt);
  Handler handler(rt, store);
  queries::Projector projector(rt, store);
  const Status begun = rt.BlockOn(Begin(handler, projector));
  if (!begun.ok()) {
    std::fprintf(stderr, "bench_grpc: %s\n", std::string(Message(begun)).c_str());
    return 1;
  }
  TailKeeper tails(rt, {});
  grpc_api::QueryApi queries(rt, store, projector, tails, {});
  grpc_api::QueryService service(rt, queries);
  EmptyService empty;
  const std::string address = "unix://" + folder + "/bench.sock";
  auto server = grpc_api::GrpcServer::Start({{.address = address}}, {}, empty, service);
  if (!server.ok()) return 1;
  std::thread client([&] {
    Measure(address);
    (*server)->Shutdown(absl::Seconds(1));
    rt.Stop();
  });
  rt.Run();
  client.join();
  rt.DestroyTasks();
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace muster

int main() { return muster::Main(); }
