#include "tests/storm/runs.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"

namespace muster::storm {
namespace {

using nlohmann::json;

// Names each member once, for both directions.
template <class Report, class Visit>
void Members(Report& r, Visit visit) {
  visit("seed", r.seed);
  visit("digest", r.digest);
  visit("broken", r.broken);
  visit("story", r.story);
  visit("why", r.why);
  visit("fleets", r.fleets);
  visit("workers", r.workers);
  visit("fleet_hours", r.fleet_hours);
  visit("events", r.events);
  visit("launched", r.launched);
  visit("crashes", r.crashes);
  visit("crash_kinds", r.crash_kinds);
  visit("bytes_at_risk", r.bytes_at_risk);
  visit("bytes_left", r.bytes_left);
  visit("requests", r.requests);
  visit("refused", r.refused);
  visit("condemned", r.condemned);
  visit("rules", r.rules);
  visit("faults", r.faults);
  visit("happened", r.happened);
  visit("outcomes", r.outcomes);
}

std::string Pack(const StormReport& report) {
  json packed = json::object();
  Members(report, [&](const char* name, const auto& value) { packed[name] = value; });
  packed["length_ns"] = absl::ToInt64Nanoseconds(report.length);
  packed["rage_ns"] = absl::ToInt64Nanoseconds(report.rage);
  return packed.dump(-1, ' ', false, json::error_handler_t::replace);
}

StormReport Unpack(const std::string& text, std::uint64_t seed) {
  StormReport report;
  const json packed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!packed.is_object()) {
    report.seed = seed;
    report.broken = "TheProcessLives: it ended without a report";
    return report;
  }
  Members(report, [&](const char* name, auto& value) { packed.at(name).get_to(value); });
  report.length = absl::Nanoseconds(packed.at("length_ns").get<std::int64_t>());
  report.rage = absl::Nanoseconds(packed.at("rage_ns").get<std::int64_t>());
  return report;
}

struct Child {
  pid_t pid = 0;
  int pipe = -1;
};

// One process runs every `jobs`th seed and writes a line for each.
Child Begin(const std::vector<std::uint64_t>& seeds, std::size_t from, std::size_t step,
            StormOptions options) {
  int ends[2];
  MUSTER_CHECK(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  MUSTER_CHECK(pid >= 0);
  if (pid > 0) {
    ::close(ends[1]);
    return {pid, ends[0]};
  }
  ::close(ends[0]);
  std::FILE* out = ::fdopen(ends[1], "w");
  for (std::size_t i = from; i < seeds.size(); i += step) {
    options.seed = seeds[i];
    std::fprintf(out, "%s\n", Pack(RunStorm(options)).c_str());
    std::fflush(out);
  }
  std::_Exit(0);
}

std::string ReadLine(std::FILE* in) {
  std::string line;
  for (int c = std::fgetc(in); c != EOF && c != '\n'; c = std::fgetc(in)) {
    line += static_cast<char>(c);
  }
  return line;
}

}  // namespace

void RunSeeds(const std::vector<std::uint64_t>& seeds, const StormOptions& options, int jobs,
              const std::function<void(const StormReport&)>& each) {
  if (jobs <= 1) {
    StormOptions mine = options;
    for (const std::uint64_t seed : seeds) {
      mine.seed = seed;
      each(RunStorm(mine));
    }
    return;
  }
  std::fflush(stdout);  // or each process would print it again
  const std::size_t step = std::min(static_cast<std::size_t>(jobs), seeds.size());
  std::vector<Child> children;
  std::vector<std::FILE*> pipes;
  for (std::size_t job = 0; job < step; ++job) {
    children.push_back(Begin(seeds, job, step, options));
    pipes.push_back(::fdopen(children.back().pipe, "r"));
  }
  for (std::size_t i = 0; i < seeds.size(); ++i) each(Unpack(ReadLine(pipes[i % step]), seeds[i]));
  for (std::size_t job = 0; job < step; ++job) {
    std::fclose(pipes[job]);
    ::waitpid(children[job].pid, nullptr, 0);
  }
}

StormReport RunApart(const StormOptions& options) {
  StormReport report;
  RunSeeds({options.seed}, options, 2, [&](const StormReport& only) { report = only; });
  return report;
}

std::string Flags(const StormOptions& options) {
  std::string flags = Cat("--seed ", options.seed);
  const Limits& limits = options.limits;
  if (options.length.has_value()) flags += Cat(" --hours ", absl::ToDoubleHours(*options.length));
  if (options.servers > 0) flags += Cat(" --servers ", options.servers);
  if (limits.fleets.has_value()) flags += Cat(" --fleets ", *limits.fleets);
  if (limits.workers.has_value()) flags += Cat(" --workers ", *limits.workers);
  if (limits.crashes.has_value()) flags += Cat(" --crashes ", *limits.crashes);
  if (limits.requests.has_value()) flags += Cat(" --requests ", *limits.requests);
  std::string without;
  for (const std::string& each : limits.without) {
    without += Cat(without.empty() ? " --without " : ",", each);
  }
  return flags + without;
}

namespace {

constexpr absl::Duration kLeastRage = absl::Minutes(10);

std::string InvariantOf(const StormReport& report) {
  return report.broken.substr(0, report.broken.find(':'));
}

class Shrinker {
 public:
  Shrinker(const StormReport& failed, const StormOptions& options, int runs_max, const Runner& run)
      : runs_max_(runs_max), run_(run), invariant_(InvariantOf(failed)) {
    best_.options = options;
    best_.report = failed;
    tried_.insert(Flags(options));
  }

