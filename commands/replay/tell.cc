// What a report says of its own limits: how the world after a divergence was made up, and what the
// log does not hold. Each sentence only where it matters.
#include <algorithm>
#include <set>

#include "commands/replay/replay.h"
#include "commands/worker/assess.h"
#include "eventstore/base/units.h"

namespace muster::replay {
namespace {

std::string Many(std::int64_t count, std::string_view one, std::string_view many) {
  return Cat(count, " ", count == 1 ? one : many);
}

// "1m04s, the median of 12 here"
std::string Usual(const Habits& habits, Habits::Span span, const FleetName& fleet) {
  const std::int64_t seen = habits.Seen(span, fleet);
  return Cat(
      FormatSpan(habits.Of(span, fleet, MachineId())),
      seen > 0 ? Cat(", the median of ", seen, " seen") : std::string(", assumed: none seen"));
}

bool ShorterClocks(const specpb::Timers& live, const specpb::Timers& trial) {
  const worker::Clocks a = worker::ClocksOf(live), b = worker::ClocksOf(trial);
  return b.boot < a.boot || b.setup < a.setup || b.warmup < a.warmup ||
         b.no_progress < a.no_progress || b.error_grace < a.error_grace || b.offline < a.offline;
}

// The filters by which the market is searched: what they shut out was never seen.
bool WiderMarket(const specpb::FleetSpec& live, const specpb::FleetSpec& trial) {
  const specpb::Market &a = live.market(), &b = trial.market();
  std::set<std::string> searched;
  for (const auto& gpu : a.gpus()) searched.insert(gpu.name());
  const bool new_gpu = std::any_of(b.gpus().begin(), b.gpus().end(),
                                   [&](const auto& gpu) { return !searched.contains(gpu.name()); });
  const std::set<std::string> there(a.countries().begin(), a.countries().end());
  const bool new_country =
      !there.empty() &&
      (b.countries().empty() || std::any_of(b.countries().begin(), b.countries().end(),
                                            [&](const auto& one) { return !there.contains(one); }));
  return new_gpu || new_country ||
         b.price_max_micro_usd_per_hour() > a.price_max_micro_usd_per_hour() ||
         b.reliability_min() < a.reliability_min() || b.cuda_min() < a.cuda_min() ||
         b.inet_down_mbps_min() < a.inet_down_mbps_min() ||
         b.inet_up_mbps_min() < a.inet_up_mbps_min() || b.remaining_s_min() < a.remaining_s_min() ||
         (b.allow_unverified() && !a.allow_unverified());
}

}  // namespace

void Replay::TellModel(Report& report) const {
  using Span = Habits::Span;
  const Habits& habits = scan_.habits();
  const FleetName& fleet = options_.trial->fleet;
  auto& tell = report.model;
  tell.push_back(
      "The market, the account's credit, operators' commands, what is known of machines and all "
      "other fleets are as recorded. What was rented live is missing from later offers, whatever "
      "the replayed policy rents.");
  tell.push_back(
      "A decision that both make at the same moment goes on as recorded, to its recorded end.");
  if (other_->made_up().rented > 0) {
    tell.push_back(Cat(
        Many(other_->made_up().rented, "launch", "launches"),
        " that the log never made: accepted after ", Usual(habits, Span::kAccept, fleet),
        "; running after ", Usual(habits, Span::kUp, fleet), "; producing after ",
        Usual(habits, Span::kProgress, fleet),
        " (of the same machine where it was rented before); billed at the recorded offer's price; "
        "it never fails and runs until the replayed policy ends it."));
  }
  if (other_->made_up().kept > 0) {
    tell.push_back(Cat(Many(other_->made_up().kept, "worker", "workers"),
                       " that ended live and not here: it goes on as it was last seen, at the same "
                       "price; one that worked goes on working, one that failed stays as it was."));
  }
  if (other_->made_up().ended > 0) {
    tell.push_back(Cat(Many(other_->made_up().ended, "worker", "workers"),
                       " ended here and not so in the log: the order is taken after ",
                       Usual(habits, Span::kDestroyTaken, fleet), "; gone, and paid, after ",
                       Usual(habits, Span::kDestroyed, fleet), "."));
  }
}

void Replay::TellUnknown(Report& report) const {
  auto& tell = report.unknown;
  if (scan_.unmarked() > 0) {
    tell.push_back(Cat(Many(scan_.unmarked(), "pass", "passes"),
                       " of an older muster: the moment of deciding is not recorded and is taken "
                       "from the decision itself."));
  }
  const bool limits =
      std::any_of(options_.plan.account_budgets.begin(), options_.plan.account_budgets.end(),
                  [](const auto& entry) { return entry.second.ByteSizeLong() > 0; });
  if (limits) {
    tell.push_back(
        "Budgets of whole accounts are not in the log: they are taken as configured "
        "today.");
  }
  if (!options_.trial.has_value()) return;
  const specpb::FleetSpec& trial = options_.trial->spec;
  const auto any = [&](auto differs) {
    return std::any_of(live_specs_.begin(), live_specs_.end(), differs);
  };
  if (live_specs_.size() > 1) {
    tell.push_back(Cat("The fleet's file was applied ", live_specs_.size(),
                       " times in or before the span: the replayed policy stands in for all of "
                       "them."));
  }
  if (any([&](const specpb::FleetSpec& live) { return WiderMarket(live, trial); })) {
    tell.push_back(
        "Offers that the live policy's own filters (price, GPUs, countries, quality) "
        "shut out were never searched for and are not in the log: the wider policy is "
        "judged on what was seen.");
  }
  if (any([&](const specpb::FleetSpec& live) {
        return live.launch().disk_gb() != trial.launch().disk_gb();
      })) {
    tell.push_back("Offers were priced for the disk of the live policy.");
  }
  if (any([&](const specpb::FleetSpec& live) {
        return ShorterClocks(live.timers(), trial.timers());
      })) {
    tell.push_back(
        "A look that shows nothing new is written every five minutes only: a clock "
        "that is shorter than the live one may run out up to so much late.");
  }
  if (any([&](const specpb::FleetSpec& live) {
        return live.preflight_size() != trial.preflight_size();
      })) {
    tell.push_back("Preflight checks are those of the live policy; others are taken as passed.");
  }
}

}  // namespace muster::replay
