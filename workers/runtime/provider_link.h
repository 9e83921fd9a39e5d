// ProviderLink: everything that pollers and effects of one provider's account work with.
//
// References only: the daemon (or a test) owns the things and lets them outlive all who hold a
// link. One link per account; `tails` may be shared by several. Reactor thread.
#pragma once

namespace muster {

class Handler;
class HttpClient;
class Provider;
class Runtime;
class Secrets;
class TailKeeper;

struct ProviderLink {
  Runtime& rt;
  Handler& handler;
  Provider& provider;
  HttpClient& http;  // for preflight checks; the provider has its own
  Secrets& secrets;
  TailKeeper& tails;
};

}  // namespace muster
