#include "tests/storm/why.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>

#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "queries/read_models.h"

namespace muster::storm {
namespace {

constexpr std::size_t kSubjectsMax = 3;
constexpr std::size_t kLinesMax = 25;
// A shorter word of a message could be the front of some worker's id by accident.
constexpr std::size_t kIdLeast = 6;

// "event 412" -> "412", "machine 55" -> "host/vast/55", "fleet a" -> "fleet/a", others -> a worker.
std::string SubjectOf(const std::string& before, const std::string& word) {
  if (before == "event") return word;
  if (before == "fleet") return Cat("fleet/", word);
  if (before == "machine") return Cat("host/vast/", word);
  return word.size() < kIdLeast ? "" : Cat("worker/", word);
}

std::vector<std::string> SubjectsIn(const std::string& broken) {
  std::vector<std::string> subjects;
  std::string before;
  for (const auto piece : absl::StrSplit(broken, absl::ByAnyChar(" ,;:'()"), absl::SkipEmpty())) {
    const std::string word(piece);
    const std::string subject = SubjectOf(before, word);
    before = word;
    if (subject.empty()) continue;
    if (std::find(subjects.begin(), subjects.end(), subject) == subjects.end()) {
      subjects.push_back(subject);
    }
  }
  return subjects;
}

void Append(const queries::Explanation& explanation, std::vector<std::string>& lines) {
  lines.push_back(explanation.title);
  const std::size_t count = explanation.lines.size();
  for (std::size_t i = count > kLinesMax ? count - kLinesMax : 0; i < count; ++i) {
    const queries::ExplainLine& line = explanation.lines[i];
    lines.push_back(
        Cat("  ", FormatClock(line.at), " ", line.position, "  ", line.text, "  ", line.detail));
  }
}

}  // namespace

std::vector<std::string> Why(const EventStore& store, const std::string& broken) {
  queries::ReadModels models(store);
  Status folded;
  const Status read = store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    folded = models.Apply(recorded);
    return folded.ok();
  });
  if (!read.ok() || !folded.ok()) return {"the log cannot be folded"};
  std::vector<std::string> lines;
  std::set<std::string> titles;  // two names may mean one worker
  for (const std::string& subject : SubjectsIn(broken)) {
    const StatusOr<queries::Explanation> explanation = models.Explain(subject);
    if (!explanation.ok() || !titles.insert(explanation->title).second) continue;
    Append(*explanation, lines);
    if (titles.size() == kSubjectsMax) break;
  }
  return lines;
}

}  // namespace muster::storm
