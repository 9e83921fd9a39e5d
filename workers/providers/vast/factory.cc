#include "eventstore/base/runtime.h"
#include "workers/ports/provider_factory.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/vast_provider.h"

namespace muster::vast {

MadeProvider MakeProvider(const ProviderSettings& settings, const ProviderPorts& ports) {
  RateLimits limits = DefaultRateLimits();
  for (const auto& [endpoint, interval] : settings.pace) limits.intervals[endpoint] = interval;
  VastOptions options;
  if (!settings.base_url.empty()) options.base_url = settings.base_url;
  if (!settings.api_key_ref.empty()) options.api_key_ref = settings.api_key_ref;
  if (!settings.log_hosts.empty()) options.log_hosts = settings.log_hosts;
  options.log_bytes_max = settings.log_bytes_max;
  options.answer_bytes_max = settings.answer_bytes_max;
  MadeProvider made;
  made.limiter = MakeRateLimiter(ports.rt, std::move(limits));
  made.provider =
      MakeVastProvider(std::move(options), ports.rt, ports.http, *made.limiter, ports.secrets);
  return made;
}

}  // namespace muster::vast
