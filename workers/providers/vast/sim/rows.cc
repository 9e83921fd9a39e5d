// Offers and instances as JSON text, field by field as documented.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"
#include "workers/providers/vast/sim/row_writer.h"

namespace muster::vastsim {

namespace {

double Epoch(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// Eight digits are more than a price needs and fewer than rounding noise.
double Clean(double value) { return std::round(value * 1e8) / 1e8; }

void AddMachine(RowWriter& row, const Machine& m, int gpus) {
  const double share = static_cast<double>(gpus) / static_cast<double>(m.taken.size());
  row.Int("machine_id", m.id);
  row.Int("host_id", m.host);
  row.Int("bundle_id", m.id * 10 + gpus);
  row.Int("num_gpus", gpus);
  row.Int("gpu_ram", m.gpu.ram_mb);
  row.Number("gpu_frac", Clean(share));
  row.Text("gpu_arch", "nvidia");
  row.Int("gpu_lanes", 16);
  row.Number("gpu_mem_bw", 448);
  row.Number("pcie_bw", 12.4);
  row.Number("pci_gen", 4);
  row.Number("bw_nvlink", 0);
  row.Number("total_flops", Clean(12.5 * m.gpu.games_per_s * gpus));
  row.Int("compute_cap", m.gpu.compute_cap);
  row.Text("cpu_name", "Ryzen 9 5900X");
  row.Text("cpu_arch", "amd64");
  row.Number("cpu_ghz", 3.7);
  row.Int("cpu_cores", m.cpu_cores);
  row.Number("cpu_cores_effective", Clean(m.cpu_cores * share));
  row.Int("cpu_ram", 32036 * static_cast<std::int64_t>(m.taken.size()));
  row.Int("has_avx", 1);
  row.Text("mobo_name", "X570");
  row.Number("disk_bw", 2120);
  row.Text("disk_name", "nvme");
  row.Number("dlperf", Clean(5.5 * m.gpu.games_per_s * m.speed * gpus));
  row.Number("score", Clean(5.5 * m.gpu.games_per_s * m.reliability * gpus));
  row.Number("reliability", m.reliability);
  row.Number("reliability2", m.reliability);
  row.Number("cuda_max_good", m.cuda);
  row.Text("driver_version", m.driver);
  row.Int("driver_vers", 560035003);
  row.Number("inet_down", m.inet_down_mbps);
  row.Number("inet_up", m.inet_up_mbps);
  row.Number("inet_down_cost", 0.002);
  row.Number("inet_up_cost", 0.002);
  row.Number("storage_cost", m.storage_usd_per_gb_month);
  row.Bool("static_ip", true);
  row.Text("public_ipaddr", m.address);
  row.Text("geolocation", m.country);
  row.Int("geolocode", 0);
  row.Text("verification", m.verified ? "verified" : "unverified");
  row.Bool("external", false);
  row.Int("hosting_type", 0);
  row.Bool("datacenter", false);
  row.Number("end_date", Epoch(m.offered_until));
  row.Number("rental_discount", 0);
  row.Text("os_version", "22.04");
  row.Bool("vms_enabled", false);
  row.Text("resource_type", "gpu");
  row.Null("webpage");
  row.Text("logo", "/static/logos/vastai_small2.png");
}

void AddPriceParts(RowWriter& row, const char* key, double gpu, double storage) {
  RowWriter parts;
  parts.Number("gpuCostPerHour", Clean(gpu));
  parts.Number("diskHour", Clean(storage));
  parts.Number("totalHour", Clean(gpu + storage));
  parts.Int("discountTotalHour", 0);
  parts.Number("discountedTotalPerHour", Clean(gpu + storage));
  row.Raw(key, parts.Take());
}

void AddLabel(RowWriter& row, World& world, const Contract& contract) {
  if (!contract.order.label.has_value() ||
      world.Fire(Trap::kLabelNull, world.call_endpoint, contract.id)) {
    row.Null("label");
  } else if (world.Fire(Trap::kLabelPadded, world.call_endpoint, contract.id)) {
    row.Text("label", Cat("  ", *contract.order.label, " "));
  } else {
    row.Text("label", *contract.order.label);
  }
}

void AddAccess(RowWriter& row, const Contract& contract) {
  const std::int64_t port = 40'000 + contract.id % 20'000;
  row.Text("ssh_host", Cat("ssh", 1 + contract.id % 9, ".vast.ai"));
  row.Text("ssh_idx", Cat(1 + contract.id % 9));
  row.Int("ssh_port", 10'000 + contract.id % 30'000);
  row.Int("direct_port_start", port);
  row.Int("direct_port_end", port);
  if (contract.Is("running")) {
    row.Raw("ports", Cat("{\"22/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"", port, "\"}]}"));
  } else {
    row.Null("ports");
  }
  row.Text("jupyter_token", Cat("jupyter-secret-", contract.id));
}

void AddOrder(RowWriter& row, const CreateOrder& order) {
  row.Text("image_uuid", order.image);
  row.Text("image_runtype", order.runtype);
  row.Raw("image_args", "[]");
  row.TextOrNull("onstart", order.onstart);
  std::string env = "[";
  for (const auto& [key, value] : order.env) {
    env += env.size() == 1 ? "[" : ",[";
    RowWriter::AddQuoted(env, key);
    env += ',';
    RowWriter::AddQuoted(env, value);
    env += ']';
  }
  row.Raw("extra_env", env + "]");
  row.Number("disk_space", order.disk_gb);
}

void AddStatus(RowWriter& row, const Contract& contract) {
  row.TextOrNull("actual_status", contract.actual.value_or(""));
  row.Text("intended_status", contract.intended);
  row.Text("cur_state", contract.cur_state);
  row.Text("next_state", contract.intended);
  row.TextOrNull("status_msg", contract.status_message);
}

void AddUsage(RowWriter& row, bool running) {
  if (running) {
    row.Number("gpu_util", 97);
    row.Number("gpu_temp", 66);
  } else {
    row.Null("gpu_util");
    row.Null("gpu_temp");
  }
  row.Number("disk_usage", running ? 7.9 : -1);
  row.Number("disk_util", running ? 8.4 : -1);
  row.Number("cpu_util", running ? 0.11 : 0);
  row.Number("mem_limit", 31.2);
  row.Number("mem_usage", running ? 3.4 : 0);
  row.Number("vmem_usage", 0);
}

void AddTimes(RowWriter& row, World& world, const Contract& contract, const Machine& m) {
  absl::Time start = contract.created;
  if (const Fault* skew = world.Fire(Trap::kClockSkew, world.call_endpoint, contract.id)) {
    start += absl::Seconds(skew->value == 0 ? 3600 : skew->value);
  }
  if (world.Fire(Trap::kStartDateNull, world.call_endpoint, contract.id)) {
    row.Null("start_date");
  } else {
    row.Number("start_date", Epoch(start));
  }
  if (contract.running_since <= world.now()) {
    row.Number("uptime_mins", absl::ToDoubleMinutes(world.now() - contract.running_since));
  } else {
    row.Null("uptime_mins");
  }
  row.Number("duration", absl::ToDoubleSeconds(m.offered_until - world.now()));
}

}  // namespace

void RowWriter::AddQuoted(std::string& out, std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  });
  if (plain) {
    out += '"';
    out += value;
    out += '"';
  } else {
    out += Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

OfferPrice PriceOf(const OfferRow& offer, const Machine& m, double storage_gb, bool bid) {
  const double on_demand = m.usd_per_gpu_hour * offer.gpus;
  OfferPrice price;
  price.min_bid = Clean(on_demand * 0.5);
  price.base = bid ? price.min_bid : Clean(on_demand);
  price.storage = Clean(m.storage_usd_per_gb_month * storage_gb / kHoursPerMonth);
  price.total = Clean(price.base + price.storage);
  return price;
}

std::string OfferText(const OfferRow& offer, const Machine& m, const OfferPrice& price, bool bid,
                      absl::Time now) {
  RowWriter row;
  AddMachine(row, m, offer.gpus);
  row.Text("gpu_name", m.gpu.name);
  row.Int("id", offer.id);
  row.Int("ask_contract_id", offer.id);
  row.Int("gpu_total_ram", std::int64_t{m.gpu.ram_mb} * offer.gpus);
  row.Number("dph_base", price.base);
  row.Number("dph_total", price.total);
  row.Number("discounted_dph_total", price.total);
  row.Number("dph_total_adj", price.total);
  row.Number("min_bid", price.min_bid);
  row.Number("storage_total_cost", price.storage);
  const double speed = m.gpu.games_per_s * offer.gpus / price.total;
  row.Number("dlperf_per_dphtotal", Clean(5.5 * m.speed * speed));
  row.Number("flops_per_dphtotal", Clean(12.5 * speed));
  row.Number("disk_space", m.disk_gb);
  row.Int("direct_port_count", 19);
  row.Bool("rentable", true);
  row.Bool("rented", false);
  row.Bool("is_bid", bid);
  row.Number("start_date", Epoch(now - absl::Hours(20)));
  row.Number("duration", absl::ToDoubleSeconds(m.offered_until - now));
  AddPriceParts(row, "search", price.base, price.storage);
  AddPriceParts(row, "instance", 0, price.storage);
  return row.Take();
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
          {"verification", m.verified ? "verified" : "unverified"}};
}

std::string InstanceText(World& world, const Contract& contract) {
  const Machine& m = world.market.machine(contract.machine);
  const auto fires = [&](Trap trap) {
    return world.Fire(trap, world.call_endpoint, contract.id) != nullptr;
  };
  const bool running = contract.Is("running");
  const bool stopped = contract.Is("stopped") || contract.Is("exited");
  const double gpu = static_cast<double>(contract.gpu_micros_per_hour) / 1e6;
  const double storage = static_cast<double>(contract.storage_micros_per_hour) / 1e6;
  RowWriter row;
  row.Int("id", contract.id);
  AddLabel(row, world, contract);
  AddStatus(row, contract);
  AddMachine(row, m, contract.gpus);
  row.Text("gpu_name", fires(Trap::kGpuNameBlank) ? Cat(m.gpu.name, " ") : m.gpu.name);
  row.Int("gpu_totalram", std::int64_t{m.gpu.ram_mb} * contract.gpus);
  AddAccess(row, contract);
  AddOrder(row, contract.order);
  row.Number("dph_base", Clean(gpu));
  row.Number("dph_total", Clean((stopped ? 0 : gpu) + storage));
  row.Number("min_bid", Clean(gpu * 0.5));
  row.Bool("is_bid", contract.order.bid_usd_per_hour.has_value());
  row.Number("storage_total_cost", Clean(storage));
  AddPriceParts(row, "search", gpu, storage);
  AddPriceParts(row, "instance", running ? gpu : 0, storage);
  AddTimes(row, world, contract, m);
  AddUsage(row, running);
  row.Null("template_id");
  row.Null("template_hash_id");
  row.Null("credit_balance");
  row.Text("country_code", m.country.substr(m.country.size() - 2));
  row.Raw("volume_info", "[]");
  std::string text = row.Take();
  if (fires(Trap::kNullFields)) {
    Json nulled = Json::parse(text);
    for (auto& [key, value] : nulled.items()) {
      if (key != "id") value = nullptr;
    }
    text = nulled.dump();
  }
  return fires(Trap::kIdsAsFloats) ? WithIdsAsFloats(text) : text;
}

std::string WithIdsAsFloats(const std::string& text) {
  Json row = Json::parse(text);
  for (const char* field : {"id", "ask_contract_id", "machine_id", "host_id", "bundle_id"}) {
    const auto it = row.find(field);
    if (it != row.end() && it->is_number()) *it = it->get<double>();
  }
  return row.dump();
}

SimReply RowsReply(const Json& head, const char* name, const std::vector<std::string>& rows) {
  std::string body = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  body.back() = ',';  // the closing brace comes after the rows
  body += Cat("\"", name, "\":[");
  for (const std::string& row : rows) {
    if (&row != &rows.front()) body += ',';
    body += row;
  }
  body += "]}";
  return Reply(200, std::move(body), "application/json");
}

}  // namespace muster::vastsim
