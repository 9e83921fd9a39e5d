#include "queries/timeline/chain.h"

#include <algorithm>
#include <optional>

#include "queries/timeline/describe.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

// The newest intents of each server, so that an outcome is shown with what it came of even where
// the event that it was written for was forgotten in a crash.
class ServerIntents {
 public:
  // Takes note of an intent (0), or says which one `entry` came of (0: none that is told).
  Position For(const Entry& entry) {
    using B = eventpb::EventBody;
    const B& body = entry.body;
    const std::string& stream = entry.recorded.stream.str();
    const Position position = entry.recorded.position;
    switch (body.kind_case()) {
      case B::kServerOrderRequested:
        Note(stream, "order", position);
        return 0;
      case B::kServerOrderAccepted:
      case B::kServerOrderRefused:
      case B::kServerOrderUnclear:
      case B::kServerOrderNotFound:
      case B::kServerDelivered:
        return Of(stream, "order");
      case B::kServerStepRequested:
        Note(stream, StepKey(body.server_step_requested()), position);
        return 0;
      case B::kServerResetRequested:
        return Of(stream, StepKey(body.server_reset_requested()));
      case B::kServerBuildRequested:
        return Of(stream, StepKey(body.server_build_requested()));
      case B::kServerStepDone:
        return Of(stream, StepKey(body.server_step_done()));
      case B::kServerStepFailed:
        return Of(stream, StepKey(body.server_step_failed()));
      case B::kServerCancelRequested:
        Note(stream, "cancel", position);
        return 0;
      case B::kServerRevokeRequested:
        Note(stream, "revoke", position);
        return 0;
      case B::kServerCancelSet:
        return Of(stream, "cancel");
      case B::kServerRevoked:
        return Of(stream, "revoke");
      case B::kServerCancelFailed:
        return Of(stream, body.server_cancel_failed().revoke() ? "revoke" : "cancel");
      case B::kServerEnded:
        return body.server_ended().how() == eventpb::ServerEnded::GIVEN_BACK ? Of(stream, "cancel")
                                                                             : 0;
      default:
        return 0;
    }
  }

 private:
  template <class Message>
  static std::string StepKey(const Message& message) {
    return Cat(static_cast<int>(message.step()), "/", message.attempt());
  }
  void Note(const std::string& stream, const std::string& what, Position position) {
    newest_[Cat(stream, " ", what)] = position;
  }
  Position Of(const std::string& stream, const std::string& what) const {
    const auto it = newest_.find(Cat(stream, " ", what));
    return it == newest_.end() ? 0 : it->second;
  }
  std::map<std::string, Position> newest_;
};

}  // namespace

std::string NameOf(const ExplainSource& source, const StreamId& stream) {
  const Positions all = source.timeline.OfStream(stream.str());
  if (NameInStream(stream, "server/").empty() || all.empty()) return stream.str();
  const StatusOr<Entry> first = ReadEntry(source.store, all.front());
  const bool planned = first.ok() && first->body.has_server_planned();
  return planned ? Cat("server/", first->body.server_planned().spec().name()) : stream.str();
}

StatusOr<Entry> ReadEntry(const EventStore& store, Position position) {
  MUSTER_ASSIGN_OR_RETURN(RecordedEvent recorded, ReadEvent(store, position));
  MUSTER_ASSIGN_OR_RETURN(eventpb::EventBody body,
                          DecodeEvent(recorded.event.type, recorded.event.payload));
  return Entry{std::move(recorded), std::move(body)};
}

Status Chain::Add(Position position) {
  if (position == 0 || position > source_.head || entries_.contains(position)) return {};
  MUSTER_ASSIGN_OR_RETURN(Entry entry, ReadEntry(source_.store, position));
  Add(std::move(entry));
  return {};
}

Status Chain::Add(RecordedEvent recorded) {
  MUSTER_ASSIGN_OR_RETURN(eventpb::EventBody body,
                          DecodeEvent(recorded.event.type, recorded.event.payload));
  Add(Entry{std::move(recorded), std::move(body)});
  return {};
}

void Chain::Add(Entry entry) {
  Remember(entry.recorded);
  const Position position = entry.recorded.position;
  entries_.insert_or_assign(position, std::move(entry));
}

Status Chain::AddEvidence(Position position) {
  const auto entry = entries_.find(position);
  if (entry == entries_.end()) return {};
  const eventpb::Evidence* evidence = EvidenceOf(entry->second.body);
  if (evidence == nullptr) return {};
  const std::vector<Position> positions(evidence->positions().begin(), evidence->positions().end());
  for (const Position from : positions) MUSTER_RETURN_IF_ERROR(Add(from));
  return {};
}

