#include "queries/timeline/explain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_join.h"
#include "queries/timeline/describe.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

struct Entry {
  RecordedEvent recorded;
  eventpb::EventBody body;
};

// The events of one explanation, by position, and how to write each of them.
class Chain {
 public:
  explicit Chain(const ExplainSource& source) : source_(source) {}

  // Adds the event at `position` unless it is there; evidence may name what is not (yet) readable.
  Status Add(Position position) {
    if (position == 0 || position > source_.head || entries_.contains(position)) return {};
    MUSTER_ASSIGN_OR_RETURN(RecordedEvent recorded, ReadEvent(source_.store, position));
    return Add(std::move(recorded));
  }
  Status Add(RecordedEvent recorded) {
    MUSTER_ASSIGN_OR_RETURN(eventpb::EventBody body,
                            DecodeEvent(recorded.event.type, recorded.event.payload));
    by_id_[recorded.event.id.str()] = recorded.position;
    const Position position = recorded.position;
    entries_.insert_or_assign(position, Entry{std::move(recorded), std::move(body)});
    return {};
  }
  // Adds what the event at `position` was drawn from.
  Status AddEvidence(Position position) {
    const auto entry = entries_.find(position);
    if (entry == entries_.end()) return {};
    const eventpb::Evidence* evidence = EvidenceOf(entry->second.body);
    if (evidence == nullptr) return {};
    const std::vector<Position> positions(evidence->positions().begin(),
                                          evidence->positions().end());
    for (const Position from : positions) MUSTER_RETURN_IF_ERROR(Add(from));
    return {};
  }

