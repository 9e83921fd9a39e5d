#include "tests/storm/session.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "tests/storm/coverage.h"
#include "tests/storm/runs.h"

namespace muster::storm {
namespace {

std::string Listed(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += Cat(text.empty() ? "" : " ", name, ":", count);
  }
  return text.empty() ? "-" : text;
}

int Sum(const Counts& counts) {
  int sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

void Print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void PrintLine(const StormReport& report) {
  Print(Cat("seed ", report.seed, " ", report.digest.substr(0, 16), " ", FormatSpan(report.length),
            " ", report.events, " events, launched ", report.launched, ", condemned ",
            Listed(report.condemned), ", faults ", Sum(report.faults), " of ", report.faults.size(),
            " kinds, crashes ", report.crashes, ", requests ", report.requests, " (",
            report.refused, " refused): ", report.broken.empty() ? "ok" : "BROKEN"));
}

std::string Again(const StormOptions& options) { return Cat("muster-storm ", Flags(options)); }

void PrintFailure(const StormReport& report, const StormOptions& options) {
  for (const std::string& line : report.story) Print(Cat("  ", line));
  if (!report.why.empty()) Print("why:");
  for (const std::string& line : report.why) Print(Cat("  ", line));
  Print(Cat("seed ", report.seed, " broke ", report.broken, "\nagain: ", Again(options)));
}

class Run {
 public:
  explicit Run(const Session& session) : session_(session) {}

  bool Go() {
    std::vector<std::uint64_t> seeds = session_.seeds;
    seeds.insert(seeds.end(), session_.fresh.begin(), session_.fresh.end());
    if (seeds.empty()) return true;
    last_ = seeds.size();
    if (!Telling()) seeds.push_back(seeds[0]);
    RunSeeds(seeds, session_.options, session_.jobs,
             [this](const StormReport& report) { Take(report); });
    if (Telling()) {
      StormOptions quiet = With(seeds[0]);
      quiet.trace = false;
      quiet.explain = 0;
      Take(RunStorm(quiet));
    }
    if (first_failure_.has_value() && session_.shrink_runs > 0) MakeSmaller();
    PrintCoverage();
    return failures_ == 0;
  }

 private:
  // Told once is enough.
  bool Telling() const { return session_.options.trace || session_.options.explain > 0; }
  StormOptions With(std::uint64_t seed) const {
    StormOptions options = session_.options;
    options.seed = seed;
    return options;
  }
  void Take(const StormReport& report) {
    fleet_hours_ += report.fleet_hours;
    if (taken_++ == last_) {
      Compare(report);
      return;
    }
    PrintLine(report);
    coverage_.Add(report);
    if (taken_ == 1) first_digest_ = report.digest;
    if (report.broken.empty()) return;
    ++failures_;
    const bool fresh = taken_ > session_.seeds.size();
    if (fresh) Print(Cat("seed ", report.seed, " is fresh: add it to the fixed ones"));
    PrintFailure(report, With(report.seed));
    if (!first_failure_.has_value()) first_failure_ = report;
  }
  void Compare(const StormReport& repeated) {
    if (repeated.digest == first_digest_) return;
    ++failures_;
    Print(Cat("seed ", repeated.seed, " gave two logs: ", first_digest_, " and ", repeated.digest,
              "\nagain: ", Again(With(repeated.seed))));
  }
  void MakeSmaller() {
    StormOptions options = With(first_failure_->seed);
    options.trace = false;
    options.explain = 0;
    const Smallest smallest = Shrink(*first_failure_, options, session_.shrink_runs, RunApart);
    Print(Cat("\nthe smallest variant of seed ", options.seed, " that still fails, of ",
              smallest.runs, " tried:"));
    PrintFailure(smallest.report, smallest.options);
  }
  void PrintCoverage() {
    Print(Cat("rules exercised (", coverage_.rules.size(), "): ", Listed(coverage_.rules)));
    Print(Cat("happened: ", Listed(coverage_.happened)));
    Print(Cat("fault kinds fired (", coverage_.faults.size(), "): ", Listed(coverage_.faults)));
    const std::vector<std::string> gaps = Gaps(coverage_);
    Print(Cat(AllThereIs().size(), " rules, outcomes, faults and happenings in all, ",
              OutOfReach().size(), " out of reach, gaps: ", gaps.size()));
    if (session_.cover) {
      for (const std::string& gap : gaps) Print(Cat("  ", gap));
      failures_ += static_cast<int>(gaps.size());
    }
    const double seconds = ProcessorSeconds();
    Print(Cat(static_cast<int>(fleet_hours_), " fleet-hours, ",
              static_cast<int>(fleet_hours_ / seconds * 60), " a processor minute; ", failures_,
              " broken"));
  }

  const Session& session_;
  Coverage coverage_;
  std::size_t taken_ = 0, last_ = 0;
  double fleet_hours_ = 0;
  int failures_ = 0;
  std::string first_digest_;
  std::optional<StormReport> first_failure_;
};

}  // namespace

bool RunSession(const Session& session) { return Run(session).Go(); }

double ProcessorSeconds() {
  double seconds = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(who, &used);
    for (const timeval& part : {used.ru_utime, used.ru_stime}) {
      seconds += static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) / 1e6;
    }
  }
  return seconds;
}

bool ReadLimit(const std::string& flag, const std::string& value, Limits& limits) {
  if (flag == "--without") {
    for (const auto name : absl::StrSplit(value, ',')) limits.without.insert(std::string(name));
    return true;
  }
  const std::map<std::string, std::optional<int> Limits::*> numbers = {
      {"--fleets", &Limits::fleets},
      {"--workers", &Limits::workers},
      {"--crashes", &Limits::crashes},
      {"--requests", &Limits::requests}};
  const auto limit = numbers.find(flag);
  int number = 0;
  if (limit == numbers.end() || !absl::SimpleAtoi(value, &number) || number < 0) return false;
  limits.*(limit->second) = number;
  return true;
}

}  // namespace muster::storm
