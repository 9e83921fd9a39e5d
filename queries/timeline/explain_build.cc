// Builds that muster itself asks for: those by which a builder has to show that it builds.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "queries/timeline/chain.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

constexpr std::size_t kNamedMax = 5;

// "/nix/store/HASH-muster-probe-ID.drv", its output and "muster-probe-ID" mean the build ID.
std::string_view BuildId(std::string_view asked) {
  constexpr std::string_view kProbe = "muster-probe-", kDerivation = ".drv";
  const std::size_t at = asked.rfind(kProbe);
  if (at != asked.npos) asked.remove_prefix(at + kProbe.size());
  if (asked.ends_with(kDerivation)) asked.remove_suffix(kDerivation.size());
  return asked;
}

Status NoBuild(const ExplainSource& source, std::string_view id) {
  std::vector<std::string> there = source.timeline.MentionedAs("build");
  const std::string shown = Cat("nothing was ever recorded of build/", Ellipsize(id, 80));
  if (there.empty()) {
    return NotFound(Cat(shown,
                        ", nor of any other build (muster server validate asks for one); "
                        "ask for ",
                        WhatCanBeExplained()));
  }
  const std::size_t all = there.size();
  there.resize(std::min(all, kNamedMax));
  return NotFound(Cat(shown, "; newest first there is ", absl::StrJoin(there, ", "),
                      all > kNamedMax ? Cat(" and ", all - kNamedMax, " more") : ""));
}

}  // namespace

StatusOr<Explanation> ExplainBuild(const ExplainSource& source, std::string_view asked) {
  const std::string id(BuildId(asked));
  const Positions mentions = source.timeline.Mentions(Cat("build/", id));
  if (id.empty() || mentions.empty()) return NoBuild(source, id);
  MUSTER_ASSIGN_OR_RETURN(const Entry request, ReadEntry(source.store, mentions.front()));
  Chain chain(source);
  const std::string& stream = request.recorded.stream.str();
  chain.SetHome(stream);
  std::string state = "under way since";
  absl::Time since = request.recorded.event.occurred_at;
  // From here to its outcome; or to what came in between.
  for (const Position position : source.timeline.OfStream(stream)) {
    if (position < mentions.front() || position > source.head) continue;
    MUSTER_ASSIGN_OR_RETURN(Entry entry, ReadEntry(source.store, position));
    const eventpb::EventBody& body = entry.body;
    const bool own = std::find(mentions.begin(), mentions.end(), position) != mentions.end();
    const bool anew = body.has_server_build_requested() && !own;
    if (body.has_server_step_done() && own) state = "done";
    if (body.has_server_step_failed() && own) state = "failed";
    if (anew) state = "given up, and another was asked for";
    if (body.has_server_ended()) state = "given up with its server";
    const bool over =
        anew || body.has_server_ended() || (own && !body.has_server_build_requested());
    if (!own && !over) continue;
    since = entry.recorded.event.occurred_at;
    chain.Add(std::move(entry));
    if (over) break;
  }
  MUSTER_RETURN_IF_ERROR(chain.AddAllEvidence());
  return Explanation{Cat("build/", id, " on ", NameOf(source, request.recorded.stream), "   ",
                         state, " ", FormatClock(since)),
                     chain.Lines()};
}

}  // namespace muster::queries
