// MarketRecord: a market as it was seen over a span of time: which machines could be rented when,
// at what price, and what became of the workers that ran there.
//
// Made from the log (queries/market), kept as a file (services/files/market_file.h), and played
// back by a provider's simulator. Times are counted from `from`. Plain values.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster {

struct MarketRecord {
  // Offered from `seen` until `gone`, at one price.
  struct Listing {
    absl::Duration seen;
    absl::Duration gone;
    MicroUsdPerHour price;  // of one offer, with the disk that was asked for
    friend bool operator==(const Listing&, const Listing&) = default;
  };
  // What one worker of ours met there.
  struct Rental {
    absl::Duration boot;    // until the first sign of life; zero = there never was one
    absl::Duration ran;     // from then to the failure, or to its end
    double rate_per_s = 0;  // 0 = it never worked
    std::string failed;     // "stall", a failure that simulators know; "" = it did not
    friend bool operator==(const Rental&, const Rental&) = default;
  };
  struct Machine {
    MachineId id;
    std::string host;
    GpuName gpu;
    int gpus = 1;    // of one offer
    int offers = 1;  // at most so many at once
    double reliability = 0;
    double cuda = 0;
    double inet_down_mbps = 0;
    double inet_up_mbps = 0;
    double disk_gb = 0;
    absl::Duration remaining;  // for how long it was offered, when first seen
    std::string location;
    std::vector<Listing> listings;  // oldest first, none overlap
    std::vector<Rental> rentals;    // oldest first
    friend bool operator==(const Machine&, const Machine&) = default;
  };

  ProviderName provider;
  absl::Time from;
  absl::Time to;
  std::vector<Machine> machines;  // by id, then GPUs of one offer
  friend bool operator==(const MarketRecord&, const MarketRecord&) = default;
};

}  // namespace muster
