#include "commands/shadow/driver.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "commands/shadow/compare.h"
#include "commands/shadow/money.h"
#include "eventstore/base/log.h"
#include "eventstore/events/values.h"

namespace muster::shadow {
namespace {

// A comparison copies the World; looks that decide nothing can wait so long, more of it the larger
// the World is.
constexpr absl::Duration kPauseMin = absl::Seconds(5);
constexpr absl::Duration kPausePerWorker = absl::Milliseconds(10);
constexpr absl::Duration kCountEvery = absl::Hours(1);

}  // namespace

struct Driver::Core {
  Core(Ports the_ports, fleet::PlanOptions plan)
      : ports(std::move(the_ports)), options(std::move(plan)), written(ports.rt.MakeSignal()) {}

  // What is known of a shadow and not in the log yet.
  struct Book {
    std::uint64_t started = 0;  // of which shadow: the position of its start
    absl::Time compared_at = absl::InfinitePast();
    Counts counts;
    std::deque<eventpb::EventBody> pending;
    bool writing = false;
    bool ending = false;
  };

  const Ports ports;
  const fleet::PlanOptions options;
  std::map<FleetName, Book> books;
  std::unique_ptr<Signal> written;
  bool stopped = false;

  Book& BookOf(const State& shadow) {
    Book& book = books[shadow.fleet];
    if (book.started != shadow.started.position) {
      const bool writing = book.writing;
      book = {};
      book.started = shadow.started.position;
      book.writing = writing;
    }
    return book;
  }

  // As it will be once all that is pending is in the log.
  State Ahead(const State& shadow, const Book& book, absl::Time now) const {
    State state = shadow;
    for (const eventpb::EventBody& body : book.pending) {
      Evolve(state, body, Stamp{ports.world().head, now});
    }
    return state;
  }

  void CountUp(const State& ahead, Book& book, absl::Time now) const {
    const World& world = ports.world();
    const MicroUsd live = SpentByFleet(world, ahead.fleet, now).total - ahead.live_spent_before;
    const MicroUsd would_be = live + Difference(world, ahead, now).total;
    eventpb::ShadowCounted counted;
    counted.set_from_us(ToStoredTime(ahead.counted_to));
    counted.set_to_us(ToStoredTime(now));
    const Counts counts = std::exchange(book.counts, {});
    counted.set_moments(counts.moments);
    counted.set_agreements(counts.agreements);
    counted.set_unrecorded(counts.unrecorded);
    counted.set_live_micro_usd((live - ahead.live_counted).micros);
    counted.set_would_be_micro_usd((would_be - ahead.would_be_counted).micros);
    book.pending.push_back(Wrap(counted));
  }

