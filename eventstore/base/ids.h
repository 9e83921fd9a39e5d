// Ids: one distinct string type per kind of thing, so that a worker can never be passed where a
// machine is meant. Values are opaque text; only the provider's adapter gives them meaning. Pure.
#pragma once

#include <compare>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string value) : value_(std::move(value)) {}
  explicit Id(std::string_view value) : value_(value) {}
  explicit Id(const char* value) : value_(value) {}

  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend bool operator==(const Id&, const Id&) = default;
  friend auto operator<=>(const Id&, const Id&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, const Id& id) { return os << id.value_; }

 private:
  std::string value_;
};

using FleetName = Id<struct FleetNameTag>;      // "zeb-large"
using WorkerId = Id<struct WorkerIdTag>;        // our name of one rental, "k7f2q"; equals its token
using LaunchToken = Id<struct LaunchTokenTag>;  // unique mark put on the rental at the provider
using ProviderName = Id<struct ProviderNameTag>;  // "vast"
using InstanceId = Id<struct InstanceIdTag>;      // the provider's name of one rental
using MachineId = Id<struct MachineIdTag>;        // the physical machine: unit of strikes
using OfferId = Id<struct OfferIdTag>;            // what is rented by its id, once
using EventId = Id<struct EventIdTag>;            // idempotency key of one event
using StreamId = Id<struct StreamIdTag>;          // "worker/k7f2q"
using GpuName = Id<struct GpuNameTag>;            // "RTX 4070 Ti", spaces, trimmed
using ServerId = Id<struct ServerIdTag>;      // our name of one dedicated server's life, "k7f2q"
using ServerName = Id<struct ServerNameTag>;  // what its file calls it, "builder-01"
using ServerNumber = Id<struct ServerNumberTag>;  // the provider's name of a delivered server
using OrderId = Id<struct OrderIdTag>;            // the provider's name of one order
using QuotaName = Id<struct QuotaNameTag>;        // a shared limit, "huggingface-commits"

}  // namespace muster
