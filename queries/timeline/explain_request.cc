// What came of a request: from who asked, over what was written for it at once, to its result at
// the provider.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "eventstore/events/evidence.h"
#include "queries/timeline/chain.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

// How much of a stream's later life is searched for what a request led to.
constexpr std::size_t kLookedAfterMax = 5'000;
// A replacement may fail as well, and so on.
constexpr int kReplacementsMax = 8;

class RequestStory {
 public:
  RequestStory(Chain& chain, std::size_t lines_max) : chain_(chain), lines_max_(lines_max) {}

  // Follows what was written for the request, the events at `roots`.
  Status Follow(const std::vector<Position>& roots);

  // "", or what has not come to its end yet.
  std::string Pending() const { return absl::StrJoin(pending_, ", "); }
  bool cut() const { return cut_; }
  // Somebody asked for something else before it was as asked for.
  bool overtaken() const { return overtaken_; }

 private:
  const EventStore& store() const { return chain_.source().store; }
  const TimelineProjection& timeline() const { return chain_.source().timeline; }

  // Hands the events at those of `positions` that come after `after` to `take`, until it is false.
  template <class Take>
  Status Walk(Positions positions, Position after, Take take) {
    std::size_t looked_at = 0;
    for (auto it = std::upper_bound(positions.begin(), positions.end(), after);
         it != positions.end() && *it <= chain_.source().head; ++it) {
      if (++looked_at > kLookedAfterMax) break;
      MUSTER_ASSIGN_OR_RETURN(Entry entry, ReadEntry(store(), *it));
      if (!take(entry)) break;
    }
    return {};
  }
  void Tell(const Entry& entry) {
    cut_ = cut_ || chain_.size() >= lines_max_;
    if (!cut_) chain_.Add(entry);
  }
  void Await(std::string what) {
    if (std::find(pending_.begin(), pending_.end(), what) == pending_.end()) {
      pending_.push_back(std::move(what));
    }
  }

  // Whether a fleet waits for something else than it did, numbers apart.
  bool News(const eventpb::FleetWaitChanged& changed);
  Status OfFleet(const Entry& root);
  // How a worker came into service (`starting`) or came to its end.
  Status OfWorker(const std::string& worker, Position after, bool starting, int replacements);
  // What stands in for a worker that goes.
  Status Replacement(const std::string& worker, Position after, int replacements);
  Status OfServer(const Entry& root);

  Chain& chain_;
  const std::size_t lines_max_;
  std::set<Position> roots_;
  std::set<std::string> told_;  // workers
  std::vector<std::string> pending_;
  std::string waits_;
  bool cut_ = false;
  bool overtaken_ = false;
};

bool RequestStory::News(const eventpb::FleetWaitChanged& changed) {
  std::string kinds;
  for (const eventpb::Wait& wait : changed.waits()) kinds += Cat(wait.kind(), " ");
  return std::exchange(waits_, kinds) != kinds;
}

Status RequestStory::Follow(const std::vector<Position>& roots) {
  roots_.insert(roots.begin(), roots.end());
  for (const Position position : roots) {
    MUSTER_ASSIGN_OR_RETURN(const Entry root, ReadEntry(store(), position));
    Tell(root);
    const std::string worker(NameInStream(root.recorded.stream, "worker/"));
    if (!worker.empty()) {
      const bool starting = root.body.has_worker_adopted();
      MUSTER_RETURN_IF_ERROR(OfWorker(worker, position, starting, kReplacementsMax));
      if (root.body.has_worker_condemned() && root.body.worker_condemned().replace()) {
        MUSTER_RETURN_IF_ERROR(Replacement(worker, position, kReplacementsMax));
      }
    }
    if (!NameInStream(root.recorded.stream, "fleet/").empty()) {
      MUSTER_RETURN_IF_ERROR(OfFleet(root));
    }
    if (!NameInStream(root.recorded.stream, "server/").empty()) {
      MUSTER_RETURN_IF_ERROR(OfServer(root));
    }
  }
  return {};
}

