// World: everything behind the simulated web service. Time moves in AdvanceTo only, from one
// planned change to the next. Private to this folder. Pure; not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/rng.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"
#include "workers/providers/hetzner/sim/limits.h"

namespace muster::hetznersim {

// Money is in ten-thousandths of a euro, as the service writes it.
using Eur4 = std::int64_t;
inline constexpr Eur4 kIpv4Month = 1'7000;
inline constexpr Eur4 kIpv4Hour = 27;

struct Product {
  std::string id;
  bool auction = true;
  std::string name;
  std::vector<std::string> description;
  std::string cpu;
  int cpu_benchmark = 0;
  int memory_gb = 0;
  int disk_gb = 0;
  int disks = 0;
  std::string datacenter;              // of the auction
  std::vector<std::string> locations;  // of a standard product
  Eur4 month = 0;
  Eur4 setup = 0;
  bool fixed_price = false;
  absl::Time next_reduce = absl::InfiniteFuture();
  std::string gpu;
  bool ada = false;

  Eur4 hour() const { return (month + 623) / 624; }  // cheaper by the month from 26 days on
};

struct Key {
  std::string fingerprint;  // MD5
  std::string name;
  std::string type;  // "ED25519"
  int size = 256;
  std::string data;  // without comment
  absl::Time created;
};

struct Order {
  std::string id;
  Product product;
  std::string location;
  std::vector<Key> keys;
  bool ipv4 = false;
  std::string status = "in process";
  absl::Time made;
  std::int64_t server = 0;
  std::vector<HostKeyFingerprint> host_keys;
  bool support_cancels = false;
  bool hangs = false;  // no delivery is planned
  bool wrong_host_key = false;
};

// How a boot that was asked for will go.
struct BootPlan {
  bool disk_anyway = false;
  bool hangs = false;
  bool wrong_host_key = false;
  absl::Duration keys_late;
};

struct Dedicated {
  std::int64_t number = 0;
  std::string order;
  bool auction = true;
  std::string name;
  std::string product;
  std::string dc;
  bool ipv4 = false;
  std::string ip;  // told with IPv4 alone
  bool ada = false;
  Eur4 month = 0, hour = 0, setup = 0;
  bool sw_reset = false;  // newer boards do not offer it

  Power power = Power::kOff;
  int boots = 0;
  int generation = 0;  // of the boot that is planned: an older one is void
  std::vector<HostKeyFingerprint> host_keys;

  // The next boot.
  bool rescue_active = false;
  std::string rescue_os;
  std::string rescue_password;
  std::vector<Key> rescue_keys;
  // The activation that was used last.
  struct LastRescue {
    std::string os;
    std::string password;
    std::vector<Key> keys;
    std::vector<HostKeyFingerprint> host_keys;
    std::optional<absl::Time> booted;
  };
  std::optional<LastRescue> last;

  absl::Time delivered;
  absl::Time ended = absl::InfiniteFuture();
  bool cancelled = false;
  std::string cancel_date;
  std::string cancel_reason;
  bool reserved = false;
  int cancel_generation = 0;  // of the end that is planned
};

std::string Ipv6Net(const Dedicated& server);

class World {
 public:
  World(HetznerSimOptions options, absl::Time start, SimMachines* machines);

  void AdvanceTo(absl::Time now);
  absl::Time now() const { return now_; }

  // Traps: the fault that fires for this call, counted down; nullptr = none. The pointer is valid
  // until the next call of Fire, SetFault or ClearFaults.
  const Fault* Fire(Trap trap);

  Product* FindProduct(bool auction, const std::string& id);
  // Makes the order and, for the auction, takes the product off the list.
  Order& MakeOrder(const Product& product, std::string location, std::vector<Key> keys, bool ipv4);
  std::string OrderId(const Product& product);
  void Deliver(Order& order);
  // What the API tells of a server with IPv4.
  std::string Ipv4Of(std::int64_t server) const;
  Dedicated* FindServer(std::int64_t number);  // living ones
  Dedicated& AddServer(Dedicated server);
  void Reset(Dedicated& server, const BootPlan& plan, absl::Duration more);
  void PowerOff(Dedicated& server);
  void EndAt(Dedicated& server, absl::Time when);
  void End(Dedicated& server);

  HetznerSimOptions options;
  Rng rng;
  SimMachines& machines() { return *machines_; }
  Limits limits;
  std::vector<Product> market;  // the auction's list
  std::vector<Product> standard;
  std::map<std::string, Key> keys;  // by fingerprint
  std::vector<Order> orders;        // oldest first
  std::map<std::int64_t, Dedicated> living;
  std::vector<Dedicated> past;
  std::deque<Fault> faults;
  std::deque<JournalEntry> journal;

  // Of the call being served.
  std::string call_endpoint;
  std::int64_t call_server = 0;
  std::string fired;  // traps, comma-separated
  JournalEntry entry;

 private:
  struct Plan {
    enum class What { kDeliver, kBoot, kTellKeys, kReduce, kEnd } what = What::kReduce;
    std::size_t order = 0;
    std::int64_t server = 0;
    int generation = 0;
    BootPlan boot;
    std::vector<HostKeyFingerprint> keys;
  };
  void DrawMarket();
  void Execute(const Plan& plan);
  void Boot(Dedicated& server, const BootPlan& plan);
  void Reduce();
  std::vector<HostKeyFingerprint> BootMachine(Dedicated& server, bool rescue,
                                              const std::vector<Key>& keys, bool wrong);
  std::vector<HostKeyFingerprint> FreshKeys();

  std::unique_ptr<SimMachines> own_machines_;
  SimMachines* machines_;
  absl::Time now_;
  std::multimap<absl::Time, Plan> plans_;
  std::int64_t next_standard_server_ = 2'800'001;
  std::int64_t next_transaction_ = 251'478;
};

// The service's local time, Europe/Berlin, without asking the machine for its zones.
absl::Duration BerlinOffset(absl::Time time);
std::string BerlinStamp(absl::Time time);  // "2026-11-21 12:22:00"
std::string BerlinDate(absl::Time time);   // "2026-11-21"
// The end of that day in Berlin; nullopt = no date.
std::optional<absl::Time> EndOfDay(const std::string& date);

}  // namespace muster::hetznersim
