#include "services/simulate/run.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "eventstore/memory/memory_event_store.h"
#include "services/musterd/registry.h"
#include "services/sim/make_sim.h"
#include "workers/engine/engine.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/provider_factory.h"
#include "workers/ports/secret_mask.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::simulate {
namespace {

constexpr char kOrigin[] = "http://market.internal";
constexpr char kKey[] = "sim-key";  // the simulator's own
constexpr absl::Duration kSlice = absl::Hours(3);

// Every reference resolves, as the footer says; the provider's key is the simulator's.
class AnySecrets final : public Secrets {
 public:
  StatusOr<std::string> Resolve(std::string_view ref) override {
    if (!IsSecretRef(ref)) return InvalidArgument("not a secret reference (env:NAME, file:PATH)");
    return std::string(kKey);
  }
  void Learn(std::string_view value) override { mask_.Learn(value); }
  std::string Mask(std::string_view text) const override { return mask_.Mask(text); }

 private:
  SecretMask mask_;
};

// What lies outside the market, for preflight checks: everything is there.
class AllThere final : public HttpClient {
 public:
  Task<StatusOr<HttpResponse>> Send(HttpRequest) override {
    HttpResponse response;
    response.status = 200;
    co_return response;
  }
};

class Program {
 public:
  explicit Program(const RunOptions& options)
      : options_(options), rt_(options.sim.seed, options.sim.start) {}
  ~Program() { rt_.DestroyTasks(); }

  Status Begin() {
    const std::string& provider = options_.fleet.provider();
    const auto maker = KnownProviders().find(provider);
    if (maker == KnownProviders().end()) {
      return InvalidArgument(Cat("there is no provider '", provider, "'"));
    }
    MUSTER_ASSIGN_OR_RETURN(sim_, MakeSim(provider, options_.sim));
    sim_->SetOrigin(kOrigin);
    http_ = std::make_unique<SimHttpClient>(rt_, *sim_);
    ProviderSettings settings;
    settings.base_url = kOrigin;
    settings.log_hosts = {kOrigin};
    settings.api_key_ref = "env:MUSTER_SIM_KEY";
    made_ = maker->second(settings, {rt_, *http_, secrets_});
    EngineOptions engine;
    engine.snapshot_every = absl::Hours(24 * 365);  // nobody starts from one
    engine_ = std::make_unique<Engine>(Engine::Ports{rt_, store_, elsewhere_, secrets_, tails_},
                                       std::move(engine));
    engine_->AddProvider(*made_.provider);
    MUSTER_RETURN_IF_ERROR(rt_.Run(engine_->Start()));
    Origin origin;
    origin.actor = "operator:simulate";
    const auto applied = rt_.Run(engine_->handler().Fleet(FleetName(options_.fleet.name()),
                                                          fleet::Apply{options_.fleet}, origin));
    return applied.status();
  }

  void Live() {
    const absl::Time end = options_.sim.start + options_.span;
    while (rt_.Now() < end) {
      rt_.RunFor(std::min(kSlice, end - rt_.Now()));
      if (options_.progress != nullptr) {
        options_.progress((rt_.Now() - options_.sim.start) / options_.span);
      }
    }
  }

  StatusOr<Report> Tell() {
    MUSTER_ASSIGN_OR_RETURN(Report report,
                            MakeReport(store_, options_.fleet, options_.sim.start, options_.span));
    report.seed = options_.sim.seed;
    report.charged = Charged();
    return report;
  }

 private:
  // By the provider's own book, not by ours.
  MicroUsd Charged() {
    HttpRequest request;
    request.method = "GET";
    request.url = Cat(kOrigin, "/control/ledger");
    const SimReply reply = sim_->Handle(request, rt_.Now());
    const auto book = nlohmann::json::parse(reply.response.body, nullptr, false);
    std::int64_t micros = 0;
    if (book.is_object() && book.contains("ledger")) {
      for (const auto& line : book["ledger"])
        micros += line.value("total_micro_usd", std::int64_t{0});
    }
    return MicroUsd(micros);
  }

  const RunOptions& options_;
  VirtualRuntime rt_;
  MemoryEventStore store_{rt_};
  AnySecrets secrets_;
  AllThere elsewhere_;
  TailKeeper tails_{rt_, {}};
  std::unique_ptr<SimServer> sim_;
  std::unique_ptr<SimHttpClient> http_;
  MadeProvider made_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

StatusOr<Report> RunOne(const RunOptions& options) {
  Program program(options);
  MUSTER_RETURN_IF_ERROR(program.Begin());
  program.Live();
  return program.Tell();
}

}  // namespace muster::simulate
