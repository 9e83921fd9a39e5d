// LogRules: draws facts from a worker's log text by RE2 rules, line by line.
//
//   rules = LogRules::Make(spec)          // the built-in set "zeb", or the spec's own `facts`
//   rules->Read(tail, known_phase)        // -> LogObserved
//
// Per line the first matching rule speaks. Over lines: the last phase mark is the phase, the newest
// progress line gives the counters, an error counts unless progress follows it, set-up marks after
// progress mean that the program was started anew. Old lines say the same thing again at each
// poll, so nothing here is news by its presence: commands/worker judges what grew.
//
// Immutable after Make; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "commands/worker/state.h"
#include "eventstore/base/status.h"
#include "workers/ports/provider.h"

namespace muster {

class LogRules {
 public:
  // kInvalidArgument  a pattern does not compile (named in the message) or the set has no rules
  static StatusOr<std::shared_ptr<const LogRules>> Make(const specpb::FleetSpec& spec);
  ~LogRules();

  // `known` is the worker's phase so far: text without any mark means that a container came up when
  // it was booting, and says nothing of the phase later on. agreeing_polls and first_seen_us are
  // left to Decide.
  eventpb::LogObserved Read(const LogTail& tail, worker::Observed::Phase known) const;

 private:
  struct Rule;
  struct Reading;
  class Groups;
  explicit LogRules(int broken_lines_min);
  Status Add(const specpb::FactRule& rule);
  Status Compile();
  void ReadLine(std::string_view line, Reading& reading) const;
  static void TakeMark(worker::Observed::Phase phase, const Groups& groups, std::string_view line,
                       Reading& reading);
  static void TakeProgress(const Groups& groups, std::string_view line, Reading& reading);
  static void TakeError(const specpb::FactRule& rule, const Groups& groups, std::string_view line,
                        Reading& reading);
  bool IsNoContainer(const LogTail& tail) const;

  struct Matcher;
  std::vector<std::unique_ptr<Rule>> rules_;
  std::unique_ptr<Matcher> matcher_;  // all patterns at once
  int broken_lines_min_;              // so many lines before the launch itself is called broken
};

// The rules for the zeb worker's output.
std::vector<specpb::FactRule> ZebFactRules();

}  // namespace muster
