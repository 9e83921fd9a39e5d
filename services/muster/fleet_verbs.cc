// plan, apply, status, scale, down: what an operator does with a fleet.
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "services/files/fleet_file.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

constexpr char kNoFile[] = "name the fleet file: -f FLEET.yaml";

// 0 also when the daemon cannot tell: they are no fleets, and only mentioned beside them.
int CountServers(Session& s) {
  api::ListServersRequest request;
  const StatusOr<api::AsOf> moment = s.AsOf();
  if (moment.ok()) *request.mutable_as_of() = *moment;
  api::ListServersResponse list;
  const auto context = s.Context();
  return s.queries().ListServers(context.get(), request, &list).ok() ? list.servers_size() : 0;
}

int PrintFleets(Session& s, const api::ListFleetsResponse& answer, bool with_accounts) {
  std::vector<std::string> names;
  for (const api::Fleet& fleet : answer.fleets()) names.push_back("fleet/" + fleet.name());
  if (s.PrintStructured(answer, names)) return kOk;
  const absl::Time now = FromProto(answer.now());
  if (answer.fleets().empty()) {
    s.env.out << (s.args.Has("at")    ? "there were no fleets then\n"
                  : s.args.Has("all") ? "no fleets yet\n"
                                      : "no fleets now\n");
    const int servers = CountServers(s);
    if (servers > 0) {
      s.env.out << "dedicated servers: " << servers << "  (muster server list)\n";
    } else if (!s.args.Has("at")) {
      s.env.err << "next: muster init vast; muster apply -f fleet.yaml\n";
    }
  } else {
    FleetTable(answer.fleets(), now).Print(s.env.out, s.Columns());
    for (const api::Fleet& fleet : answer.fleets()) PrintWaits(s.env.out, fleet, now);
  }
  if (with_accounts) PrintAccounts(s.env.out, answer.accounts(), now);
  return kOk;
}

StatusOr<api::ListFleetsResponse> KeepFleet(api::ListFleetsResponse answer,
                                            const std::string& name) {
  if (name.empty()) return answer;
  api::ListFleetsResponse kept = answer;
  kept.clear_fleets();
  std::vector<std::string> names;
  for (const api::Fleet& fleet : answer.fleets()) {
    names.push_back(fleet.name());
    if (fleet.name() == name) *kept.add_fleets() = fleet;
  }
  if (!kept.fleets().empty()) return kept;
  const std::string near = Nearest(name, names);
  return NotFound(
      Cat("no fleet \"", name, "\"", near.empty() ? "" : Cat("; did you mean ", near, "?")));
}

}  // namespace

int ShowFleets(Session& s, const std::string& only, bool with_accounts) {
  api::ListFleetsRequest request;
  request.set_include_ended(s.args.Has("all"));
  api::ListFleetsResponse answer;
  if (const int code = s.Ask(&Queries::ListFleets, request, answer)) return code;
  const auto kept = KeepFleet(std::move(answer), only);
  if (!kept.ok()) return s.Fail(kNotFound, Message(kept.status()));
  return PrintFleets(s, *kept, with_accounts);
}

namespace {

int ShowStatus(Session& s) {
  const std::string fleet =
      s.args.positional().empty() ? "" : WithoutKind(s.args.positional()[0], "fleet");
  return Repeat(s, [&] { return ShowFleets(s, fleet, /*with_accounts=*/true); });
}

int Apply(Session& s) {
  if (s.args.Get("file").empty()) return s.Fail(kUsage, kNoFile);
  const auto spec = LoadFleetFile(s.args.Get("file"));
  if (!spec.ok()) return s.Fail(spec.status());
  api::ApplyFleetRequest request;
  *request.mutable_spec() = *spec;
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        request.set_plan_id(attempt.validate_only ? "" : s.args.Get("plan"));
        return s.commands().ApplyFleet(context, request, answer);
      },
      Cat("Apply fleet/", spec->name(), "?"));
}

int Plan(Session& s) {
  if (s.args.Get("file").empty()) return s.Fail(kUsage, kNoFile);
  const auto spec = LoadFleetFile(s.args.Get("file"));
  if (!spec.ok()) return s.Fail(spec.status());
  api::ApplyFleetRequest request;
  *request.mutable_spec() = *spec;
  request.set_validate_only(true);
  api::Operation planned;
  const auto context = s.Context();
  const grpc::Status status =
      s.Patiently([&] { return s.commands().ApplyFleet(context.get(), request, &planned); });
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(planned.plan(), {planned.plan().id()})) {
    PrintPlan(s.env.out, planned.plan(), StyleOf(s));
  }
  return HasChanges(planned.plan()) && s.args.Has("detailed-exitcode") ? kChangesPending : kOk;
}

int Scale(Session& s) {
  api::ScaleFleetRequest request;
  request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
  int workers = 0;
  if (!absl::SimpleAtoi(s.args.positional()[1], &workers) || workers < 0) {
    return s.Fail(kUsage, Cat("\"", s.args.positional()[1], "\" is not a number of workers"));
  }
  request.set_workers(workers);
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        return s.commands().ScaleFleet(context, request, answer);
      },
      Cat("Scale fleet/", request.fleet(), " to ", workers, "?"));
}

int Down(Session& s) {
  api::DownFleetRequest request;
  request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
  request.set_reason(s.args.Get("reason"));
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        return s.commands().DownFleet(context, request, answer);
      },
      Cat("Destroy every worker of fleet/", request.fleet(), "?"));
}

Flag FileFlag() { return {"file", 'f', "FLEET.yaml", "the fleet file"}; }

}  // namespace

Flag DetailedFlag() {
  return {"detailed-exitcode", 0, "", "exit 2 when there is something to change"};
}

std::vector<Verb> FleetVerbs() {
  return {
      {{"status",
        "[FLEET]",
        0,
        1,
        "Shows wanted, have and healthy, cost now and today, and what each fleet waits for.",
        {WatchFlag(), AtFlag(), {"all", 'a', "", "ended fleets too"}}},
       ShowStatus},
      {{"plan",
        "",
        0,
        0,
        "Shows what applying a fleet file would rent and destroy, with prices.",
        {FileFlag(), DetailedFlag()}},
       Plan},
      {{"apply",
        "",
        0,
        0,
        "Makes the fleet as its file says, after showing the plan.",
        {FileFlag(),
         YesFlag(),
         DryRunFlag(),
         DetailedFlag(),
         WaitFlag(),
         RequestIdFlag(),
         {"plan", 0, "ID", "only if the plan is still this one"}}},
       Apply},
      {{"scale",
        "FLEET WORKERS",
        2,
        2,
        "Changes how many workers a fleet keeps.",
        {YesFlag(), DryRunFlag(), DetailedFlag(), WaitFlag(), RequestIdFlag()}},
       Scale},
      {{"down",
        "FLEET",
        1,
        1,
        "Destroys every worker of a fleet and ends it.",
        {YesFlag(),
         DryRunFlag(),
         WaitFlag(),
         RequestIdFlag(),
         {"reason", 0, "TEXT", "kept in the log"},
         DetailedFlag()}},
       Down},
  };
}

}  // namespace muster::cli
