// RealSshd: OpenSSH's own server on a loopback port, one process per connection (`sshd -i`), with a
// host key and a client key of its own. For tests of what we do to a real other side.
#pragma once

#include <sys/types.h>

#include <asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "workers/os/os_runtime.h"

namespace muster {

class RealSshd {
 public:
  // "" or why there is none on this machine.
  static std::string Missing();

  // `settings` are lines of sshd_config. `host_key` is a kind for ssh-keygen: "ed25519", "rsa".
  explicit RealSshd(OsRuntime& rt, const std::string& settings = "",
                    const std::string& host_key = "ed25519");
  ~RealSshd();
  RealSshd(const RealSshd&) = delete;

  int port() const { return acceptor_.local_endpoint().port(); }
  std::string host_fingerprint() const;  // as ssh-keygen -l prints it
  std::string host_public_key() const;
  std::string identity() const;  // the key that may log in
  std::string identity_file() const { return File("client"); }
  // A new private key that nobody knows; more arguments for ssh-keygen.
  std::string NewKey(const std::string& arguments) const;
  // What the servers had to say, for as long as they have run.
  std::string Log() const;
  // Ends the newest server and whatever it runs.
  void KillNewest();

 private:
  static Task<void> Accept(RealSshd* self);
  void Serve(asio::ip::tcp::socket socket);
  std::string File(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;
  asio::ip::tcp::acceptor acceptor_;
  std::vector<pid_t> servers_;
};

}  // namespace muster
