// What the lines of an offer say about its hardware: the market has no field for a GPU or for
// cores. Internal to the adapter. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::hetzner {

struct Gpu {
  std::string line;  // as it is; "" = none
  bool ada = false;
};
// The first line that names a graphics card. Lines about network cards are none, whoever made them.
Gpu FindGpu(const std::vector<std::string>& description);

// Physical cores of all processors; 0 = a processor that the table (cpus.def) does not know.
int CoresOf(std::string_view cpu);

// Standard products tell their hardware in words only.
struct Hardware {
  std::string cpu;
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;  // of one of the first kind
  int disks = 0;             // of that kind
};
Hardware ReadDescription(const std::vector<std::string>& description);

}  // namespace muster::hetzner
