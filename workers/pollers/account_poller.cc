#include "workers/pollers/account_poller.h"

#include <utility>

namespace muster {

Task<void> AccountPoller::Run() {
  while (true) {
    const bool due = co_await turns_.Next([this] {
      return context_.Interval(&specpb::Timers::account_poll_s, context_.options.account_poll);
    });
    if (!due) co_return;
    co_await PollOnce();
  }
}

Task<void> AccountPoller::PollOnce() {
  const absl::Time begun = context_.Now();
  const absl::Time deadline = begun + context_.options.call_timeout;
  Task<StatusOr<Account>> call = context_.link.provider.GetAccount(deadline);
  const StatusOr<Account> account = co_await context_.group.Away(std::move(call));
  if (context_.group.stopping()) co_return;
  context_.reporter.Report("account", account.status());
  if (!account.ok()) co_return;
  const std::optional<std::int64_t> credit = MicrosFromDouble(account->credit_usd);
  if (!credit.has_value()) co_return;
  context_.freshness.account = begun;
  const account::ObserveCredit observed{
      MicroUsd(*credit), MicroUsd(MicrosFromDouble(account->balance_usd).value_or(0))};
  Origin origin{.actor = "poller:account"};
  const StatusOr<Outcome> outcome =
      co_await context_.link.handler.Account(context_.provider(), observed, std::move(origin));
  (void)outcome.ok();  // not stored: the next poll says the same
}

}  // namespace muster
