#include "services/simulate/model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "eventstore/base/market_record.h"

namespace muster::simulate {
namespace {

// Seconds of work between two signs of it, at the fastest.
constexpr double kBatchSeconds = 100;

std::string Known() {
  std::vector<std::string> names;
  names.reserve(Settings().size());
  for (const Setting& setting : Settings()) names.push_back(setting.name);
  return absl::StrJoin(names, ", ");
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const auto* settings = new std::vector<Setting>{
      {"machines", "80", "machines in the drawn market"},
      {"churn_interval", "5m", "how often prices move and machines come or go"},
      {"churn_share", "0.03", "share of the machines that come or go each time"},
      {"boot_min", "1m", "from the rent to a running container, at least"},
      {"boot_max", "4m", "and at most"},
      {"setup_min", "1m", "from there to the worker's start, at least"},
      {"setup_max", "3m", "and at most"},
      {"stuck_boot_share", "0.03", "share of boots that never end"},
      {"failures_per_hour", "0.01", "failures of a running machine, of every kind known"},
      {"bad_machines", "2", "machines among the best value that fail again and again"},
      {"bad_machine_how", "stall", "how those fail"},
      {"bad_machine_after", "20m", "and how long after their worker's start"},
      {"credit_usd", "100000", "credit at the start; nobody tops it up"},
  };
  return *settings;
}

StatusOr<std::map<std::string, std::string>> ModelFor(
    const spec::v1::FleetSpec& fleet, const std::map<std::string, std::string>& given) {
  std::map<std::string, std::string> model;
  for (const Setting& setting : Settings()) model[setting.name] = setting.otherwise;
  for (const auto& [name, value] : given) {
    const auto known = model.find(name);
    if (known == model.end()) {
      return InvalidArgument(Cat("--set ", name, ": no such setting; expected one of ", Known()));
    }
    known->second = value;
  }
  double fastest = fleet.market().rate_default_per_s();
  for (const auto& [gpu, rate] : ExpectedRates(fleet)) fastest = std::max(fastest, rate);
  model["games_per_batch"] = Cat(std::max<std::int64_t>(1, std::llround(fastest * kBatchSeconds)));
  model["log_lines_kept"] = "200";
  return model;
}

std::map<std::string, double> ExpectedRates(const spec::v1::FleetSpec& fleet) {
  std::map<std::string, double> rates;
  for (const auto& gpu : fleet.market().gpus()) {
    const double rate =
        gpu.rate_per_s() > 0 ? gpu.rate_per_s() : fleet.market().rate_default_per_s();
    if (rate > 0) rates[gpu.name()] = rate;
  }
  return rates;
}

spec::v1::FleetSpec Simulable(spec::v1::FleetSpec fleet) {
  fleet.set_fact_rules("zeb");
  fleet.clear_facts();
  return fleet;
}

std::vector<std::string> Assumptions(const spec::v1::FleetSpec& fleet,
                                     const std::map<std::string, std::string>& model,
                                     const MarketRecord* market, absl::Duration span) {
  const auto set = [&](const char* name) { return model.at(name); };
  std::vector<std::string> out;
  if (market == nullptr) {
    out.push_back(Cat("The market is drawn: ", set("machines"),
                      " machines, prices that move by up to 2 % every ", set("churn_interval"),
                      ", ", set("churn_share"), " of them coming or going each time."));
  } else {
    const absl::Duration length = market->to - market->from;
    out.push_back(Cat("The market is recorded: ", market->machines.size(), " machines, ",
                      FormatUtc(market->from), " to ", FormatUtc(market->to),
                      span > length ? "; it is shorter than the run and repeats itself." : "."));
    out.push_back(
        "A machine that workers ran on meets each new one with what the next of them met, in "
        "order; only what the record does not know is drawn.");
  }
  out.push_back(Cat("Drawn from the seed: boots of ", set("boot_min"), " to ", set("boot_max"),
                    ", set-ups of ", set("setup_min"), " to ", set("setup_max"), "; ",
                    set("stuck_boot_share"), " of boots never end; ", set("failures_per_hour"),
                    " failures per machine and hour."));
  if (market == nullptr) {
    out.push_back(Cat("Bad machines: ", set("bad_machines"), " of the best value, each ",
                      set("bad_machine_how"), " ", set("bad_machine_after"), " after the start."));
  }
  out.push_back(
      "A GPU works as fast as the fleet file says, times 0.88 to 1.05 for each machine. Machines "
      "are rented to nobody else while they are offered.");
  out.push_back(Cat("Credit at the start: $", set("credit_usd"),
                    ". Secrets resolve, preflight checks pass, the worker's own code never fails, "
                    "and the provider's API answers."));
  if (fleet.fact_rules() != "zeb") {
    out.push_back("The fleet's own fact rules are not used: the simulated worker prints zeb's.");
  }
  return out;
}

}  // namespace muster::simulate
