// Provider: what muster asks of a place that rents out machines.
//
// One implementation per folder under workers/providers/. Calls end by `deadline`. An adapter
// translates and reports; it never retries, sleeps or decides. Pacing sits in front of it
// (rate_limiter.h), policy above it (commands/). Reactor thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/rental.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"
#include "eventstore/base/units.h"

namespace muster {

// What a failed call means for the caller. Carried by every error Status of a Provider.
enum class Trouble {
  kNone,
  kThrottled,    // not done; wait `RetryAfter(status)`, then again
  kNoCredit,     // not done; account fault: stop launching, destroy nothing, probe later
  kAuth,         // not done; key invalid or expired: stop all, page a person
  kForbidden,    // not done; the key lacks the permission: as kAuth
  kOfferGone,    // not done; choose another offer
  kNotFound,     // the thing is not there, said definitely about this one thing
  kRejected,     // not done; our request is wrong: do not repeat it unchanged
  kConflict,     // not done; it is so already or cannot be so: read the state
  kUnavailable,  // not done; outage or never sent: try again later
  kUnclear,      // may have been done: look before anything is tried again
  kMalformed,    // an answer that makes no sense; for reads unknown, for writes as kUnclear
};
std::string_view TroubleName(Trouble trouble);  // "throttled"
Status MakeTrouble(Trouble trouble, std::string_view message,
                   absl::Duration retry_after = absl::ZeroDuration());
// The trouble a provider attached; from the code alone where none was: never kNone for an error.
Trouble TroubleOf(const Status& status);
// The least wait the provider named; zero when it named none.
absl::Duration RetryAfter(const Status& status);

struct OfferQuery {
  std::vector<GpuName> gpus;  // any of; never empty
  int gpus_per_machine = 1;
  std::int64_t disk_gb = 15;   // priced with exactly this disk
  MicroUsdPerHour price_max;   // with storage
  double reliability_min = 0;  // 0...1
  double cuda_min = 0;         // 12.4
  double inet_down_mbps_min = 0;
  double inet_up_mbps_min = 0;
  absl::Duration remaining_min;  // the host must still offer it this long
  bool verified_only = true;
  std::vector<std::string> countries;  // two letters, any of; empty = all
};
struct LaunchSpec {
  OfferId offer;
  std::string label;  // carries the launch token; the only correlator the provider keeps
  std::string image;
  std::string image_login;  // secret; "" = public image
  std::int64_t disk_gb = 15;
  std::map<std::string, std::string> env;  // values resolved: secrets in clear. Never log.
  std::string onstart;
  std::string runtype = "ssh_direct";
  std::optional<MicroUsdPerHour> bid;  // interruptible at this price; none = on-demand
};
struct Launched {
  InstanceId instance;
};

struct Account {
  double credit_usd = 0;   // spendable
  double balance_usd = 0;  // may be negative
  std::string id;          // the provider's name of the account; no e-mail, no key
};

// The end of a worker's log, or why there is none.
struct LogTail {
  enum class State {
    kText,         // `text` is the container's output, possibly empty
    kNoContainer,  // the whole answer said that there is no container (yet, or any more)
    kDaemon,       // the host's pull and start log
  };
  State state = State::kText;
  std::string text;  // valid UTF-8, secrets masked, ANSI codes removed, \r resolved
  bool cut = false;  // the size cap cut the front off
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual const ProviderName& name() const = 0;

  // Offers open now that meet `query` (checked here again, whatever the server filtered),
  // cheapest first. An empty market is an empty vector, not an error.
  virtual Task<StatusOr<std::vector<Offer>>> SearchOffers(OfferQuery query,
                                                          absl::Time deadline) = 0;

  // Rents `spec.offer`, marked with `spec.label`, whose token is in the log already.
  // Every Trouble can come back; kUnclear and kMalformed mean: look for the label first.
  virtual Task<StatusOr<Launched>> Launch(LaunchSpec spec, absl::Time deadline) = 0;

  // Every instance of the account, ours or not. Complete, or an error; never a part.
  virtual Task<StatusOr<std::vector<Instance>>> ListInstances(absl::Time deadline) = 0;
  // Instances whose label equals `label`: complete or an error. Settles unclear launches.
  virtual Task<StatusOr<std::vector<Instance>>> FindByLabel(std::string label,
                                                            absl::Time deadline) = 0;
  // One instance; nullopt when the provider says definitely that it does not exist.
  virtual Task<StatusOr<std::optional<Instance>>> GetInstance(InstanceId id,
                                                              absl::Time deadline) = 0;

  // Asks for the end of `id`. OK = asked; kNotFound = the provider does not know it. Neither is
  // proof that it is gone: that takes lists (rule 2).
  virtual Task<Status> Destroy(InstanceId id, absl::Time deadline) = 0;
  // Asks a stopped instance to run again (after a top-up). A refused start may stay queued.
  virtual Task<Status> Start(InstanceId id, absl::Time deadline) = 0;
  virtual Task<Status> Stop(InstanceId id, absl::Time deadline) = 0;

  // The last `lines` lines of output. An error is unknown, never bad news.
  virtual Task<StatusOr<LogTail>> FetchLog(InstanceId id, int lines, absl::Time deadline) = 0;

  virtual Task<StatusOr<Account>> GetAccount(absl::Time deadline) = 0;
};

}  // namespace muster
