#include "tests/storm/why.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "eventstore/events/codec.h"
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

void Append(const queries::Explanation& explanation, std::size_t lines_max,
            std::vector<std::string>& lines) {
  lines.push_back(explanation.title);
  const std::size_t count = explanation.lines.size();
  for (std::size_t i = count > lines_max ? count - lines_max : 0; i < count; ++i) {
    const queries::ExplainLine& line = explanation.lines[i];
    lines.push_back(
        Cat("  ", FormatClock(line.at), " ", line.position, "  ", line.text, "  ", line.detail));
  }
}

bool Fold(const EventStore& store, queries::ReadModels& models) {
  Status folded;
  const Status read = store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    folded = models.Apply(recorded);
    return folded.ok();
  });
  return read.ok() && folded.ok();
}

// What kind of thing happened to the stream of this event; "" = nothing of note.
std::string KindOf(const eventpb::EventBody& body) {
  if (body.has_worker_condemned()) return body.worker_condemned().evidence().rule();
  if (body.has_worker_ended()) return Cat("ended ", static_cast<int>(body.worker_ended().how()));
  if (body.has_launch_unclear()) return "unclear";
  if (body.has_start_requested()) return "started again";
  if (body.has_host_struck()) return Cat("struck for ", body.host_struck().cause());
  if (body.has_account_trouble_began()) {
    return Cat("trouble ", static_cast<int>(body.account_trouble_began().kind()));
  }
  if (body.has_server_order_unclear()) return "server unclear";
  if (body.has_server_order_refused()) return "server refused";
  if (body.has_server_step_failed()) return Cat("server failed ", body.server_step_failed().step());
  if (body.has_server_cancel_failed()) return "server not cancelled";
  if (body.has_server_ended()) return Cat("server ended ", body.server_ended().how());
  return "";
}

// What else an event can be asked for by: the request that it was written for, its build.
std::vector<std::string> MoreSubjects(const RecordedEvent& recorded,
                                      const eventpb::EventBody& body) {
  std::vector<std::string> subjects;
  constexpr std::string_view kRequest = "request/";
  const std::string& request = recorded.event.correlation;
  if (request.starts_with(kRequest)) {
    subjects.push_back(Cat("command/", request.substr(kRequest.size())));
  }
  if (body.has_server_build_requested()) {
    subjects.push_back(Cat("build/", body.server_build_requested().build()));
  }
  return subjects;
}

}  // namespace

std::vector<std::string> Chains(const EventStore& store, std::size_t count) {
  queries::ReadModels models(store);
  if (!Fold(store, models)) return {"the log cannot be folded"};
  std::map<std::string, std::string> newest;  // by kind
  std::set<std::string> rest;
  (void)store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) return true;
    for (const std::string& subject : MoreSubjects(recorded, *body)) {
      newest[recorded.event.type] = subject;
    }
    const std::string kind = KindOf(*body);
    if (kind.empty()) return true;
    newest[kind] = recorded.stream.str();
    if (body->has_worker_ended()) rest.insert(recorded.stream.str());
    return true;
  });
  std::vector<std::string> subjects;
  subjects.reserve(newest.size() + rest.size());
  for (const auto& [kind, subject] : newest) subjects.push_back(subject);
  subjects.insert(subjects.end(), rest.begin(), rest.end());
  std::vector<std::string> lines;
  std::set<std::string> told;
  for (const std::string& subject : subjects) {
    if (told.size() == count) break;
    const StatusOr<queries::Explanation> explanation = models.Explain(subject);
    if (!explanation.ok() || !told.insert(subject).second) continue;
    Append(*explanation, SIZE_MAX, lines);
  }
  return lines;
}

std::vector<std::string> Why(const EventStore& store, const std::string& broken) {
  queries::ReadModels models(store);
  if (!Fold(store, models)) return {"the log cannot be folded"};
  std::vector<std::string> lines;
  std::set<std::string> titles;  // two names may mean one worker
  for (const std::string& subject : SubjectsIn(broken)) {
    const StatusOr<queries::Explanation> explanation = models.Explain(subject);
    if (!explanation.ok() || !titles.insert(explanation->title).second) continue;
    Append(*explanation, kLinesMax, lines);
    if (titles.size() == kSubjectsMax) break;
  }
  return lines;
}

}  // namespace muster::storm
