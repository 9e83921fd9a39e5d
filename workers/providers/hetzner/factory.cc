#include "eventstore/base/runtime.h"
#include "workers/ports/provider_factory.h"
#include "workers/providers/hetzner/hetzner_provider.h"
#include "workers/providers/hetzner/limits.h"

namespace muster::hetzner {

MadeProvider MakeProvider(const ProviderSettings& settings, const ProviderPorts& ports) {
  RateLimits limits = DefaultRateLimits();
  for (const auto& [bucket, interval] : settings.pace) limits.intervals[bucket] = interval;
  HetznerOptions options;
  if (!settings.base_url.empty()) options.base_url = settings.base_url;
  if (!settings.api_key_ref.empty()) options.password_ref = settings.api_key_ref;
  options.user = settings.user;
  options.answer_bytes_max = settings.answer_bytes_max;
  MadeProvider made;
  made.limiter = MakeRateLimiter(ports.rt, std::move(limits));
  made.servers =
      MakeHetznerProvider(std::move(options), ports.rt, ports.http, *made.limiter, ports.secrets);
  return made;
}

}  // namespace muster::hetzner
