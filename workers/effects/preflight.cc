#include "workers/effects/preflight.h"

#include <utility>
#include <vector>

#include "workers/ports/http.h"
#include "workers/ports/secrets.h"

namespace muster {
namespace {

using Checked = eventpb::PreflightChecked;

constexpr int kRedirectsMax = 3;

const fleet::State* CurrentFleet(const EffectContext& context, const FleetName& name,
                                 std::int64_t version) {
  const fleet::State* fleet = context.world().FindFleet(name);
  if (fleet == nullptr || !fleet->active() || fleet->fleet_version != version) return nullptr;
  return fleet;
}

bool Passed(const fleet::State& fleet, const std::string& check) {
  const auto known = fleet.preflight.find(check);
  return known != fleet.preflight.end() && known->second.result == Checked::PASSED;
}

Checked Result(Checked::Result result, std::string detail) {
  Checked checked;
  checked.set_result(result);
  checked.set_detail(std::move(detail));
  return checked;
}

Checked Judge(const specpb::Preflight& check, const StatusOr<HttpResponse>& response) {
  if (!response.ok()) return Result(Checked::FAILED, std::string(Message(response.status())));
  const int code = response->status;
  if (code >= 200 && code < 300) return Result(Checked::PASSED, Cat("HTTP ", code));
  // A file that lies behind a redirect to a store is there; the key must not follow it.
  if (code == 302 || code == 307) {
    return Result(Checked::PASSED, Cat("HTTP ", code, " to where it is stored"));
  }
  if (code == 404) {
    return Result(Checked::MISSING, check.missing_help().empty() ? "HTTP 404: it is not there"
                                                                 : check.missing_help());
  }
  if (code == 401 || code == 403) {
    return Result(Checked::FAILED, Cat("HTTP ", code, ": the key is missing or refused"));
  }
  return Result(Checked::FAILED, Cat("HTTP ", code));
}

Task<Checked> CheckOne(EffectContext& context, specpb::Preflight check) {
  HttpRequest request;
  request.method = "HEAD";
  request.url = check.url();
  request.deadline = context.Now() + context.options.call_timeout;
  request.redirects_max = kRedirectsMax;
  if (!check.bearer_ref().empty()) {
    const StatusOr<std::string> key = context.link.secrets.Resolve(check.bearer_ref());
    if (!key.ok()) co_return Result(Checked::FAILED, std::string(Message(key.status())));
    request.headers.emplace_back("Authorization", Cat("Bearer ", *key));
  }
  const StatusOr<HttpResponse> response = co_await context.link.http.Send(std::move(request));
  Checked checked = Judge(check, response);
  checked.set_detail(context.link.secrets.Mask(checked.detail()));
  co_return checked;
}

}  // namespace

Task<void> RunPreflights(EffectContext& context, FleetName name, std::int64_t version) {
  while (true) {
    const fleet::State* fleet = CurrentFleet(context, name, version);
    if (fleet == nullptr) co_return;
    std::vector<specpb::Preflight> open;
    for (const specpb::Preflight& check : fleet->spec.preflight()) {
      if (!Passed(*fleet, check.name())) open.push_back(check);
    }
    if (open.empty()) co_return;
    for (const specpb::Preflight& check : open) {
      Checked checked = co_await CheckOne(context, check);
      checked.set_fleet_version(version);
      checked.set_name(check.name());
      if (CurrentFleet(context, name, version) == nullptr) co_return;
      fleet::RecordPreflight record{std::move(checked)};
      Origin origin{.actor = "effects:preflight"};
      const StatusOr<Outcome> outcome =
          co_await context.link.handler.Fleet(name, std::move(record), std::move(origin));
      (void)outcome.ok();  // not stored: checked again below
    }
    const bool going = co_await context.group.Sleep(context.options.preflight_again);
    if (!going) co_return;
  }
}

}  // namespace muster
