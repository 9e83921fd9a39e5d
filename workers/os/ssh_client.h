// OsSshClient: the SshClient of the daemon: libssh2 on the reactor.
//
//   OsSshClient ssh(rt);
//
// Reactor thread. Must not outlive the OsRuntime. No file is read: neither known_hosts nor
// ssh_config nor an agent has a say in whom the daemon talks to.
#pragma once

#include "workers/os/os_runtime.h"
#include "workers/ports/ssh.h"

namespace muster {

class OsSshClient final : public SshClient {
 public:
  explicit OsSshClient(OsRuntime& rt);

  Task<StatusOr<std::unique_ptr<SshSession>>> Connect(SshTarget target) override;

 private:
  OsRuntime& rt_;
};

}  // namespace muster
