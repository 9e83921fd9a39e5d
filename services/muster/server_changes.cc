// server: what changes one. Each shows its plan, asks, and carries out that plan or nothing.
#include <utility>

#include "services/files/builder_file.h"
#include "services/muster/render.h"
#include "services/muster/server_verbs.h"

namespace muster::cli {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(2);
constexpr int kTransientMax = 5;

// ---- one change -------------------------------------------------------------------------------

void PrintLines(std::ostream& out, const char* mark,
                const google::protobuf::RepeatedPtrField<std::string>& lines) {
  for (const std::string& line : lines) out << "  " << mark << " " << line << "\n";
}

// A plan that destroys shows every command; of others the commands over SSH are counted only.
void PrintPlan(Session& s, const std::string& title, const api::ServerPlan& plan) {
  std::ostream& out = s.args.Has("dry-run") ? s.env.out : s.env.err;
  out << "plan " << plan.plan_id() << "  " << title << "\n";
  PrintLines(out, "=", plan.checks());
  const bool all = s.args.Has("steps") || s.args.Has("dry-run");
  int hidden = 0;
  for (const std::string& line : plan.actions()) {
    if (all || !line.starts_with("    ")) {
      out << "  > " << line << "\n";
    } else {
      ++hidden;
    }
  }
  if (hidden > 0) out << "    (" << hidden << " lines of shell not shown: --steps)\n";
  for (const api::ServerDisk& disk : plan.disks_lost()) {
    out << "  - " << (disk.identity().empty() ? disk.path() : disk.identity()) << "  "
        << disk.model() << "  " << disk.bytes() / 1'000'000'000 << " GB"
        << (disk.holds().empty() ? "" : Cat("  holds ", disk.holds())) << "\n";
  }
  PrintLines(out, "$", plan.costs());
  PrintLines(out, "!", plan.warnings());
}

struct Change {
  std::string title;
  std::string question;
  std::string name;  // of the server, for what has to be typed
  // Makes the call; the plan's id and the typed name are "" while it is only planned.
  std::function<grpc::Status(grpc::ClientContext*, const Attempt&, const std::string& plan_id,
                             const std::string& typed, api::ServerChange*)>
      call;
};

// The name as typed: by --confirm, or on the terminal. "" = not typed.
std::string AskName(Session& s, const std::string& name) {
  if (s.args.Has("confirm")) return s.args.Get("confirm");
  if (!s.env.in_is_terminal) {
    s.env.err << "muster: this destroys what cannot be brought back; add --confirm " << name
              << "\n";
    return "";
  }
  s.env.err << "This cannot be undone. Type the server's name to go on: " << std::flush;
  std::string typed;
  std::getline(s.env.in, typed);
  if (typed != name) s.env.err << "nothing done\n";
  return typed;
}

// kOk with `change` filled when it was carried out; `done` false when it was only shown or refused.
int Carry(Session& s, const Change& change, api::ServerChange& out, bool& done) {
  done = false;
  api::ServerChange planned;
  auto context = s.Context();
  grpc::Status status = change.call(context.get(), {.validate_only = true}, "", "", &planned);
  if (!status.ok()) return s.Fail(status);
  const bool dry = s.args.Has("dry-run");
  if (!dry || !s.PrintStructured(planned, {planned.plan().plan_id()})) {
    PrintPlan(s, change.title, planned.plan());
  }
  if (dry) return kOk;
  const std::string wanted = s.args.Get("plan", planned.plan().plan_id());
  std::string typed;
  if (planned.plan().needs_name()) {
    typed = AskName(s, change.name);
    if (typed != change.name) return s.env.in_is_terminal && typed.empty() ? kOk : kRefused;
  } else if (!s.Confirm(change.question)) {
    return s.env.in_is_terminal ? kOk : kRefused;
  }
  context = s.Context();
  const Attempt attempt{.request_id = s.RequestId()};
  status = change.call(context.get(), attempt, wanted, typed, &out);
  if (!status.ok()) return s.Fail(status);
  done = true;
  return kOk;
}

Change OrderOf(Session& s, const specpb::ServerSpec& spec) {
  Change change;
  change.name = spec.name();
  change.title = Cat("order server/", spec.name());
  change.question = Cat("Order server/", spec.name(), " and pay for it?");
  change.call = [&s, spec](grpc::ClientContext* context, const Attempt& attempt,
                           const std::string& plan_id, const std::string&,
                           api::ServerChange* answer) {
    api::OrderServerRequest request;
    *request.mutable_spec() = spec;
    request.set_validate_only(attempt.validate_only);
    request.set_request_id(attempt.request_id);
    request.set_plan_id(plan_id);
    return s.commands().OrderServer(context, request, answer);
  };
  return change;
}

Change StepOf(Session& s, const std::string& name, const std::string& step) {
  Change change;
  change.name = name;
  change.title = Cat(step, " server/", name);
  change.question = Cat("Carry out ", step, " of server/", name, "?");
  change.call = [&s, name, step](grpc::ClientContext* context, const Attempt& attempt,
                                 const std::string& plan_id, const std::string& typed,
                                 api::ServerChange* answer) {
    api::StepServerRequest request;
    request.set_server(name);
    request.set_step(step);
    request.set_validate_only(attempt.validate_only);
    request.set_request_id(attempt.request_id);
    request.set_plan_id(plan_id);
    request.set_confirm_name(typed);
    return s.commands().StepServer(context, request, answer);
  };
  return change;
}

// ---- following it -----------------------------------------------------------------------------

bool Busy(const api::Server& server) {
  return !server.running_step().empty() || server.state() == "ordering" ||
         server.state() == "order unclear" || server.state() == "ordered" ||
         server.state() == "being given back";
}

// While a step runs its clock goes on, which is no news.
void SayNews(Session& s, const api::Server& server, std::string& last, ProgressLine& progress) {
  std::string news = server.state();
  const bool told = server.running_step().empty() && !server.detail().empty();
  if (told) news += Cat(": ", server.detail());
  if (news != last) s.env.err << "  " << news << "\n";
  last = news;
  progress.Show(server);
}

// Until nothing is under way. kOk with the server as it is then.
int Follow(Session& s, const std::string& name, api::Server& server, std::string& last) {
  ProgressLine progress(s);
  while (true) {
    progress.Clear();
    if (const int code = FetchServer(s, name, server)) return code;
    SayNews(s, server, last, progress);
    const bool stuck = server.needs_operator() && server.running_step().empty();
    if (stuck || !Busy(server)) return kOk;
    if (!s.env.pause(kLookEvery)) {
      progress.Clear();
      s.env.err << "it goes on by itself; next: muster server up " << name << "\n";
      return kInterrupted;
    }
  }
}

int Verdict(Session& s, const api::Server& server) {
  if (server.needs_operator() || server.state().ends_with(" failed")) {
    return s.Fail(kPartlyDone, Cat("server/", server.name(), " is ", server.state(),
                                   server.detail().empty() ? "" : Cat(": ", server.detail()),
                                   server.next().empty() ? "" : Cat("\nnext: ", server.next())));
  }
  return kOk;
}

int Finish(Session& s, const api::ServerChange& change) {
  const std::string& name = change.server().name();
  if (!s.args.Has("wait")) {
    if (s.PrintStructured(change, {Cat("server/", name)})) return kOk;
    s.env.out << "server/" << name << "  " << change.server().state() << "\n";
    s.env.err << "next: muster server wait " << name << "\n";
    return kOk;
  }
  api::Server server;
  std::string last;
  if (const int code = Follow(s, name, server, last)) return code;
  if (!s.PrintStructured(server, {Cat("server/", name)})) {
    s.env.out << "server/" << name << "  " << server.state() << "\n";
  }
  return Verdict(s, server);
}

int Once(Session& s, const Change& change) {
  api::ServerChange out;
  bool done = false;
  const int code = Carry(s, change, out, done);
  return code != kOk || !done ? code : Finish(s, out);
}

// ---- up ---------------------------------------------------------------------------------------

// Whether there is one of this name that is alive; an order that came to nothing is not.
int Exists(Session& s, const std::string& name, api::Server& server, bool& exists) {
  api::ListServersResponse all;
  if (const int code = s.Ask(&Queries::ListServers, api::ListServersRequest(), all)) return code;
  exists = false;
  for (const api::Server& each : all.servers()) {
    if (each.name() != name && each.id() != name) continue;
    server = each;
    exists = each.state() != "order refused" && each.state() != "not ordered";
  }
  return kOk;
}

int OrderFirst(Session& s, const specpb::ServerSpec& spec) {
  api::ServerChange out;
  bool done = false;
  const int code = Carry(s, OrderOf(s, spec), out, done);
  if (code != kOk) return code;
  return done ? kOk : kRefused;
}

// From wherever it is to where it serves, a step at a time.
int GoOn(Session& s, const std::string& name) {
  std::string last;
  for (int transient = 0;;) {
    api::Server server;
    if (const int code = Follow(s, name, server, last)) return code;
    if (server.needs_operator()) return Verdict(s, server);
    if (server.next_step().empty()) {
      s.env.out << "server/" << name << "  " << server.state() << "\n";
      return server.state().starts_with("in service") ? kOk : Verdict(s, server);
    }
    if (server.state().ends_with(" failed")) {
      if (++transient > kTransientMax) return Verdict(s, server);
      if (!s.env.pause(kLookEvery * (1 << transient))) return kInterrupted;
    }
    api::ServerChange out;
    bool done = false;
    if (const int code = Carry(s, StepOf(s, name, server.next_step()), out, done)) return code;
    if (!done) return kRefused;
  }
}

int Up(Session& s, const std::string& given) {
  std::string name = given;
  if (s.args.Has("file")) {
    const auto spec = LoadBuilderFile(s.args.Get("file"));
    if (!spec.ok()) return s.Fail(spec.status());
    if (!name.empty() && name != spec->name()) {
      return s.Fail(kUsage,
                    Cat(s.args.Get("file"), " is of server ", spec->name(), ", not ", name));
    }
    name = spec->name();
    api::Server server;
    bool exists = false;
    if (const int code = Exists(s, name, server, exists)) return code;
    if (!exists) {
      const int code = OrderFirst(s, *spec);
      if (code != kOk || s.args.Has("dry-run")) return s.args.Has("dry-run") ? kOk : code;
    }
  }
  return GoOn(s, name);
}

int Order(Session& s, const std::string&) {
  if (!s.args.Has("file")) return s.Fail(kUsage, "muster server order -f BUILDER.yaml");
  const auto spec = LoadBuilderFile(s.args.Get("file"));
  if (!spec.ok()) return s.Fail(spec.status());
  return Once(s, OrderOf(s, *spec));
}

// ---- giving it back ---------------------------------------------------------------------------

int Cancel(Session& s, const std::string& name) {
  api::Server server;
  if (const int code = FetchServer(s, name, server)) return code;
  const std::string date = s.args.Get("date", "now"), reason = s.args.Get("reason");
  Change change;
  change.name = server.name();
  change.title =
      Cat("give back server/", server.name(), date == "now" ? " now" : Cat(" on ", date));
  change.question = Cat("Cancel server/", server.name(), " for ", date, "?");
  change.call = [&s, name, date, reason](grpc::ClientContext* context, const Attempt& attempt,
                                         const std::string& plan_id, const std::string& typed,
                                         api::ServerChange* answer) {
    api::CancelServerRequest request;
    request.set_server(name);
    request.set_date(date);
    request.set_reason(reason);
    request.set_validate_only(attempt.validate_only);
    request.set_request_id(attempt.request_id);
    request.set_plan_id(plan_id);
    request.set_confirm_name(typed);
    return s.commands().CancelServer(context, request, answer);
  };
  if (!s.args.Has("show")) return Once(s, change);
  api::ServerChange planned;
  const auto context = s.Context();
  const grpc::Status status = change.call(context.get(), {.validate_only = true}, "", "", &planned);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(planned, {planned.plan().plan_id()})) return kOk;
  for (const std::string& line : planned.plan().checks()) s.env.out << line << "\n";
  for (const std::string& line : planned.plan().costs()) s.env.out << line << "\n";
  return kOk;
}

