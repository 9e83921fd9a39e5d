// logs, ssh, replace, destroy, adopt: what an operator does with single workers.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

std::string WorkerName(const Session& s) {
  const std::string& name = s.args.positional()[0];
  return absl::StartsWith(name, "worker/") ? name.substr(7) : name;
}

int Logs(Session& s) {
  api::ReadLogsRequest request;
  request.set_worker(WorkerName(s));
  request.set_follow(s.args.Has("follow"));
  request.set_refresh(s.args.Has("refresh"));
  int lines = 0;
  if (s.args.Has("tail")) {
    if (!absl::SimpleAtoi(s.args.Get("tail"), &lines) || lines <= 0) {
      return s.Fail(kUsage, Cat("--tail \"", s.args.Get("tail"), "\" is not a number of lines"));
    }
  }
  request.set_lines(lines);
  const auto context = request.follow() ? s.StreamContext() : s.Context();
  const auto reader = s.queries().ReadLogs(context.get(), request);
  api::LogChunk chunk;
  std::string state;
  while (reader->Read(&chunk)) {
    if (chunk.state() != state && chunk.state() != "text") {
      s.env.err << "(" << chunk.state() << ", " << FormatUtc(FromProto(chunk.fetched_at()))
                << ")\n";
    }
    state = chunk.state();
    s.env.out << chunk.text() << std::flush;
    if (!chunk.text().empty() && chunk.text().back() != '\n') s.env.out << "\n";
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? kOk : s.Fail(status);
}

int Ssh(Session& s) {
  api::GetWorkerRequest request;
  request.set_worker(WorkerName(s));
  api::Worker worker;
  const auto context = s.Context();
  const grpc::Status status = s.queries().GetWorker(context.get(), request, &worker);
  if (!status.ok()) return s.Fail(status);
  if (worker.ssh_host().empty() || worker.ssh_port() == 0) {
    return s.Fail(kRefused,
                  Cat("worker/", worker.id(), " has no SSH address yet (", worker.health(), ")"));
  }
  std::vector<std::string> command = {"ssh", "-p", Cat(worker.ssh_port()),
                                      Cat("root@", worker.ssh_host())};
  for (std::size_t i = 1; i < s.args.positional().size(); ++i) {
    command.push_back(s.args.positional()[i]);
  }
  if (s.args.Has("print") || !s.env.out_is_terminal || !s.env.exec) {
    s.env.out << absl::StrJoin(command, " ") << "\n";
    return kOk;
  }
  return s.env.exec(command);
}

int Replace(Session& s) {
  api::ReplaceWorkerRequest request;
  request.set_worker(WorkerName(s));
  request.set_reason(s.args.Get("reason"));
  request.set_strike(s.args.Has("strike"));
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        return s.commands().ReplaceWorker(context, request, answer);
      },
      Cat("Destroy and replace ", request.worker(), "?"));
}

int Destroy(Session& s) {
  api::DestroyWorkerRequest request;
  request.set_worker(WorkerName(s));
  request.set_reason(s.args.Get("reason"));
  request.set_keep_size(s.args.Has("keep-size"));
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        return s.commands().DestroyWorker(context, request, answer);
      },
      Cat("Destroy ", request.worker(), "?"));
}

int Adopt(Session& s) {
  api::AdoptInstancesRequest request;
  request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
  request.set_label_prefix(s.args.Get("label-prefix"));
  for (std::size_t i = 1; i < s.args.positional().size(); ++i) {
    request.add_instances(s.args.positional()[i]);
  }
  if (request.label_prefix().empty() && request.instances().empty()) {
    return s.Fail(kUsage, "name what to adopt: --label-prefix zeb-worker-vast- or instance ids");
  }
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        return s.commands().AdoptInstances(context, request, answer);
      },
      Cat("Take these instances into fleet/", request.fleet(), "?"),
      [&](const api::Plan& plan) -> int {
        const bool any = std::any_of(
            plan.steps().begin(), plan.steps().end(),
            [](const api::PlanStep& step) { return absl::StartsWith(step.text(), "adopts "); });
        if (any) return kOk;
        if (request.label_prefix().empty()) {
          return s.Fail(kNotFound, "every one of these instances is a worker already");
        }
        return s.Fail(kNotFound, Cat("no running instance is labelled ", request.label_prefix(),
                                     " + number, but for those that are workers already"));
      });
}

}  // namespace

std::vector<Verb> WorkerVerbs() {
  const Flag reason = {"reason", 0, "TEXT", "kept in the log"};
  return {
      {{"logs",
        "WORKER",
        1,
        1,
        "Prints the end of a worker's log, also when its machine is gone.",
        {{"follow", 'f', "", "go on with new lines until Ctrl-C"},
         {"tail", 0, "N", "at most the last N lines"},
         {"refresh", 0, "", "fetch now instead of showing the kept tail"}},
        "Takes no --at: of each worker the newest tail alone is kept, beside the log. What was "
        "read\n"
        "from it then: muster explain worker/ID --at, muster events worker/ID --at\n"},
       Logs},
      {{"ssh",
        "WORKER [COMMAND...]",
        1,
        64,
        "Opens SSH to a worker; prints the command when piped or with --print.",
        {{"print", 'p', "", "print the command, do not run it"}},
        "Takes no --at: it goes where the machine is now. Where it was then: muster describe "
        "--at\n"},
       Ssh},
      {{"replace",
        "WORKER",
        1,
        1,
        "Destroys a worker; the fleet rents another for its slot.",
        {YesFlag(),
         DryRunFlag(),
         WaitFlag(),
         RequestIdFlag(),
         reason,
         {"strike", 0, "", "also strike the machine"}}},
       Replace},
      {{"destroy",
        "WORKER",
        1,
        1,
        "Destroys a worker and makes the fleet one smaller.",
        {YesFlag(),
         DryRunFlag(),
         WaitFlag(),
         RequestIdFlag(),
         reason,
         {"keep-size", 0, "", "the fleet keeps its size and rents another"}}},
       Destroy},
      {{"adopt",
        "FLEET [INSTANCE...]",
        1,
        64,
        "Takes running instances (of the old scripts, or orphans) into a fleet untouched.",
        {{"label-prefix", 'l', "PREFIX", "all labelled PREFIX followed by an index"},
         YesFlag(),
         DryRunFlag(),
         RequestIdFlag()}},
       Adopt},
  };
}

}  // namespace muster::cli