  bool IsDue(const State& shadow, const Book& book, const fleet::PlanResult& live,
             absl::Time now) const {
    const auto& looked = live.looked_at;
    if (!std::binary_search(looked.begin(), looked.end(), shadow.fleet)) return false;
    const World& world = ports.world();
    const absl::Duration pause =
        std::max(kPauseMin, kPausePerWorker * static_cast<std::int64_t>(world.workers.size()));
    return OverAt(book.compared_at, pause, now) <= now ||
           DecidesAnything(live, world, shadow.fleet);
  }
};

namespace {

using CorePtr = std::shared_ptr<Driver::Core>;
using Book = Driver::Core::Book;

// Writes the pending events of one shadow until there are none.
Task<void> Write(CorePtr core, FleetName name) {
  while (true) {
    Book& book = core->books[name];
    if (book.pending.empty()) break;
    const std::uint64_t started = book.started;
    const std::size_t count = book.pending.size();
    Command record = Record{started, {book.pending.begin(), book.pending.end()}};
    const StatusOr<std::uint64_t> done = co_await core->ports.write(name, std::move(record));
    Book& after = core->books[name];
    if (after.started != started) continue;  // another shadow began; what was pending went with it
    if (done.ok()) {
      const auto last = after.pending.begin() + static_cast<std::ptrdiff_t>(count);
      after.pending.erase(after.pending.begin(), last);
    } else {
      // Found anew at the next look, from what the log has.
      Log(LogLevel::kWarning, "shadow_not_written",
          {{"fleet", name.str()}, {"error", done.status()}});
      after.pending.clear();
    }
  }
  core->books[name].writing = false;
  core->written->NotifyAll();
}

void BeginWriting(const CorePtr& core, const FleetName& name) {
  Book& book = core->books[name];
  if (book.pending.empty() || std::exchange(book.writing, true)) return;
  core->ports.rt.Spawn("shadow", Write(core, name));
}

Task<void> EndGone(CorePtr core, FleetName name) {
  Command end = End{eventpb::ShadowEnded::FLEET_GONE, "the fleet goes down"};
  const StatusOr<std::uint64_t> done = co_await core->ports.write(name, std::move(end));
  if (!done.ok()) {
    Log(LogLevel::kWarning, "shadow_not_ended", {{"fleet", name.str()}, {"error", done.status()}});
  }
}

Task<void> FlushOne(CorePtr core, FleetName name) {
  const State* shadow = core->ports.world().FindShadow(name);
  if (shadow == nullptr || !shadow->running) co_return;
  const absl::Time now = core->ports.rt.Now();
  Book& book = core->BookOf(*shadow);
  core->CountUp(core->Ahead(*shadow, book, now), book, now);
  BeginWriting(core, name);
  while (core->books[name].writing) co_await core->written->WaitUntil(absl::InfiniteFuture());
}

Task<void> FlushAndEnd(CorePtr core, FleetName name) {
  co_await FlushOne(core, name);
  co_await EndGone(core, name);
}

}  // namespace

Driver::Driver(Ports ports, fleet::PlanOptions options)
    : core_(std::make_shared<Core>(std::move(ports), std::move(options))) {}
Driver::~Driver() { Stop(); }

void Driver::Look(const fleet::PlanResult& live, absl::Time now) {
  if (core_->stopped) return;
  const World& world = core_->ports.world();
  for (const auto& [name, shadow] : world.shadows) {
    if (!shadow.running) continue;
    Book& book = core_->BookOf(shadow);
    const fleet::State* fleet = world.FindFleet(name);
    if (fleet == nullptr || !fleet->active()) {
      if (!std::exchange(book.ending, true)) {
        core_->ports.rt.Spawn("shadow", FlushAndEnd(core_, name));
      }
      continue;
    }
    book.ending = false;
    if (!core_->IsDue(shadow, book, live, now)) continue;
    State ahead = core_->Ahead(shadow, book, now);
    Comparison came = Compare({world, live, core_->options, now}, ahead);
    book.compared_at = now;
    ++book.counts.moments;
    book.counts.agreements += came.agreements;
    book.counts.unrecorded += came.unrecorded;
    for (eventpb::EventBody& body : came.events) {
      Evolve(ahead, body, Stamp{world.head, now});
      book.pending.push_back(std::move(body));
    }
    if (OverAt(ahead.counted_to, kCountEvery, now) <= now) core_->CountUp(ahead, book, now);
    BeginWriting(core_, name);
  }
}

Driver::Counts Driver::Pending(const FleetName& name) const {
  const auto book = core_->books.find(name);
  const State* shadow = core_->ports.world().FindShadow(name);
  const bool of_it = book != core_->books.end() && shadow != nullptr && shadow->running &&
                     book->second.started == shadow->started.position;
  return of_it ? book->second.counts : Counts();
}

Task<void> Driver::Flush(FleetName name) { return FlushOne(core_, std::move(name)); }

Task<void> Driver::FlushAll() {
  const CorePtr core = core_;
  std::vector<FleetName> names;
  for (const auto& [name, shadow] : core->ports.world().shadows) {
    if (shadow.running) names.push_back(name);
  }
  for (const FleetName& name : names) co_await FlushOne(core, name);
}

void Driver::Stop() { core_->stopped = true; }

}  // namespace muster::shadow
