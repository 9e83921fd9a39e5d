// Explain: the chain of evidence of a subject, observation -> rule with its numbers -> decision ->
// effect -> confirmation, in log order. Reads events back from the store; otherwise pure.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "queries/timeline/projection.h"

namespace muster::queries {

struct ExplainSource {
  const EventStore& store;
  const TimelineProjection& timeline;
  Position head;  // nothing later is looked at
};

// A kind of stream that is explained as a whole, and how one is asked for. A new kind needs its
// line here, and texts for its events (describe.cc).
struct ExplainedKind {
  std::string_view kind, form;
};
inline constexpr std::array<ExplainedKind, 6> kExplainedKinds = {{
    {"fleet", "fleet/NAME"},
    {"host", "host/PROVIDER/MACHINE"},
    {"account", "account/PROVIDER"},
    {"shadow", "shadow/FLEET"},
    {"server", "server/NAME"},
    {"build", "build/ID"},
}};
// "worker/ID, fleet/NAME, ..., command/ID or a position"
std::string WhatCanBeExplained();

// Errors of all: kNotFound, no such stream or position; kDataLoss, kUnimplemented, as EventStore
// and DecodeEvent.
StatusOr<Explanation> ExplainWorker(const ExplainSource& source, std::string_view worker);
// Any other stream, such as one of kExplainedKinds: what was decided there lately, newest
// `lines_max` lines. "server/NAME" is the newest server of that name.
StatusOr<Explanation> ExplainStream(const ExplainSource& source, std::string_view stream,
                                    std::size_t lines_max = 40);
// A request of a client: who asked, what was written for it at once, what was decided for it, and
// what came of that: how each worker that it concerns went or came into service, or how its step
// ended. The title says what is still to come. The oldest `lines_max` lines at most.
StatusOr<Explanation> ExplainRequest(const ExplainSource& source, std::string_view request_id,
                                     std::size_t lines_max = 200);
// A build that muster asked for, from the registration of its builder to its outcome. `asked` is
// its id, or the name or path of its derivation or output.
StatusOr<Explanation> ExplainBuild(const ExplainSource& source, std::string_view asked);
StatusOr<Explanation> ExplainPosition(const ExplainSource& source, Position position);

}  // namespace muster::queries
