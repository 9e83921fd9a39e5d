// CostProjection: what every rental has cost, to the micro-dollar, by observed prices and our
// clock.
//
// A rental is billed from the answer that named it (or its adoption) until it is confirmed gone, at
// the price last observed, in pieces that end at each price seen and at each midnight UTC; every
// piece is rounded up (Cost in eventstore/base/units.h). From an accepted start on, the price is at
// least the offered one. The write side counts in the same way, and WorkerEnded holds its sum. A
// clock that stepped back adds nothing and takes nothing away.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "queries/cost/model.h"
#include "queries/projection.h"

namespace muster::queries {

// Days since 1970 UTC.
std::int64_t UnixDay(absl::Time time);

// The money of one worker.
struct Meter {
  std::string fleet, gpu, provider;
  MicroUsdPerHour price;                         // zero = not billed
  MicroUsdPerHour offered;                       // when it was rented
  absl::Time asked_at = absl::InfiniteFuture();  // when the launch was asked for
  absl::Time priced_since = absl::InfinitePast();
  MicroUsd total;                         // up to priced_since
  std::map<std::int64_t, MicroUsd> days;  // of `total`
  bool produced = false;
  bool ended = false;
  std::size_t row = 0;  // while it is open: its place in the rows of its fleet; not saved

  MicroUsd TotalAt(absl::Time now) const;
  MicroUsd OnDayAt(std::int64_t day, absl::Time now) const;

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.fleet, s.gpu, s.provider, s.price, s.offered, s.asked_at, s.priced_since, s.total, s.days,
      s.produced, s.ended);
  }
};

class CostProjection final : public Projection {
 public:
  std::string_view name() const override { return "cost"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  // Of one fleet, or of all when `fleet` is empty.
  CostReport Report(const std::string& fleet, absl::Time now) const;

  // nullptr when there is no such worker.
  const Meter* Find(std::string_view worker) const;
  struct Spending {
    MicroUsdPerHour burn;
    MicroUsd today;
    MicroUsd total;
  };
  Spending OfFleet(const std::string& fleet, absl::Time now) const;
  MicroUsdPerHour BurnOfProvider(const std::string& provider) const;
  // Spent on workers that ended without ever producing, for each fleet that ever had one.
  std::map<std::string, MicroUsd> Lost() const;
  // Spent on ended workers: visit(fleet, gpu, amount).
  template <class Visit>
  void ForEachEnded(Visit visit) const {
    for (const auto& [fleet, gpus] : ended_) {
      for (const auto& [gpu, sum] : gpus) visit(fleet, gpu, sum.total.spent);
    }
  }

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.meters_, s.open_, s.ended_);
  }

 private:
  // Of ended workers.
  struct Amount {
    MicroUsd spent;
    MicroUsd lost;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.spent, s.lost);
    }
  };
  struct Sum {
    Amount total;
    std::map<std::int64_t, Amount> days;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.total, s.days);
    }
  };
  struct Tally;
  // What an open worker's meter shows, without what takes a look elsewhere: the sum over ten
  // thousand is asked for every few seconds.
  struct OpenRow {
    Meter* meter = nullptr;
    MicroUsdPerHour price;
    absl::Time priced_since = absl::InfinitePast();
    MicroUsd total;
    std::int64_t day = 0;  // the last that something was spent on, up to priced_since
    MicroUsd on_day;

    bool billed() const { return priced_since != absl::InfinitePast(); }
    MicroUsdPerHour burn() const { return billed() ? price : MicroUsdPerHour(); }
  };
  static OpenRow RowOf(Meter& meter);
  void AddRow(Meter& meter);
  void UpdateRow(Meter& meter);
  void RemoveRow(Meter& meter);

  void StepClock(absl::Duration by);
  void End(const std::string& id, Meter& meter, const eventpb::EventBody& body, absl::Time at);

  absl::flat_hash_map<std::string, std::unique_ptr<Meter>> meters_;
  std::map<std::string, std::set<std::string>> open_;        // fleet -> workers
  std::map<std::string, std::map<std::string, Sum>> ended_;  // fleet -> GPU
  std::map<std::string, std::vector<OpenRow>> rows_;         // fleet -> of open_; not saved
  std::map<std::string, MicroUsdPerHour> burn_;              // provider -> of rows_; not saved
};

}  // namespace muster::queries
