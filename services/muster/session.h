// Session: one command's connection to the daemon, its flags and its way of speaking.
//
// Made once per command by RunCli; verbs get it by reference. Single-threaded.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "muster/api/v1/audit.grpc.pb.h"
#include "muster/api/v1/command.grpc.pb.h"
#include "muster/api/v1/query.grpc.pb.h"
#include "services/muster/args.h"
#include "services/muster/cli.h"
#include "services/muster/render.h"

namespace muster::cli {

using Queries = api::QueryService::StubInterface;

class Session {
 public:
  Session(CliEnv& environment, Args arguments);

  CliEnv& env;
  const Args args;

  api::CommandService::StubInterface& commands();
  Queries& queries();
  api::AuditService::StubInterface& audit();

  // A context whose deadline is --timeout (default 30 s) from now.
  std::unique_ptr<grpc::ClientContext> Context() const;
  // A context for a stream that ends by itself or by Ctrl-C.
  std::unique_ptr<grpc::ClientContext> StreamContext() const;

  // Makes a call for which the daemon may have to ask a provider, whose pages come seconds apart:
  // who waits long is told on stderr.
  grpc::Status Patiently(absl::FunctionRef<grpc::Status()> call);

  bool Color() const { return color_; }
  std::string Output() const { return args.Get("output", "table"); }
  bool Wide() const { return Output() == "wide"; }
  int Columns() const { return Wide() || !env.out_is_terminal ? 0 : env.columns; }

  // Prints `message` when -o asks for json or yaml; false when the verb shall print its table.
  // -o name prints `names`, one a line.
  bool PrintStructured(const google::protobuf::Message& message,
                       const std::vector<std::string>& names);

  // Says on stderr what went wrong and returns the exit code for it.
  int Fail(const grpc::Status& status);
  int Fail(ExitCode code, std::string_view message);
  int Fail(const Status& status);  // of our own parsing: kFailed

  // Asks on a terminal. Without one: true with --yes, else says what is needed; false.
  bool Confirm(const std::string& question);
  // The moment that --at names, by position or time; unset without the flag.
  // kInvalidArgument  neither; the message says what was expected
  StatusOr<api::AsOf> AsOf() const { return AsOf("at"); }
  // The same of another flag.
  StatusOr<api::AsOf> AsOf(const std::string& flag) const;
  // Asks as of the moment of --at. kOk with `answer` filled; else what went wrong has been told,
  // and this is the exit code for it.
  template <class Request, class Answer>
  int Ask(grpc::Status (Queries::*method)(grpc::ClientContext*, const Request&, Answer*),
          Request request, Answer& answer) {
    const StatusOr<api::AsOf> moment = AsOf();
    if (!moment.ok()) return Fail(kUsage, Message(moment.status()));
    *request.mutable_as_of() = *moment;
    const auto context = Context();
    const grpc::Status status =
        Patiently([&] { return (queries().*method)(context.get(), request, &answer); });
    return status.ok() ? static_cast<int>(kOk) : Fail(status);
  }
  // The daemon's clock at that moment; what ages in an answer count from.
  absl::Time Clock();
  // kInvalidArgument  a flag that every verb has makes no sense; says what was expected
  // kNotFound         a TLS file cannot be read
  Status CheckFlags() const;
  std::string RequestId();  // --request-id or a fresh one
  std::string address() const { return address_; }

 private:
  void Connect();

  std::string address_;
  bool color_ = false;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<api::CommandService::StubInterface> commands_;
  std::unique_ptr<Queries> queries_;
  std::unique_ptr<api::AuditService::StubInterface> audit_;
};

// Every write goes the same way: show the plan, stop there with --dry-run, ask, do, and with
// --wait follow the operation to its end. `call` is made once or twice.
struct Attempt {
  bool validate_only = false;
  std::string request_id;
};
using PlannedCall =
    std::function<grpc::Status(grpc::ClientContext*, const Attempt&, api::Operation*)>;
// Looks at the plan before it is shown; another code than kOk ends the command with it.
using PlanCheck = std::function<int(const api::Plan&)>;
int PlanAskDo(Session& session, const PlannedCall& call, const std::string& question,
              const PlanCheck& check = nullptr);

enum class Manner {
  kUsual,
  kLocal,     // needs no daemon, so a bad address is no matter
  kNameless,  // what it shows has no names for -o name
  kStudy,     // needs no daemon either, and shows text or json
};

// One verb: what it takes and what it does.
struct Verb {
  VerbSpec spec;
  std::function<int(Session&)> run;
  Manner manner = Manner::kUsual;
};

// The verbs, by file.
std::vector<Verb> FleetVerbs();    // plan apply status scale down
std::vector<Verb> LookVerbs();     // get describe
std::vector<Verb> WorkerVerbs();   // logs ssh replace destroy adopt
std::vector<Verb> MoneyVerbs();    // offers hosts stats cost
std::vector<Verb> HistoryVerbs();  // events explain watch
std::vector<Verb> SetupVerbs();    // init doctor
std::vector<Verb> StudyVerbs();    // simulate market
std::vector<Verb> AuditVerbs();    // audit
std::vector<Verb> ProveVerbs();    // prove
std::vector<Verb> ShadowVerbs();   // shadow
std::vector<Verb> ReplayVerbs();   // replay bundle
std::vector<Verb> NotifyVerbs();   // notify
std::vector<Verb> ServerVerbs();   // server

// Flags that several verbs share.
Flag YesFlag();
Flag DryRunFlag();
Flag RequestIdFlag();
Flag WaitFlag();
Flag DetailedFlag();
Flag WatchFlag();
Flag AtFlag();

// What several verbs show.
int ShowFleets(Session& session, const std::string& only, bool with_accounts);
int ShowHosts(Session& session);
// "fleet/zeb" and "zeb" -> "zeb", of kind "fleet".
std::string WithoutKind(const std::string& name, const std::string& kind);
Style StyleOf(const Session& session);

// Runs `once` and, with --watch, again every two seconds until interrupted.
int Repeat(Session& session, const std::function<int()>& once);

}  // namespace muster::cli
