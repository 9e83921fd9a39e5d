// HetznerRig: the adapter against its simulator in memory, under virtual time.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tests/support/map_secrets.h"
#include "workers/providers/hetzner/hetzner_provider.h"
#include "workers/providers/hetzner/limits.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

// A key as an order makes it, and what `ssh-keygen -l -E md5` says of them.
inline constexpr char kPublicKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkNMXe3uw7GHCb3rtPKBK3z4PUIUxdRkeSJIiVoBvOX order-a";
inline constexpr char kKeyMd5[] = "5d:ea:a0:84:39:01:7d:5e:55:e1:f9:5c:e2:04:ef:ee";

class HetznerRig {
 public:
  explicit HetznerRig(hetznersim::HetznerSimOptions options = Calm())
      : sim(std::move(options), rt.Now()), http(rt, sim) {
    HetznerOptions made;
    made.base_url = "http://robot.sim/";
    made.user = "#ws+planted";
    made.password_ref = "env:ROBOT";
    limiter = MakeRateLimiter(rt, hetzner::DefaultRateLimits());
    provider = MakeHetznerProvider(made, rt, http, *limiter, secrets);
  }
  static hetznersim::HetznerSimOptions Calm() {
    hetznersim::HetznerSimOptions options;
    options.user = "#ws+planted";
    options.password = "planted_password";
    options.reduce_interval = absl::ZeroDuration();
    return options;
  }
  // The simulator's world goes on with the runtime's clock, called or not.
  void Wait(absl::Duration span) {
    rt.RunFor(span);
    sim.Advance(rt.Now());
  }
  absl::Time Soon() const { return rt.Now() + absl::Seconds(60); }
  // Exactly this trap from now on.
  void Set(hetznersim::Trap trap, int times = -1, double value = 0, std::string endpoint = "") {
    sim.ClearFaults();
    hetznersim::Fault fault{.trap = trap, .endpoint = std::move(endpoint), .times = times};
    fault.value = value;
    sim.SetFault(fault);
  }

  Status Store() { return rt.Run(provider->StoreKey("muster-a", kPublicKey, Soon())); }
  ServerOrderSpec Spec(bool test = false, bool ipv4 = false) const {
    ServerOrderSpec spec;
    spec.offer = OfferId(sim.Products().empty() ? "1" : sim.Products().front().id);
    spec.key_fingerprint = kKeyMd5;
    spec.ipv4 = ipv4;
    spec.test = test;
    return spec;
  }
  StatusOr<ServerOrder> Order(bool test = false, bool ipv4 = false) {
    return rt.Run(provider->OrderServer(Spec(test, ipv4), Soon()));
  }
  // A server that was ordered and delivered.
  ServerNumber Delivered(bool ipv4 = false) {
    if (!Store().ok()) return {};
    const StatusOr<ServerOrder> order = Order(/*test=*/false, ipv4);
    if (!order.ok()) return {};
    Wait(absl::Minutes(10));
    const auto now = rt.Run(provider->GetOrder(ServerChannel::kAuction, order->id, Soon()));
    return now.ok() && now->has_value() ? (*now)->server : ServerNumber();
  }
  StatusOr<std::vector<Server>> Servers() { return rt.Run(provider->ListServers(Soon())); }
  StatusOr<std::vector<ServerOffer>> Search(ServerChannel channel = ServerChannel::kAuction) {
    return rt.Run(provider->SearchServers(channel, Soon()));
  }

  VirtualRuntime rt{1};
  hetznersim::HetznerSim sim;
  SimHttpClient http;
  MapSecrets secrets{{"env:ROBOT", "planted_password"}};
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<ServerProvider> provider;
};

}  // namespace muster
