#include "services/simulate/report.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "eventstore/base/sha256.h"
#include "queries/cost/projection.h"
#include "queries/health/projection.h"
#include "queries/visit.h"

namespace muster::simulate {
namespace {

using Health = eventpb::WorkerHealthChanged;

// One worker as far as the report needs it.
struct Worker {
  bool paid = false;
  bool working = false;
  MicroUsdPerHour price;
  absl::Time idle_since;  // since when it was paid without a sign of work
  std::int64_t counter = -1;
  std::string rule;
  bool failed = false;  // the machine's fault
};

// Folds the log; `To` moves time on between the events.
class Reporter {
 public:
  Reporter(const spec::v1::FleetSpec& fleet, absl::Time start, absl::Duration span)
      : end_(start + span), now_(start) {
    report_.fleet = fleet.name();
    report_.work_unit = fleet.work_unit();
    report_.start = start;
    report_.span = span;
    report_.wanted = fleet.workers();
    const auto hours =
        static_cast<std::size_t>(std::ceil(absl::FDivDuration(span, absl::Hours(1))));
    report_.hours.resize(std::max<std::size_t>(hours, 1));
  }

  Status Add(const RecordedEvent& recorded) {
    MUSTER_ASSIGN_OR_RETURN(const eventpb::EventBody body,
                            DecodeEvent(recorded.event.type, recorded.event.payload));
    To(recorded.event.occurred_at);
    health_.Apply(recorded, body);
    cost_.Apply(recorded, body);
    chain_ = Sha256({Bytes(chain_), recorded.stream.str(), recorded.event.type,
                     recorded.event.payload, FormatUtc(recorded.recorded_at)});
    ++report_.events;
    Tally(std::string(queries::NameInStream(recorded.stream, "worker/")), body);
    return absl::OkStatus();
  }

  Report Take() {
    To(end_);
    CloseHour();
    for (const auto& [kind, since] : waiting_) report_.waits[kind].total += end_ - since;
    if (credit_since_.has_value()) report_.credit_wait += end_ - *credit_since_;
    const queries::CostReport cost = cost_.Report(report_.fleet, end_);
    report_.spent = cost.sum.total;
    for (const queries::CostRow& day : cost.days) {
      report_.day_max = std::max(report_.day_max, day.total);
    }
    report_.burn_mean = MicroUsdPerHour(static_cast<std::int64_t>(
        static_cast<double>(report_.spent.micros) / absl::ToDoubleHours(report_.span)));
    report_.units = Units();
    FinishShares();
    report_.digest = ToHex(chain_).substr(0, 16);
    return std::move(report_);
  }

 private:
  void To(absl::Time time) {
    time = std::min(time, end_);
    while (now_ < time) {
      const absl::Time hour_ends = report_.start + absl::Hours(hour_ + 1);
      const absl::Time next = std::min(time, hour_ends);
      Report::Hour& hour = report_.hours[hour_];
      const absl::Duration span = next - now_;
      hour.length += span;
      hour.working += working_ * absl::ToDoubleSeconds(span);
      hour.rented += paid_ * absl::ToDoubleSeconds(span);
      if (working_ >= report_.wanted) hour.at_target += span;
      now_ = next;
      if (next == hour_ends && next < end_) {
        CloseHour();
        ++hour_;
      }
    }
  }

  void CloseHour() {
    Report::Hour& hour = report_.hours[hour_];
    const MicroUsd spent = cost_.OfFleet(report_.fleet, now_).total;
    hour.spent = spent - spent_before_;
    spent_before_ = spent;
    const double units = Units();
    hour.units = units - units_before_;
    units_before_ = units;
    const double seconds = absl::ToDoubleSeconds(hour.length);
    if (seconds <= 0) return;
    hour.working /= seconds;
    hour.rented /= seconds;
  }

  double Units() const {
    double units = 0;
    for (const auto& [id, facts] : health_.workers()) units += facts->TotalUnits();
    return units;
  }