// ---- fleets and their workers -------------------------------------------------------------------

// How many workers the request wants; -1: none at all any more; nullopt: it asks for no number.
std::optional<int> Wanted(const eventpb::EventBody& root) {
  if (root.has_fleet_scaled()) return root.fleet_scaled().workers();
  if (root.has_fleet_applied()) return root.fleet_applied().spec().workers();
  if (root.has_fleet_down_requested()) return -1;
  return std::nullopt;
}

bool IsFull(const eventpb::EventBody& body, int wanted) {
  const eventpb::FleetHealthChanged& health = body.fleet_health_changed();
  return body.has_fleet_health_changed() && health.wanted() == wanted && health.have() == wanted &&
         health.healthy() == wanted;
}

// Whether it was decided for what `root` asks for.
bool IsFor(const Entry& entry, const Entry& root) {
  if (entry.recorded.event.cause == root.recorded.event.id.str()) return true;
  const Position position = root.recorded.position;
  const eventpb::Evidence* evidence = EvidenceIn(entry.body);
  return evidence != nullptr &&
         std::find(evidence->positions().begin(), evidence->positions().end(), position) !=
             evidence->positions().end();
}

// A request holds for its fleet until that is as it was asked for, or somebody asks for something
// else; what was decided in that time, and rests on it, is its doing.
Status RequestStory::OfFleet(const Entry& root) {
  const std::optional<int> wanted = Wanted(root.body);
  if (!wanted.has_value()) return {};
  const std::string fleet(NameInStream(root.recorded.stream, "fleet/"));
  const Position at = root.recorded.position;
  Position until = 0;  // where it came to its end
  MUSTER_RETURN_IF_ERROR(
      Walk(timeline().OfStream(root.recorded.stream.str()), at, [&](const Entry& entry) {
        const eventpb::EventBody& body = entry.body;
        const Position position = entry.recorded.position;
        const bool otherwise = Wanted(body).has_value() && !roots_.contains(position);
        const bool over = otherwise || body.has_fleet_ended() || IsFull(body, *wanted);
        const bool same_waits = body.has_fleet_wait_changed() && !News(body.fleet_wait_changed());
        if (over || (WorthTelling(body) && !same_waits)) Tell(entry);
        if (over) until = position;
        overtaken_ = overtaken_ || otherwise;
        return !over;
      }));
  std::vector<std::pair<std::string, Position>> starting, leaving;
  MUSTER_RETURN_IF_ERROR(Walk(timeline().OfFleet(fleet), at, [&](const Entry& entry) {
    const Position position = entry.recorded.position;
    if (until != 0 && position > until) return false;
    const std::string worker(NameInStream(entry.recorded.stream, "worker/"));
    if (worker.empty() || !IsFor(entry, root)) return true;
    if (entry.body.has_launch_requested()) starting.emplace_back(worker, position);
    if (entry.body.has_worker_condemned() || entry.body.has_destroy_requested()) {
      leaving.emplace_back(worker, position);
    }
    const bool decided = entry.body.has_launch_requested() || entry.body.has_worker_condemned() ||
                         entry.body.has_destroy_requested();
    if (decided) Tell(entry);
    return true;
  }));
  if (until == 0) {
    Await(*wanted < 0 ? Cat("fleet ", fleet, " has not ended")
                      : Cat("fleet ", fleet, " has not reached ", *wanted, " healthy"));
  }
  for (const auto& [worker, position] : leaving) {
    MUSTER_RETURN_IF_ERROR(OfWorker(worker, position, /*starting=*/false, 0));
  }
  for (const auto& [worker, position] : starting) {
    MUSTER_RETURN_IF_ERROR(OfWorker(worker, position, /*starting=*/true, 0));
  }
  return {};
}

