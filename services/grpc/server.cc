#include "services/grpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "eventstore/base/host.h"
#include "grpc/health/v1/health.pb.h"

namespace muster::grpc_api {
namespace {

constexpr std::string_view kUnix = "unix://";
constexpr int kMessageBytesMax = 8 << 20;

bool IsUnix(const std::string& address) { return absl::StartsWith(address, ToAbsl(kUnix)); }
std::string PathOf(const std::string& address) { return address.substr(kUnix.size()); }

// "127.0.0.1:4001" -> "127.0.0.1"; "[::1]:4001" -> "::1".
StatusOr<std::string> HostOf(const std::string& address) {
  HostPort split = SplitHostPort(address);
  if (split.port >= 0) return std::move(split.host);
  return InvalidArgument(
      Cat("listen: '", address, "' is neither unix:///ABSOLUTE/PATH nor HOST:PORT"));
}

StatusOr<std::string> ReadPem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good() || text.str().empty()) {
    return NotFound(Cat("tls: cannot read ", path, ": expected a PEM file"));
  }
  return text.str();
}

StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(const std::string& address,
                                                               const TlsFiles& tls) {
  const bool local = IsUnix(address) || tls.cert_file.empty();
  if (local) return grpc::InsecureServerCredentials();
  MUSTER_ASSIGN_OR_RETURN(const std::string cert, ReadPem(tls.cert_file));
  MUSTER_ASSIGN_OR_RETURN(const std::string key, ReadPem(tls.key_file));
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({key, cert});
  if (!tls.client_ca_file.empty()) {
    MUSTER_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(tls.client_ca_file));
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

// A socket file left behind by a crash is replaced; one that answers is somebody's.
Status ClaimSocket(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) {
    return InvalidArgument(Cat("listen: the path of a unix socket has at most ",
                               sizeof(name.sun_path) - 1, " bytes: ", path));
  }
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answered =
      fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  if (fd >= 0) close(fd);
  if (answered) return AlreadyExists(Cat("listen: another process answers at unix://", path));
  return absl::OkStatus();
}

}  // namespace

Status CheckListener(const std::string& address, const TlsFiles& tls) {
  if (IsUnix(address)) {
    const std::string path = PathOf(address);
    if (path.empty() || path.front() != '/') {
      return InvalidArgument(Cat("listen: '", address, "' needs an absolute path: unix:///PATH"));
    }
    return absl::OkStatus();
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string host, HostOf(address));
  if (IsLoopbackHost(host)) return absl::OkStatus();
  if (tls.cert_file.empty() || tls.key_file.empty() || tls.client_ca_file.empty()) {
    return FailedPrecondition(
        Cat("listen: ", address, " can be reached from other machines, so it needs tls.cert, ",
            "tls.key and tls.client_ca; or listen on unix:///PATH or 127.0.0.1:PORT"));
  }
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::vector<ListenerSpec>& listeners,
                                                        const TlsFiles& tls,
                                                        grpc::Service& commands,
                                                        grpc::Service& queries,
                                                        grpc::Service* audit) {
  static const bool plugins = [] {
    grpc::EnableDefaultHealthCheckService(true);
    // Named, so that its descriptor is linked in and reflection can describe the service.
    (void)grpc::health::v1::HealthCheckRequest::descriptor();
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)plugins;
  std::unique_ptr<GrpcServer> self(new GrpcServer());
  self->addresses_.resize(listeners.size());
  // One server for each set of services that is asked for.
  std::map<std::pair<bool, bool>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(CheckListener(listeners[i].address, tls));
    groups[{listeners[i].commands, listeners[i].queries}].push_back(i);
  }
  for (const auto& [services, members] : groups) {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    if (services.first) builder.RegisterService(&commands);
    if (services.second) builder.RegisterService(&queries);
    if (services.second && audit != nullptr) builder.RegisterService(audit);
    std::vector<int> ports(members.size(), 0);
    for (std::size_t k = 0; k < members.size(); ++k) {
      const std::string& address = listeners[members[k]].address;
      if (IsUnix(address)) MUSTER_RETURN_IF_ERROR(ClaimSocket(PathOf(address)));
      MUSTER_ASSIGN_OR_RETURN(const auto credentials, Credentials(address, tls));
      builder.AddListeningPort(address, credentials, &ports[k]);
    }
    auto server = builder.BuildAndStart();
    for (std::size_t k = 0; k < members.size(); ++k) {
      const std::string& address = listeners[members[k]].address;
      if (server == nullptr || ports[k] == 0) {
        return AlreadyExists(Cat("listen: cannot listen on ", address,
                                 "; another process may, or the folder cannot be written"));
      }
      self->addresses_[members[k]] =
          IsUnix(address) ? address : Cat(address.substr(0, address.rfind(':')), ":", ports[k]);
    }
    self->servers_.push_back(std::move(server));
  }
  return self;
}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

void GrpcServer::Shutdown(absl::Duration grace) {
  const auto deadline = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace);
  for (auto& server : servers_) server->Shutdown(deadline);
  servers_.clear();
}

}  // namespace muster::grpc_api