  // A worker's numbers changed: `change` is applied between taking it out and putting it in again.
  template <class Change>
  void With(const std::string& id, Change change) {
    Worker& worker = workers_[id];
    working_ -= worker.working;
    paid_ -= worker.paid;
    burn_ -= worker.paid ? worker.price : MicroUsdPerHour();
    change(worker);
    working_ += worker.working;
    paid_ += worker.paid;
    burn_ += worker.paid ? worker.price : MicroUsdPerHour();
    report_.burn_max = std::max(report_.burn_max, burn_);
    if (working_ >= report_.wanted && report_.to_full == absl::InfiniteDuration()) {
      report_.to_full = now_ - report_.start;
    }
  }

  void Tally(const std::string& id, const eventpb::EventBody& body) {
    using namespace eventpb;  // NOLINT: a list of its messages
    queries::VisitEvent(
        body,
        Overloaded{[&](const LaunchRequested& e) {
                     workers_[id].price = MicroUsdPerHour(e.offer().price_micro_usd_per_hour());
                   },
                   [&](const LaunchAccepted&) {
                     ++report_.launches;
                     With(id, [&](Worker& w) { w.paid = true, w.idle_since = now_; });
                   },
                   [&](const LaunchRejected& e) {
                     ++report_.refused[LaunchRejected::Reason_Name(e.reason())];
                   },
                   [&](const InstanceObserved& e) {
                     if (!e.price_known()) return;
                     With(id, [&](Worker& w) {
                       w.price = MicroUsdPerHour(e.price_micro_usd_per_hour());
                     });
                   },
                   [&](const LogObserved& e) {
                     Worker& worker = workers_[id];
                     if (e.counter() > worker.counter) worker.idle_since = now_;
                     worker.counter = e.counter();
                   },
                   [&](const WorkerHealthChanged& e) {
                     With(id, [&](Worker& w) { w.working = e.health() == Health::HEALTHY; });
                   },
                   [&](const WorkerCondemned& e) {
                     With(id, [](Worker& w) { w.working = false; });
                     workers_[id].rule = e.evidence().rule();
                     workers_[id].failed = e.fault() == spec::v1::MACHINE || e.strike_weight() > 0;
                     ++(e.replace() ? report_.replaced : report_.ended)[e.evidence().rule()];
                   },
                   [&](const WorkerEnded& e) { End(id, e); },
                   [&](const HostStruck&) { ++report_.strikes; },
                   [&](const FleetWaitChanged& e) { Waits(e); },
                   [&](const CreditWaitBegan&) {
                     ++report_.credit_waits;
                     credit_since_ = now_;
                   },
                   [&](const CreditWaitEnded&) {
                     if (credit_since_.has_value()) report_.credit_wait += now_ - *credit_since_;
                     credit_since_.reset();
                   },
                   [](const auto&) {}});
  }

  void End(const std::string& id, const eventpb::WorkerEnded& ended) {
    Worker& worker = workers_[id];
    const bool vanished = ended.how() == eventpb::WorkerEnded::VANISHED;
    if (vanished && worker.rule.empty()) ++report_.replaced["vanished"];
    if (worker.paid && (worker.failed || vanished)) {
      report_.lost += Cost(worker.price, now_ - worker.idle_since);
    }
    With(id, [](Worker& w) { w.paid = w.working = false; });
  }

  void Waits(const eventpb::FleetWaitChanged& changed) {
    std::map<std::string, absl::Time> now;
    for (const eventpb::Wait& wait : changed.waits()) {
      const std::string kind = eventpb::Wait::Kind_Name(wait.kind());
      const auto before = waiting_.find(kind);
      now[kind] = before == waiting_.end() ? now_ : before->second;
      report_.waits[kind].detail = wait.detail();
    }
    for (const auto& [kind, since] : waiting_) {
      if (!now.contains(kind)) report_.waits[kind].total += now_ - since;
    }
    waiting_ = std::move(now);
  }

