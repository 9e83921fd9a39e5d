// Files that people write: fleet files and the daemon's configuration. First byte: which.
#include <string>
#include <string_view>

#include "muster/spec/v1/fleet.pb.h"
#include "services/files/daemon_config.h"
#include "services/files/fleet_file.h"
#include "services/files/spec_check.h"
#include "tests/fuzz/expect.h"

namespace muster {
namespace {

// A refusal names the file; a fleet that was taken is a valid one and can be written and read back.
void Fleet(std::string_view text) {
  const auto spec = ParseFleetFile(text, "fleet.yaml");
  if (!spec.ok()) {
    FUZZ_EXPECT(Message(spec.status()).find("fleet.yaml") != std::string::npos);
    return;
  }
  FUZZ_EXPECT(ValidateSpec(*spec).empty());
  const std::string written = FormatFleetFile(*spec);
  const auto again = ParseFleetFile(written, "again.yaml");
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(DiffSpecs(*spec, *again).empty());
}

void Daemon(std::string_view text) {
  const auto config = ParseDaemonConfig(text, "musterd.yaml");
  if (!config.ok()) {
    FUZZ_EXPECT(Message(config.status()).find("musterd.yaml") != std::string::npos);
    return;
  }
  // What can be reached from elsewhere is never served without TLS.
  if (config->tls.cert_file.empty()) {
    for (const std::string& address : config->listen) FUZZ_EXPECT(IsLocalAddress(address));
  }
}

}  // namespace
}  // namespace muster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] == 'd' ? muster::Daemon(text) : muster::Fleet(text);
  return 0;
}
