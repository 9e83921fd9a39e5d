#include "queries/market/record.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "queries/visit.h"

namespace muster::queries {
namespace {

constexpr absl::Duration kPauseMax = absl::Minutes(15);
constexpr int kOffersPerGpu = 32;           // a look holds no more of one
constexpr double kPriceMove = 0.01;         // smaller ones are not worth a listing of their own
constexpr std::string_view kPlan = "plan";  // an operator's look: it ends nothing

// (machine, GPUs of one offer)
using Key = std::pair<std::string, int>;

struct Seen {
  MarketRecord::Machine machine;
  std::optional<MarketRecord::Listing> open;  // `gone` is the last look that had it
  std::string digest;                         // of the query that saw it last
};

struct Rented {
  Key key;
  absl::Time accepted = absl::InfiniteFuture();
  absl::Time alive = absl::InfiniteFuture();     // first sign of life
  absl::Time progress = absl::InfiniteFuture();  // newest
  absl::Time condemned = absl::InfiniteFuture();
  std::int64_t counter = -1;
  double rate_sum = 0;
  int rates = 0;
  std::string rule;
};

// The failure that a simulator would have to show for the policy to end a worker by this rule.
std::string FailureOf(const std::string& rule) {
  static const auto* failures = new std::map<std::string, std::string>{
      {"stuck-boot", "stuck_boot"}, {"stuck-setup", "stuck_setup"}, {"stuck-warmup", "stall"},
      {"no-progress", "stall"},     {"fatal-error", "fatal_error"}, {"offline", "offline"},
      {"vanished", "vanish"},
  };
  const auto found = failures->find(rule);
  return found == failures->end() ? "" : found->second;
}

// Whole seconds, as the file has them.
absl::Duration Whole(absl::Duration span) { return absl::Floor(span, absl::Seconds(1)); }

// To 1/`parts`, as a double that prints in few digits.
double Rounded(double value, double parts) { return std::round(value * parts) / parts; }

class Recorder {
 public:
  Recorder(ProviderName provider, absl::Time since, absl::Time until)
      : since_(since), until_(until) {
    record_.provider = std::move(provider);
    account_ = Cat("account/", record_.provider.str());
  }

  void Add(const RecordedEvent& recorded, const eventpb::EventBody& body) {
    const absl::Time at = recorded.event.occurred_at;
    if (at > until_) return;
    if (recorded.stream.str() == account_) {
      if (body.has_offers_observed() && at >= since_) Look(body.offers_observed(), at);
      return;
    }
    const std::string id(NameInStream(recorded.stream, "worker/"));
    if (!id.empty()) Follow(id, body, at);
  }

  MarketRecord Take() {
    for (auto& [key, seen] : seen_) Close(seen);
    for (auto& [id, rented] : rented_) Finish(rented, until_, /*vanished=*/false);
    for (auto& [key, seen] : seen_) record_.machines.push_back(std::move(seen.machine));
    return std::move(record_);
  }

 private:
  absl::Duration Since(absl::Time at) const { return Whole(at - record_.from); }

  void Look(const eventpb::OffersObserved& look, absl::Time at) {
    const absl::Time last = record_.to;
    if (!looked_) record_.from = absl::FromUnixSeconds(absl::ToUnixSeconds(at));
    if (looked_ && at - last > kPauseMax) {
      for (auto& [key, seen] : seen_) Close(seen);
    }
    looked_ = true;
    record_.to = absl::FromUnixSeconds(absl::ToUnixSeconds(at));
    std::map<Key, std::vector<const eventpb::OfferSeen*>> offers;
    std::map<std::string, std::pair<int, std::int64_t>> by_gpu;  // how many, the dearest
    for (const eventpb::OfferSeen& offer : look.offers()) {
      offers[{offer.machine(), offer.gpus()}].push_back(&offer);
      auto& [count, dearest] = by_gpu[offer.gpu()];
      ++count;
      dearest = std::max(dearest, offer.price_micro_usd_per_hour());
    }
    for (const auto& [key, all] : offers) See(key, all, look.query_digest());
    for (auto& [key, seen] : seen_) {
      if (!seen.open.has_value() || offers.contains(key)) continue;
      const auto& [count, dearest] = by_gpu[seen.machine.gpu.str()];
      const bool behind_cut = count >= kOffersPerGpu && seen.open->price.micros >= dearest;
      const bool other_query = look.query_digest() == kPlan || look.query_digest() != seen.digest;
      seen.open->gone = Since(record_.to);
      const bool perhaps_there = behind_cut || other_query || RentedByUs(key);
      if (!perhaps_there) Close(seen);
    }
  }

