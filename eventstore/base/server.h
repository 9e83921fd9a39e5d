// Dedicated servers in muster's words: ordered once, billed for months, delivered bare. The values
// that adapters report and decisions are taken on. No provider's field appears here. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"

namespace muster {

// An amount in the currency the provider bills in, net of taxes, in millionths.
struct Money {
  std::int64_t micros = 0;
  std::string currency = "EUR";
  friend bool operator==(const Money&, const Money&) = default;
};
// "148.00 EUR", "0.2372 EUR": at least two, at most four decimals.
std::string FormatMoney(const Money& money);

// What a server costs from `from` until `to`, in millionths: started hours in full, no calendar
// month (UTC) more than its price, and the setup once. Without a price per hour, started months in
// full.
std::int64_t ServerCost(std::int64_t month_micros, std::int64_t hour_micros,
                        std::int64_t setup_micros, absl::Time from, absl::Time to);

// Where an offer is listed and bought. The lists are separate at the provider, orders too.
enum class ServerChannel { kAuction, kStandard };
std::string_view ServerChannelName(ServerChannel channel);  // "auction"

struct ServerPrice {
  Money month;
  std::optional<Money> hour;  // none = not billed by the hour
  Money setup;
  friend bool operator==(const ServerPrice&, const ServerPrice&) = default;
};

// One server, or one kind of server, that could be ordered now.
struct ServerOffer {
  OfferId id;
  ServerChannel channel = ServerChannel::kAuction;
  std::string name;      // "SB148"
  std::string cpu;       // "Intel Core i5-13500"
  int cores = 0;         // 0 = the provider does not say and the CPU is not known
  double benchmark = 0;  // the provider's points; 0 = not said
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;  // of one disk of the main kind
  int disks = 0;
  std::vector<std::string> description;  // the provider's lines, as they are
  std::string gpu;                       // the line that names a GPU, as it is; "" = none
  bool gpu_ada = false;
  std::string location;             // "FSN1-DC22"; "" = not said
  ServerPrice price;                // without the address
  std::optional<ServerPrice> ipv4;  // what an IPv4 address adds; none = not offered
  std::optional<absl::Time> next_reduction;
};

struct HostKeyFingerprint {
  std::string type;    // "ED25519", "ECDSA", "RSA"
  std::string sha256;  // base64 without padding, as ssh-keygen prints it after "SHA256:"
  friend bool operator==(const HostKeyFingerprint&, const HostKeyFingerprint&) = default;
};

// One order as the provider has it.
struct ServerOrder {
  enum class State { kInProcess, kReady, kCancelled, kOther };
  OrderId id;
  ServerChannel channel = ServerChannel::kAuction;
  State state = State::kOther;
  std::string state_raw;
  std::optional<absl::Time> ordered_at;
  OfferId offer;
  std::vector<std::string> key_fingerprints;  // MD5 of the keys it was ordered with: the correlator
  ServerNumber server;                        // "" until delivered
  std::string ipv4;                           // "" = none
  std::vector<HostKeyFingerprint> host_keys;  // of the rescue system it was delivered in
};

// One server of the account, as the provider lists it.
struct Server {
  ServerNumber number;
  std::string name;     // what it was named; "" until then
  std::string product;  // "Server Auction"
  std::string location;
  std::string ipv4;      // "" = none
  std::string ipv6_net;  // "2001:db8:61:1f::"; "" = none
  bool ready = false;
  std::string state_raw;
  bool cancelled = false;
  std::string paid_until;      // "2026-12-01"
  bool rescue_offered = true;  // false only when the provider says so
};

// What the next boot is configured to be.
struct RescueSetting {
  bool active = false;
  std::vector<std::string> key_fingerprints;  // MD5, when active
};
// The rescue system that booted last.
struct RescueBoot {
  std::vector<HostKeyFingerprint> host_keys;  // empty = it has not booted yet
  std::string booted_raw;                     // a local time without a zone: never to order by
};

enum class ResetKind { kSoftware, kHardware, kPower, kPowerLong, kManual };
std::string_view ResetKindName(ResetKind kind);  // "hw"

struct Cancellation {
  bool cancelled = false;
  std::string date;            // "2026-12-31", when cancelled
  std::string earliest_date;   // "2026-11-21"
  bool reserve_asked = false;  // the answer to "keep the location?" is mandatory
  std::string reason;          // when cancelled
};

}  // namespace muster
