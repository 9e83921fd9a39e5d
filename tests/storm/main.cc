// muster-storm: runs storms and says what they found.
//
//   muster-storm --seed 7 --trace
//   muster-storm --seeds 1..100
//   muster-storm --bench
//   muster-storm --canaries, --canary list-failure-is-empty
//
// Exit codes: 0 all invariants held, 1 one was broken or a seed gave two digests, 64 usage.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "eventstore/base/log.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "tests/storm/canary_run.h"
#include "tests/storm/storm.h"

namespace muster::storm {
namespace {

struct Arguments {
  std::uint64_t first = 1, last = 1;
  StormOptions options;
  bool bench = false;
  bool seeds_given = false;
  int jobs = 1;  // of canaries
  bool canaries = false;
  std::string canary;  // "" = all
  bool ok = true;
};

Arguments Parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const bool value = i + 1 < argc;
    if (flag == "--trace") {
      out.options.trace = true;
    } else if (flag == "--bench") {
      out.bench = true;
      out.last = 8;
    } else if (flag == "--canaries") {
      out.canaries = true;
    } else if (flag == "--canary" && value) {
      out.canaries = true;
      out.canary = argv[++i];
    } else if (flag == "--jobs" && value) {
      out.jobs = std::max(1, std::atoi(argv[++i]));
    } else if (flag == "--seed" && value) {
      out.seeds_given = true;
      out.first = out.last = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--seeds" && value) {
      out.seeds_given = true;
      const std::string range = argv[++i];
      const std::size_t dots = range.find("..");
      out.ok = out.ok && dots != std::string::npos;
      if (!out.ok) break;
      out.first = std::strtoull(range.c_str(), nullptr, 10);
      out.last = std::strtoull(range.c_str() + dots + 2, nullptr, 10);
    } else if (flag == "--hours" && value) {
      out.options.length = absl::Hours(std::strtod(argv[++i], nullptr));
    } else {
      out.ok = false;
    }
  }
  out.ok = out.ok && out.first <= out.last;
  return out;
}

std::string Counts(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += Cat(text.empty() ? "" : " ", name, ":", count);
  }
  return text.empty() ? "-" : text;
}

int Sum(const std::map<std::string, int>& counts) {
  int sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

void PrintLine(const StormReport& report) {
  std::printf(
      "seed %llu %s %s %llu events, launched %d, condemned %s, faults %d of %zu kinds, "
      "crashes %d, requests %d (%d refused): %s\n",
      static_cast<unsigned long long>(report.seed), report.digest.substr(0, 16).c_str(),
      FormatSpan(report.length).c_str(), static_cast<unsigned long long>(report.events),
      report.launched, Counts(report.condemned).c_str(), Sum(report.faults), report.faults.size(),
      report.crashes, report.requests, report.refused, report.broken.empty() ? "ok" : "BROKEN");
  std::fflush(stdout);
}

std::string Again(const Arguments& args, std::uint64_t seed) {
  std::string command = Cat("muster-storm --seed ", seed);
  if (args.options.length.has_value()) {
    command += Cat(" --hours ", absl::ToDoubleHours(*args.options.length));
  }
  return command;
}

void PrintFailure(const Arguments& args, const StormReport& report) {
  for (const std::string& line : report.story) std::printf("  %s\n", line.c_str());
  std::printf("seed %llu broke %s\nagain: %s\n", static_cast<unsigned long long>(report.seed),
              report.broken.c_str(), Again(args, report.seed).c_str());
}

int Main(int argc, char** argv) {
  Arguments args = Parse(argc, argv);
  if (!args.ok) {
    std::fprintf(
        stderr,
        "usage: muster-storm [--seed N | --seeds A..B] [--hours H] [--trace] [--bench]\n"
        "       muster-storm --canaries | --canary NAME [--seed N | --seeds A..B] [--jobs J]\n");
    return 64;
  }
  if (args.canaries) {
    CanaryRun run{.name = args.canary, .jobs = args.jobs};
    if (args.seeds_given) run.first = args.first, run.last = args.last;
    return RunCanaries(run);
  }
  const auto begun = std::chrono::steady_clock::now();
  std::map<std::string, int> rules, faults;
  double fleet_hours = 0;
  int broken = 0;
  for (std::uint64_t seed = args.first; seed <= args.last; ++seed) {
    args.options.seed = seed;
    const StormReport report = RunStorm(args.options);
    PrintLine(report);
    fleet_hours += report.fleet_hours;
    for (const auto& [rule, count] : report.rules) rules[rule] += count;
    for (const auto& [fault, count] : report.faults) faults[fault] += count;
    if (!report.broken.empty()) {
      PrintFailure(args, report);
      ++broken;
    }
    if (seed == args.first && !args.bench) {
      const StormReport repeated = RunStorm(args.options);
      fleet_hours += repeated.fleet_hours;
      if (repeated.digest != report.digest) {
        std::printf("seed %llu gave two logs: %s and %s\nagain: %s\n",
                    static_cast<unsigned long long>(seed), report.digest.c_str(),
                    repeated.digest.c_str(), Again(args, seed).c_str());
        ++broken;
      }
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  const double per_minute = fleet_hours / took.count() * 60;
  if (args.bench) {
    std::printf("RATIO storm_fleet_hours_per_minute %.0f >=1000\n", per_minute);
  } else {
    std::printf("rules exercised (%zu): %s\n", rules.size(), Counts(rules).c_str());
    std::printf("fault kinds fired: %zu\n", faults.size());
    std::printf("%.0f fleet-hours in %.1f s, %.0f a minute; %d broken\n", fleet_hours, took.count(),
                per_minute, broken);
  }
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace muster::storm

int main(int argc, char** argv) { return muster::storm::Main(argc, argv); }
