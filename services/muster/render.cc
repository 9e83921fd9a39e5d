#include "services/muster/render.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "eventstore/events/wait_end.h"

namespace muster::cli {
namespace {

constexpr char kReset[] = "\x1b[0m";

std::string Paint(const std::string& text, const char* code, bool color) {
  return color ? Cat(code, text, kReset) : text;
}

void Line(std::ostream& out, std::string_view key, const std::string& value) {
  if (value.empty()) return;
  out << absl::StrFormat("  %-14s %s\n", std::string(key), value);
}

std::string When(const google::protobuf::Timestamp& time, absl::Time now) {
  if (time.seconds() == 0) return "";
  return Cat(FormatUtc(FromProto(time)), " (", Ago(time, now), ")");
}

std::string PerUnit(std::int64_t micros) { return micros > 0 ? FormatUsd(MicroUsd(micros)) : "-"; }

void PrintTroubles(std::ostream& out, const api::Account& account, absl::Time now) {
  for (const api::Wait& trouble : account.troubles()) {
    out << "  " << trouble.kind() << ": " << trouble.detail() << "\n";
  }
  for (const api::Orphan& orphan : account.orphans()) {
    out << "  orphan " << orphan.instance() << " (" << orphan.why() << ", "
        << FormatUsdPerHour(MicroUsdPerHour(orphan.price_micro_usd_per_hour())) << ", found "
        << Ago(orphan.found_at(), now) << "): adopt or destroy it\n";
  }
}

}  // namespace

void PrintWaits(std::ostream& out, const api::Fleet& fleet, absl::Time now) {
  for (const api::Wait& wait : fleet.waits()) {
    out << "  " << fleet.name() << " waits for " << wait.kind() << ": " << wait.detail();
    const absl::Duration left =
        wait.until().seconds() > 0 ? FromProto(wait.until()) - now : absl::ZeroDuration();
    const std::string end =
        WaitEnd(wait.kind(), wait.owner(), left > absl::ZeroDuration() ? FormatSpan(left) : "");
    out << (end.empty() ? "" : Cat(" (", end, ")")) << "\n";
  }
}

void PrintAccounts(std::ostream& out,
                   const google::protobuf::RepeatedPtrField<api::Account>& accounts,
                   absl::Time now) {
  for (const api::Account& account : accounts) {
    out << "account " << account.provider() << ": credit "
        << (account.credit_known() ? Usd(account.credit_micro_usd()) : "not seen yet");
    if (account.credit_known()) out << " (" << Ago(account.credit_at(), now) << ")";
    if (account.runway_s() > 0) {
      out << ", lasts " << FormatSpan(absl::Seconds(account.runway_s())) << " at this rate";
    }
    if (account.credit_wait()) out << "; WAITS FOR CREDIT";
    out << "\n";
    PrintTroubles(out, account, now);
  }
}

void PrintPlan(std::ostream& out, const api::Plan& plan, const Style& style) {
  out << "plan " << plan.id() << "  fleet/" << plan.fleet() << "  (log " << plan.position();
  if (plan.offers_age_s() >= 0) {
    out << ", offers " << FormatSpan(absl::Seconds(plan.offers_age_s())) << " old";
  }
  out << ")\n";
  for (const api::PlanStep& step : plan.steps()) {
    const char* mark = "  ";
    const char* code = "";
    switch (step.action()) {
      case api::PlanStep::ADD:
        mark = "+ ", code = "\x1b[32m";
        break;
      case api::PlanStep::DESTROY:
        mark = "- ", code = "\x1b[31m";
        break;
      case api::PlanStep::CHANGE:
        mark = "~ ", code = "\x1b[33m";
        break;
      case api::PlanStep::REFUSED:
        mark = "! ", code = "\x1b[33m";
        break;
      default:
        break;
    }
    out << "  " << Paint(Cat(mark, step.text()), code, style.color && *code != 0) << "\n";
  }
  // What holds the plan up is a step as well, unless nothing of the plan waits for it.
  for (const std::string& refusal : plan.refusals()) {
    const bool said =
        std::any_of(plan.steps().begin(), plan.steps().end(),
                    [&](const api::PlanStep& step) { return step.text() == refusal; });
    if (!said) out << "  ! " << refusal << "\n";
  }
  out << "Plan: " << plan.adds() << " to add, " << plan.destroys() << " to destroy.  "
      << (plan.burn_change_micro_usd_per_hour() < 0 ? "" : "+")
      << FormatUsdPerHour(MicroUsdPerHour(plan.burn_change_micro_usd_per_hour())) << ".";
  if (plan.worst_case_until().seconds() > 0 && plan.worst_case_micro_usd() > 0) {
    out << "  Worst case if muster stops now: " << Usd(plan.worst_case_micro_usd()) << " until "
        << FormatClock(FromProto(plan.worst_case_until())).substr(0, 5) << " UTC.";
  }
  out << "\n";
}

bool HasChanges(const api::Plan& plan) {
  return std::any_of(plan.steps().begin(), plan.steps().end(), [](const api::PlanStep& step) {
    return step.action() == api::PlanStep::ADD || step.action() == api::PlanStep::DESTROY ||
           step.action() == api::PlanStep::CHANGE;
  });
}

void DescribeFleet(std::ostream& out, const api::Fleet& fleet, absl::Time now) {
  out << "fleet/" << fleet.name() << "  (version " << fleet.fleet_version() << ")\n";
  Line(out, "wanted", Cat(fleet.wanted(), ", have ", fleet.have(), ", healthy ", fleet.healthy()));
  Line(out, "state", fleet.state());
  Line(out, "now", FormatUsdPerHour(MicroUsdPerHour(fleet.burn_micro_usd_per_hour())));
  Line(out, "today",
       Cat(Usd(fleet.spent_today_micro_usd()),
           fleet.cap_day_micro_usd() > 0 ? Cat(" of ", Usd(fleet.cap_day_micro_usd())) : ""));
  Line(out, "total", Usd(fleet.spent_total_micro_usd()));
  if (!fleet.ended()) {
    Line(out, "worst case",
         Cat(Usd(fleet.worst_case_micro_usd()), " until midnight UTC if muster stops now"));
  }
  if (fleet.rate_per_s() > 0) {
    Line(out, "work",
         Cat(Rate(fleet.rate_per_s()), " ", fleet.work_unit(), "/s at ",
             PerUnit(fleet.cost_per_unit_rate_micro_usd()), " per ", fleet.work_unit(),
             "/s and hour"));
  }
  if (fleet.upload_interval_s() > 0) {
    Line(out, "upload every", FormatSpan(absl::Seconds(fleet.upload_interval_s())));
  }
  if (fleet.strikes_suspended()) Line(out, "strikes", "suspended: many machines fail alike");
  Line(out, "facts from", When(fleet.observed_at(), now));
  PrintWaits(out, fleet, now);
}

void DescribeWorker(std::ostream& out, const api::Worker& w, absl::Time now) {
  out << "worker/" << w.id() << "  " << w.label() << "\n";
  Line(out, "fleet", Cat(w.fleet(), ", slot ", w.index()));
  Line(out, "phase", w.phase() == "ended" ? Cat("ended: ", w.ended_how()) : w.phase());
  Line(out, "health", Cat(w.health(), w.health_detail().empty() ? "" : ": ", w.health_detail()));
  Line(out, "machine",
       Cat(w.provider(), "/", w.machine(), "  ", w.gpu(), "  ", Place(w.location()),
           w.host_strikes() > 0 ? Cat("  strikes ", w.host_strikes()) : ""));
  Line(out, "instance", w.instance());
  Line(out, "status",
       Cat(w.actual_status(), w.status_message().empty() ? "" : ": ", w.status_message()));
  Line(out, "price", FormatUsdPerHour(MicroUsdPerHour(w.price_micro_usd_per_hour())));
  Line(out, "spent", Usd(w.spent_micro_usd()));
  Line(out, "rate",
       Cat(Rate(w.rate_per_s()), " /s now, ", Rate(w.rate_mean_per_s()), " mean, ",
           Rate(w.expected_rate_per_s()), " expected"));
  if (w.counter() >= 0) Line(out, "counter", Cat(w.counter(), ", total ", w.total()));
  Line(out, "progress", When(w.last_progress_at(), now));
  Line(out, "error", w.error());
  if (!w.ssh_host().empty()) Line(out, "ssh", Cat("root@", w.ssh_host(), " -p ", w.ssh_port()));
  Line(out, "begun", When(w.begun_at(), now));
  Line(out, "ended", When(w.ended_at(), now));
  Line(out, "seen", When(w.observed_at(), now));
  Line(out, "replaces", w.replaces());
}

void DescribeAccount(std::ostream& out, const api::Account& account, absl::Time now) {
  out << "account/" << account.provider() << (account.credit_wait() ? "  WAITS FOR CREDIT" : "")
      << "\n";
  Line(out, "credit",
       account.credit_known()
           ? Cat(Usd(account.credit_micro_usd()), " (", Ago(account.credit_at(), now), ")")
           : "not seen yet");
  Line(out, "now", FormatUsdPerHour(MicroUsdPerHour(account.burn_micro_usd_per_hour())));
  if (account.runway_s() > 0) {
    Line(out, "lasts", Cat(FormatSpan(absl::Seconds(account.runway_s())), " at this rate"));
  }
  if (account.credit_wait()) Line(out, "waits since", When(account.credit_wait_since(), now));
  Line(out, "list seen", When(account.list_at(), now));
  Line(out, "offers seen", When(account.offers_at(), now));
  PrintTroubles(out, account, now);
}

void DescribeHost(std::ostream& out, const api::Host& host, absl::Time now) {
  out << "host/" << host.provider() << "/" << host.machine() << "  " << host.gpu()
      << (host.blocked() ? "  BLOCKED" : "") << "\n";
  Line(out, "strikes", absl::StrFormat("%g live", host.live_strikes()));
  Line(out, "served", Cat(host.boots(), " of ", host.launches(), " launches came up"));
  if (host.samples() > 0) {
    Line(out, "rate", Cat(Rate(host.rate_mean_per_s()), " (n=", host.samples(), ")"));
  }
  for (const api::Strike& strike : host.strikes()) {
    out << "  " << FormatUtc(FromProto(strike.at())) << "  " << strike.cause() << "  worker/"
        << strike.worker() << "  " << strike.summary();
    if (strike.expires_at().seconds() > 0) {
      const absl::Duration left = FromProto(strike.expires_at()) - now;
      out << (left > absl::ZeroDuration() ? Cat("  (expires in ", FormatSpan(left), ")")
                                          : std::string("  (expired)"));
    }
    out << "\n";
  }
}

void PrintEvent(std::ostream& out, const api::Event& event, const Style& style) {
  out << FormatClock(FromProto(event.occurred_at())) << "  "
      << absl::StrFormat("%6d", event.position()) << "  "
      << absl::StrFormat("%-18s", event.stream()) << "  " << event.text();
  if (style.wide) out << "  [" << event.type() << ", " << event.actor() << "]";
  out << "\n";
}

}  // namespace muster::cli
