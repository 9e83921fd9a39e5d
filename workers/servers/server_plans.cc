#include "workers/servers/server_plans.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "commands/server/offers.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/values.h"
#include "workers/servers/builder_steps.h"
#include "workers/servers/remote/inspect.h"
#include "workers/servers/remote_steps.h"

namespace muster {
namespace {

constexpr std::size_t kIdDigits = 12;

eventpb::Evidence Agreed(const std::string& plan_id) {
  return MakeEvidence("operator", Cat("plan ", plan_id, " was agreed to"));
}

// Stands for everything that is said; what may differ between two looks (ages) is not in it.
std::string IdOf(const ServerPlan& plan, std::string_view about) {
  std::string text(about);
  for (const auto* lines : {&plan.actions, &plan.costs}) {
    for (const std::string& line : *lines) text += Cat("\n", line);
  }
  for (const auto& disk : plan.disks_lost) text += Cat("\n", disk.identity(), " ", disk.bytes());
  return Sha256Hex(text).substr(0, kIdDigits);
}

void AddLines(std::string_view text, std::string_view mark, ServerPlan& plan) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    if (!line.empty()) plan.actions.push_back(Cat("    ", mark, line));
  }
}

void AddCommands(const std::vector<remote::RemoteCommand>& commands, ServerPlan& plan) {
  bool functions = false;
  for (const remote::RemoteCommand& command : commands) {
    const std::string shell = remote::ShownShell(command);
    functions = functions || shell != command.shell;
    plan.actions.push_back(Cat("ssh: ", command.name));
    AddLines(shell, "", plan);
    AddLines(command.input, "< ", plan);
    if (!command.input_file.empty()) plan.actions.push_back(Cat("    < ", command.input_file));
    if (!command.input_secret.empty()) {
      plan.actions.push_back(Cat("    < the secret ", command.input_secret));
    }
  }
  if (!functions) return;
  plan.actions.push_back("the functions muster_*:");
  AddLines(remote::SharedFunctions(), "", plan);
}

std::string Price(const eventpb::ServerPriceTaken& price) {
  const auto money = [&](std::int64_t micros) { return FormatMoney({micros, price.currency()}); };
  std::string text = Cat(money(price.micros_per_month()), " a month");
  if (price.micros_per_hour() > 0)
    text += Cat(", ", money(price.micros_per_hour()), " an hour begun");
  return Cat(text, ", setup ", money(price.setup_micros()), ", all net of taxes");
}

}  // namespace

int ServerPlans::OrdersToday(const std::string& channel) const {
  // The provider's day is not ours to know: the last 24 hours hold it.
  const absl::Time since = context_.Now() - absl::Hours(24);
  int orders = 0;
  for (const auto& [id, state] : context_.world().servers) {
    const bool counts = state.provider == context_.provider() && state.order_requested.at > since &&
                        state.offer.channel() == channel;
    if (counts) ++orders;
  }
  return orders;
}

Task<StatusOr<ServerPlan>> ServerPlans::Order(specpb::ServerSpec spec) {
  const server::State* known = context_.world().FindServerNamed(spec.name());
  const bool again = known != nullptr && !known->ended_already();
  if (again && known->MayCost()) {
    co_return FailedPrecondition(
        Cat("there is a server ", spec.name(), " already (", server::StateText(*known), ")"));
  }
  const ServerId replaces = again ? known->id : ServerId();
  const ServerChannel channel = server::ChannelOf(spec.market());
  StatusOr<std::vector<ServerOffer>> offers =
      co_await context_.ports.provider.SearchServers(channel, context_.CallDeadline());
  context_.reporter.Report("search", offers.status());
  if (!offers.ok()) co_return offers.status();
  const std::size_t found = offers->size();
  const std::vector<server::JudgedOffer> judged =
      server::JudgeServerOffers(spec.market(), *std::move(offers));
  if (judged.empty() || !judged[0].refused.empty()) {
    std::string why = judged.empty() ? "" : Cat("; the nearest: ", judged[0].refused);
    co_return NotFound(Cat("none of ", found, " offers fits", why));
  }
  const int today = OrdersToday(std::string(ServerChannelName(channel))) + 1;
  const int limit = context_.ports.provider.OrdersPerDay();
  if (today > limit) {
    co_return FailedPrecondition(
        Cat(today - 1, " orders were made in 24 hours, the provider takes ", limit));
  }
  ServerPlan plan;
  plan.replaces = replaces;
  const eventpb::ServerOfferTaken taken =
      server::MakeServerOfferTaken(judged[0], spec.market().ipv4());
  const auto fitting =
      std::count_if(judged.begin(), judged.end(), [](const auto& j) { return j.refused.empty(); });
  plan.checks.push_back(Cat(found, " offers looked at, ", fitting, " fit"));
  plan.checks.push_back(Cat("order ", today, " of ", limit, " in 24 hours"));
  plan.actions.push_back("POST /key: a key made for this order alone");
  plan.actions.push_back(context_.ports.provider.OrderCall({.offer = judged[0].offer.id,
                                                            .channel = channel,
                                                            .key_fingerprint = "(of that key)",
                                                            .ipv4 = taken.ipv4(),
                                                            .location = spec.market().location(),
                                                            .test = false}));
  plan.costs.push_back(Cat(taken.name(), " (", taken.offer(), "), ", taken.cpu(), ", ",
                           taken.memory_gb(), " GB, ", taken.disks(), " x ", taken.disk_gb(), " GB",
                           taken.gpu().empty() ? "" : Cat(", ", taken.gpu()), ", ",
                           taken.location()));
  plan.costs.push_back(Price(taken.price()));
  if (taken.price().micros_per_hour() == 0) {
    plan.warnings.push_back("not billed by the hour: a begun month is paid in full");
  }
  plan.id = IdOf(plan, Cat("order ", spec.name(), Sha256Hex(Deterministic(spec))));
  eventpb::ServerOrderRequested requested;
  *requested.mutable_offer() = taken;
  requested.set_plan_id(plan.id);
  requested.set_orders_today(today);
  *requested.mutable_evidence() = Agreed(plan.id);
  server::Order order;
  order.requested = requested;
  order.planned.set_spec_digest(Sha256Hex(Deterministic(spec)));
  *order.planned.mutable_spec() = std::move(spec);
  plan.command = std::move(order);
  co_return plan;
}

