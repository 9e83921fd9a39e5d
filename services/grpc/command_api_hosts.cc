// CommandApi: what is asked of machines, and of the log itself.
#include <algorithm>

#include "services/grpc/command_api.h"
#include "services/grpc/plan_convert.h"

namespace muster::grpc_api {
namespace {

// As long as strikes of our own do by default. The old list never forgot a machine.
constexpr absl::Duration kImportedStrikesCount = absl::Hours(30 * 24);

}  // namespace

Task<StatusOr<api::PardonHostResponse>> CommandApi::PardonHost(api::PardonHostRequest message,
                                                               Caller caller) {
  const Request request = book_.Begin("pardon", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::PardonHostResponse>(request));
  if (first.has_value()) co_return *first;
  const ProviderName provider(message.provider());
  const MachineId machine(message.machine());
  const host::State* host = handler_.world().FindHost(provider, machine);
  if (host == nullptr) {
    co_return Refusal(StatusCode::kNotFound, "HOST_NOT_FOUND",
                      Cat("no machine ", machine.str(), " of ", provider.str(), " is known"),
                      {{"next", "muster hosts lists those with strikes"}});
  }
  api::PardonHostResponse answer;
  answer.set_strikes_cleared(static_cast<int>(host->strikes.size()));
  if (request.validate_only) co_return answer;
  host::Pardon pardon{message.reason()};
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Host(provider, machine, std::move(pardon), request.origin));
  co_return co_await book_.Finish(request, answer, outcome.position);
}

Task<StatusOr<api::ImportBadHostsResponse>> CommandApi::ImportBadHosts(
    api::ImportBadHostsRequest message, Caller caller) {
  const Request request = book_.Begin("import", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ImportBadHostsResponse>(request));
  if (first.has_value()) co_return *first;
  const BadHosts parsed = ParseBadHosts(message.content());
  api::ImportBadHostsResponse answer;
  for (const std::string& problem : parsed.problems) answer.add_problems(problem);
  const ProviderName provider(message.provider().empty() ? "vast" : message.provider());
  std::uint64_t position = handler_.world().head;
  for (const auto& [machine, strikes] : parsed.strikes) {
    answer.set_machines(answer.machines() + 1);
    answer.set_strikes(answer.strikes() + strikes);
    if (request.validate_only) continue;
    Origin origin = request.origin;
    if (!origin.idempotency_key.empty()) origin.idempotency_key += Cat("/", machine.str());
    const host::ImportStrikes import{message.file_name(), strikes,
                                     rt_.Now() + kImportedStrikesCount};
    CO_ASSIGN_OR_RETURN(const Outcome outcome,
                        co_await handler_.Host(provider, machine, import, origin));
    position = std::max<std::uint64_t>(position, outcome.position);
  }
  if (request.validate_only) co_return answer;
  co_return co_await book_.Finish(request, answer, position);
}

Task<StatusOr<api::BackupStoreResponse>> CommandApi::BackupStore(api::BackupStoreRequest, Caller) {
  if (!hooks_.backup) {
    co_return Refusal(StatusCode::kFailedPrecondition, "NO_BACKUP",
                      "this daemon's log is kept in memory only");
  }
  co_return co_await hooks_.backup();
}

Task<StatusOr<api::TestNotifyTargetResponse>> CommandApi::TestNotifyTarget(
    api::TestNotifyTargetRequest request, Caller) {
  if (!hooks_.test_notify) {
    co_return Refusal(StatusCode::kFailedPrecondition, "NO_TARGETS",
                      "nobody is told what happens: no target is configured",
                      {{"next", "name one below notify.targets; see deploy/notify/README.md"}});
  }
  std::string target = request.target();
  co_return co_await hooks_.test_notify(std::move(target));
}

}  // namespace muster::grpc_api
