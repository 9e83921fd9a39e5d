// One replay and one bundle as they are told, compared to tests/golden/replay.txt; written anew
// with MUSTER_UPDATE_GOLDEN=1.
#include "services/muster/replay_text.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "services/muster/table.h"
#include "services/replay/run.h"
#include "tests/commands/replay/hand_log.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster::cli {
namespace {

// A worker that stalls for a while, and one who would have minded earlier.
std::string Told() {
  replay::HandLog log;
  const std::vector<eventpb::OfferSeen> offers = {replay::HandOffer("101", "1", 90'000),
                                                  replay::HandOffer("102", "2", 95'000)};
  log.Apply(replay::HandSpec()).Listed().Offers(offers).Rent("k7f2q", offers[0]);
  log.After(absl::Seconds(10)).Accept("k7f2q", "900").See("k7f2q", 90'000);
  log.After(absl::Minutes(2)).Read("k7f2q", 1);
  log.After(absl::Minutes(3)).Read("k7f2q", 2).See("k7f2q", 90'000).Offers(offers);
  for (int i = 0; i < 2; ++i) {
    log.After(absl::Minutes(5)).Read("k7f2q", 2).See("k7f2q", 90'000).Offers(offers);
  }
  const specpb::FleetSpec live = replay::HandSpec();
  specpb::FleetSpec trial = live;
  trial.mutable_timers()->set_no_progress_s(180);
  const api::ReplayResponse same = ToResponse(log.Replayed(std::nullopt), "zeb", &live, nullptr);
  const api::ReplayResponse other = ToResponse(log.With(trial), "zeb", &live, &trial);
  return Cat("$ muster replay zeb\n", ReplayText(same, {.command = "muster replay"}),
             "\n$ muster replay zeb --policy new.yaml\n",
             ReplayText(other, {.policy = "new.yaml", .command = "muster replay"}));
}

TEST(ReplayText, IsToldAsInTheGoldenFile) {
  const std::string told = Told();
  const std::string path = SourceDir() + "/tests/golden/replay.txt";
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << told;
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(told, golden.str());
}

TEST(ReplayText, FitsEightyColumns) {
  std::istringstream lines(Told());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), 80u) << line;
}

}  // namespace
}  // namespace muster::cli