Task<Status> ServerPlans::PlanRescue(const server::State& state, ServerPlan& plan) {
  const ServerNumber number = state.number;
  const std::string key = state.order_key_md5;
  ServerProvider& provider = context_.ports.provider;
  const StatusOr<RescueSetting> now = co_await provider.GetRescue(number, context_.CallDeadline());
  CO_RETURN_IF_ERROR(now.status());
  const StatusOr<RescueBoot> last = co_await provider.LastRescue(number, context_.CallDeadline());
  // Never booted into one: there is no last.
  const bool none = TroubleOf(last.status()) == Trouble::kNotFound;
  if (!last.ok() && !none) co_return last.status();
  plan.checks.push_back(now->active ? "a rescue system is set for the next boot already"
                                    : "no rescue system is set for the next boot");
  auto& command = std::get<server::RequestStep>(plan.command);
  if (last.ok()) {
    for (const auto& each : last->host_keys) command.host_keys_before.push_back(each.sha256);
    plan.checks.push_back(
        Cat(last->host_keys.size(), " keys of the rescue system before this one"));
  }
  plan.actions.push_back(provider.RescueCall(number, key));
  plan.actions.push_back(provider.ResetCall(number, ResetKind::kHardware));
  plan.warnings.push_back("what runs there is interrupted");
  co_return absl::OkStatus();
}

Status ServerPlans::PlanPrepare(const server::State& state, ServerPlan& plan) {
  MUSTER_ASSIGN_OR_RETURN(const remote::InstallPlan install, PlanOfPrepare(context_, state));
  plan.needs_name = true;
  plan.disks_lost = install.disks_lost;
  plan.checks = install.words;
  AddCommands(install.commands, plan);
  plan.warnings.push_back("ALL DATA on these disks is LOST");
  plan.id = install.id;
  auto& command = std::get<server::RequestStep>(plan.command);
  command.disks = install.disks_lost;
  return absl::OkStatus();
}

Status ServerPlans::PlanBoot(const server::State& state, ServerPlan& plan) {
  MUSTER_ASSIGN_OR_RETURN(const remote::InstallPlan boot, PlanOfBoot(context_, state));
  plan.checks = boot.words;
  std::vector<remote::RemoteCommand> commands = boot.commands;
  commands.push_back(remote::RebootCommand());
  AddCommands(commands, plan);
  plan.checks.push_back(Cat("it will have to prove SHA256:", KeySha256(state.host_public_key)));
  return absl::OkStatus();
}

Status ServerPlans::PlanBuilder(const server::State& state, server::Step step, ServerPlan& plan) {
  if (step == eventpb::UNREGISTER) {
    plan.actions.push_back(Cat("take out of the machines file: ", state.machine_line));
    return absl::OkStatus();
  }
  std::string line = state.machine_line;
  if (step == eventpb::REGISTER) {
    MUSTER_ASSIGN_OR_RETURN(line, LineOf(context_, state));
    plan.checks.push_back(line == state.machine_line   ? "the line stays as it is"
                          : state.machine_line.empty() ? std::string("not registered yet")
                                                       : Cat("line now: ", state.machine_line));
    plan.actions.push_back(Cat("write into ",
                               context_.options.machines_file.empty()
                                   ? std::string("the log (no machines file is set)")
                                   : context_.options.machines_file,
                               ": ", line));
    return absl::OkStatus();
  }
  plan.actions.push_back(
      Cat("nix-build a fresh derivation that only it can build, through: ", line));
  return absl::OkStatus();
}

