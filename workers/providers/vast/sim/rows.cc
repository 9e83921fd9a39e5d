// Offers and instances as JSON, field by field as documented.
#include <cmath>
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr double kHoursPerMonth = 720;

double Epoch(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// Eight digits are more than a price needs and fewer than rounding noise.
double Clean(double value) { return std::round(value * 1e8) / 1e8; }

void AddMachine(Json& row, const Machine& m, int gpus) {
  const double share = static_cast<double>(gpus) / static_cast<double>(m.taken.size());
  row["machine_id"] = m.id;
  row["host_id"] = m.host;
  row["bundle_id"] = m.id * 10 + gpus;
  row["gpu_name"] = m.gpu.name;
  row["num_gpus"] = gpus;
  row["gpu_ram"] = m.gpu.ram_mb;
  row["gpu_frac"] = Clean(share);
  row["gpu_arch"] = "nvidia";
  row["gpu_lanes"] = 16;
  row["gpu_mem_bw"] = 448.0;
  row["pcie_bw"] = 12.4;
  row["pci_gen"] = 4.0;
  row["bw_nvlink"] = 0.0;
  row["total_flops"] = Clean(12.5 * m.gpu.games_per_s * gpus);
  row["compute_cap"] = m.gpu.compute_cap;
  row["cpu_name"] = "Ryzen 9 5900X";
  row["cpu_arch"] = "amd64";
  row["cpu_ghz"] = 3.7;
  row["cpu_cores"] = m.cpu_cores;
  row["cpu_cores_effective"] = Clean(m.cpu_cores * share);
  row["cpu_ram"] = 32036 * static_cast<int>(m.taken.size());
  row["has_avx"] = 1;
  row["mobo_name"] = "X570";
  row["disk_bw"] = 2120.0;
  row["disk_name"] = "nvme";
  row["dlperf"] = Clean(5.5 * m.gpu.games_per_s * m.speed * gpus);
  row["score"] = Clean(5.5 * m.gpu.games_per_s / m.usd_per_gpu_hour);
  row["reliability"] = m.reliability;
  row["reliability2"] = m.reliability;
  row["cuda_max_good"] = m.cuda;
  row["driver_version"] = m.driver;
  row["driver_vers"] = 560035003;
  row["inet_down"] = m.inet_down_mbps;
  row["inet_up"] = m.inet_up_mbps;
  row["inet_down_cost"] = 0.002;
  row["inet_up_cost"] = 0.002;
  row["storage_cost"] = m.storage_usd_per_gb_month;
  row["static_ip"] = true;
  row["public_ipaddr"] = m.address;
  row["geolocation"] = m.country;
  row["geolocode"] = 0;
  row["verification"] = m.verified ? "verified" : "unverified";
  row["external"] = false;
  row["hosting_type"] = 0;
  row["datacenter"] = false;
  row["end_date"] = Epoch(m.offered_until);
  row["rental_discount"] = 0.0;
  row["os_version"] = "22.04";
  row["vms_enabled"] = false;
  row["resource_type"] = "gpu";
  row["webpage"] = nullptr;
  row["logo"] = "/static/logos/vastai_small2.png";
}

Json PriceParts(double gpu, double storage) {
  return {{"gpuCostPerHour", Clean(gpu)},
          {"diskHour", Clean(storage)},
          {"totalHour", Clean(gpu + storage)},
          {"discountTotalHour", 0},
          {"discountedTotalPerHour", Clean(gpu + storage)}};
}

const char* Verification(const Machine& m) { return m.verified ? "verified" : "unverified"; }

Json LabelJson(World& world, const Contract& contract) {
  if (!contract.order.label.has_value()) return nullptr;
  if (world.Fire(Trap::kLabelNull, world.call_endpoint, contract.id)) return nullptr;
  if (world.Fire(Trap::kLabelPadded, world.call_endpoint, contract.id)) {
    return Cat("  ", *contract.order.label, " ");
  }
  return *contract.order.label;
}

void AddAccess(Json& row, const Contract& contract) {
  const std::int64_t port = 40'000 + contract.id % 20'000;
  row["ssh_host"] = Cat("ssh", 1 + contract.id % 9, ".vast.ai");
  row["ssh_idx"] = Cat(1 + contract.id % 9);
  row["ssh_port"] = 10'000 + contract.id % 30'000;
  row["direct_port_start"] = port;
  row["direct_port_end"] = port;
  row["ports"] = nullptr;
  if (contract.Is("running")) {
    row["ports"] = {{"22/tcp", {{{"HostIp", "0.0.0.0"}, {"HostPort", Cat(port)}}}}};
  }
  row["jupyter_token"] = nullptr;
}

void AddOrder(Json& row, const CreateOrder& order) {
  row["image_uuid"] = order.image;
  row["image_runtype"] = order.runtype;
  row["image_args"] = Json::array();
  row["onstart"] = order.onstart.empty() ? Json(nullptr) : Json(order.onstart);
  row["extra_env"] = Json::array();
  for (const auto& [key, value] : order.env) row["extra_env"].push_back({key, value});
  row["disk_space"] = order.disk_gb;
}

}  // namespace

