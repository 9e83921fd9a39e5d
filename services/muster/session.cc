#include "services/muster/session.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <chrono>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "services/files/fleet_file.h"
#include "services/files/human_units.h"
#include "services/files/spec_check.h"
#include "services/files/whole_file.h"
#include "services/muster/slow_note.h"
#include "services/muster/table.h"

namespace muster::cli {
namespace {

// The first detail of this kind that came with the error; empty when there is none.
template <class Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  Detail detail;
  if (!details.ParseFromString(status.error_details())) return detail;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return Detail();
}

std::string DefaultAddress(const CliEnv& env) {
  if (const auto set = env.getenv("MUSTER_ADDRESS")) return *set;
  if (const auto dir = env.getenv("XDG_RUNTIME_DIR")) {
    return Cat("unix://", *dir, "/muster/musterd.sock");
  }
  return "unix:///run/muster/musterd.sock";
}

// "" of no file.
StatusOr<std::string> Slurp(const std::string& path) {
  if (path.empty()) return std::string();
  return ReadWholeFile(path);
}

StatusOr<absl::Duration> TimeoutOf(const Args& args) {
  const std::string text = args.Get("timeout", "30s");
  absl::Duration timeout;
  if (absl::ParseDuration(text, &timeout) && timeout > absl::ZeroDuration()) return timeout;
  const auto seconds = ParseSpan(text);
  if (seconds.ok() && *seconds > 0) return absl::Seconds(*seconds);
  return InvalidArgument(Cat("--timeout ", text, ": expected a span such as 30s, 10m or 2h"));
}

// What gRPC is to dial for `address`, in one of the two spellings that a daemon listens on.
Status CheckAddress(const std::string& address) {
  const std::string expected =
      Cat("address \"", address, "\": expected unix:///ABSOLUTE/PATH or HOST:PORT");
  if (absl::StartsWith(address, "unix:")) {
    const std::size_t path = absl::StartsWith(address, "unix://") ? 7 : 5;
    const bool absolute =
        address.size() > path + 1 && address[path] == '/' && address.back() != '/';
    return absolute ? absl::OkStatus() : InvalidArgument(expected);
  }
  const std::size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return InvalidArgument(expected);
  }
  const std::string host = address.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (host.find('/') != std::string::npos || (host.find(':') != std::string::npos && !bracketed)) {
    return InvalidArgument(expected);
  }
  return absl::OkStatus();
}

// A file of the user's that the daemon refused is no misuse of the command.
bool IsAboutTheSpec(const grpc::Status& status) {
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  for (const auto& violation : bad.field_violations()) {
    if (absl::StartsWith(violation.field(), "spec")) return true;
  }
  return false;
}

// The stable reason of google.rpc.ErrorInfo, "" when there is none.
google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status);
}

ExitCode CodeFor(const grpc::Status& status, const std::string& reason) {
  if (reason == "AMBIGUOUS") return kNotFound;
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return IsAboutTheSpec(status) ? kFailed : kUsage;
    case grpc::StatusCode::OUT_OF_RANGE:
      return kUsage;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::ABORTED:
      return kRefused;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return kNotAuthorised;
    case grpc::StatusCode::NOT_FOUND:
      return kNotFound;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return kTimedOut;
    case grpc::StatusCode::CANCELLED:
      return kInterrupted;
    default:
      return kFailed;
  }
}

}  // namespace

Session::Session(CliEnv& environment, Args arguments)
    : env(environment), args(std::move(arguments)) {
  address_ = args.Get("address", DefaultAddress(env));
  color_ = env.out_is_terminal && !args.Has("no-color") && !env.getenv("NO_COLOR").has_value();
}

Status Session::CheckFlags() const {
  MUSTER_RETURN_IF_ERROR(TimeoutOf(args).status());
  MUSTER_RETURN_IF_ERROR(CheckAddress(address_));
  for (const char* flag : {"tls-ca", "tls-cert", "tls-key"}) {
    const auto text = Slurp(args.Get(flag));
    if (!text.ok()) return NotFound(Cat("--", flag, ": ", Message(text.status())));
  }
  return absl::OkStatus();
}

