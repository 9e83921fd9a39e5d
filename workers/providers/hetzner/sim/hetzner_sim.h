// HetznerSim: the Robot web service as a pure state machine: two markets, keys, orders that are
// delivered, servers that boot, rescue systems, cancellations, quotas, the login block, a journal
// of every call, and each trap of the wire as a named switch. Written from the documentation and
// field reports, sharing nothing with the adapter.
//
//   hetznersim::HetznerSim sim({.seed = 7, .products = 30}, rt.Now());
//   SimHttpClient http(rt, sim);
//   sim.SetFault({.trap = hetznersim::Trap::kResetAfter, .endpoint = kOrderAuction, .times = 1});
//
// Machines behind the servers are a SimMachines; without one they are keys in memory. The same
// controls are reachable over HTTP under /control/ (README.md). Not thread-safe. Time comes in with
// Handle and Advance and never moves backwards; everything follows from the seed and the order of
// calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/server.h"
#include "eventstore/base/status.h"
#include "workers/ports/sim_machines.h"
#include "workers/ports/sim_server.h"

namespace muster::hetznersim {

enum class Trap {
#define TRAP(name, wire, what) name,
#include "workers/providers/hetzner/sim/traps.def"
#undef TRAP
};
std::string_view TrapName(Trap trap);
std::optional<Trap> TrapFromName(std::string_view name);

// A trap that is set. It fires for calls that match, at most `times`, after `skip` matches.
struct Fault {
  Trap trap = Trap::kHangBefore;
  std::string endpoint;     // "POST order/server_market/transaction"...; "" = any
  std::int64_t server = 0;  // 0 = any
  int skip = 0;
  int times = -1;     // -1 = until cleared
  double chance = 1;  // of firing, from the seed
  double value = 0;   // 0 = the default named in traps.def
  std::string text;
};

// Traps for a storm, with chances times `how_much`: all that a client survives which reads before
// it repeats. Left out: what ends a login for good, and what no program can tell from the truth.
// After the storm: ClearFaults, and DeliverAll for orders that hang.
std::vector<Fault> StormFaults(double how_much = 1);

struct HetznerSimOptions {
  std::uint64_t seed = 1;

  std::string user = "#ws+sim";
  std::string password = "sim-password";
  bool order_right = true;  // without it all /order/* answer 401

  // The auction: so many products, of which these shares have a GPU, and an Ada GPU among them.
  int products = 40;
  double gpu_share = 0.2;
  double ada_share = 0.5;
  absl::Duration reduce_interval = absl::Hours(3);  // zero: prices stand still
  double reduce_share = 0.02;                       // how far a price falls each time
  double eur_per_month_min = 37, eur_per_month_max = 260;

  // Lives. Drawn uniformly between the bounds for each order and boot.
  absl::Duration delivery_min = absl::Minutes(1), delivery_max = absl::Minutes(7);
  absl::Duration boot_min = absl::Seconds(78), boot_max = absl::Seconds(82);
  // What the machines are like: for whoever makes them from the same settings, not used here.
  int ssh_port = 22;
  std::string qemu, qemu_disks, qemu_firmware, qemu_net, qemu_accel;
  // The API tells addresses of a network that is on no road (198.18.x.y) instead of loopback ones,
  // for machines that bear their address themselves.
  bool public_ipv4 = false;

