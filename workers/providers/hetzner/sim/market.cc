// What is for sale: the auction drawn from the seed, and a few standard products.
#include <algorithm>
#include <iterator>

#include "workers/providers/hetzner/sim/world.h"

namespace muster::hetznersim {

namespace {

struct Kind {
  const char* cpu;
  int benchmark;
  int memory_gb;
  const char* memory;
  int disks;
  int disk_gb;
  const char* disk;
};
constexpr Kind kKinds[] = {
    {"Intel Core i5-13500", 32'000, 64, "4x RAM 16384 MB DDR4", 2, 1920,
     "2x SSD M.2 NVMe 1,92 TB Datacenter"},
    {"Intel Core i7-6700", 8'000, 64, "4x RAM 16384 MB DDR4", 2, 512, "2x SSD M.2 NVMe 512 GB"},
    {"Intel Core i7-8700", 13'000, 128, "4x RAM 32768 MB DDR4", 2, 1000, "2x SSD M.2 NVMe 1 TB"},
    {"Intel Core i9-9900K", 18'500, 128, "4x RAM 32768 MB DDR4", 2, 1000, "2x SSD M.2 NVMe 1 TB"},
    {"AMD Ryzen 5 3600", 17'800, 64, "4x RAM 16384 MB DDR4", 2, 512, "2x SSD M.2 NVMe 512 GB"},
    {"AMD Ryzen 7 3700X", 22'600, 64, "4x RAM 16384 MB DDR4 ECC", 2, 8000,
     "2x HDD SATA 8,0 TB Enterprise"},
    {"AMD Ryzen 9 5950X", 45'700, 128, "4x RAM 32768 MB DDR4 ECC", 2, 3840,
     "2x SSD U.2 NVMe 3,84 TB Datacenter"},
    {"AMD EPYC 7502P", 48'000, 448, "7x RAM 65536 MB DDR4 ECC reg.", 1, 960,
     "1x SSD U.2 NVMe 960 GB Datacenter"},
    {"Intel XEON E-2176G", 12'800, 64, "4x RAM 16384 MB DDR4 ECC", 2, 960,
     "2x SSD SATA 960 GB Datacenter"},
    {"Intel XEON E3-1275V5", 8'100, 64, "4x RAM 16384 MB DDR4 ECC", 2, 4000,
     "2x HDD SATA 4,0 TB Enterprise"},
};
constexpr const char* kCentres[] = {"FSN1-DC22", "FSN1-DC8", "HEL1-DC5", "HEL1-DC2", "NBG1-DC3"};
// As seen: with and without the trademark sign.
constexpr const char* kAdaLines[] = {"GPU - NVIDIA RTX 4000 SFF Ada Generation",
                                     "GPU - Nvidia RTX\u2122 4000 SFF Ada Generation"};
constexpr const char* kGpuLines[] = {"GeForce GTX 1080", "GPU - NVIDIA GeForce GTX 1080"};

Product Standard(std::string id, const char* cpu, int memory, const char* disk, std::string gpu,
                 Eur4 month, Eur4 setup) {
  Product product;
  product.auction = false;
  product.id = std::move(id);
  product.name = product.id;
  product.cpu = cpu;
  product.description = {cpu, Cat(memory, " GB DDR4 RAM"), disk, "1 Gbit/s bandwidth"};
  if (!gpu.empty()) product.description.push_back(gpu);
  product.gpu = std::move(gpu);
  product.ada = !product.gpu.empty();
  product.locations = {"FSN1", "HEL1"};
  product.month = month;
  product.setup = setup;
  return product;
}

}  // namespace

void World::DrawMarket() {
  for (int i = 0; i < options.products; ++i) {
    const Kind& kind = kKinds[rng.Below(std::size(kKinds))];
    Product product;
    product.id = Cat(options.first_product + i);
    product.cpu = kind.cpu;
    product.cpu_benchmark = kind.benchmark;
    product.memory_gb = kind.memory_gb;
    product.disks = kind.disks;
    product.disk_gb = kind.disk_gb;
    product.datacenter = kCentres[rng.Below(std::size(kCentres))];
    product.description = {kind.cpu, kind.memory, kind.disk};
    if (rng.Chance(options.gpu_share)) {
      product.ada = rng.Chance(options.ada_share);
      product.gpu = product.ada ? kAdaLines[rng.Below(2)] : kGpuLines[rng.Below(2)];
      product.description.push_back(product.gpu);
    }
    product.description.emplace_back("NIC 1 Gbit - Intel I219-LM");
    const double eur = rng.Between(options.eur_per_month_min, options.eur_per_month_max);
    product.month = static_cast<Eur4>(eur * 100) * 100;
    product.name = Cat("SB", product.month / 10'000);
    product.fixed_price = options.reduce_interval == absl::ZeroDuration() || rng.Chance(0.2);
    if (!product.fixed_price) {
      product.next_reduce = now_ + options.reduce_interval * rng.Unit();
      plans_.emplace(product.next_reduce, Plan{});
    }
    market.push_back(std::move(product));
  }
  standard.push_back(
      Standard("EX44", "Intel Core i5-13500", 64, "2 x 512 GB NVMe SSD", "", 39'0000, 39'0000));
  standard.push_back(Standard("GEX44", "Intel Core i5-13500", 64, "2 x 1.92 TB NVMe SSD",
                              "GPU - NVIDIA RTX\u2122 4000 SFF Ada Generation", 184'0000, 79'0000));
  standard.push_back(
      Standard("AX102", "AMD Ryzen 9 7950X3D", 128, "2 x 1.92 TB NVMe SSD", "", 104'0000, 39'0000));
  // Listed, and nowhere to be had.
  standard.push_back(
      Standard("AX162-R", "AMD EPYC 9454P", 256, "2 x 1.92 TB NVMe SSD", "", 199'0000, 79'0000));
  standard.back().locations.clear();
}

void World::Reduce() {
  for (Product& product : market) {
    if (product.fixed_price || product.next_reduce > now_) continue;
    const auto fall = static_cast<Eur4>(static_cast<double>(product.month) * options.reduce_share);
    product.month -= fall / 100 * 100;
    product.next_reduce = now_ + options.reduce_interval;
    plans_.emplace(product.next_reduce, Plan{});
  }
}

}  // namespace muster::hetznersim
