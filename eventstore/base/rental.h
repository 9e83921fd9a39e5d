// What can be rented and what is rented, in muster's words: the values that adapters report and
// decisions are taken on. No provider's name or field appears here. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster {

// One machine that could be rented now. An offer id is rented once.
struct Offer {
  OfferId id;
  MachineId machine;
  std::string host;  // owner
  GpuName gpu;
  int gpus = 1;
  MicroUsdPerHour price;  // $/h with the disk asked for
  double reliability = 0;
  double cuda = 0;
  double inet_down_mbps = 0;
  double inet_up_mbps = 0;
  double disk_free_gb = 0;
  absl::Duration remaining;
  std::string location;
};

// The provider's words for the state of the container, mapped; the raw text is kept beside it.
enum class ActualStatus {
  kNone,  // contract exists, host not yet heard
  kCreated,
  kLoading,
  kRunning,
  kExited,
  kStopped,
  kFrozen,
  kTransient,
  kUnknown,
  kOffline,
  kOther,  // never seen before
};
std::string_view ActualStatusName(ActualStatus status);    // "running"
ActualStatus ActualStatusFromName(std::string_view name);  // kOther when unknown

// One rental as the provider reports it.
struct Instance {
  InstanceId id;
  std::string label;  // trimmed
  MachineId machine;
  std::string host;
  GpuName gpu;
  int gpus = 1;
  ActualStatus actual = ActualStatus::kNone;
  std::string actual_raw;
  std::string intended_raw;
  std::string status_message;  // masked, at most 512 bytes
  MicroUsdPerHour price;       // as billed now
  bool price_known = false;
  std::optional<absl::Time> started_at;  // by the provider's clock; never the only age source
  std::string ssh_host;
  int ssh_port = 0;
  std::string location;
};

}  // namespace muster