void Session::Connect() {
  if (channel_ != nullptr) return;
  std::string target = address_;
  // gRPC spells an absolute path unix:/path or unix:///path; both reach it unchanged.
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (args.Has("tls-ca") || args.Has("tls-cert")) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = Slurp(args.Get("tls-ca")).value_or("");
    tls.pem_cert_chain = Slurp(args.Get("tls-cert")).value_or("");
    tls.pem_private_key = Slurp(args.Get("tls-key")).value_or("");
    credentials = grpc::SslCredentials(tls);
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  // A proxy of the environment is for the web; the daemon is ours and near.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (absl::StartsWith(target, "unix:")) arguments.SetString("grpc.default_authority", "localhost");
  channel_ = grpc::CreateCustomChannel(target, credentials, arguments);
}

api::CommandService::StubInterface& Session::commands() {
  Connect();
  if (commands_ == nullptr) commands_ = api::CommandService::NewStub(channel_);
  return *commands_;
}

api::QueryService::StubInterface& Session::queries() {
  Connect();
  if (queries_ == nullptr) queries_ = api::QueryService::NewStub(channel_);
  return *queries_;
}

api::AuditService::StubInterface& Session::audit() {
  Connect();
  if (audit_ == nullptr) audit_ = api::AuditService::NewStub(channel_);
  return *audit_;
}

std::unique_ptr<grpc::ClientContext> Session::Context() const {
  auto context = StreamContext();
  context->set_deadline(std::chrono::system_clock::now() +
                        absl::ToChronoMilliseconds(TimeoutOf(args).value_or(absl::Seconds(30))));
  return context;
}

std::unique_ptr<grpc::ClientContext> Session::StreamContext() const {
  auto context = std::make_unique<grpc::ClientContext>();
  const std::string user = env.getenv("USER").value_or(env.user);
  context->AddMetadata("x-muster-actor", user.empty() ? "unknown" : user);
  return context;
}

bool Session::PrintStructured(const google::protobuf::Message& message,
                              const std::vector<std::string>& names) {
  const std::string form = Output();
  if (form == "name") {
    for (const std::string& name : names) env.out << name << "\n";
    return true;
  }
  if (form != "json" && form != "yaml") return false;
  const StatusOr<std::string> text = form == "json" ? ToJson(message) : ToYaml(message);
  if (text.ok()) {
    env.out << *text;
    if (form == "json" && !text->empty() && text->back() != '\n') env.out << "\n";
  } else {
    env.err << "muster: " << Message(text.status()) << "\n";
  }
  return true;
}

grpc::Status Session::Patiently(absl::FunctionRef<grpc::Status()> call) {
  const SlowNote note(
      env.err, env.patience,
      Cat("  musterd is at it; what it has to ask a provider comes at the pace that "
          "the provider allows (--timeout ",
          args.Get("timeout", "30s"), ")"));
  return call();
}

int Session::Fail(const grpc::Status& status) {
  const google::rpc::ErrorInfo info = ErrorInfoOf(status);
  // Without details the error is the transport's: nobody of ours has said anything.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && info.reason().empty()) {
    env.err << "muster: no musterd answers at " << address_
            << "; start it, or name another with --address or MUSTER_ADDRESS\n  ("
            << status.error_message() << ")\n";
    return kFailed;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && info.reason().empty()) {
    env.err << "muster: " << address_ << " did not answer within --timeout "
            << args.Get("timeout", "30s") << "\n";
    return kTimedOut;
  }
  const google::rpc::BadRequest bad = DetailOf<google::rpc::BadRequest>(status);
  if (args.Has("file") && bad.field_violations_size() > 0) {
    // The server speaks of fields; the user has a file in front of him.
    for (const auto& violation : bad.field_violations()) {
      const std::string field(absl::StripPrefix(violation.field(), "spec."));
      const std::string in_file = FilePathOf(field);
      env.err << "muster: " << PlaceInFile(args.Get("file"), in_file) << ": " << in_file << ": "
              << violation.description() << "\n";
    }
    return CodeFor(status, info.reason());
  }
  env.err << "muster: " << status.error_message() << "\n";
  if (!info.reason().empty()) env.err << "  reason: " << info.reason() << "\n";
  for (const auto& [key, value] : info.metadata()) {
    if (key == "next") env.err << "  next: " << value << "\n";
  }
  return CodeFor(status, info.reason());
}

