// replay, bundle: what another policy would have decided, here or on another machine.
#include <algorithm>
#include <fstream>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/files/fleet_file.h"
#include "services/files/human_units.h"
#include "services/files/whole_file.h"
#include "services/muster/render.h"
#include "services/muster/replay_text.h"
#include "services/muster/session.h"
#include "services/replay/bundle.h"
#include "services/replay/run.h"

namespace muster::cli {
namespace {

constexpr std::size_t kAll = SIZE_MAX;  // a folder is read from its beginning each time

// Why a flag cannot go with the others, or "".
std::string Contradiction(const Session& s) {
  const auto both = [&](const char* a, const char* b) { return s.args.Has(a) && s.args.Has(b); };
  if (both("bundle", "store")) return "--bundle and --store: expected one of them";
  for (const char* flag : {"since", "until"}) {
    if (both("bundle", flag)) return Cat("--", flag, ": a bundle has its own span");
  }
  return "";
}

int Show(Session& s, const api::ReplayResponse& answer) {
  if (s.PrintStructured(answer, {answer.digest_replayed()})) return kOk;
  s.env.out << ReplayText(answer, {.bundle = s.args.Has("bundle"),
                                   .policy = s.args.Get("policy"),
                                   .command = s.args.Has("bundle") ? Cat("muster replay --bundle ",
                                                                         s.args.Get("bundle"))
                                                                   : "muster replay"});
  return kOk;
}

// With --verify: not what the log says is a failure.
int Verdict(Session& s, const api::ReplayResponse& answer) {
  const int shown = Show(s, answer);
  if (!s.args.Has("verify") || shown != kOk) return shown;
  return answer.digest() == answer.digest_replayed() ? kOk : kFailed;
}

struct Asked {
  std::string fleet;
  std::optional<specpb::FleetSpec> policy;
};

// Reads --policy; kOk, or the exit code of what was said.
int ReadQuestion(Session& s, Asked& asked) {
  if (const std::string wrong = Contradiction(s); !wrong.empty()) return s.Fail(kUsage, wrong);
  if (!s.args.positional().empty()) {
    asked.fleet = WithoutKind(s.args.positional()[0], "fleet");
  }
  if (!s.args.Has("policy")) return kOk;
  auto policy = LoadFleetFile(s.args.Get("policy"));
  if (!policy.ok()) return s.Fail(policy.status());
  if (!asked.fleet.empty() && policy->name() != asked.fleet) policy->set_name(asked.fleet);
  asked.fleet = policy->name();
  asked.policy = *std::move(policy);
  return kOk;
}

int ReplayOfBundle(Session& s, Asked asked) {
  const std::string path = s.args.Get("bundle");
  const auto file = ReadWholeFile(path);
  if (!file.ok()) return s.Fail(kFailed, Cat("--bundle: ", Message(file.status())));
  const auto bundle = ReadBundle(*file);
  if (!bundle.ok()) return s.Fail(kFailed, Cat(path, ": ", Message(bundle.status())));
  const bool tried = asked.policy.has_value();
  auto answer = ReplayBundle(*bundle, std::move(asked.policy));
  if (!answer.ok()) return s.Fail(kFailed, Cat(path, ": ", Message(answer.status())));
  if (answer->digest() != bundle->digest()) {
    return s.Fail(kFailed, Cat(path, ": field digest: ", bundle->digest(),
                               "; expected that of its events, ", answer->digest()));
  }
  if (!tried && answer->digest_replayed() != bundle->digest_replayed()) {
    s.env.err << "note: the muster that packed it (" << bundle->program()
              << ") decided otherwise: " << bundle->digest_replayed() << "\n";
  }
  return Verdict(s, *answer);
}

// A moment for a log that no daemon answers for.
struct Bound {
  Position position = 0;
  absl::Time time = absl::InfinitePast();
};
Bound BoundOf(const api::AsOf& moment) {
  Bound bound;
  if (moment.has_position()) bound.position = moment.position();
  if (moment.has_time()) bound.time = FromProto(moment.time());
  if (moment.moment_case() == api::AsOf::kSecondsAgo) {
    bound.time = absl::Now() - absl::Seconds(moment.seconds_ago());
  }
  return bound;
}

int ReplayOfFolder(Session& s, Asked asked, const api::AsOf& since, const api::AsOf& until) {
  ReplayQuestion question;
  if (!asked.fleet.empty()) question.fleet = FleetName(asked.fleet);
  question.policy = std::move(asked.policy);
  const Bound from = BoundOf(since), to = BoundOf(until);
  question.since = from.position;
  question.since_time = from.time;
  question.until = to.position > 0 ? to.position : kAll;
  if (to.time != absl::InfinitePast()) question.until_time = to.time;
  ReplayRun run(std::move(question), ReadFromFolder(s.args.Get("store")), World());
  for (bool done = false; !done;) {
    const auto went = run.Step(kAll);
    if (!went.ok()) return s.Fail(went.status());
    done = *went;
  }
  return Verdict(s, run.Answer());
}

int Replay(Session& s) {
  Asked asked;
  if (const int code = ReadQuestion(s, asked); code != kOk) return code;
  if (s.args.Has("bundle")) return ReplayOfBundle(s, std::move(asked));
  const auto since = s.AsOf("since");
  const auto until = s.AsOf("until");
  for (const auto* moment : {&since, &until}) {
    if (!moment->ok()) return s.Fail(kUsage, Message(moment->status()));
  }
  if (s.args.Has("store")) return ReplayOfFolder(s, std::move(asked), *since, *until);
  api::ReplayRequest request;
  request.set_fleet(asked.fleet);
  if (asked.policy.has_value()) *request.mutable_policy() = *std::move(asked.policy);
  *request.mutable_since() = *since;
  *request.mutable_until() = *until;
  api::ReplayResponse answer;
  const auto context = s.StreamContext();
  const grpc::Status status = s.queries().Replay(context.get(), request, &answer);
  return status.ok() ? Verdict(s, answer) : s.Fail(status);
}

// ---- bundle -----------------------------------------------------------------------------------

StatusOr<std::int64_t> SpanOf(Session& s, const std::string& flag) {
  if (!s.args.Has(flag)) return 3600;
  const auto span = ParseSpan(s.args.Get(flag));
  if (!span.ok() || *span <= 0) {
    return InvalidArgument(Cat("--", flag, " \"", s.args.Get(flag), "\": expected a span (1h)"));
  }
  return *span;
}

int Fetch(Session& s, const api::PackBundleRequest& request, std::string& file) {
  const auto context = s.StreamContext();
  const auto reader = s.queries().PackBundle(context.get(), request);
  api::BundleChunk chunk;
  while (reader->Read(&chunk)) file += chunk.data();
  const grpc::Status status = reader->Finish();
  return status.ok() ? kOk : s.Fail(status);
}

int PackFolder(Session& s, const api::PackBundleRequest& request, std::string& file) {
  BundleQuestion question;
  const Bound around = BoundOf(request.around());
  question.around = around.position;
  question.around_time = around.time;
  question.before = absl::Seconds(request.before_s());
  question.after = absl::Seconds(request.after_s());
  question.head = kAll;
  BundlePacker packer(std::move(question), ReadFromFolder(s.args.Get("store")));
  for (bool done = false; !done;) {
    const auto went = packer.Step(kAll);
    if (!went.ok()) return s.Fail(went.status());
    done = *went;
  }
  file = packer.TakeFile();
  return kOk;
}

int Bundle(Session& s) {
  if (!s.args.Has("around")) return s.Fail(kUsage, "bundle around when? --around TIME|POSITION");
  if (!s.args.Has("out")) return s.Fail(kUsage, "-o FILE is needed: where the bundle is written");
  const auto around = s.AsOf("around");
  if (!around.ok()) return s.Fail(kUsage, Message(around.status()));
  const auto before = SpanOf(s, "before"), after = SpanOf(s, "after");
  for (const auto* span : {&before, &after}) {
    if (!span->ok()) return s.Fail(kUsage, Message(span->status()));
  }
  api::PackBundleRequest request;
  *request.mutable_around() = *around;
  request.set_before_s(*before);
  request.set_after_s(*after);
  std::string file;
  const int code = s.args.Has("store") ? PackFolder(s, request, file) : Fetch(s, request, file);
  if (code != kOk) return code;
  const auto bundle = ReadBundle(file);
  if (!bundle.ok()) return s.Fail(bundle.status());
  const std::string path = s.args.Get("out");
  std::ofstream out(path, std::ios::binary);
  out << file;
  out.close();
  if (!out) return s.Fail(kFailed, Cat("-o ", path, ": cannot be written"));
  s.env.out << BundleText(*bundle, path, file.size());
  return kOk;
}

}  // namespace

std::vector<Verb> ReplayVerbs() {
  return {
      {{"replay",
        "[FLEET] [--policy FILE] [--since TIME|POSITION] [--until TIME|POSITION]",
        0,
        1,
        "What another policy would have decided, by the log's own observations and offers.",
        {{"policy", 0, "FILE", "a fleet file, in the place of what was in force"},
         {"since", 0, "TIME|POSITION", "2026-11-07T00:00:00Z, 14d (ago), 48211; the beginning"},
         {"until", 0, "TIME|POSITION", "the other end; now"},
         {"bundle", 0, "FILE", "of what 'muster bundle' wrote; needs no daemon"},
         {"store", 0, "DIR", "of this store's folder; musterd need not run"},
         {"verify", 0, "", "exit with 1 unless everything is decided as in the log"}},
        "Without --policy the policies that were in force decide again: the digest must be that "
        "of\n"
        "the log. With one, everything up to the first divergence is exact; what follows is\n"
        "modelled, and the answer says how.\n"},
       Replay},
      {{"bundle",
        "--around TIME|POSITION [--before 1h] [--after 1h] -o FILE",
        0,
        0,
        "Packs a slice of the log into one file without secrets, to be replayed elsewhere.",
        {{"around", 0, "TIME|POSITION", "2026-11-21T03:14:07Z, 90m (ago), 48211"},
         {"before", 0, "SPAN", "from so long before; 1h"},
         {"after", 0, "SPAN", "until so long after; 1h"},
         {"out", 'o', "FILE", "written there"},
         {"store", 0, "DIR", "of this store's folder; musterd need not run"}},
        "Only what decisions are drawn from leaves, by a list of what may: no text of logs, "
        "errors,\n"
        "scripts, settings or people, no addresses.\n"},
       Bundle},
  };
}

}  // namespace muster::cli
