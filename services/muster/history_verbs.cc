// events, explain, diff, watch: what happened, why, what it changed, and what happens now.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

// One event of a stream of them: a line, or a YAML document.
void EmitEvent(Session& s, const api::Event& event) {
  const std::string form = s.Output();
  if (form == "json") {
    s.env.out << ToJson(event, /*one_line=*/true).value_or("") << "\n";
  } else if (form == "yaml") {
    s.env.out << "---\n" << ToYaml(event).value_or("");
  } else if (form == "name") {
    s.env.out << event.position() << "\n";
  } else {
    PrintEvent(s.env.out, event, StyleOf(s));
  }
  s.env.out << std::flush;
}

int Follow(Session& s, const api::WatchEventsRequest& request) {
  const auto context = s.StreamContext();
  const auto reader = s.queries().WatchEvents(context.get(), request);
  api::Event event;
  while (reader->Read(&event)) {
    EmitEvent(s, event);
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? kOk : s.Fail(status);
}

int Events(Session& s) {
  std::uint64_t after = 0;
  if (s.args.Has("after") && !absl::SimpleAtoi(s.args.Get("after"), &after)) {
    return s.Fail(kUsage, "--after needs a position");
  }
  const std::string stream = s.args.positional().empty() ? "" : s.args.positional()[0];
  const std::string fleet = WithoutKind(s.args.Get("fleet"), "fleet");
  const std::vector<std::string> types =
      absl::StrSplit(s.args.Get("type"), absl::ByAnyChar(", "), absl::SkipEmpty());
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  if (s.args.Has("follow")) {
    if (s.args.Has("at")) return s.Fail(kUsage, "--follow goes on from now: it takes no --at");
    api::WatchEventsRequest request;
    request.set_after(after);
    request.set_from_now(!s.args.Has("after"));
    request.set_stream(stream);
    request.set_fleet(fleet);
    request.set_with_payload(s.Output() == "json" || s.Output() == "yaml");
    for (const std::string& type : types) request.add_types(type);
    return Follow(s, std::move(request));
  }
  int limit = 50;
  if (!absl::SimpleAtoi(s.args.Get("limit", "50"), &limit) || limit <= 0) {
    return s.Fail(kUsage,
                  Cat("--limit \"", s.args.Get("limit"), "\": expected a number of events"));
  }
  api::ListEventsRequest request;
  *request.mutable_as_of() = *moment;
  request.set_stream(stream);
  request.set_fleet(fleet);
  request.set_after(after);
  request.set_page_size(limit);
  request.set_newest_first(!s.args.Has("after"));
  request.set_with_payload(s.Output() == "json" || s.Output() == "yaml");
  for (const std::string& type : types) request.add_types(type);
  api::ListEventsResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.queries().ListEvents(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (request.newest_first()) {
    std::reverse(answer.mutable_events()->begin(), answer.mutable_events()->end());
  }
  std::vector<std::string> names;
  for (const api::Event& event : answer.events()) names.push_back(Cat(event.position()));
  if (s.PrintStructured(answer, names)) return kOk;
  for (const api::Event& event : answer.events()) PrintEvent(s.env.out, event, StyleOf(s));
  return kOk;
}

int Explain(Session& s) {
  api::ExplainRequest request;
  if (!s.args.positional().empty()) request.set_subject(s.args.positional()[0]);
  request.set_why_not(s.args.Get("why-not"));
  if (request.subject().empty() && request.why_not().empty()) {
    return s.Fail(
        kUsage,
        "explain what? worker/ID, fleet/NAME, server/NAME, build/ID, host/PROVIDER/MACHINE, "
        "account/PROVIDER, shadow/FLEET, command/REQUEST_ID, POSITION, or --why-not "
        "offer/ID|worker/ID");
  }
  api::ExplainResponse answer;
  if (const int code = s.Ask(&Queries::Explain, request, answer)) return code;
  if (s.PrintStructured(answer, {})) return kOk;
  s.env.out << "explain " << answer.title() << "\n";
  std::size_t width = 0;
  for (const api::ExplainLine& line : answer.lines()) {
    width = std::max(width, std::min<std::size_t>(DisplayWidth(line.text()), 84));
  }
  for (const api::ExplainLine& line : answer.lines()) {
    // What is no event, but how things stand, has neither position nor time.
    const std::string at = line.has_at() ? FormatClock(FromProto(line.at())) + "  " : "";
    const std::string position = line.position() == 0 ? "" : Cat(line.position());
    s.env.out << absl::StrFormat("  %6s  %s%s", position, at, line.text());
    if (!line.detail().empty()) {
      const std::size_t seen = DisplayWidth(line.text());
      s.env.out << std::string(seen < width ? width - seen : 0, ' ') << "  " << line.detail();
    }
    s.env.out << "\n";
  }
  return kOk;
}

// Two moments side by side, a subject at a time.
int Diff(Session& s) {
  if (!s.args.Has("from")) return s.Fail(kUsage, "diff from when? --from TIME|POSITION");
  const auto from = s.AsOf("from");
  if (!from.ok()) return s.Fail(kUsage, Message(from.status()));
  const auto to = s.AsOf("to");
  if (!to.ok()) return s.Fail(kUsage, Message(to.status()));
  api::DiffRequest request;
  *request.mutable_from() = *from;
  *request.mutable_to() = *to;
  if (!s.args.positional().empty()) {
    request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
  }
  api::DiffResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.queries().Diff(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(answer, {})) return kOk;
  const auto side = [](const api::DiffResponse::Side& each) {
    return Cat(each.position(), " (", FormatUtc(FromProto(each.time())), ")");
  };
  s.env.out << "diff " << side(answer.from()) << " -> " << side(answer.to()) << "\n";
  if (answer.changes().empty()) s.env.out << "  nothing is otherwise\n";
  std::string subject;
  for (const auto& change : answer.changes()) {
    if (change.subject() != subject) s.env.out << change.subject() << "\n";
    subject = change.subject();
    const std::string before = change.before().empty() ? "-" : change.before();
    const std::string after = change.after().empty() ? "-" : change.after();
    s.env.out << absl::StrFormat("  %-18s %s -> %s\n", change.field(), before, after);
  }
  return kOk;
}

// On a terminal: the fleets, redrawn as they change. Piped: events as they happen, a line each.
int Watch(Session& s) {
  const std::string fleet =
      s.args.positional().empty() ? "" : WithoutKind(s.args.positional()[0], "fleet");
  if (!s.env.out_is_terminal) {
    api::WatchEventsRequest request;
    request.set_from_now(true);
    request.set_fleet(fleet);
    return Follow(s, std::move(request));
  }
  api::WatchFleetsRequest request;
  request.set_fleet(fleet);
  request.set_least_interval_ms(500);
  const auto context = s.StreamContext();
  const auto reader = s.queries().WatchFleets(context.get(), request);
  api::ListFleetsResponse answer;
  while (reader->Read(&answer)) {
    const absl::Time now = FromProto(answer.now());
    s.env.out << "\x1b[H\x1b[2J";
    FleetTable(answer.fleets(), now).Print(s.env.out, s.Columns());
    for (const api::Fleet& each : answer.fleets()) PrintWaits(s.env.out, each, now);
    PrintAccounts(s.env.out, answer.accounts(), now);
    api::ListWorkersRequest workers_request;
    workers_request.set_fleet(fleet);
    api::ListWorkersResponse workers;
    const auto workers_context = s.Context();
    if (s.queries().ListWorkers(workers_context.get(), workers_request, &workers).ok()) {
      s.env.out << "\n";
      WorkerTable(workers.workers(), now, false).Print(s.env.out, s.Columns());
    }
    s.env.out << std::flush;
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? kOk : s.Fail(status);
}

}  // namespace

std::vector<Verb> HistoryVerbs() {
  return {
      {{"events",
        "[STREAM]",
        0,
        1,
        "The log, newest last: of everything or of one stream.",
        {{"follow", 'f', "", "go on with new events until Ctrl-C"},
         {"after", 0, "POSITION", "from there on, oldest first"},
         {"limit", 0, "N", "at most so many; 50"},
         {"fleet", 0, "NAME", "only this fleet and its workers"},
         {"type", 0, "TYPE,...", "only these, such as worker.condemned"},
         AtFlag()}},
       Events},
      {{"explain",
        "[worker/ID|fleet/NAME|server/NAME|host/PROVIDER/MACHINE|...|POSITION]",
        0,
        1,
        "Why something is as it is: observation, rule, numbers, decision, call, result.",
        {{"why-not", 0, "offer/ID|worker/ID", "why the fleet does not rent it, or keeps it"},
         AtFlag()},
        "worker/ID              from the offer to its end, with all that was drawn upon\n"
        "fleet/NAME             what was decided for it and its workers lately; so for\n"
        "host/PROVIDER/MACHINE, account/PROVIDER, shadow/FLEET and server/NAME\n"
        "command/REQUEST_ID     what a request wrote, what was decided for it, and what came of "
        "that:\n"
        "                       workers confirmed gone or healthy, a server's step done\n"
        "build/ID               a build by which a builder showed that it builds; the ID, or its\n"
        "                       derivation, stands in muster server describe and muster events\n"
        "POSITION               one event: what it was drawn from, and what came of it\n"},
       Explain,
       Manner::kNameless},
      {{"diff",
        "[FLEET] --from TIME|POSITION [--to TIME|POSITION]",
        0,
        1,
        "What is otherwise at one moment than at another: fleets, servers, health, prices, "
        "strikes, "
        "money.",
        {{"from", 0, "TIME|POSITION", "2026-11-21T03:14:07Z, 90m (ago), 48211"},
         {"to", 0, "TIME|POSITION", "the other moment; now"}}},
       Diff,
       Manner::kNameless},
      {{"watch",
        "[FLEET]",
        0,
        1,
        "Fleets and workers live; piped: events as they happen.",
        {},
        "Takes no --at: it goes on from now. A moment of the past: muster status --at\n"},
       Watch,
       Manner::kNameless},
  };
}

}  // namespace muster::cli
