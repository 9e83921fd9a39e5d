// plan, apply, status, get, describe, scale, down: what an operator does with a fleet.
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "services/files/fleet_file.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

using absl::StartsWith;

Style StyleOf(const Session& s) { return {s.Color(), s.Wide(), s.Columns()}; }

StatusOr<specpb::FleetSpec> ReadFleet(Session& s) {
  const std::string path = s.args.Get("file");
  if (path.empty()) return InvalidArgument("name the fleet file: -f FLEET.yaml");
  return LoadFleetFile(path);
}

int PrintFleets(Session& s, const api::ListFleetsResponse& answer) {
  std::vector<std::string> names;
  for (const api::Fleet& fleet : answer.fleets()) names.push_back("fleet/" + fleet.name());
  if (s.PrintStructured(answer, names)) return kOk;
  const absl::Time now = FromProto(answer.now());
  if (answer.fleets().empty()) {
    s.env.out << "no fleets yet\n";
    s.env.err << "next: muster init vast; muster apply -f fleet.yaml\n";
  } else {
    FleetTable(answer.fleets(), now).Print(s.env.out, s.Columns());
    for (const api::Fleet& fleet : answer.fleets()) PrintWaits(s.env.out, fleet, now);
  }
  PrintAccounts(s.env.out, answer.accounts(), now);
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
  return NotFound(Cat("no fleet \"", name, "\"", near.empty() ? "" : "; did you mean ", near));
}

std::string WithoutKind(const std::string& name, const std::string& kind) {
  return StartsWith(name, kind + "/") ? name.substr(kind.size() + 1) : name;
}

int Status_(Session& s) {
  return Repeat(s, [&s] {
    api::ListFleetsRequest request;
    request.set_include_ended(s.args.Has("all"));
    const auto moment = s.AsOf();
    if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
    *request.mutable_as_of() = *moment;
    api::ListFleetsResponse answer;
    const auto context = s.Context();
    const grpc::Status status = s.queries().ListFleets(context.get(), request, &answer);
    if (!status.ok()) return s.Fail(status);
    const std::string name =
        s.args.positional().empty() ? "" : WithoutKind(s.args.positional()[0], "fleet");
    const auto kept = KeepFleet(std::move(answer), name);
    if (!kept.ok()) return s.Fail(kNotFound, Message(kept.status()));
    return PrintFleets(s, *kept);
  });
}

int Apply(Session& s) {
  const auto spec = ReadFleet(s);
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
  const auto spec = ReadFleet(s);
  if (!spec.ok()) return s.Fail(spec.status());
  api::ApplyFleetRequest request;
  *request.mutable_spec() = *spec;
  request.set_validate_only(true);
  api::Operation planned;
  const auto context = s.Context();
  const grpc::Status status = s.commands().ApplyFleet(context.get(), request, &planned);
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(planned.plan(), {planned.plan().id()})) {
    PrintPlan(s.env.out, planned.plan(), StyleOf(s));
  }
  return !planned.plan().steps().empty() && s.args.Has("detailed-exitcode") ? kChangesPending
                                                                            : kOk;
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

int GetWorkers(Session& s, const std::string& fleet) {
  api::ListWorkersResponse all;
  api::ListWorkersRequest request;
  request.set_fleet(fleet);
  request.set_include_ended(s.args.Has("all"));
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  do {
    api::ListWorkersResponse page;
    const auto context = s.Context();
    const grpc::Status status = s.queries().ListWorkers(context.get(), request, &page);
    if (!status.ok()) return s.Fail(status);
    all.mutable_workers()->MergeFrom(page.workers());
    *all.mutable_now() = page.now();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::string> names;
  for (const api::Worker& worker : all.workers()) names.push_back("worker/" + worker.id());
  if (s.PrintStructured(all, names)) return kOk;
  if (all.workers().empty()) {
    s.env.out << "no workers\n";
    return kOk;
  }
  WorkerTable(all.workers(), FromProto(all.now()), s.Wide()).Print(s.env.out, s.Columns());
  return kOk;
}

int GetOneFleet(Session& s, const std::string& name, bool describe) {
  api::GetFleetRequest request;
  request.set_fleet(name);
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  api::Fleet fleet;
  const auto context = s.Context();
  const grpc::Status status = s.queries().GetFleet(context.get(), request, &fleet);
  if (!status.ok()) return s.Fail(status);
  if (s.Output() == "yaml" && !describe) {  // a fleet file that can be applied again
    s.env.out << FormatFleetFile(fleet.spec());
    return kOk;
  }
  if (s.PrintStructured(fleet, {"fleet/" + fleet.name()})) return kOk;
  const absl::Time now = FromProto(fleet.updated_at());
  if (describe) {
    DescribeFleet(s.env.out, fleet, now);
  } else {
    FleetTable(std::vector<api::Fleet>{fleet}, now).Print(s.env.out, s.Columns());
  }
  return kOk;
}

int GetOneWorker(Session& s, const std::string& name, bool describe) {
  api::GetWorkerRequest request;
  request.set_worker(name);
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  api::Worker worker;
  const auto context = s.Context();
  const grpc::Status status = s.queries().GetWorker(context.get(), request, &worker);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(worker, {"worker/" + worker.id()})) return kOk;
  api::ListFleetsResponse clock;
  const auto clock_context = s.Context();
  (void)s.queries().ListFleets(clock_context.get(), {}, &clock);
  const absl::Time now = FromProto(clock.now());
  if (describe) {
    DescribeWorker(s.env.out, worker, now);
  } else {
    WorkerTable(std::vector<api::Worker>{worker}, now, s.Wide()).Print(s.env.out, s.Columns());
  }
  return kOk;
}

