// Requests of clients: several a run, one a line ("Method {text of the request}"), against the
// command path of the daemon under virtual time. Whatever is asked, the answer is an answer: no
// internal error, and the state is still what the log says.
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_split.h"
#include "commands/snapshot.h"
#include "eventstore/memory/memory_event_store.h"
#include "services/grpc/command_api.h"
#include "services/grpc/plan_convert.h"
#include "tests/fuzz/expect.h"
#include "tests/fuzz/text_message.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

class Bench {
 public:
  Bench() {
    FUZZ_EXPECT(rt_.Run(handler_.Load()).ok());
    policy_.Start();
    CommandHooks hooks;
    hooks.providers = {ProviderName("vast")};
    hooks.missing_secrets = [](const specpb::FleetSpec&) {
      return std::vector<std::pair<std::string, std::string>>();
    };
    hooks.list_instances = [](ProviderName, absl::Time) -> Task<StatusOr<std::vector<Instance>>> {
      Instance instance;
      instance.id = InstanceId("7");
      instance.label = "zeb-1";
      instance.machine = MachineId("77");
      instance.actual = ActualStatus::kRunning;
      co_return std::vector<Instance>{instance};
    };
    api_ = std::make_unique<CommandApi>(rt_, handler_, policy_, std::move(hooks));
  }
  ~Bench() { rt_.DestroyTasks(); }

  void Ask(std::string_view method, const std::string& text) {
    if (method == "ApplyFleet") return Call<api::ApplyFleetRequest>(&CommandApi::ApplyFleet, text);
    if (method == "ScaleFleet") return Call<api::ScaleFleetRequest>(&CommandApi::ScaleFleet, text);
    if (method == "DownFleet") return Call<api::DownFleetRequest>(&CommandApi::DownFleet, text);
    if (method == "ReplaceWorker") {
      return Call<api::ReplaceWorkerRequest>(&CommandApi::ReplaceWorker, text);
    }
    if (method == "DestroyWorker") {
      return Call<api::DestroyWorkerRequest>(&CommandApi::DestroyWorker, text);
    }
    if (method == "AdoptInstances") {
      return Call<api::AdoptInstancesRequest>(&CommandApi::AdoptInstances, text);
    }
    if (method == "PardonHost") return Call<api::PardonHostRequest>(&CommandApi::PardonHost, text);
    if (method == "ImportBadHosts") {
      return Call<api::ImportBadHostsRequest>(&CommandApi::ImportBadHosts, text);
    }
  }
  std::string State() const { return SerializeWorld(handler_.world()); }
  // The same log, folded by somebody else.
  std::string Refolded() {
    Handler other(rt_, store_);
    FUZZ_EXPECT(rt_.Run(other.Load()).ok());
    return SerializeWorld(other.world());
  }

 private:
  template <class Request, class Method>
  void Call(Method method, const std::string& text) {
    Request request;
    if (!ParseText(text, request)) return;
    const auto answer = rt_.Run(((*api_).*method)(request, Caller{"operator:fuzz"}));
    FUZZ_EXPECT(answer.ok() || (answer.status().code() != StatusCode::kInternal &&
                                answer.status().code() != StatusCode::kUnknown));
    rt_.RunFor(absl::Minutes(1));
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  PolicyDriver policy_{rt_, handler_, {}};
  std::unique_ptr<CommandApi> api_;
};

void One(std::string_view text) {
  Bench bench;
  int asked = 0;
  for (const auto line : absl::StrSplit(ToAbsl(text), '\n')) {
    const auto space = line.find(' ');
    if (space == line.npos || ++asked > 8) continue;
    bench.Ask(ToStd(line.substr(0, space)), std::string(line.substr(space + 1)));
  }
  FUZZ_EXPECT(bench.State() == bench.Refolded());
}

}  // namespace
}  // namespace muster::grpc_api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  muster::grpc_api::One(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
