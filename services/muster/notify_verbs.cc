// notify: who is told what happens, how far each of them is, and whether one can be reached.
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

std::string StateOf(const api::NotifyTarget& target, absl::Time now) {
  if (!target.error().empty()) {
    std::string text = Cat("failed ", Ago(target.error_at(), now), ": ", target.error());
    if (target.has_next_try_at()) {
      text += Cat("; next try at ", FormatClock(FromProto(target.next_try_at())));
    }
    return text;
  }
  if (target.has_next_try_at()) {
    return Cat("at its limit until ", FormatClock(FromProto(target.next_try_at())));
  }
  return target.waiting() > 0 ? "sending" : "ok";
}

int Targets(Session& s) {
  api::ListNotifyTargetsResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.queries().ListNotifyTargets(context.get(), {}, &answer);
  if (!status.ok()) return s.Fail(status);
  std::vector<std::string> names;
  for (const api::NotifyTarget& target : answer.targets()) names.push_back(target.name());
  if (s.PrintStructured(answer, names)) return kOk;
  if (answer.targets().empty()) {
    s.env.err << "nobody is told what happens\nnext: name targets below notify in the daemon's "
                 "configuration; deploy/notify/README.md\n";
    return kOk;
  }
  const absl::Time now = FromProto(answer.now());
  Table table({"TARGET", "TYPE", ">SERVED", ">BEHIND", ">WAITING", ">SENT", ">FAILED", ">DROPPED",
               "ARRIVED", "STATE"});
  for (const api::NotifyTarget& target : answer.targets()) {
    table.Row({target.name(), target.type(), Cat(target.position()), Cat(target.behind()),
               Cat(target.waiting()), Cat(target.sent()), Cat(target.failed()),
               Cat(target.dropped()), Ago(target.arrived_at(), now), StateOf(target, now)});
  }
  table.Print(s.env.out, s.Columns());
  return kOk;
}

int Test(Session& s, const std::string& name) {
  api::TestNotifyTargetRequest request;
  request.set_target(name);
  api::TestNotifyTargetResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.commands().TestNotifyTarget(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(answer, {answer.message()})) {
    s.env.out << (answer.arrived() ? "arrived" : "NOT ARRIVED") << " after " << answer.took_ms()
              << " ms: " << answer.answer() << "  (message " << answer.message() << ")\n";
  }
  return answer.arrived() ? kOk : kFailed;
}

int Notify(Session& s) {
  const std::string& what = s.args.positional()[0];
  const bool has_more = s.args.positional().size() > 1;
  if (what == "status" && !has_more) return Targets(s);
  if (what == "test" && has_more) return Test(s, s.args.positional()[1]);
  if (what == "test") return s.Fail(kUsage, "notify test: expected the name of a target");
  if (what == "status") return s.Fail(kUsage, "notify status: takes no more arguments");
  return s.Fail(kUsage, Cat("notify \"", what, "\": expected status or test TARGET"));
}

}  // namespace

std::vector<Verb> NotifyVerbs() {
  return {
      {{"notify",
        "status|test TARGET",
        1,
        2,
        "Who is told what happens: how far each is, and whether it can be reached.",
        {},
        "status       each target: served up to which position, events behind, what arrived, the "
        "last error\n"
        "test TARGET  sends a message that says that it is a test, and what came back; exit 1 when "
        "it did not arrive\n"
        "Targets and rules stand in the daemon's configuration; what is promised, and a receiver: "
        "deploy/notify/README.md\n"
        "Takes no --at: targets are those of the configuration of now. How far one was told then: "
        "muster events notify/TARGET --at\n"},
       Notify},
  };
}

}  // namespace muster::cli