Json OfferJson(const OfferRow& offer, const Machine& m, double storage_gb, bool bid,
               absl::Time now) {
  const double on_demand = m.usd_per_gpu_hour * offer.gpus;
  const double gpu = bid ? on_demand * 0.5 : on_demand;
  const double storage = m.storage_usd_per_gb_month * storage_gb / kHoursPerMonth;
  Json row;
  AddMachine(row, m, offer.gpus);
  row["id"] = offer.id;
  row["ask_contract_id"] = offer.id;
  row["gpu_total_ram"] = m.gpu.ram_mb * offer.gpus;
  row["dph_base"] = Clean(gpu);
  row["dph_total"] = Clean(gpu + storage);
  row["discounted_dph_total"] = Clean(gpu + storage);
  row["dph_total_adj"] = Clean(gpu + storage);
  row["min_bid"] = Clean(on_demand * 0.5);
  row["storage_total_cost"] = Clean(storage);
  row["dlperf_per_dphtotal"] = Clean(row["dlperf"].get<double>() / (gpu + storage));
  row["flops_per_dphtotal"] = Clean(row["total_flops"].get<double>() / (gpu + storage));
  row["disk_space"] = m.disk_gb;
  row["direct_port_count"] = 19;
  row["rentable"] = true;
  row["rented"] = false;
  row["is_bid"] = bid;
  row["start_date"] = Epoch(now - absl::Hours(20));
  row["duration"] = absl::ToDoubleSeconds(m.offered_until - now);
  row["search"] = PriceParts(gpu, storage);
  row["instance"] = PriceParts(0, storage);
  return row;
}

Json StoredColumns(World& world, const Contract& contract) {
  const Machine& m = world.market.machine(contract.machine);
  return {{"id", contract.id},
          {"label", contract.order.label.has_value() ? Json(*contract.order.label) : Json()},
          {"actual_status", contract.actual.has_value() ? Json(*contract.actual) : Json()},
          {"intended_status", contract.intended},
          {"cur_state", contract.cur_state},
          {"gpu_name", m.gpu.name},
          {"machine_id", m.id},
          {"host_id", m.host},
          {"image_uuid", contract.order.image},
          {"start_date", Epoch(contract.created)},
          {"verification", Verification(m)}};
}

Json InstanceJson(World& world, Contract& contract) {
  const Machine& m = world.market.machine(contract.machine);
  const auto fires = [&](Trap trap) {
    return world.Fire(trap, world.call_endpoint, contract.id);
  };
  const bool running = contract.Is("running");
  const double gpu = static_cast<double>(contract.gpu_micros_per_hour) / 1e6;
  const double storage = static_cast<double>(contract.storage_micros_per_hour) / 1e6;
  const bool stopped = contract.Is("stopped") || contract.Is("exited");
  Json row;
  AddMachine(row, m, contract.gpus);
  AddAccess(row, contract);
  AddOrder(row, contract.order);
  row["id"] = contract.id;
  row["label"] = LabelJson(world, contract);
  row["actual_status"] = contract.actual.has_value() ? Json(*contract.actual) : Json(nullptr);
  row["intended_status"] = contract.intended;
  row["cur_state"] = contract.cur_state;
  row["next_state"] = contract.intended;
  row["status_msg"] =
      contract.status_message.empty() ? Json(nullptr) : Json(contract.status_message);
  row["gpu_totalram"] = m.gpu.ram_mb * contract.gpus;
  row["gpu_util"] = running ? Json(97.0) : Json(nullptr);
  row["gpu_temp"] = running ? Json(66.0) : Json(nullptr);
  row["dph_base"] = Clean(gpu);
  row["dph_total"] = Clean((stopped ? 0 : gpu) + storage);
  row["min_bid"] = Clean(gpu * 0.5);
  row["is_bid"] = contract.order.bid_usd_per_hour.has_value();
  row["storage_total_cost"] = Clean(storage);
  row["search"] = PriceParts(gpu, storage);
  row["instance"] = PriceParts(running ? gpu : 0, storage);
  absl::Time start = contract.created;
  if (const Fault* skew = fires(Trap::kClockSkew)) {
    start += absl::Seconds(skew->value == 0 ? 3600 : skew->value);
  }
  row["start_date"] = Epoch(start);
  if (fires(Trap::kStartDateNull)) row["start_date"] = nullptr;
  row["uptime_mins"] = nullptr;
  if (contract.running_since <= world.now()) {
    row["uptime_mins"] = absl::ToDoubleMinutes(world.now() - contract.running_since);
  }
  row["duration"] = absl::ToDoubleSeconds(m.offered_until - world.now());
  row["disk_usage"] = running ? 7.9 : -1.0;
  row["disk_util"] = running ? 8.4 : -1.0;
  row["cpu_util"] = running ? 0.11 : 0.0;
  row["mem_limit"] = 31.2;
  row["mem_usage"] = running ? 3.4 : 0.0;
  row["vmem_usage"] = 0.0;
  row["template_id"] = nullptr;
  row["template_hash_id"] = nullptr;
  row["credit_balance"] = nullptr;
  row["country_code"] = m.country.substr(m.country.size() - 2);
  row["volume_info"] = Json::array();
  if (fires(Trap::kGpuNameBlank)) row["gpu_name"] = Cat(m.gpu.name, " ");
  if (fires(Trap::kNullFields)) {
    for (auto& [key, value] : row.items()) {
      if (key != "id") value = nullptr;
    }
  }
  if (fires(Trap::kIdsAsFloats)) WriteIdsAsFloats(row);
  return row;
}

void WriteIdsAsFloats(Json& row) {
  for (const char* field : {"id", "ask_contract_id", "machine_id", "host_id", "bundle_id"}) {
    const auto it = row.find(field);
    if (it != row.end() && it->is_number()) *it = it->get<double>();
  }
}

}  // namespace muster::vastsim