Status RequestStory::OfWorker(const std::string& worker, Position after, bool starting,
                              int replacements) {
  if (!told_.insert(worker).second) return {};
  bool destroying = !starting, over = false, ended = false, wanted = true;
  MUSTER_RETURN_IF_ERROR(
      Walk(timeline().OfStream(Cat("worker/", worker)), after, [&](const Entry& entry) {
        const eventpb::EventBody& body = entry.body;
        destroying = destroying || body.has_destroy_requested();
        ended = body.has_worker_ended();
        if (body.has_worker_condemned()) wanted = body.worker_condemned().replace();
        const bool works =
            starting && body.has_worker_health_changed() &&
            body.worker_health_changed().health() == eventpb::WorkerHealthChanged::HEALTHY;
        if (works || InWorkerStory(body, destroying)) Tell(entry);
        over = ended || works;
        return !over;
      }));
  for (const Position position : timeline().Mentions(worker)) {
    if (position <= after || position > chain_.source().head) continue;
    MUSTER_ASSIGN_OR_RETURN(const Entry entry, ReadEntry(store(), position));
    if (destroying && !entry.body.has_launch_requested()) Tell(entry);  // strikes
  }
  if (!over) Await(Cat("worker/", worker, starting ? " is not healthy" : " is not confirmed gone"));
  const bool again = starting && ended && wanted && replacements > 0;
  if (again) return Replacement(worker, after, replacements - 1);
  return {};
}

Status RequestStory::Replacement(const std::string& worker, Position after, int replacements) {
  for (const Position position : timeline().Mentions(worker)) {
    if (position <= after || position > chain_.source().head) continue;
    MUSTER_ASSIGN_OR_RETURN(const Entry entry, ReadEntry(store(), position));
    if (!entry.body.has_launch_requested()) continue;
    Tell(entry);
    const std::string next(NameInStream(entry.recorded.stream, "worker/"));
    return OfWorker(next, position, /*starting=*/true, replacements);
  }
  // What holds it up stands with the fleet.
  const std::string fleet = timeline().FleetOf(StreamId(Cat("worker/", worker)));
  bool otherwise = false;
  MUSTER_RETURN_IF_ERROR(
      Walk(timeline().OfStream(Cat("fleet/", fleet)), after, [&](const Entry& entry) {
        otherwise = Wanted(entry.body).has_value() || entry.body.has_fleet_ended();
        if (otherwise || entry.body.has_fleet_wait_changed()) Tell(entry);
        return !otherwise;
      }));
  if (!otherwise) Await(Cat("nothing was rented in place of worker/", worker));
  return {};
}

// ---- dedicated servers --------------------------------------------------------------------------

enum class Part { kAside, kTold, kLast };

template <class Message>
bool OfStep(const Message& message, const eventpb::ServerStepRequested& asked) {
  return message.step() == asked.step() && message.attempt() == asked.attempt();
}

Part OfOrder(const eventpb::EventBody& body) {
  if (body.has_server_order_refused() || body.has_server_delivered() || body.has_server_ended()) {
    return Part::kLast;
  }
  const bool told = body.has_server_order_requested() || body.has_server_order_accepted() ||
                    body.has_server_order_unclear() || body.has_server_order_not_found() ||
                    body.has_server_overdue();
  return told ? Part::kTold : Part::kAside;
}

Part OfStep(const eventpb::EventBody& body, const eventpb::ServerStepRequested& asked) {
  if (body.has_server_ended()) return Part::kLast;
  if (body.has_server_step_done() && OfStep(body.server_step_done(), asked)) return Part::kLast;
  if (body.has_server_step_failed() && OfStep(body.server_step_failed(), asked)) {
    return Part::kLast;
  }
  const bool told =
      (body.has_server_reset_requested() && OfStep(body.server_reset_requested(), asked)) ||
      (body.has_server_build_requested() && OfStep(body.server_build_requested(), asked)) ||
      body.has_server_overdue();
  return told ? Part::kTold : Part::kAside;
}

