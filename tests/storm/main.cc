// muster-storm: runs storms and says what they found.
//
//   muster-storm --seed 7 --trace
//   muster-storm --seeds 1..100 --jobs 2
//   muster-storm --bench
//   muster-storm --canaries, --canary list-failure-is-empty
//
// Exit codes: 0 all held, 1 an invariant was broken, a seed gave two digests, or (with --cover)
// something was not exercised; 64 usage.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "tests/storm/canary_run.h"
#include "tests/storm/session.h"
#include "tests/storm/storm.h"

namespace muster::storm {
namespace {

struct Arguments {
  std::uint64_t first = 1, last = 1;
  Session session;
  bool bench = false;
  bool seeds_given = false;
  bool canaries = false;
  std::string canary;  // "" = all
  bool ok = true;
};

bool ReadRange(const std::string& text, Arguments& out) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return false;
  return absl::SimpleAtoi(text.substr(0, dots), &out.first) &&
         absl::SimpleAtoi(text.substr(dots + 2), &out.last) && out.first <= out.last;
}

bool ReadFresh(const std::string& text, Session& session) {
  for (const auto each : absl::StrSplit(text, ',')) {
    if (!absl::SimpleAtoi(each, &session.fresh.emplace_back())) return false;
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
  if (flag == "--seeds") return ReadRange(value, out);
  if (flag == "--seed") return ReadRange(Cat(value, "..", value), out);
  if (flag == "--fresh") return ReadFresh(value, session);
  if (flag == "--jobs") return absl::SimpleAtoi(value, &session.jobs) && session.jobs > 0;
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
      out.last = 8;
    } else if (i + 1 < argc) {
      out.ok = Read(flag, argv[++i], out);
    } else {
      out.ok = false;
    }
  }
  for (std::uint64_t seed = out.first; seed <= out.last; ++seed) out.session.seeds.push_back(seed);
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
    std::fprintf(
        stderr,
        "usage: muster-storm [--seed N | --seeds A..B] [--fresh N,N...] [--jobs N] [--trace]\n"
        "                    [--cover] [--shrink RUNS] [--bench]\n"
        "       what is left out: [--hours H] [--fleets N] [--workers N] [--crashes N]\n"
        "                    [--requests N] [--without TRAP-OR-HAPPENING,...]\n"
        "       muster-storm --canaries | --canary NAME [--seed N | --seeds A..B] [--jobs N]\n");
    return 64;
  }
  if (args.canaries) {
    CanaryRun run{.name = args.canary, .jobs = args.session.jobs};
    if (args.seeds_given) run.first = args.first, run.last = args.last;
    return RunCanaries(run);
  }
  if (args.bench) return Bench(args.session);
  return RunSession(args.session) ? 0 : 1;
}

}  // namespace
}  // namespace muster::storm

int main(int argc, char** argv) { return muster::storm::Main(argc, argv); }