  // The wire.
  bool quotas = true;
  int quota_percent = 100;  // of the documented numbers
  bool login_block = true;
  std::size_t journal_max = 200'000;  // older entries are dropped
  std::int64_t first_product = 3'100'001;
};

// Options from text settings, named like the members above (README.md).
// kInvalidArgument  an unknown name or an impossible value; the message says what was expected
StatusOr<HetznerSimOptions> OptionsFrom(const SimSpec& spec);

// Names of endpoints, as faults and the journal have them.
inline constexpr char kOrderAuction[] = "POST order/server_market/transaction";
inline constexpr char kOrderStandard[] = "POST order/server/transaction";

// One call as it was served. Holds no login and no body.
struct JournalEntry {
  absl::Time at;
  std::string method;
  std::string path;      // without the query
  std::string endpoint;  // "POST reset/{id}", "" = no such route
  int status = 0;        // of the answer, even if the client never saw it
  SimReply::Cut cut = SimReply::Cut::kNone;
  std::string traps;        // names of the traps that fired, comma-separated
  bool logged_in = false;   // with the right login
  std::int64_t server = 0;  // of the path
  std::string order;        // that was made
  bool test = false;        // an order that was only checked
  bool commented = false;   // an order with a comment, which a person would read first
};

struct ProductView {
  std::string id;
  std::string name;
  std::string gpu;  // the line; "" = none
  bool ada = false;
  std::int64_t month_micros = 0;  // EUR, net
  std::string datacenter;
};

struct OrderView {
  std::string id;
  bool auction = true;
  std::string product;
  std::vector<std::string> keys;  // MD5
  std::string status;             // "in process", "ready", "cancelled"
  std::int64_t server = 0;
  absl::Time made;
};

enum class Power { kOff, kBooting, kRescue, kInstalled, kDead };
std::string_view PowerName(Power power);

struct ServerView {
  std::int64_t number = 0;
  std::string order;
  std::string name;
  std::string address;  // loopback, where the machine stands; told by the API only with IPv4
  bool ipv4 = false;
  Power power = Power::kOff;
  bool rescue_active = false;
  std::vector<HostKeyFingerprint> host_keys;  // of the rescue system that runs, as published
  int boots = 0;
  absl::Time delivered;
  absl::Time ended;               // InfiniteFuture while it is there
  std::string cancelled;          // the date; "" = not
  std::int64_t spent_micros = 0;  // EUR, net: started hours, capped by the month; and the setup
};

// Where the machine of a server stands: 127.1.x.y, derived from its number.
std::string LoopbackAddress(std::int64_t server);

class World;

class HetznerSim final : public SimServer {
 public:
  // `machines` null: keys from the seed, and nothing that answers. Else it must outlive this.
  HetznerSim(HetznerSimOptions options, absl::Time start, SimMachines* machines = nullptr);
  ~HetznerSim() override;
  // Keeps the machines for as long as this lives.
  void Keep(std::shared_ptr<SimMachines> machines) { kept_ = std::move(machines); }

  SimReply Handle(const HttpRequest& request, absl::Time now) override;
  void SetOrigin(std::string origin) override;

  // Lets the world go on to `now` (a no-op when that has passed).
  void Advance(absl::Time now);
  absl::Time now() const;
  // Moves the simulator's own clock ahead of the one that Handle is given, for good.
  void SkipTime(absl::Duration span);

  // Sets a trap; several may be set at once, the oldest that matches fires first.
  void SetFault(Fault fault);
  // Clears one trap, or all; returns how many were set.
  int ClearFaults(std::optional<Trap> trap = std::nullopt);

  // Orders that were never to be delivered are, now; how many.
  int DeliverAll();
  // Somebody else buys it. kNotFound: no such product
  Status RemoveProduct(const std::string& id);
  // EUR a month, net. kNotFound
  Status SetPrice(const std::string& id, std::int64_t month_micros);
  // A server that was there before; its number.
  std::int64_t AddForeignServer(std::string name);
  // The machine ended by itself, a crash of the board: off until the next reset. kNotFound
  Status CrashMachine(std::int64_t server);
  void SetLogin(std::string user, std::string password);
  void SetOrderRight(bool granted);

  std::vector<ProductView> Products() const;  // of the auction
  std::vector<OrderView> Orders() const;      // all that were ever made, tests apart
  std::vector<ServerView> Servers() const;    // there now
  std::vector<ServerView> PastServers() const;
  std::map<std::string, std::string> Keys() const;  // MD5 -> name
  std::int64_t SpentMicros() const;
  // Refused logins since the start: three in a row close the service for ten minutes.
  int BadLogins() const;
  std::vector<JournalEntry> Journal() const;
  void ClearJournal();

 private:
  std::shared_ptr<SimMachines> kept_;
  std::unique_ptr<World> world_;
  absl::Duration skipped_;
};

}  // namespace muster::hetznersim