int DescribeOneHost(Session& s, const std::string& name) {
  api::ListHostsRequest request;
  const std::size_t slash = name.find('/');
  request.set_provider(slash == std::string::npos ? "vast" : name.substr(0, slash));
  request.set_machine(slash == std::string::npos ? name : name.substr(slash + 1));
  api::ListHostsResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.queries().ListHosts(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (answer.hosts().empty()) return s.Fail(kNotFound, Cat("nothing is known of host ", name));
  if (s.PrintStructured(answer, {"host/" + name})) return kOk;
  for (const api::Host& host : answer.hosts()) {
    DescribeHost(s.env.out, host, FromProto(answer.now()));
  }
  return kOk;
}

int Get(Session& s) {
  return Repeat(s, [&s] {
    const std::string what = s.args.positional().empty() ? "workers" : s.args.positional()[0];
    if (what == "fleets") return Status_(s);
    if (what == "workers") return GetWorkers(s, s.args.Get("fleet"));
    if (StartsWith(what, "fleet/")) return GetOneFleet(s, what.substr(6), false);
    return GetOneWorker(s, WithoutKind(what, "worker"), false);
  });
}

int Describe(Session& s) {
  const std::string what = s.args.positional()[0];
  if (StartsWith(what, "fleet/")) return GetOneFleet(s, what.substr(6), true);
  if (StartsWith(what, "host/")) return DescribeOneHost(s, what.substr(5));
  return GetOneWorker(s, WithoutKind(what, "worker"), true);
}

Flag FileFlag() { return {"file", 'f', "FLEET.yaml", "the fleet file"}; }
Flag DetailedFlag() {
  return {"detailed-exitcode", 0, "", "exit 2 when there is something to change"};
}

}  // namespace

std::vector<Verb> FleetVerbs() {
  return {
      {{"status", "[FLEET]", 0, 1,
        "Shows wanted, have and healthy, cost now and today, and what each fleet waits for.",
        {WatchFlag(), AtFlag(), {"all", 'a', "", "ended fleets too"}}},
       Status_},
      {{"plan", "", 0, 0, "Shows what applying a fleet file would rent and destroy, with prices.",
        {FileFlag(), DetailedFlag()}},
       Plan},
      {{"apply", "", 0, 0, "Makes the fleet as its file says, after showing the plan.",
        {FileFlag(), YesFlag(), DryRunFlag(), DetailedFlag(), WaitFlag(), RequestIdFlag(),
         {"plan", 0, "ID", "only if the plan is still this one"}}},
       Apply},
      {{"get", "[fleets|workers|fleet/NAME|WORKER]", 0, 1,
        "Lists workers or fleets, or shows one; 'get fleet/NAME -o yaml' gives its file back.",
        {{"fleet", 0, "NAME", "only this fleet's workers"}, {"all", 'a', "", "ended ones too"},
         WatchFlag(), AtFlag()}},
       Get},
      {{"describe", "WORKER|fleet/NAME|host/PROVIDER/MACHINE", 1, 1,
        "Shows everything known about one thing.", {AtFlag()}},
       Describe},
      {{"scale", "FLEET WORKERS", 2, 2, "Changes how many workers a fleet keeps.",
        {YesFlag(), DryRunFlag(), DetailedFlag(), WaitFlag(), RequestIdFlag()}},
       Scale},
      {{"down", "FLEET", 1, 1, "Destroys every worker of a fleet and ends it.",
        {YesFlag(), DryRunFlag(), WaitFlag(), RequestIdFlag(),
         {"reason", 0, "TEXT", "kept in the log"}, DetailedFlag()}},
       Down},
  };
}

}  // namespace muster::cli