// Given back is what two complete lists do not show any more; one for a day stands until then.
Part OfCancel(const eventpb::EventBody& body) {
  if (body.has_server_ended() || body.has_server_revoked()) return Part::kLast;
  if (body.has_server_cancel_failed() && !body.server_cancel_failed().revoke()) return Part::kLast;
  const bool told = body.has_server_cancel_set() || body.has_server_revoke_requested() ||
                    (body.has_server_observed() && !body.server_observed().listed());
  return told ? Part::kTold : Part::kAside;
}

Part OfRevoke(const eventpb::EventBody& body) {
  const bool failed = body.has_server_cancel_failed() && body.server_cancel_failed().revoke();
  const bool over = body.has_server_revoked() || failed || body.has_server_ended();
  return over ? Part::kLast : Part::kAside;
}

Status RequestStory::OfServer(const Entry& root) {
  const eventpb::EventBody& asked = root.body;
  const auto part = [&](const eventpb::EventBody& body) {
    if (asked.has_server_order_requested()) return OfOrder(body);
    if (asked.has_server_step_requested()) return OfStep(body, asked.server_step_requested());
    if (asked.has_server_cancel_requested()) return OfCancel(body);
    return OfRevoke(body);
  };
  const bool leads_on = asked.has_server_order_requested() || asked.has_server_step_requested() ||
                        asked.has_server_cancel_requested() || asked.has_server_revoke_requested();
  if (!leads_on) return {};
  const std::string& stream = root.recorded.stream.str();
  bool over = false, set = false;
  MUSTER_RETURN_IF_ERROR(
      Walk(timeline().OfStream(stream), root.recorded.position, [&](const Entry& entry) {
        const Part its = part(entry.body);
        if (its != Part::kAside) Tell(entry);
        over = its == Part::kLast;
        set = set || entry.body.has_server_cancel_set();
        return !over;
      }));
  if (over) return {};
  const bool later = set && asked.server_cancel_requested().date() != "now";
  if (later) return {};  // it is set, which is what was asked for today
  const std::string name = NameOf(chain_.source(), root.recorded.stream);
  Await(Cat(name, asked.has_server_order_requested()    ? " is not delivered"
                  : asked.has_server_step_requested()   ? " has not finished the step"
                  : asked.has_server_cancel_requested() ? " is not confirmed gone"
                                                        : " is not revoked"));
  return {};
}

}  // namespace

StatusOr<Explanation> ExplainRequest(const ExplainSource& source, std::string_view request_id,
                                     std::size_t lines_max) {
  const std::string request = Cat("request/", request_id);
  std::vector<Position> written;
  for (const Position position : source.timeline.Mentions(request)) {
    if (position <= source.head) written.push_back(position);
  }
  if (written.empty()) return NotFound(Cat("nothing was ever recorded of request ", request_id));
  Chain chain(source);
  chain.SetHome(request);
  RequestStory story(chain, lines_max);
  MUSTER_RETURN_IF_ERROR(story.Follow(written));
  MUSTER_ASSIGN_OR_RETURN(const RecordedEvent first, ReadEvent(source.store, written.front()));
  std::vector<ExplainLine> lines = chain.Lines();
  std::string title = Cat("command/", request_id, "   by ", first.event.actor);
  const std::string pending = story.Pending();
  if (!pending.empty()) {
    title += Cat("   not at its end: ", Ellipsize(pending, 160));
  } else if (!lines.empty()) {
    title += Cat(
        story.overtaken() ? "   overtaken by a later request, all done " : "   came to its end ",
        FormatClock(lines.back().at));
  }
  if (story.cut()) {
    title += Cat("; only the first ", lines_max, " lines: muster explain worker/ID tells the rest");
  }
  return Explanation{std::move(title), std::move(lines)};
}

}  // namespace muster::queries
