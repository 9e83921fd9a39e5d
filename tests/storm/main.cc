// muster-storm: runs storms and says what they found.
//
//   muster-storm --seed 7 --trace
//   muster-storm --seeds 1..100 --jobs 2
//   muster-storm --seeds 1..100 --servers 25
//   muster-storm --bench
//   muster-storm --canaries, --canary list-failure-is-empty
//
// Exit codes: 0 all held, 1 an invariant was broken, a seed gave two digests, or (with --cover)
// something was not exercised; 64 usage.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "tests/storm/canary_run.h"
#include "tests/storm/session.h"
#include "tests/storm/storm.h"

namespace muster::storm {
namespace {

struct Arguments {
  Session session;
  bool bench = false;
  bool seeds_given = false;
  bool canaries = false;
  std::string canary;  // "" = all
  bool ok = true;
};

// "1..12,20"
bool ReadSeeds(const std::string& text, std::vector<std::uint64_t>& seeds) {
  for (const auto part : absl::StrSplit(text, ',')) {
    const std::string range(part);
    const std::size_t dots = range.find("..");
    std::uint64_t first = 0, last = 0;
    if (!absl::SimpleAtoi(range.substr(0, dots), &first)) return false;
    last = first;
    if (dots != std::string::npos && !absl::SimpleAtoi(range.substr(dots + 2), &last)) return false;
    if (first > last) return false;
    for (std::uint64_t seed = first; seed <= last; ++seed) seeds.push_back(seed);
  }
  return true;
}

// A flag that has a value.
bool Read(const std::string& flag, const std::string& value, Arguments& out) {
  Session& session = out.session;
  out.seeds_given = out.seeds_given || flag == "--seeds" || flag == "--seed";
  if (flag == "--canary") {
    out.canaries = true;
    out.canary = value;
    return true;
  }
  if (flag == "--seed" || flag == "--seeds") return ReadSeeds(value, session.seeds);
  if (flag == "--servers") {
    int& percent = session.options.servers;
    return absl::SimpleAtoi(value, &percent) && percent >= 0 && percent <= 100;
  }
  if (flag == "--fresh") return ReadSeeds(value, session.fresh);
  if (flag == "--jobs") return absl::SimpleAtoi(value, &session.jobs) && session.jobs > 0;
  if (flag == "--explain") return absl::SimpleAtoi(value, &session.options.explain);
  if (flag == "--shrink") return absl::SimpleAtoi(value, &session.shrink_runs);
  if (flag == "--hours") {
    double hours = 0;
    if (!absl::SimpleAtod(value, &hours) || !(hours > 0)) return false;
    session.options.length = absl::Hours(hours);
    return true;
  }
  return ReadLimit(flag, value, session.options.limits);
}

Arguments Parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc && out.ok; ++i) {
    const std::string flag = argv[i];
    if (flag == "--trace") {
      out.session.options.trace = true;
    } else if (flag == "--cover") {
      out.session.cover = true;
    } else if (flag == "--canaries") {
      out.canaries = true;
    } else if (flag == "--bench") {
      out.bench = true;
    } else if (i + 1 < argc) {
      out.ok = Read(flag, argv[++i], out);
    } else {
      out.ok = false;
    }
  }
  if (out.session.seeds.empty()) (void)ReadSeeds(out.bench ? "1..8" : "1", out.session.seeds);
  return out;
}

int Bench(const Session& session) {
  double fleet_hours = 0;
  StormOptions options = session.options;
  for (const std::uint64_t seed : session.seeds) {
    options.seed = seed;
    fleet_hours += RunStorm(options).fleet_hours;
  }
  std::printf("RATIO storm_fleet_hours_per_minute %.0f >=1000\n",
              fleet_hours / ProcessorSeconds() * 60);
  return 0;
}

int Main(int argc, char** argv) {
  const Arguments args = Parse(argc, argv);
  if (!args.ok) {
    std::fprintf(stderr,
                 "usage: muster-storm [--seeds A..B,N...] [--fresh N...] [--jobs N] [--trace]\n"
                 "                    [--explain N] [--cover] [--shrink RUNS] [--bench]\n"
                 "                    [--servers PERCENT-OF-SEEDS]\n"
                 "       what is left out: [--hours H] [--fleets N] [--workers N] [--crashes N]\n"
                 "                    [--requests N] [--without TRAP-OR-HAPPENING,...]\n"
                 "       muster-storm --canaries | --canary NAME [--seeds A..B] [--jobs N]\n");
    return 64;
  }
  if (args.canaries) {
    CanaryRun run{.name = args.canary, .jobs = args.session.jobs};
    if (args.seeds_given) {
      run.first = args.session.seeds.front();
      run.last = args.session.seeds.back();
    }
    return RunCanaries(run);
  }
  if (args.bench) return Bench(args.session);
  return RunSession(args.session) ? 0 : 1;
}

}  // namespace
}  // namespace muster::storm

int main(int argc, char** argv) { return muster::storm::Main(argc, argv); }
