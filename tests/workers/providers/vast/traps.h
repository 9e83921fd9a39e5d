// The provider's adapter against its simulator, with any trap set.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/ports/rate_limiter.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/providers/vast/vast_provider.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

using vastsim::Trap;

class VastTraps : public testing::Test {
 protected:
  VastTraps() : sim(Options(), rt.Now()), http(rt, sim) {
    sim.SetOrigin("http://vast.sim:80");
    VastOptions options;
    options.base_url = "http://vast.sim:80";
    options.api_key_ref = "env:KEY";
    options.log_hosts = {"http://vast.sim:80"};
    limiter = MakeRateLimiter(rt, vast::DefaultRateLimits());
    provider = MakeVastProvider(options, rt, http, *limiter, secrets);
    EXPECT_THAT(secrets.Resolve("env:HF_TOKEN"), IsOk());
  }
  static vastsim::VastSimOptions Options() {
    vastsim::VastSimOptions options;
    options.api_keys = {"sim_planted_key"};
    options.churn_interval = absl::ZeroDuration();
    return options;
  }
  absl::Time Soon() const { return rt.Now() + absl::Seconds(60); }
  void Set(Trap trap, std::string endpoint = "", int times = -1, double value = 0) {
    sim.ClearFaults();
    vastsim::Fault fault{.trap = trap, .endpoint = std::move(endpoint), .times = times};
    fault.value = value;
    sim.SetFault(fault);
  }

  StatusOr<std::vector<Instance>> List() { return rt.Run(provider->ListInstances(Soon())); }
  StatusOr<std::vector<Offer>> Search(double price_max = 1.0) {
    OfferQuery query;
    for (const vastsim::GpuKind& gpu : vastsim::DefaultGpus()) query.gpus.emplace_back(gpu.name);
    query.price_max = MicroUsdPerHour(static_cast<std::int64_t>(price_max * 1e6));
    query.verified_only = false;
    return rt.Run(provider->SearchOffers(query, Soon()));
  }
  StatusOr<Launched> Launch(std::string label = "zeb-worker-vast-0.m7k2q") {
    if (offers_.empty()) {
      for (const vastsim::OfferView& offer : sim.Offers()) {
        if (offer.gpus == 1) offers_.push_back(offer.id);
      }
    }
    LaunchSpec spec;
    spec.offer = OfferId(Cat(offers_.back()));
    offers_.pop_back();
    spec.label = std::move(label);
    spec.image = "pytorch/pytorch:2.6.0";
    spec.env = {{"HF_TOKEN", "hf_planted_token"}, {"WORKER_ID", "worker-vast-0"}};
    spec.onstart = "echo start";
    return rt.Run(provider->Launch(spec, rt.Now() + absl::Seconds(90)));
  }
  InstanceId Rented() {
    sim.ClearFaults();
    const StatusOr<Launched> launched = Launch(Cat("zeb-worker-vast-", ++rented_, ".m7k2q"));
    EXPECT_THAT(launched, IsOk());
    return launched.ok() ? launched->instance : InstanceId();
  }
  StatusOr<LogTail> Log(const InstanceId& id) {
    return rt.Run(provider->FetchLog(id, 50, rt.Now() + absl::Seconds(15)));
  }
  // An instance whose worker prints batches.
  InstanceId Producing() {
    const InstanceId id = Rented();
    rt.RunFor(absl::Minutes(20));
    return id;
  }
  std::int64_t Number(const InstanceId& id) const { return std::stoll(id.str()); }

  VirtualRuntime rt{1};
  vastsim::VastSim sim;
  SimHttpClient http;
  MapSecrets secrets{{"env:KEY", "sim_planted_key"}, {"env:HF_TOKEN", "hf_planted_token"}};
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<Provider> provider;

 private:
  std::vector<std::int64_t> offers_;
  int rented_ = 0;
};

}  // namespace muster
