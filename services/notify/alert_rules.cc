#include "services/notify/alert_rules.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "eventstore/events/values.h"

namespace muster::notify {
namespace {

// A disk that was low must be so much better before it is not.
constexpr double kDiskFine = 1.2;

std::string FleetSubject(const FleetName& name) { return Cat("fleet/", name.str()); }

std::string Gigabytes(std::int64_t bytes) {
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

bool IsShort(int healthy, int wanted, double below) {
  return wanted > 0 && healthy < below * wanted;
}

void AlertBook::Fold(const eventpb::EventBody& body, std::uint64_t position) {
  if (body.has_alert_raised()) {
    const eventpb::AlertRaised& e = body.alert_raised();
    Entry& entry = entries_[{e.evidence().rule(), e.subject()}];
    entry.since = FromStoredTime(e.since_us(), absl::InfinitePast());
    entry.raised = position;
    entry.fleet = e.fleet();
  } else if (body.has_alert_ended()) {
    entries_.erase({body.alert_ended().kind(), body.alert_ended().subject()});
  }
}

void AlertBook::BeginShort(const FleetName& fleet, absl::Time since) {
  Entry& entry = entries_[{"fleet-short", FleetSubject(fleet)}];
  if (entry.raised == 0) entry.since = since;
}

bool AlertBook::IsRaised(const AlertKey& key) const {
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.raised > 0;
}

std::optional<Condition> AlertBook::Short(const queries::FleetStatus& fleet) const {
  if (fleet.down_requested || !IsShort(fleet.healthy, fleet.wanted, thresholds_.short_below)) {
    return std::nullopt;
  }
  const std::string text =
      Cat(fleet.healthy, " of ", fleet.wanted, " healthy for ", FormatSpan(thresholds_.short_for),
          fleet.state.empty() ? "" : ", ", fleet.state);
  return Condition{{"fleet-short", FleetSubject(fleet.name)},
                   fleet.name.str(),
                   MakeEvidence("fleet-short", text,
                                {MakeMeasure("healthy", fleet.healthy,
                                             thresholds_.short_below * fleet.wanted, "count")}),
                   thresholds_.short_for};
}

std::optional<Condition> AlertBook::BudgetNear(const queries::FleetStatus& fleet) const {
  const double near = thresholds_.budget_near * fleet.cap_day.usd();
  if (fleet.cap_day.micros <= 0 || fleet.spent_today.usd() < near) return std::nullopt;
  const std::string text = Cat(FormatUsd(fleet.spent_today), " of ", FormatUsd(fleet.cap_day),
                               " for today are spent, ", FormatUsdPerHour(fleet.burn), " now");
  return Condition{{"budget-near", FleetSubject(fleet.name)},
                   fleet.name.str(),
                   MakeEvidence("budget-near", text,
                                {MakeMeasure("spent_today", fleet.spent_today.usd(), near, "usd")}),
                   absl::ZeroDuration()};
}

std::optional<Condition> AlertBook::BudgetReached(const queries::FleetStatus& fleet) const {
  const auto wait = std::find_if(fleet.waits.begin(), fleet.waits.end(),
                                 [](const auto& one) { return one.kind == "budget"; });
  if (wait == fleet.waits.end()) return std::nullopt;
  return Condition{{"budget-reached", FleetSubject(fleet.name)},
                   fleet.name.str(),
                   MakeEvidence("budget-reached", Cat("nothing more is rented: ", wait->detail)),
                   absl::ZeroDuration()};
}

std::optional<Condition> AlertBook::Blind(const ProviderView& provider, absl::Time watching_since,
                                          absl::Time now) const {
  const absl::Duration age = now - std::max(provider.listed, watching_since);
  if (!provider.in_use || age < thresholds_.blind_for) return std::nullopt;
  const std::string text = Cat("no complete list of instances for ", FormatSpan(age),
                               "; nobody is destroyed or replaced on that");
  return Condition{{"blind", Cat("account/", provider.name.str())},
                   "",
                   MakeEvidence("blind", text,
                                {MakeMeasure("list_age", absl::ToDoubleSeconds(age),
                                             absl::ToDoubleSeconds(thresholds_.blind_for), "s")}),
                   absl::ZeroDuration()};
}

std::optional<Condition> AlertBook::Silent(const BuilderView& builder) const {
  if (builder.detail.empty()) return std::nullopt;
  const std::string text = Cat("does not answer: ", builder.detail,
                               "; its line stays in the machines file, and builds wait for it");
  return Condition{{"builder-silent", Cat("server/", builder.name)},
                   "",
                   MakeEvidence("builder-silent", text),
                   thresholds_.builder_silent_for};
}

std::optional<Condition> AlertBook::DiskLow(std::int64_t free_bytes) const {
  const double least = static_cast<double>(thresholds_.disk_low_bytes) *
                       (IsRaised({"disk-low", "store"}) ? kDiskFine : 1);
  if (free_bytes < 0 || static_cast<double>(free_bytes) >= least) return std::nullopt;
  const std::string text = Cat("only ", Gigabytes(free_bytes),
                               " are free where the log is; once it is full, muster stops acting");
  return Condition{
      {"disk-low", "store"},
      "",
      MakeEvidence("disk-low", text,
                   {MakeMeasure("free", static_cast<double>(free_bytes), least, "bytes")}),
      absl::ZeroDuration()};
}

std::vector<Condition> AlertBook::Holding(const AlertInputs& inputs, absl::Time now) const {
  std::vector<Condition> out;
  const auto add = [&out](std::optional<Condition> condition) {
    if (condition.has_value()) out.push_back(*std::move(condition));
  };
  for (const queries::FleetStatus& fleet : inputs.fleets) {
    if (fleet.ended) continue;
    add(Short(fleet));
    add(BudgetNear(fleet));
    add(BudgetReached(fleet));
  }
  for (const ProviderView& provider : inputs.providers) {
    add(Blind(provider, inputs.watching_since, now));
  }
  for (const BuilderView& builder : inputs.builders) add(Silent(builder));
  add(DiskLow(inputs.disk_free_bytes));
  if (!inputs.chain_problem.empty()) {
    add(Condition{
        {"log-chain", "log"},
        "",
        MakeEvidence("log-chain", Cat("the log is not as it was written: ", inputs.chain_problem)),
        absl::ZeroDuration()});
  }
  return out;
}

Events AlertBook::Decide(const AlertInputs& inputs, absl::Time now) {
  Events events;
  const std::vector<Condition> holding = Holding(inputs, now);
  for (const Condition& condition : holding) {
    Entry& entry = entries_[condition.key];
    entry.since = std::min(entry.since, now);
    if (entry.raised > 0 || now - entry.since < condition.hold) continue;
    eventpb::AlertRaised raised;
    raised.set_subject(condition.key.second);
    raised.set_fleet(condition.fleet);
    raised.set_since_us(ToStoredTime(entry.since));
    *raised.mutable_evidence() = condition.evidence;
    events.push_back(Wrap(raised));
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto& [key, entry] = *it;
    const bool holds = std::any_of(holding.begin(), holding.end(),
                                   [&key = key](const auto& one) { return one.key == key; });
    if (!holds && entry.raised > 0) {
      eventpb::AlertEnded ended;
      ended.set_kind(key.first);
      ended.set_subject(key.second);
      ended.set_fleet(entry.fleet);
      ended.set_raised(entry.raised);
      ended.set_detail(Cat("it lasted ", FormatSpan(now - entry.since)));
      events.push_back(Wrap(ended));
    }
    it = !holds && entry.raised == 0 ? entries_.erase(it) : std::next(it);
  }
  return events;
}

}  // namespace muster::notify
