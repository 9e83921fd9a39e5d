// OsKeyStore: the KeyStore in a folder of the disk, a file of mode 0600 per key, as OpenSSH writes
// them.
#pragma once

#include <string>

#include "workers/ports/key_store.h"

namespace muster {

class OsKeyStore : public KeyStore {
 public:
  // The folder is made, for its owner alone, with the first key.
  explicit OsKeyStore(std::string folder) : folder_(std::move(folder)) {}
  StatusOr<SshKeyPair> GetOrMake(const std::string& name) override;
  StatusOr<SshKeyPair> Get(const std::string& name) override;
  Status Forget(const std::string& name) override;

 private:
  std::string folder_;
};

}  // namespace muster