  void See(const Key& key, const std::vector<const eventpb::OfferSeen*>& offers,
           const std::string& digest) {
    Seen& seen = seen_[key];
    MarketRecord::Machine& machine = seen.machine;
    const eventpb::OfferSeen& first = *offers.front();
    if (machine.listings.empty() && !seen.open.has_value()) {
      machine.id = MachineId(first.machine());
      machine.host = first.host();
      machine.gpu = GpuName(first.gpu());
      machine.gpus = std::max(first.gpus(), 1);
      machine.remaining = absl::Seconds(first.remaining_s());
      machine.location = first.location();
    }
    machine.reliability = Rounded(first.reliability(), 1e4);
    machine.cuda = Rounded(first.cuda(), 10);
    machine.inet_down_mbps = Rounded(first.inet_down_mbps(), 10);
    machine.inet_up_mbps = Rounded(first.inet_up_mbps(), 10);
    machine.disk_gb = std::floor(first.disk_free_gb());
    machine.offers = std::max(machine.offers, static_cast<int>(offers.size()));
    std::int64_t price = first.price_micro_usd_per_hour();
    for (const auto* offer : offers) price = std::min(price, offer->price_micro_usd_per_hour());
    seen.digest = digest;
    const absl::Duration now = Since(record_.to);
    if (seen.open.has_value()) {
      seen.open->gone = now;
      const double moved = std::abs(static_cast<double>(price - seen.open->price.micros));
      if (moved <= kPriceMove * static_cast<double>(seen.open->price.micros)) return;
      Close(seen);
    }
    seen.open = MarketRecord::Listing{now, now, MicroUsdPerHour(price)};
  }

  void Close(Seen& seen) {
    if (!seen.open.has_value()) return;
    // Seen once, it was there for a moment: a second, so that it can be played back.
    seen.open->gone = std::max(seen.open->gone, seen.open->seen + absl::Seconds(1));
    seen.machine.listings.push_back(*seen.open);
    seen.open.reset();
  }

  bool RentedByUs(const Key& key) const {
    return std::any_of(rented_.begin(), rented_.end(),
                       [&](const auto& each) { return each.second.key == key; });
  }

  void Follow(const std::string& id, const eventpb::EventBody& body, absl::Time at) {
    if (body.has_launch_requested()) {
      const eventpb::LaunchRequested& asked = body.launch_requested();
      if (asked.provider() != record_.provider.str()) return;
      rented_[id].key = {asked.offer().machine(), asked.offer().gpus()};
      return;
    }
    const auto found = rented_.find(id);
    if (found == rented_.end()) return;
    Rented& rented = found->second;
    VisitEvent(body, Overloaded{[&](const eventpb::LaunchAccepted&) { rented.accepted = at; },
                                [&](const eventpb::LogObserved& e) { See(rented, e, at); },
                                [&](const eventpb::WorkerCondemned& e) {
                                  rented.condemned = at;
                                  rented.rule = e.evidence().rule();
                                },
                                [&](const eventpb::LaunchRejected&) { rented_.erase(id); },
                                [&](const eventpb::WorkerEnded& e) {
                                  Finish(rented, at, e.how() == eventpb::WorkerEnded::VANISHED);
                                  rented_.erase(id);
                                },
                                [](const auto&) {}});
  }

  static void See(Rented& rented, const eventpb::LogObserved& log, absl::Time at) {
    if (log.no_container() || log.phase() == "boot") return;
    rented.alive = std::min(rented.alive, at);
    if (log.counter() > rented.counter) rented.progress = at;
    rented.counter = log.counter();
    if (!(log.rate_per_s() > 0)) return;
    rented.rate_sum += log.rate_per_s();
    ++rented.rates;
  }

  void Finish(const Rented& rented, absl::Time at, bool vanished) {
    const auto seen = seen_.find(rented.key);
    if (seen == seen_.end() || rented.accepted < since_ || rented.accepted >= at) return;
    MarketRecord::Rental rental;
    rental.failed = FailureOf(vanished && rented.rule.empty() ? "vanished" : rented.rule);
    if (rented.alive < at) {
      rental.boot = Whole(rented.alive - rented.accepted);
      absl::Time end = std::min(at, rented.condemned);
      if (rental.failed == "stall" && rented.progress < end) end = rented.progress;
      rental.ran = Whole(std::max(end - rented.alive, absl::ZeroDuration()));
      if (rented.rates > 0) {
        rental.rate_per_s = Rounded(rented.rate_sum / rented.rates, 1000);
      }
    }
    // A rental that nobody ended and that showed nothing yet says nothing.
    if (rental.boot == absl::ZeroDuration() && rental.failed.empty()) return;
    seen->second.machine.rentals.push_back(std::move(rental));
  }

  const absl::Time since_, until_;
  std::string account_;
  bool looked_ = false;
  MarketRecord record_;
  std::map<Key, Seen> seen_;
  std::map<std::string, Rented> rented_;  // open workers
};

}  // namespace

StatusOr<MarketRecord> RecordMarket(const EventStore& log, const ProviderName& provider,
                                    absl::Time since, absl::Time until) {
  Recorder recorder(provider, since, until);
  Status read;
  MUSTER_RETURN_IF_ERROR(log.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& recorded) {
    const StatusOr<eventpb::EventBody> body =
        DecodeEvent(recorded.event.type, recorded.event.payload);
    read = body.status();
    if (body.ok()) recorder.Add(recorded, *body);
    return read.ok();
  }));
  MUSTER_RETURN_IF_ERROR(read);
  return recorder.Take();
}

}  // namespace muster::queries