Task<StatusOr<ServerPlan>> ServerPlans::Step(ServerId id, server::Step step) {
  const server::State* state = context_.Find(id);
  if (state == nullptr) co_return NotFound(Cat("there is no server ", id.str()));
  ServerPlan plan;
  plan.server = id;
  plan.command = server::RequestStep{.step = step};
  if (state->order_phase != server::OrderPhase::kDelivered || state->ended_already()) {
    co_return FailedPrecondition(Cat("server ", state->name.str(), " (", server::StateText(*state),
                                     "): there is no server to work on"));
  }
  Status planned;
  switch (step) {
    case eventpb::RESCUE:
      planned = co_await PlanRescue(*state, plan);
      break;
    case eventpb::INSPECT:
      AddCommands(remote::InspectCommands(), plan);
      break;
    case eventpb::PREPARE:
      planned = PlanPrepare(*state, plan);
      break;
    case eventpb::BOOT:
      planned = PlanBoot(*state, plan);
      break;
    default:
      planned = PlanBuilder(*state, step, plan);
      break;
  }
  CO_RETURN_IF_ERROR(planned);
  if (plan.id.empty()) plan.id = IdOf(plan, Cat(id.str(), " ", server::StepName(step)));
  auto& command = std::get<server::RequestStep>(plan.command);
  command.plan_id = plan.id;
  command.evidence = Agreed(plan.id);
  co_return plan;
}

Task<StatusOr<ServerPlan>> ServerPlans::Cancel(ServerId id, std::string date, std::string reason) {
  const server::State* state = context_.Find(id);
  if (state == nullptr) co_return NotFound(Cat("there is no server ", id.str()));
  if (state->number.empty() || state->ended_already()) {
    co_return FailedPrecondition(Cat("server ", state->name.str(), " (", server::StateText(*state),
                                     "): there is nothing to give back"));
  }
  const StatusOr<Cancellation> now =
      co_await context_.ports.provider.GetCancellation(state->number, context_.CallDeadline());
  context_.reporter.Report("cancellation", now.status());
  if (!now.ok()) co_return now.status();
  state = context_.Find(id);
  ServerPlan plan;
  plan.server = id;
  plan.checks.push_back(now->cancelled ? Cat("cancelled for ", now->date) : "not cancelled");
  plan.checks.push_back(Cat("it can end on ", now->earliest_date, " at the earliest"));
  if (!state->seen.paid_until().empty()) {
    plan.checks.push_back(Cat("paid until ", state->seen.paid_until()));
  }
  if (state->vitals.build_processes() > 0) {
    plan.warnings.push_back(
        Cat(state->vitals.build_processes(), " builds ran when last looked at"));
  }
  if (state->Registered()) plan.actions.push_back("take its line out of the machines file");
  plan.actions.push_back(context_.ports.provider.CancelCall(state->number, date));
  const Money spent = server::Spent(*state, context_.Now());
  const eventpb::ServerPriceTaken& price = state->offer.price();
  plan.costs.push_back(Cat("goes on until then: ", Price(price)));
  if (date == "now") {
    plan.needs_name = true;
    plan.warnings.push_back(
        "the machine and all that is on it are gone at once, for ever; a "
        "cancellation for now cannot be revoked");
    plan.costs.back() = "the hour that has begun is paid; nothing after it";
  } else {
    plan.warnings.push_back("can be revoked until that day");
  }
  plan.id = IdOf(plan, Cat(id.str(), " cancel ", date));
  plan.costs.push_back(Cat("cost so far: ", FormatMoney(spent)));
  plan.command = server::RequestCancel{.date = std::move(date),
                                       .reason = std::move(reason),
                                       .plan_id = plan.id,
                                       .evidence = Agreed(plan.id)};
  co_return plan;
}

Task<StatusOr<ServerPlan>> ServerPlans::Revoke(ServerId id) {
  const server::State* state = context_.Find(id);
  if (state == nullptr) co_return NotFound(Cat("there is no server ", id.str()));
  if (state->number.empty()) co_return FailedPrecondition("it was never delivered");
  const ServerNumber number = state->number;
  const StatusOr<Cancellation> now =
      co_await context_.ports.provider.GetCancellation(number, context_.CallDeadline());
  context_.reporter.Report("cancellation", now.status());
  if (!now.ok()) co_return now.status();
  ServerPlan plan;
  plan.server = id;
  plan.checks.push_back(now->cancelled ? Cat("cancelled for ", now->date) : "not cancelled");
  plan.actions.push_back(context_.ports.provider.RevokeCall(number));
  plan.costs.push_back(Cat("goes on: ", Price(context_.Find(id)->offer.price())));
  plan.id = IdOf(plan, Cat(id.str(), " revoke"));
  plan.command = server::RequestRevoke{Agreed(plan.id)};
  co_return plan;
}

}  // namespace muster