  void FinishShares() {
    absl::Duration at_target;
    double working = 0;
    for (std::size_t i = 0; i < report_.hours.size(); ++i) {
      const Report::Hour& hour = report_.hours[i];
      at_target += hour.at_target;
      working += hour.working * absl::ToDoubleSeconds(hour.length);
      if (report_.start + absl::Hours(i) < report_.start + report_.to_full) continue;
      const Report::Hour* worst =
          report_.worst_hour < 0 ? nullptr : &report_.hours[report_.worst_hour];
      if (hour.length < absl::Hours(1)) continue;
      if (worst == nullptr || hour.working < worst->working) {
        report_.worst_hour = static_cast<int>(i);
      }
    }
    report_.working_mean = working / absl::ToDoubleSeconds(report_.span);
    report_.availability = absl::FDivDuration(at_target, report_.span);
    if (report_.to_full < report_.span) {
      report_.availability_once_full =
          absl::FDivDuration(at_target, report_.span - report_.to_full);
    }
  }

  const absl::Time end_;
  absl::Time now_;
  int hour_ = 0;
  Report report_;
  queries::HealthProjection health_;
  queries::CostProjection cost_;
  Sha256Digest chain_{};
  std::map<std::string, Worker> workers_;
  int working_ = 0;
  int paid_ = 0;
  MicroUsdPerHour burn_;
  MicroUsd spent_before_;
  double units_before_ = 0;
  std::map<std::string, absl::Time> waiting_;  // kind -> since
  std::optional<absl::Time> credit_since_;
};

}  // namespace

double Report::UsdPerThousand() const { return units > 0 ? spent.usd() * 1000 / units : 0; }
double Report::LostShare() const { return spent.micros > 0 ? lost.usd() / spent.usd() : 0; }

StatusOr<Report> MakeReport(const EventStore& log, const spec::v1::FleetSpec& fleet,
                            absl::Time start, absl::Duration span) {
  Reporter reporter(fleet, start, span);
  Status added;
  MUSTER_RETURN_IF_ERROR(log.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    added = reporter.Add(recorded);
    return added.ok();
  }));
  MUSTER_RETURN_IF_ERROR(added);
  return reporter.Take();
}

const std::vector<Quantity>& Quantities() {
  static const auto* quantities = new std::vector<Quantity>{
      {"time to full fleet", "to_full_s", "s",
       [](const Report& r) { return absl::ToDoubleSeconds(r.to_full); }},
      {"all at work", "availability", "%", [](const Report& r) { return r.availability; }},
      {"all at work, once full", "availability_once_full", "%",
       [](const Report& r) { return r.availability_once_full; }},
      {"workers at work", "working_mean", "", [](const Report& r) { return r.working_mean; }},
      {"spend", "spent_usd", "$", [](const Report& r) { return r.spent.usd(); }},
      {"spend per hour", "burn_mean_usd_per_hour", "$",
       [](const Report& r) { return r.burn_mean.usd(); }},
      {"dearest day", "day_max_usd", "$", [](const Report& r) { return r.day_max.usd(); }},
      {"work", "units", "", [](const Report& r) { return r.units; }},
      {"per 1,000 units", "usd_per_thousand_units", "$",
       [](const Report& r) { return r.UsdPerThousand(); }},
      {"lost to bad hosts", "lost_usd", "$", [](const Report& r) { return r.lost.usd(); }},
      {"machines rented", "launches", "",
       [](const Report& r) { return static_cast<double>(r.launches); }},
      {"workers replaced", "replaced", "",
       [](const Report& r) {
         double all = 0;
         for (const auto& [rule, count] : r.replaced) all += count;
         return all;
       }},
      {"waits for credit", "credit_wait_s", "s",
       [](const Report& r) { return absl::ToDoubleSeconds(r.credit_wait); }},
      {"worst hour", "worst_hour_working", "",
       [](const Report& r) { return r.worst_hour < 0 ? 0 : r.hours[r.worst_hour].working; }},
  };
  return *quantities;
}

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const double rest = place - static_cast<double>(low);
    if (rest == 0 || values[low] == values[low + 1]) return values[low];
    return values[low] + rest * (values[low + 1] - values[low]);
  };
  return {at(0.1), at(0.5), at(0.9)};
}

}  // namespace muster::simulate
