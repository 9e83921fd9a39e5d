#include "services/grpc/plan_convert.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace muster::grpc_api {
namespace {

constexpr int kOffersShown = 50;  // unless more or fewer are asked for

api::PlanStep::Action ToAction(fleet::PreviewStep::Action action) {
  using Action = fleet::PreviewStep::Action;
  switch (action) {
    case Action::kAdd:
      return api::PlanStep::ADD;
    case Action::kDestroy:
      return api::PlanStep::DESTROY;
    case Action::kChange:
      return api::PlanStep::CHANGE;
    case Action::kKeep:
      return api::PlanStep::KEEP;
    case Action::kRefused:
      return api::PlanStep::REFUSED;
  }
  return api::PlanStep::ACTION_UNSPECIFIED;
}

}  // namespace

api::Plan ToPlan(const fleet::Preview& preview) {
  api::Plan plan;
  plan.set_id(preview.id);
  plan.set_fleet(preview.fleet.str());
  plan.set_position(preview.position);
  const bool seen = preview.offers_age != absl::InfiniteDuration();
  plan.set_offers_age_s(seen ? absl::ToInt64Seconds(preview.offers_age) : -1);
  for (const fleet::PreviewStep& each : preview.steps) {
    api::PlanStep& step = *plan.add_steps();
    step.set_action(ToAction(each.action));
    step.set_text(each.text);
    step.set_worker(each.worker.str());
    step.set_offer(each.offer.str());
    step.set_gpu(each.gpu.str());
    step.set_price_micro_usd_per_hour(each.price.micros);
    step.set_expected_rate_per_s(each.expected_rate_per_s);
    step.set_rule(each.rule);
  }
  plan.set_adds(preview.adds);
  plan.set_destroys(preview.destroys);
  plan.set_burn_change_micro_usd_per_hour(preview.burn_change.micros);
  plan.set_worst_case_micro_usd(preview.worst_case.micros);
  *plan.mutable_worst_case_until() = ToTimestamp(preview.worst_case_until);
  for (const std::string& refusal : preview.refusals) plan.add_refusals(refusal);
  return plan;
}

api::Offer ToOffer(const fleet::OfferVerdict& verdict) {
  const Offer& offer = verdict.offer;
  api::Offer out;
  out.set_id(offer.id.str());
  out.set_machine(offer.machine.str());
  out.set_gpu(offer.gpu.str());
  out.set_gpus(offer.gpus);
  out.set_price_micro_usd_per_hour(offer.price.micros);
  out.set_expected_rate_per_s(verdict.expected_rate_per_s);
  out.set_expected_from(verdict.expected_from);
  out.set_cost_per_unit_rate_micro_usd(verdict.cost_per_unit_rate.micros);
  out.set_reliability(offer.reliability);
  out.set_cuda(offer.cuda);
  out.set_inet_down_mbps(offer.inet_down_mbps);
  out.set_location(offer.location);
  out.set_remaining_s(absl::ToInt64Seconds(offer.remaining));
  out.set_verdict(verdict.verdict);
  return out;
}

api::ListOffersResponse ToOffers(const World& world, const specpb::FleetSpec& spec,
                                 const api::ListOffersRequest& asked, absl::Time now) {
  api::ListOffersResponse out;
  if (const account::State* account = world.FindAccount(ProviderName(spec.provider()))) {
    out.set_found(account->offers_found);
    *out.mutable_seen_at() = ToTimestamp(account->offers_seen.at);
  }
  const int limit = asked.limit() > 0 ? asked.limit() : kOffersShown;
  for (const fleet::OfferVerdict& verdict : fleet::JudgeOffers(world, spec, now)) {
    if (!verdict.verdict.empty() && !asked.include_refused()) continue;
    if (out.offers_size() == limit) break;
    *out.add_offers() = ToOffer(verdict);
  }
  return out;
}

BadHosts ParseBadHosts(std::string_view text) {
  BadHosts out;
  int number = 0;
  for (const auto& piece : absl::StrSplit(ToAbsl(text), '\n')) {
    ++number;
    const std::string_view raw = ToStd(piece);
    const std::string_view line = Trim(raw.substr(0, raw.find('#')));
    if (line.empty()) continue;
    const bool digits =
        std::all_of(line.begin(), line.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits && line.size() <= 19) {
      ++out.strikes[MachineId(line)];
    } else {
      out.problems.push_back(
          Cat("line ", number, ": '", Ellipsize(line, 40), "' is no machine id: expected digits"));
    }
  }
  return out;
}

}  // namespace muster::grpc_api
