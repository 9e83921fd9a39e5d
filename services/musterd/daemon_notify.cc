// Who is told what happens: targets, alerts, and the walk over the log's chain made of the
// configuration.
#include <filesystem>
#include <set>
#include <system_error>

#include "services/grpc/convert.h"
#include "services/musterd/daemon.h"
#include "workers/notify/command_target.h"
#include "workers/notify/http_target.h"
#include "workers/os/os_program.h"

namespace muster {
namespace {

notify::NotifierOptions ToOptions(const NotifyConfig& config) {
  notify::NotifierOptions options;
  options.outbox = {config.repeat_after, config.digest_above};
  for (const NotifyRuleConfig& rule : config.rules) {
    options.rules.push_back({rule.to, rule.kinds, rule.rules, rule.fleets, rule.severity});
  }
  return options;
}

notify::AlertThresholds ToThresholds(const NotifyConfig& config) {
  return {.short_below = config.short_below,
          .short_for = config.short_for,
          .budget_near = config.budget_near,
          .disk_low_bytes = config.disk_low_bytes,
          .blind_for = config.blind_for};
}

void SetTime(absl::Time time, google::protobuf::Timestamp* (api::v1::NotifyTarget::*field)(),
             api::v1::NotifyTarget& out) {
  if (time != absl::InfinitePast()) *(out.*field)() = grpc_api::ToTimestamp(time);
}

}  // namespace

std::int64_t Daemon::FreeBytes() const {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(config_.store_path, error);
  return error ? -1 : static_cast<std::int64_t>(space.available);
}

notify::AlertInputs Daemon::AlertInputsNow() const {
  notify::AlertInputs inputs;
  const absl::Time now = rt_.Now();
  inputs.fleets = projector_->models().Fleets(now);
  std::set<ProviderName> in_use;
  for (const auto& [name, fleet] : engine_->handler().world().fleets) {
    if (!fleet.ended) in_use.insert(ProviderName(fleet.spec.provider()));
  }
  for (const auto& [name, ages] : engine_->freshness()) {
    inputs.providers.push_back({name, in_use.count(name) > 0, ages.list});
  }
  for (const auto& [id, state] : engine_->handler().world().servers) {
    if (!state.InService() || !state.vitals_at.seen()) continue;
    const std::string& why = state.vitals.detail();
    inputs.builders.push_back({state.name.str(), state.vitals.reached() ? ""
                                                 : why.empty()          ? "no reason was told"
                                                                        : why});
  }
  inputs.watching_since = started_at_;
  inputs.disk_free_bytes = FreeBytes();
  inputs.chain_problem = chain_watch_->problem();
  return inputs;
}

std::unique_ptr<NoticeTarget> Daemon::MakeTarget(const NotifyTargetConfig& target) {
  using Type = NotifyTargetConfig::Type;
  if (target.type == Type::kCommand) {
    return std::make_unique<CommandTarget>(*programs_, secrets_, target.command, target.timeout);
  }
  HttpTargetOptions options;
  options.shape = target.type == Type::kNtfy    ? HttpTargetOptions::Shape::kNtfy
                  : target.type == Type::kSlack ? HttpTargetOptions::Shape::kSlack
                                                : HttpTargetOptions::Shape::kWebhook;
  options.url = target.url;
  options.key_ref = target.key_ref;
  options.token_ref = target.token_ref;
  options.topic = target.topic;
  options.patience = target.timeout;
  return std::make_unique<HttpTarget>(PostPorts{rt_, *http_, secrets_}, std::move(options));
}

void Daemon::BeginNotify() {
  started_at_ = rt_.Now();
  chain_watch_ = std::make_unique<ChainWatch>(rt_, *store_);
  rt_.Spawn("chain", chain_watch_->Run());
  std::vector<notify::Notifier::Target> targets;
  targets.reserve(config_.notify.targets.size());
  for (const auto& [name, target] : config_.notify.targets) {
    targets.push_back({name,
                       MakeTarget(target),
                       {static_cast<double>(target.per_hour), static_cast<double>(target.burst)}});
  }
  notifier_ = std::make_unique<notify::Notifier>(
      notify::Notifier::Ports{rt_, *store_, engine_->handler(), secrets_}, std::move(targets),
      ToOptions(config_.notify));
  notifier_->Start();
  alert_watch_ = std::make_unique<notify::AlertWatch>(
      notify::AlertWatch::Ports{
          rt_, *store_, engine_->handler(), [this] { return AlertInputsNow(); },
          [this](std::string why) { notifier_->TellUnwritable(std::move(why)); }},
      notify::AlertWatchOptions{.thresholds = ToThresholds(config_.notify)});
  rt_.Spawn("alerts", alert_watch_->Run());
}

std::vector<api::v1::NotifyTarget> Daemon::NotifyTargets() const {
  using Target = api::v1::NotifyTarget;
  std::vector<Target> out;
  for (const notify::TargetStatus& status : notifier_->Targets()) {
    Target& target = out.emplace_back();
    target.set_name(status.name);
    target.set_type(status.type);
    target.set_position(status.position);
    target.set_behind(status.behind);
    target.set_waiting(status.waiting);
    target.set_error(status.error);
    target.set_sent(status.sent);
    target.set_failed(status.failed);
    target.set_dropped(status.dropped);
    SetTime(status.arrived_at, &Target::mutable_arrived_at, target);
    SetTime(status.error_at, &Target::mutable_error_at, target);
    SetTime(status.next_try, &Target::mutable_next_try_at, target);
  }
  return out;
}

Task<StatusOr<api::v1::TestNotifyTargetResponse>> Daemon::TestNotify(std::string target) {
  CO_ASSIGN_OR_RETURN(const notify::TestResult result, co_await notifier_->Test(std::move(target)));
  api::v1::TestNotifyTargetResponse out;
  out.set_arrived(result.arrived);
  out.set_answer(result.answer);
  out.set_message(result.message);
  out.set_took_ms(absl::ToInt64Milliseconds(result.took));
  co_return out;
}

}  // namespace muster