  Smallest Run() {
    bool better = true;
    while (better) {
      better = FewerHours();
      better = FewerHappenings() || better;
      better = FewerOfAll() || better;
      better = FewerTraps() || better;
    }
    return std::move(best_);
  }

 private:
  // True if `smaller` fails too; then it is the best. Another broken invariant is another failure.
  bool Keep(const StormOptions& smaller) {
    if (best_.runs >= runs_max_ || !tried_.insert(Flags(smaller)).second) return false;
    ++best_.runs;
    StormReport report = run_(smaller);
    if (InvariantOf(report) != invariant_) return false;
    best_.options = smaller;
    best_.report = std::move(report);
    return true;
  }

  bool FewerHours() {
    bool better = false;
    for (;;) {
      StormOptions smaller = best_.options;
      const absl::Duration now = smaller.length.value_or(best_.report.rage);
      if (now < 2 * kLeastRage) return better;
      smaller.length = now / 2;
      if (!Keep(smaller)) return better;
      better = true;
    }
  }
  bool FewerHappenings() {
    bool better = false;
    if (best_.options.servers > 0) better = Without({"servers"});
    for (const char* kind : kHappenings) better = Without({kind}) || better;
    return better;
  }
  bool FewerOfAll() {
    const StormReport now = best_.report;
    bool better = Fewer(&Limits::fleets, now.fleets);
    better = Fewer(&Limits::workers, now.workers) || better;
    better = Fewer(&Limits::crashes, now.crashes) || better;
    return Fewer(&Limits::requests, now.requests) || better;
  }
  // From one upwards: what a failure needs is little, as a rule.
  bool Fewer(std::optional<int> Limits::* limit, int now) {
    now = std::min(now, (best_.options.limits.*limit).value_or(now));
    for (int less = 1; less < now; less *= 2) {
      StormOptions smaller = best_.options;
      smaller.limits.*limit = less;
      if (Keep(smaller)) return true;
    }
    return false;
  }
  // All at once, then half of them, and so on down to each alone.
  bool FewerTraps() {
    bool better = false;
    std::vector<std::string> left;
    for (const auto& [trap, count] : best_.report.faults) {
      if (!best_.options.limits.without.contains(trap)) left.push_back(trap);
    }
    for (std::size_t size = left.size(); size > 0; size /= 2) {
      for (std::size_t from = 0; from < left.size();) {
        const auto begin = left.begin() + static_cast<std::ptrdiff_t>(from);
        const auto end =
            left.begin() + static_cast<std::ptrdiff_t>(std::min(from + size, left.size()));
        if (Without({begin, end})) {
          left.erase(begin, end);
          better = true;
        } else {
          from += size;
        }
      }
    }
    return better;
  }
  bool Without(const std::set<std::string>& what) {
    StormOptions smaller = best_.options;
    smaller.limits.without.insert(what.begin(), what.end());
    return Keep(smaller);
  }

  const int runs_max_;
  const Runner& run_;
  const std::string invariant_;
  std::set<std::string> tried_;
  Smallest best_;
};

}  // namespace

Smallest Shrink(const StormReport& failed, const StormOptions& options, int runs_max,
                const Runner& run) {
  return Shrinker(failed, options, runs_max, run).Run();
}

}  // namespace muster::storm
