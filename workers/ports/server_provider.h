// ServerProvider: what muster asks of a place that sells dedicated servers: markets, orders, boots
// and cancellations. What happens on the machine itself goes over Ssh (ssh.h).
//
// One implementation per folder under workers/providers/, beside or instead of a Provider. Calls
// end by `deadline`. An adapter translates and reports; it never decides, and repeats nothing that
// may have acted (a read may be tried once more on a fresh connection). Pacing and daily quotas sit
// in its limiter. Errors carry a Trouble (provider.h). No answer's password leaves an adapter.
// Reactor thread.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/server.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"
#include "workers/ports/provider.h"

namespace muster {

struct ServerOrderSpec {
  OfferId offer;
  ServerChannel channel = ServerChannel::kAuction;
  std::string key_fingerprint;  // MD5 of a key made for this order alone, stored before
  bool ipv4 = false;            // without it the server has IPv6 only
  std::string location;         // standard products only
  bool test = true;             // checked by the provider and not carried out
};

class ServerProvider {
 public:
  virtual ~ServerProvider() = default;
  virtual const ProviderName& name() const = 0;

  // All offers of the channel. None is an empty vector, not an error.
  virtual Task<StatusOr<std::vector<ServerOffer>>> SearchServers(ServerChannel channel,
                                                                 absl::Time deadline) = 0;
  // As it is offered at this moment; nullopt: no longer.
  virtual Task<StatusOr<std::optional<ServerOffer>>> GetServerOffer(ServerChannel channel,
                                                                    OfferId id,
                                                                    absl::Time deadline) = 0;

  // Makes the public key known under `name`, so that orders and rescue systems can let it in. OK
  // too when this very key is known already.
  virtual Task<Status> StoreKey(std::string name, std::string public_key, absl::Time deadline) = 0;
  // By the MD5 fingerprint. OK too when it is not there.
  virtual Task<Status> DeleteKey(std::string fingerprint, absl::Time deadline) = 0;

  // Buys, unless `spec.test`. Never sent twice by the adapter.
  //   kOfferGone    somebody else has it
  //   kForbidden    the account may read but not order
  //   kThrottled    the orders of the day are used up: not done
  //   kUnclear, kMalformed  it may have been bought: look through ListOrders for the key, and never
  //                 order again before that is settled
  virtual Task<StatusOr<ServerOrder>> OrderServer(ServerOrderSpec spec, absl::Time deadline) = 0;
  // Orders of both channels, as far back as the provider lists them. Complete, or an error.
  virtual Task<StatusOr<std::vector<ServerOrder>>> ListOrders(absl::Time deadline) = 0;
  // nullopt: it is not listed. An order outlives its server: it says nothing of life.
  virtual Task<StatusOr<std::optional<ServerOrder>>> GetOrder(ServerChannel channel, OrderId id,
                                                              absl::Time deadline) = 0;

  // Every server of the account, ours or not. Complete, or an error.
  virtual Task<StatusOr<std::vector<Server>>> ListServers(absl::Time deadline) = 0;
  // nullopt: the provider says that there is none. Of one bought minutes ago that is no proof.
  virtual Task<StatusOr<std::optional<Server>>> GetServer(ServerNumber number,
                                                          absl::Time deadline) = 0;
  virtual Task<Status> RenameServer(ServerNumber number, std::string name, absl::Time deadline) = 0;

  virtual Task<StatusOr<RescueSetting>> GetRescue(ServerNumber number, absl::Time deadline) = 0;
  // For the next boot; reboots nothing. An answer is no proof of effect: read GetRescue.
  virtual Task<Status> ActivateRescue(ServerNumber number, std::string key_fingerprint,
                                      absl::Time deadline) = 0;
  virtual Task<Status> DeactivateRescue(ServerNumber number, absl::Time deadline) = 0;
  virtual Task<StatusOr<RescueBoot>> LastRescue(ServerNumber number, absl::Time deadline) = 0;

  // What may be asked of this board.
  virtual Task<StatusOr<std::vector<ResetKind>>> ResetKinds(ServerNumber number,
                                                            absl::Time deadline) = 0;
  // OK = asked; says nothing about the boot. REQUIRES: kind is not kManual (that is a person's)
  virtual Task<Status> Reset(ServerNumber number, ResetKind kind, absl::Time deadline) = 0;

  virtual Task<StatusOr<Cancellation>> GetCancellation(ServerNumber number,
                                                       absl::Time deadline) = 0;
  // `date` is "now" or "2026-12-31". An answer is no proof: read GetCancellation and GetServer.
  //   kConflict  it is cancelled already, or cannot be: read
  virtual Task<Status> CancelServer(ServerNumber number, std::string date, std::string reason,
                                    absl::Time deadline) = 0;
  //   kConflict  there is nothing to revoke, or no longer
  virtual Task<Status> RevokeCancellation(ServerNumber number, absl::Time deadline) = 0;

  // The calls above as they would be made, for plans that people read: method, path and parameters,
  // "POST /reset/3100001 type=hw". Pure.
  virtual std::string OrderCall(const ServerOrderSpec& spec) const = 0;
  virtual std::string RescueCall(const ServerNumber& number,
                                 const std::string& key_fingerprint) const = 0;
  virtual std::string ResetCall(const ServerNumber& number, ResetKind kind) const = 0;
  virtual std::string CancelCall(const ServerNumber& number, const std::string& date) const = 0;
  virtual std::string RevokeCall(const ServerNumber& number) const = 0;
  // Orders that the provider takes in a day, of each channel.
  virtual int OrdersPerDay() const = 0;
};

}  // namespace muster
