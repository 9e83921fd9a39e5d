// KeyStore: the private keys that this installation made for one purpose each: the throw-away key
// of an order, the host key of a server. Beside the log, never in it. Reactor thread; blocks for
// the time of a small write. The real one is workers/os/os_key_store.
#pragma once

#include <string>

#include "eventstore/base/openssh_key.h"
#include "eventstore/base/status.h"

namespace muster {

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // The pair called `name` ("k7f2q.order"), made when there is none; on the disk when this returns.
  //   kUnavailable, kFailedPrecondition  it cannot be kept or read: do not go on without it
  virtual StatusOr<SshKeyPair> GetOrMake(const std::string& name) = 0;
  //   kNotFound  there is none: it was forgotten, or made by another installation
  virtual StatusOr<SshKeyPair> Get(const std::string& name) = 0;
  // Not there is OK.
  virtual Status Forget(const std::string& name) = 0;
};

}  // namespace muster
