#include "queries/timeline/explain.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "eventstore/events/evidence.h"
#include "queries/timeline/chain.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

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
  if (fleet.empty()) MUSTER_RETURN_IF_ERROR(chain.AddAllEvidence());
  MUSTER_RETURN_IF_ERROR(chain.AddVerdicts());
  std::vector<ExplainLine> lines = chain.Lines();
  std::string title(stream);
  if (asked != stream) title = Cat(asked, " (", stream, ")");
  if (!lines.empty()) title += Cat("   newest ", FormatClock(lines.back().at));
  if (older) title += Cat("; what is older: muster events ", stream);
  return Explanation{std::move(title), std::move(lines)};
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
    const auto* evidence = EvidenceIn(*body);
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
