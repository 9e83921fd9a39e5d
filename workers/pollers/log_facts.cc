#include "workers/pollers/log_facts.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"

namespace muster {
namespace {

using Phase = worker::Observed::Phase;
using specpb::FactRule;

constexpr std::size_t kLineBytesMax = 160;
// Of a longer line only the front is searched: marks stand in front, and a megabyte without a
// newline is somebody's dump.
constexpr std::size_t kSearchBytesMax = 4096;
// Single lines of this kind also come from commands that go on well.
constexpr int kZebBrokenLinesMin = 10;
constexpr int kGroupsMax = 16;

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

std::int64_t Whole(std::string_view text) {
  std::int64_t value = -1;
  return absl::SimpleAtoi(ToAbsl(text), &value) && value >= 0 ? value : -1;
}

double Rate(std::string_view text) {
  double value = -1;
  return absl::SimpleAtod(ToAbsl(text), &value) && std::isfinite(value) && value >= 0 ? value : -1;
}

}  // namespace

struct LogRules::Rule {
  FactRule rule;
  std::unique_ptr<re2::RE2> pattern;
  std::map<std::string, int> groups;
};
struct LogRules::Matcher {
  Matcher() : set(re2::RE2::DefaultOptions, re2::RE2::UNANCHORED) {}
  re2::RE2::Set set;
};

// What has been read so far, from the first line to the last.
struct LogRules::Reading {
  eventpb::LogObserved facts;
  bool marked = false;
  Phase phase = Phase::kBoot;
  int broken_lines = 0;
  bool alive = false;  // progress or work was seen: the launch works
  std::string broken_line;
  const FactRule* broken_rule = nullptr;

  void Mark(Phase at, std::string_view line) {
    marked = true;
    phase = at;
    facts.set_line(Ellipsize(line, kLineBytesMax));
  }
  void ClearCounters() {
    facts.set_counter(-1);
    facts.set_total(-1);
    facts.set_step(-1);
    facts.set_rate_per_s(-1);
  }
  void ClearError() {
    facts.clear_error();
    facts.clear_error_rule();
    facts.clear_error_fault();
  }
};

LogRules::LogRules(int broken_lines_min)
    : matcher_(std::make_unique<Matcher>()), broken_lines_min_(broken_lines_min) {}
LogRules::~LogRules() = default;

StatusOr<std::shared_ptr<const LogRules>> LogRules::Make(const specpb::FleetSpec& spec) {
  const bool own =
      spec.fact_rules() == "custom" || (spec.fact_rules().empty() && spec.facts_size());
  if (!own && !spec.fact_rules().empty() && spec.fact_rules() != "zeb") {
    return InvalidArgument(Cat("no rules are called ", spec.fact_rules()));
  }
  const std::vector<FactRule> rules =
      own ? std::vector<FactRule>(spec.facts().begin(), spec.facts().end()) : ZebFactRules();
  if (rules.empty()) return InvalidArgument("the fleet has no fact rules");
  std::shared_ptr<LogRules> made(new LogRules(own ? 1 : kZebBrokenLinesMin));
  for (const FactRule& rule : rules) MUSTER_RETURN_IF_ERROR(made->Add(rule));
  MUSTER_RETURN_IF_ERROR(made->Compile());
  return std::shared_ptr<const LogRules>(std::move(made));
}

Status LogRules::Add(const FactRule& rule) {
  auto added = std::make_unique<Rule>();
  added->rule = rule;
  re2::RE2::Options options;
  options.set_log_errors(false);
  added->pattern = std::make_unique<re2::RE2>(rule.pattern(), options);
  if (!added->pattern->ok()) {
    return InvalidArgument(Cat("fact rule ", rule.name(), ": ", added->pattern->error()));
  }
  if (added->pattern->NumberOfCapturingGroups() >= kGroupsMax) {
    return InvalidArgument(Cat("fact rule ", rule.name(), ": more than 15 groups"));
  }
  added->groups = added->pattern->NamedCapturingGroups();
  std::string error;
  if (matcher_->set.Add(rule.pattern(), &error) < 0) {
    return InvalidArgument(Cat("fact rule ", rule.name(), ": ", error));
  }
  rules_.push_back(std::move(added));
  return absl::OkStatus();
}

Status LogRules::Compile() {
  if (!matcher_->set.Compile()) return InvalidArgument("the fact rules are too large together");
  return absl::OkStatus();
}

bool LogRules::IsNoContainer(const LogTail& tail) const {
  if (tail.state == LogTail::State::kNoContainer) return true;
  const std::string_view whole = Trim(tail.text);
  return std::any_of(rules_.begin(), rules_.end(), [&](const auto& rule) {
    return rule->rule.kind() == FactRule::NO_CONTAINER &&
           re2::RE2::FullMatch(Piece(whole), *rule->pattern);
  });
}

// The named groups of one match.
class LogRules::Groups {
 public:
  Groups(const Rule& rule, re2::StringPiece text) : rule_(rule) {
    const int count = rule.groups.empty() ? 1 : rule.pattern->NumberOfCapturingGroups() + 1;
    rule.pattern->Match(text, 0, text.size(), re2::RE2::UNANCHORED, pieces_.data(), count);
  }
  std::string_view Get(const char* name) const {
    const auto at = rule_.groups.find(name);
    if (at == rule_.groups.end()) return {};
    return {pieces_[at->second].data(), pieces_[at->second].size()};
  }

