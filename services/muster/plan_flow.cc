#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

// "2 in BOOT (oldest 4s of 10m)" -> "2 in BOOT ": a clock that goes on is no news.
std::string WithoutClocks(const std::string& progress) {
  std::string kept;
  int depth = 0;
  for (const char c : progress) {
    if (c == '(') ++depth;
    if (depth == 0) kept += c;
    if (c == ')') --depth;
  }
  return kept;
}

// Follows the operation until it is done, saying each new line of progress.
int Await(Session& s, const api::Operation& started) {
  const auto context = s.Context();
  api::GetOperationRequest request;
  request.set_name(started.name());
  const auto reader = s.queries().WatchOperation(context.get(), request);
  api::Operation operation;
  std::string last;
  while (reader->Read(&operation)) {
    const std::string news = WithoutClocks(operation.progress());
    if (news != last) s.env.err << "  " << operation.progress() << "\n";
    last = news;
    if (operation.done()) break;
  }
  if (operation.done()) {
    context->TryCancel();
    (void)reader->Finish();
    return operation.error().empty() ? kOk : s.Fail(kPartlyDone, operation.error());
  }
  const grpc::Status status = reader->Finish();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return s.Fail(kTimedOut, Cat("not done within --timeout ", s.args.Get("timeout", "30s"),
                                 "; it goes on by itself: muster status"));
  }
  return s.Fail(status);
}

}  // namespace

int PlanAskDo(Session& s, const PlannedCall& call, const std::string& question,
              const PlanCheck& check) {
  const bool dry = s.args.Has("dry-run");
  api::Operation planned;
  auto context = s.Context();
  grpc::Status status =
      s.Patiently([&] { return call(context.get(), {.validate_only = true}, &planned); });
  if (!status.ok()) return s.Fail(status);
  if (const int code = check ? check(planned.plan()) : kOk; code != kOk) return code;
  if (!dry || !s.PrintStructured(planned, {planned.name()})) {
    PrintPlan(dry ? s.env.out : s.env.err, planned.plan(), {s.Color(), s.Wide(), s.Columns()});
  }
  if (dry) {
    return HasChanges(planned.plan()) && s.args.Has("detailed-exitcode") ? kChangesPending : kOk;
  }
  if (!s.Confirm(question)) return s.env.in_is_terminal ? kOk : kRefused;
  api::Operation done;
  context = s.Context();
  status = s.Patiently([&] { return call(context.get(), {.request_id = s.RequestId()}, &done); });
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(done, {done.name()})) s.env.out << done.progress() << "\n";
  return s.args.Has("wait") ? Await(s, done) : kOk;
}

}  // namespace muster::cli