int Revoke(Session& s, const std::string& name) {
  Change change;
  change.name = name;
  change.title = Cat("revoke the cancellation of server/", name);
  change.question = Cat("Keep server/", name, " and go on paying for it?");
  change.call = [&s, name](grpc::ClientContext* context, const Attempt& attempt, const std::string&,
                           const std::string&, api::ServerChange* answer) {
    api::RevokeServerCancellationRequest request;
    request.set_server(name);
    request.set_validate_only(attempt.validate_only);
    request.set_request_id(attempt.request_id);
    return s.commands().RevokeServerCancellation(context, request, answer);
  };
  return Once(s, change);
}

int Settle(Session& s, const std::string& name) {
  Change change;
  change.name = name;
  change.title = Cat("settle the order of server/", name);
  change.question = Cat("Was nothing bought for server/", name, "?");
  change.call = [&s, name](grpc::ClientContext* context, const Attempt& attempt, const std::string&,
                           const std::string&, api::ServerChange* answer) {
    api::SettleServerRequest request;
    request.set_server(name);
    request.set_reason(s.args.Get("reason"));
    request.set_validate_only(attempt.validate_only);
    request.set_request_id(attempt.request_id);
    return s.commands().SettleServer(context, request, answer);
  };
  return Once(s, change);
}

ServerWord Step(std::string word, std::string step, std::string help) {
  return {std::move(word), std::move(help), true,
          [step](Session& s, const std::string& name) { return Once(s, StepOf(s, name, step)); }};
}

}  // namespace

std::vector<ServerWord> ServerChanges() {
  return {
      {"up", "the whole way into service, from wherever it is; goes on after Ctrl-C or a crash",
       true, Up},
      {"order", "orders the best offer of a builder file", false, Order},
      Step("rescue", "rescue", "resets it into its rescue system, whose new keys are pinned"),
      Step("inspect", "inspect", "reads its hardware and the identity of its disks"),
      Step("install", "prepare", "wipes the disks of the plan and puts the system on them"),
      Step("boot", "boot", "boots what was installed and proves its key"),
      Step("register", "register", "writes its line into the machines file of Nix"),
      Step("validate", "validate", "has a fresh build done that only it can do"),
      Step("unregister", "unregister", "takes its line out of the machines file"),
      {"cancel", "gives it back: now, or on --date", true, Cancel},
      {"revoke", "takes a cancellation for a later day back", true, Revoke},
      {"settle", "says that an order in doubt bought nothing", true, Settle},
  };
}

}  // namespace muster::cli
