// GrpcServer: where clients reach the daemon: listeners, TLS, health and reflection.
//
// A unix socket and loopback need no TLS; every other address demands a certificate and, from the
// client, one signed by `client_ca_file`. Made and ended outside the reactor thread's callbacks:
// Shutdown blocks until the last call has been answered, which takes a running reactor.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"

namespace muster::grpc_api {

struct TlsFiles {  // PEM
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;
};

struct ListenerSpec {
  std::string address;  // "unix:///run/muster/musterd.sock", "127.0.0.1:4001", port 0 = any
  bool commands = true;
  bool queries = true;
};

// Whether `address` may be listened on with these TLS files.
//
// kInvalidArgument     not unix:///PATH or HOST:PORT
// kFailedPrecondition  not loopback, and no certificate, key and client CA: give all three in `tls`
Status CheckListener(const std::string& address, const TlsFiles& tls);

class GrpcServer {
 public:
  // Begins to serve. The services must outlive it; `audit` answers where queries do.
  //
  // As CheckListener, and
  // kNotFound       a TLS file cannot be read; the message names it
  // kAlreadyExists  something else listens there already; the message names the address
  static StatusOr<std::unique_ptr<GrpcServer>> Start(const std::vector<ListenerSpec>& listeners,
                                                     const TlsFiles& tls, grpc::Service& commands,
                                                     grpc::Service& queries,
                                                     grpc::Service* audit = nullptr);
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // In the order of the listeners, ports resolved.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Takes no new calls, lets those under way end for up to `grace`, then cancels them.
  // Blocks; not on the reactor thread.
  void Shutdown(absl::Duration grace);

 private:
  GrpcServer() = default;

  std::vector<std::unique_ptr<grpc::Server>> servers_;
  std::vector<std::string> addresses_;
};

}  // namespace muster::grpc_api