 private:
  const Rule& rule_;
  std::array<re2::StringPiece, kGroupsMax> pieces_;
};

void LogRules::ReadLine(std::string_view line, Reading& reading) const {
  std::vector<int> matches;
  const re2::StringPiece text = Piece(line.substr(0, kSearchBytesMax));
  if (!matcher_->set.Match(text, &matches)) return;
  int first = -1;
  for (const int match : matches) {
    if (rules_[match]->rule.kind() == FactRule::NO_CONTAINER) continue;  // of whole texts only
    if (first < 0 || match < first) first = match;
  }
  if (first < 0) return;
  const Rule& rule = *rules_[first];
  const Groups groups(rule, text);
  switch (rule.rule.kind()) {
    case FactRule::SETUP:
      return TakeMark(Phase::kSetup, groups, line, reading);
    case FactRule::STARTED:
      return TakeMark(Phase::kStarted, groups, line, reading);
    case FactRule::PROGRESS:
      return TakeProgress(groups, line, reading);
    case FactRule::BUSY:
      reading.alive = true;
      reading.Mark(Phase::kProducing, line);
      return reading.facts.set_busy(true);
    case FactRule::ERROR:
      return TakeError(rule.rule, groups, line, reading);
    case FactRule::BROKEN:
      ++reading.broken_lines;
      reading.broken_line = Ellipsize(line, kLineBytesMax);
      reading.broken_rule = &rule.rule;
      return;
    case FactRule::HARMLESS:
    case FactRule::NO_CONTAINER:
    case FactRule::KIND_UNSPECIFIED:
    default:  // open enum: a kind of a newer writer says nothing
      return;
  }
}

void LogRules::TakeMark(Phase phase, const Groups& groups, std::string_view line,
                        Reading& reading) {
  // After progress, or with a container's first line: the program was started anew, and its old
  // counters and errors are of another life. So is the work that was seen; but of a launch that
  // fails again and again all lines count together.
  const std::string_view container = groups.Get("container");
  if (reading.phase == Phase::kProducing || !container.empty()) {
    reading.ClearCounters();
    reading.ClearError();
    if (std::exchange(reading.alive, false)) reading.broken_lines = 0;
  }
  reading.facts.set_busy(false);
  reading.Mark(phase, line);
  if (!container.empty()) reading.facts.set_container_id(std::string(container.substr(0, 64)));
}

void LogRules::TakeProgress(const Groups& groups, std::string_view line, Reading& reading) {
  eventpb::LogObserved& facts = reading.facts;
  reading.alive = true;
  reading.Mark(Phase::kProducing, line);
  reading.ClearError();
  facts.set_busy(false);
  facts.set_counter(Whole(groups.Get("counter")));
  facts.set_rate_per_s(Rate(groups.Get("rate")));
  const std::int64_t step = Whole(groups.Get("step"));
  const std::int64_t total = Whole(groups.Get("total"));
  if (step >= 0) facts.set_step(step);
  if (total >= 0) facts.set_total(total);
}

void LogRules::TakeError(const FactRule& rule, const Groups& groups, std::string_view line,
                         Reading& reading) {
  const std::string_view named = groups.Get("text");
  reading.facts.set_error(Ellipsize(Trim(named.empty() ? line : named), kLineBytesMax));
  reading.facts.set_error_rule(rule.name());
  reading.facts.set_error_fault(rule.fault());
}

eventpb::LogObserved LogRules::Read(const LogTail& tail, Phase known) const {
  Reading reading;
  reading.ClearCounters();
  eventpb::LogObserved& facts = reading.facts;
  facts.set_phase(std::string(worker::LogPhaseName(Phase::kBoot)));
  if (IsNoContainer(tail)) {
    facts.set_no_container(true);
    facts.set_line(Ellipsize(Trim(tail.text), kLineBytesMax));
    return facts;
  }
  if (tail.state == LogTail::State::kDaemon || Trim(tail.text).empty()) return facts;
  std::string_view rest = tail.text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    ReadLine(rest.substr(0, end), reading);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!facts.error().empty()) facts.set_line(facts.error());
  if (reading.broken_lines >= broken_lines_min_ && !reading.alive) {
    facts.set_broken(true);
    facts.set_line(reading.broken_line);
    if (facts.error().empty()) {
      facts.set_error_rule(reading.broken_rule->name());
      facts.set_error_fault(reading.broken_rule->fault());
    }
  }
  // Some output without a mark: the container is up, and that is all it says.
  if (!reading.marked && known <= Phase::kSetup) reading.phase = Phase::kSetup;
  facts.set_phase(std::string(worker::LogPhaseName(reading.phase)));
  return facts;
}

}  // namespace muster
