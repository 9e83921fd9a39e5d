#include "queries/diff/diff.h"

#include "tests/queries/log_builder.h"

namespace muster::queries {

void PrintTo(const Change& change, std::ostream* out) {
  *out << change.subject << " " << change.field << " " << change.before << " -> " << change.after;
}

namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;

auto Is(const std::string& subject, const std::string& field, const std::string& before,
        const std::string& after) {
  return AllOf(Field(&Change::subject, subject), Field(&Change::field, field),
               Field(&Change::before, before), Field(&Change::after, after));
}

TEST(Diff, OfAMomentWithItselfIsEmpty) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 2});
  log.Launch("k7f2q", "zeb", {});
  const auto models = log.Models();
  EXPECT_THAT(Diff({*models, log.now()}, {*models, log.now()}, {}), IsEmpty());
}

TEST(Diff, TellsHealthStrikesAndSpending) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  log.Launch("k7f2q", "zeb", {.machine = "5512"});
  log.Accept("k7f2q", "123");
  log.See("k7f2q", 100'000);
  log.Health("k7f2q", eventpb::WorkerHealthChanged::SETUP);
  const auto before = log.Models();
  const absl::Time then = log.now();
  log.After(absl::Hours(1));
  log.Health("k7f2q", eventpb::WorkerHealthChanged::HEALTHY);
  eventpb::HostStruck struck;
  struck.set_worker("k7f2q");
  struck.set_cause("no-progress");
  struck.set_weight(1);
  log.Write("host/vast/5512", struck);
  const auto after = log.Models();
  const auto changes = Diff({*before, then}, {*after, log.now()}, FleetName("zeb"));
  EXPECT_THAT(changes, Contains(Is("worker/k7f2q", "health", "SETUP", "HEALTHY")));
  EXPECT_THAT(changes, Contains(Is("worker/k7f2q", "spent", "$0.00", "$0.10")));
  EXPECT_THAT(changes, Contains(Is("fleet/zeb", "healthy", "0", "1")));
  EXPECT_THAT(changes, Contains(Is("host/vast/5512", "strikes", "", "1")));
  // The other way round it reads the other way round.
  EXPECT_THAT(Diff({*after, log.now()}, {*before, then}, FleetName("zeb")),
              Contains(Is("worker/k7f2q", "health", "HEALTHY", "SETUP")));
}

TEST(Diff, TellsWhoCameAndNothingOfOtherFleets) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  const auto before = log.Models();
  const absl::Time then = log.now();
  log.Launch("k7f2q", "zeb", {});
  log.Fleet("other", {.workers = 1});
  const auto after = log.Models();
  const auto changes = Diff({*before, then}, {*after, log.now()}, FleetName("zeb"));
  EXPECT_THAT(changes, Contains(Is("worker/k7f2q", "phase", "", "launching")));
  for (const Change& change : changes) EXPECT_NE(change.subject, "fleet/other");
  EXPECT_THAT(Diff({*before, then}, {*after, log.now()}, {}),
              Contains(Field(&Change::subject, "fleet/other")));
}

}  // namespace
}  // namespace muster::queries