int Session::Fail(ExitCode code, std::string_view message) {
  env.err << "muster: " << message << "\n";
  return code;
}

int Session::Fail(const Status& status) { return Fail(kFailed, Message(status)); }

bool Session::Confirm(const std::string& question) {
  if (args.Has("yes")) return true;
  if (!env.in_is_terminal) {
    env.err << "muster: not a terminal, so nothing was asked and nothing done; add --yes\n";
    return false;
  }
  env.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(env.in, answer);
  const bool yes = answer == "y" || answer == "Y" || answer == "yes";
  if (!yes) env.err << "nothing done\n";
  return yes;
}

StatusOr<api::AsOf> Session::AsOf(const std::string& flag) const {
  api::AsOf moment;
  if (!args.Has(flag)) return moment;
  const std::string text = args.Get(flag);
  std::uint64_t position = 0;
  if (absl::SimpleAtoi(text, &position)) {
    moment.set_position(position);
    return moment;
  }
  const std::string span = text.substr(0, text.rfind(" ago"));
  if (const auto seconds = ParseSpan(span); seconds.ok() && *seconds >= 0) {
    moment.set_seconds_ago(*seconds);
    return moment;
  }
  absl::Time time;
  std::string problem;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &problem)) {
    return InvalidArgument(Cat("--", flag, " \"", text,
                               "\": expected a time (2026-11-21T03:14:07Z), ",
                               "how long ago (90m) or a position in the log (48211)"));
  }
  moment.mutable_time()->set_seconds(absl::ToUnixSeconds(time));
  return moment;
}

absl::Time Session::Clock() {
  api::ListFleetsRequest request;
  const auto moment = AsOf();
  if (moment.ok()) *request.mutable_as_of() = *moment;
  api::ListFleetsResponse answer;
  const auto context = Context();
  (void)queries().ListFleets(context.get(), request, &answer);
  return FromProto(answer.now());
}

std::string Session::RequestId() {
  std::string given = args.Get("request-id");
  if (!given.empty()) return given;
  std::random_device device;
  return absl::StrFormat("cli-%08x%08x", device(), device());
}

Flag YesFlag() { return {"yes", 'y', "", "do it without asking"}; }
Flag DryRunFlag() { return {"dry-run", 'n', "", "show the plan and stop"}; }
Flag RequestIdFlag() {
  return {"request-id", 0, "ID", "repeat safely: the same id gives the first answer"};
}
Flag WaitFlag() { return {"wait", 'w', "", "stay until it is done (see --timeout)"}; }
Flag AtFlag() {
  return {"at", 0, "TIME|POSITION", "as it was then: 2026-11-21T03:14:07Z, 90m (ago), 48211"};
}
Flag WatchFlag() { return {"watch", 0, "", "again every two seconds until Ctrl-C"}; }

std::string WithoutKind(const std::string& name, const std::string& kind) {
  return absl::StartsWith(name, kind + "/") ? name.substr(kind.size() + 1) : name;
}

Style StyleOf(const Session& s) { return {s.Color(), s.Wide(), s.Columns()}; }

int Repeat(Session& session, const std::function<int()>& once) {
  if (!session.args.Has("watch")) return once();
  while (true) {
    if (session.env.out_is_terminal) session.env.out << "\x1b[H\x1b[2J";
    const int code = once();
    session.env.out << std::flush;
    if (code != kOk) return code;
    if (!session.env.pause(absl::Seconds(2))) return kInterrupted;
  }
}

}  // namespace muster::cli