  // Adds the verdicts upon which the workers of this chain were destroyed: each stands right before
  // the first order to destroy, in the same append.
  Status AddVerdicts() {
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

  const std::map<Position, Entry>& entries() const { return entries_; }
  void Remember(const RecordedEvent& recorded) {
    by_id_[recorded.event.id.str()] = recorded.position;
  }

  std::vector<ExplainLine> Lines() const {
    std::vector<ExplainLine> lines;
    std::map<StreamId, const Entry*> verdicts;  // the newest of each worker
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
      const bool of_server = !NameInStream(entry.recorded.stream, "server/").empty();
      if (const Position cause = of_server ? CauseOf(entry) : 0;
          cause != 0 && line.detail.empty()) {
        line.detail = Cat("(cause ", cause, ")");
      }
      if (line.detail.empty() && actor.starts_with("operator:"))
        line.detail = Cat("(by ", actor, ")");
      // Who reads of another stream must be told which.
      if (!home_.empty() && entry.recorded.stream.str() != home_) {
        line.text = Cat(entry.recorded.stream.str(), ": ", line.text);
      }
      if (const auto* evidence = EvidenceOf(entry.body)) {
        line.evidence.assign(evidence->positions().begin(), evidence->positions().end());
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }
  void SetHome(std::string_view stream) { home_ = stream; }

 private:
  // 0 when the cause is a command, or an event that is not part of this chain's streams.
  Position CauseOf(const Entry& entry) const {
    const auto it = by_id_.find(entry.recorded.event.cause);
    return it == by_id_.end() ? 0 : it->second;
  }

  const ExplainSource& source_;
  std::map<Position, Entry> entries_;
  absl::flat_hash_map<std::string, Position> by_id_;
  std::string home_;
};

// Whether an event of a worker's own stream always belongs into its story. Observations come in
// only as evidence, absence only once the destruction was asked for.
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

std::string WorkerTitle(std::string_view worker, const Chain& chain,
                        const std::optional<Entry>& health) {
  std::string state =
      health ? Cat("health ", HealthWord(health->body.worker_health_changed().health()))
             : std::string("launching");
  absl::Time since = health ? health->recorded.event.occurred_at : absl::InfinitePast();
  for (const auto& [position, entry] : chain.entries()) {
    if (NameInStream(entry.recorded.stream, "worker/") != worker) continue;
    if (entry.body.has_destroy_requested()) state = "being destroyed";
    if (entry.body.has_worker_ended()) state = EndedWord(entry.body.worker_ended().how());
    if (since == absl::InfinitePast() || entry.body.has_destroy_requested() ||
        entry.body.has_worker_ended()) {
      since = entry.recorded.event.occurred_at;
    }
  }
  return Cat("worker/", worker, "   ", state, " ", FormatClock(since));
}

// What a fleet, host or account decided or came to know that an explanation should hold.
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

// What the events of the chain so far were drawn from.
Status AddAllEvidence(Chain& chain) {
  std::vector<Position> told;
  for (const auto& [position, entry] : chain.entries()) told.push_back(position);
  for (const Position position : told) MUSTER_RETURN_IF_ERROR(chain.AddEvidence(position));
  return {};
}

}  // namespace

StatusOr<Explanation> ExplainWorker(const ExplainSource& source, std::string_view worker) {
  const std::string stream = Cat("worker/", worker);
  Chain chain(source);
  chain.SetHome(stream);
  std::optional<Entry> health;  // the newest verdict short of a condemnation
  std::string provider;
  Position first = 0, last = 0;
  bool destroying = false;
  Status bad;
  bool any = false, ended = false;
  const Status read = source.store.ReadStream(StreamId(stream), 0, [&](const RecordedEvent& event) {
    if (event.position > source.head) return false;
    any = true;
    if (first == 0) first = event.position;
    last = event.position;
    chain.Remember(event);
    auto body = DecodeEvent(event.event.type, event.event.payload);
    if (!body.ok()) {
      bad = body.status();
      return false;
    }
    destroying = destroying || body->has_destroy_requested();
    if (body->has_launch_requested()) provider = body->launch_requested().provider();
    if (body->has_worker_adopted()) provider = body->worker_adopted().provider();
    if (body->has_worker_ended()) ended = true;
    if (body->has_worker_health_changed()) health = Entry{event, *body};
    if (InWorkerStory(*body, destroying)) bad = chain.Add(event);
    return bad.ok();
  });
  MUSTER_RETURN_IF_ERROR(read);
  MUSTER_RETURN_IF_ERROR(bad);
  if (!any) return NotFound(Cat("there is no worker ", worker));
  if (health && !destroying) MUSTER_RETURN_IF_ERROR(chain.Add(health->recorded));
  for (const Position position : source.timeline.Mentions(worker)) {
    MUSTER_RETURN_IF_ERROR(chain.Add(position));
  }
  // While an account waits for credit nothing is done: that too is why something took long.
  for (const Position position : source.timeline.Mentions(Cat("credit/", provider))) {
    if (position < first || (ended && position > last)) continue;
    MUSTER_RETURN_IF_ERROR(chain.Add(position));
  }
  std::vector<Position> spine;
  for (const auto& [position, entry] : chain.entries()) {
    const bool own = entry.recorded.stream.str() == stream;
    if (own) spine.push_back(position);  // the evidence of others is theirs to explain
  }
  for (const Position position : spine) MUSTER_RETURN_IF_ERROR(chain.AddEvidence(position));
  return Explanation{WorkerTitle(worker, chain, health), chain.Lines()};
}

std::string WhatCanBeExplained() {
  std::string forms = "worker/ID";
  for (const ExplainedKind& each : kExplainedKinds) forms += Cat(", ", each.form);
  return Cat(forms, ", command/ID or a position");
}

namespace {

constexpr std::size_t kNamedMax = 3;

// Of a stream that is not there: those of its kind that are, or what can be asked for at all.
Status NothingOf(const ExplainSource& source, std::string_view stream) {
  const std::string_view kind = stream.substr(0, stream.find('/'));
  const std::string shown = Cat("nothing was ever recorded of ", Ellipsize(stream, 80));
  std::vector<std::string> there = source.timeline.StreamsOf(kind);
  if (there.empty()) {
    return NotFound(
        Cat(shown, ", nor of any other ", Ellipsize(kind, 20), "; ask for ", WhatCanBeExplained()));
  }
  const std::size_t all = there.size();
  there.resize(std::min(all, kNamedMax));
  return NotFound(Cat(shown, "; there is ", absl::StrJoin(there, ", "),
                      all > kNamedMax ? Cat(" and ", all - kNamedMax, " more") : ""));
}

// A server goes by its name too: the newest one that bears it is meant.
StatusOr<std::string> StreamMeant(const ExplainSource& source, std::string_view stream) {
  if (!source.timeline.OfStream(stream).empty()) return std::string(stream);
  const Positions named = source.timeline.Mentions(stream);
  if (!stream.starts_with("server/") || named.empty()) return NothingOf(source, stream);
  MUSTER_ASSIGN_OR_RETURN(const RecordedEvent newest, ReadEvent(source.store, named.back()));
  return newest.stream.str();
}

}  // namespace

StatusOr<Explanation> ExplainStream(const ExplainSource& source, std::string_view asked,
                                    std::size_t lines_max) {
  MUSTER_ASSIGN_OR_RETURN(const std::string stream, StreamMeant(source, asked));
  const StreamId id(stream);
  const std::string_view fleet = NameInStream(id, "fleet/");
  const Positions positions =
      fleet.empty() ? source.timeline.OfStream(stream) : source.timeline.OfFleet(fleet);
  Chain chain(source);
  chain.SetHome(stream);
  bool older = false;
  for (auto it = positions.rbegin(); it != positions.rend(); ++it) {
    older = chain.entries().size() >= lines_max;
    if (older) break;
    MUSTER_ASSIGN_OR_RETURN(RecordedEvent event, ReadEvent(source.store, *it));
    MUSTER_ASSIGN_OR_RETURN(const eventpb::EventBody body,
                            DecodeEvent(event.event.type, event.event.payload));
    if (WorthTelling(body)) MUSTER_RETURN_IF_ERROR(chain.Add(std::move(event)));
  }
  if (fleet.empty()) MUSTER_RETURN_IF_ERROR(AddAllEvidence(chain));
  MUSTER_RETURN_IF_ERROR(chain.AddVerdicts());
  std::vector<ExplainLine> lines = chain.Lines();
  std::string title(stream);
  if (asked != stream) title = Cat(asked, " (", stream, ")");
  if (!lines.empty()) title += Cat("   newest ", FormatClock(lines.back().at));
  if (older) title += Cat("; what is older: muster events ", stream);
  return Explanation{std::move(title), std::move(lines)};
}

namespace {

// How much of a fleet's later life is searched for what a request led to.
constexpr std::size_t kLookedAfterMax = 2'000;

// Events of the fleets that `causes` touched, whose cause is one of them or of their kin.
Status AddConsequences(const ExplainSource& source, std::set<std::string> causes,
                       const std::set<std::string>& fleets, Position after, std::size_t lines_max,
                       Chain& chain) {
  for (const std::string& fleet : fleets) {
    const Positions all = source.timeline.OfFleet(fleet);
    std::size_t looked_at = 0;
    for (auto it = std::upper_bound(all.begin(), all.end(), after); it != all.end(); ++it) {
      if (*it > source.head || ++looked_at > kLookedAfterMax) break;
      if (chain.entries().size() >= lines_max) return {};
      MUSTER_ASSIGN_OR_RETURN(RecordedEvent event, ReadEvent(source.store, *it));
      if (!causes.contains(event.event.cause)) continue;
      MUSTER_ASSIGN_OR_RETURN(const eventpb::EventBody body,
                              DecodeEvent(event.event.type, event.event.payload));
      if (!WorthTelling(body)) continue;
      causes.insert(event.event.id.str());
      MUSTER_RETURN_IF_ERROR(chain.Add(std::move(event)));
    }
  }
  return {};
}

}  // namespace

StatusOr<Explanation> ExplainRequest(const ExplainSource& source, std::string_view request_id,
                                     std::size_t lines_max) {
  const std::string request = Cat("request/", request_id);
  const Positions written = source.timeline.Mentions(request);
  if (written.empty()) return NotFound(Cat("nothing was ever recorded of request ", request_id));
  Chain chain(source);
  chain.SetHome(request);
  std::set<std::string> causes, fleets;
  std::string actor;
  for (const Position position : written) {
    if (position > source.head || chain.entries().size() >= lines_max) break;
    MUSTER_ASSIGN_OR_RETURN(RecordedEvent event, ReadEvent(source.store, position));
    actor = event.event.actor;
    causes.insert(event.event.id.str());
    const std::string fleet = source.timeline.FleetOf(event.stream);
    if (!fleet.empty()) fleets.insert(fleet);
    MUSTER_RETURN_IF_ERROR(chain.Add(std::move(event)));
  }
  MUSTER_RETURN_IF_ERROR(
      AddConsequences(source, std::move(causes), fleets, written.front(), lines_max, chain));
  return Explanation{Cat("command/", request_id, "   by ", actor), chain.Lines()};
}

StatusOr<Explanation> ExplainPosition(const ExplainSource& source, Position position) {
  if (position > source.head) return NotFound(Cat("nothing is at position ", position, " yet"));
  MUSTER_ASSIGN_OR_RETURN(RecordedEvent event, ReadEvent(source.store, position));
  const StreamId stream = event.stream;
  const EventId id = event.event.id;
  const std::string cause = event.event.cause;
  Chain chain(source);
  chain.SetHome(stream.str());
  MUSTER_RETURN_IF_ERROR(chain.Add(std::move(event)));
  MUSTER_RETURN_IF_ERROR(chain.AddEvidence(position));
  // Its cause, and what came of it, as far as its own stream tells.
  Status bad;
  MUSTER_RETURN_IF_ERROR(source.store.ReadStream(stream, 0, [&](const RecordedEvent& other) {
    if (other.position > source.head) return false;
    const auto body = DecodeEvent(other.event.type, other.event.payload);
    if (!body.ok()) {
      bad = body.status();
      return false;
    }
    const auto* evidence = EvidenceOf(*body);
    const bool drawn_from =
        evidence != nullptr && std::find(evidence->positions().begin(), evidence->positions().end(),
                                         position) != evidence->positions().end();
    const bool linked = other.event.id.str() == cause || other.event.cause == id.str();
    if (drawn_from || linked) bad = chain.Add(other);
    return bad.ok();
  }));
  MUSTER_RETURN_IF_ERROR(bad);
  MUSTER_RETURN_IF_ERROR(chain.AddVerdicts());
  return Explanation{Cat("event ", position, " of ", stream.str()), chain.Lines()};
}

}  // namespace muster::queries