Status Chain::AddAllEvidence() {
  std::vector<Position> told;
  told.reserve(entries_.size());
  for (const auto& [position, entry] : entries_) told.push_back(position);
  for (const Position position : told) MUSTER_RETURN_IF_ERROR(AddEvidence(position));
  return {};
}

Status Chain::AddVerdicts() {
  std::vector<RecordedEvent> orders;
  for (const auto& [position, entry] : entries_) {
    if (entry.body.has_destroy_requested()) orders.push_back(entry.recorded);
  }
  for (const RecordedEvent& order : orders) {
    if (order.position < 2 || entries_.contains(order.position - 1)) continue;
    MUSTER_ASSIGN_OR_RETURN(RecordedEvent before, ReadEvent(source_.store, order.position - 1));
    const bool verdict = before.stream == order.stream &&
                         before.event.type == TypeName(eventpb::EventBody::kWorkerCondemned);
    if (verdict) MUSTER_RETURN_IF_ERROR(Add(std::move(before)));
  }
  return {};
}

std::vector<ExplainLine> Chain::Lines() const {
  std::vector<ExplainLine> lines;
  std::map<StreamId, const Entry*> verdicts;  // the newest of each worker
  ServerIntents intents;
  std::map<StreamId, std::string> names;
  const auto called = [&](const StreamId& stream) -> const std::string& {
    const auto [it, is_new] = names.try_emplace(stream);
    if (is_new) it->second = NameOf(source_, stream);
    return it->second;
  };
  for (const auto& [position, entry] : entries_) {
    ExplainLine line{.position = position,
                     .at = entry.recorded.event.occurred_at,
                     .text = Describe(entry.body),
                     .detail = Remark(entry.body),
                     .type = entry.recorded.event.type};
    if (entry.body.has_worker_condemned()) verdicts[entry.recorded.stream] = &entry;
    if (entry.body.has_destroy_requested()) {
      const auto verdict = verdicts.find(entry.recorded.stream);
      const bool judged = verdict != verdicts.end();
      const bool replace = judged && verdict->second->body.worker_condemned().replace();
      line.text = Cat("decision: ", replace ? "replace, " : "", line.text);
      const Position cause = judged ? verdict->second->recorded.position : CauseOf(entry);
      if (cause != 0) line.detail = Cat("(cause ", cause, ")");
    }
    const std::string& actor = entry.recorded.event.actor;
    if (!NameInStream(entry.recorded.stream, "server/").empty()) {
      const Position asked = intents.For(entry);
      const Position cause = asked != 0 ? asked : CauseOf(entry);
      if (cause != 0 && line.detail.empty()) line.detail = Cat("(cause ", cause, ")");
    }
    if (line.detail.empty() && actor.starts_with("operator:"))
      line.detail = Cat("(by ", actor, ")");
    // Who reads of another stream must be told which.
    if (!home_.empty() && entry.recorded.stream.str() != home_) {
      line.text = Cat(called(entry.recorded.stream), ": ", line.text);
    }
    if (const auto* evidence = EvidenceOf(entry.body)) {
      line.evidence.assign(evidence->positions().begin(), evidence->positions().end());
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

Position Chain::CauseOf(const Entry& entry) const {
  const auto it = by_id_.find(entry.recorded.event.cause);
  return it == by_id_.end() ? 0 : it->second;
}

bool InWorkerStory(const eventpb::EventBody& body, bool destroying) {
  using B = eventpb::EventBody;
  switch (body.kind_case()) {
    case B::kLaunchRequested:
    case B::kLaunchAccepted:
    case B::kLaunchRejected:
    case B::kLaunchUnclear:
    case B::kLaunchNotFound:
    case B::kWorkerAdopted:
    case B::kWorkerCondemned:
    case B::kDestroyRequested:
    case B::kDestroyAnswered:
    case B::kWorkerEnded:
    case B::kStartRequested:
    case B::kStartAnswered:
      return true;
    case B::kInstanceAbsent:
      return destroying || body.instance_absent().definite();
    default:
      return false;
  }
}

bool WorthTelling(const eventpb::EventBody& body) {
  using B = eventpb::EventBody;
  switch (body.kind_case()) {
    case B::kInstanceObserved:
    case B::kInstanceAbsent:
    case B::kLogObserved:
    case B::kObservationFailed:
    case B::kWorkerHealthChanged:
    case B::kFleetHealthChanged:
    case B::kOffersObserved:
    case B::kCreditObserved:
      return false;
    case B::kBuilderObserved:  // how it does: news is that it cannot be reached any more
      return !body.builder_observed().reached();
    case B::kInstanceListObserved:  // one that shows what the one before showed tells nothing
      return body.instance_list_observed().added_size() > 0 ||
             body.instance_list_observed().removed_size() > 0;
    default:
      return true;
  }
}

}  // namespace muster::queries
