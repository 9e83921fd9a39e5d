#include "services/grpc/bridge.h"

namespace muster::grpc_api {
namespace {

// Names come from outside and end up in the log: letters, digits and a few marks, cut to 64.
std::string Clean(std::string_view name) {
  std::string clean;
  for (const char c : name.substr(0, 64)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || c == '@';
    clean += plain ? c : '_';
  }
  return clean.empty() ? "unknown" : clean;
}

}  // namespace

Caller CallerOf(const grpc::CallbackServerContext& context) {
  Caller caller;
  caller.until = absl::FromChrono(context.deadline());
  const auto auth = context.auth_context();
  if (auth != nullptr && auth->IsPeerAuthenticated()) {
    const auto names = auth->GetPeerIdentity();
    const std::string name = names.empty() ? "" : std::string(names[0].data(), names[0].size());
    caller.actor = Cat("operator:", Clean(name));
  } else {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("x-muster-actor");
    const std::string_view name =
        found == metadata.end() ? std::string_view()
                                : std::string_view(found->second.data(), found->second.size());
    caller.actor = Cat("operator:", Clean(name));
  }
  return caller;
}

}  // namespace muster::grpc_api
