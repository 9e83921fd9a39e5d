// Alerts in the log: raised once and ended once, whatever happens to the daemon in between.
#include "services/notify/alert_watch.h"

#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::notify {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Watching : public testing::Test {
 protected:
  // The daemon's parts from now on; the ones before end as by a crash.
  void Restart() {
    log.rt().DestroyTasks();
    watch.reset();
    handler = std::make_unique<Handler>(log.rt(), log.store());
    EXPECT_THAT(log.rt().Run(handler->Load()), IsOk());
    watch = std::make_unique<AlertWatch>(
        AlertWatch::Ports{log.rt(), log.store(), *handler, [this] { return inputs; },
                          [this](std::string why) { unwritable.push_back(std::move(why)); }});
    log.rt().Spawn("alerts", watch->Run());
  }
  ~Watching() override { log.rt().DestroyTasks(); }

  void Fleet(int healthy) {
    queries::FleetStatus fleet;
    fleet.name = FleetName("zeb");
    fleet.wanted = 8;
    fleet.healthy = healthy;
    inputs.fleets = {fleet};
  }
  void Health(int healthy) {
    eventpb::FleetHealthChanged e;
    e.set_wanted(8);
    e.set_have(8);
    e.set_healthy(healthy);
    log.Write("fleet/zeb", e);
  }
  std::vector<std::string> Alerts() {
    std::vector<std::string> types;
    EXPECT_THAT(log.store().ReadStream(AlertStream(), 0,
                                       [&](const RecordedEvent& recorded) {
                                         types.push_back(recorded.event.type);
                                         return true;
                                       }),
                IsOk());
    return types;
  }

  queries::LogBuilder log;
  AlertInputs inputs;
  std::vector<std::string> unwritable;
  std::unique_ptr<Handler> handler;
  std::unique_ptr<AlertWatch> watch;
};

TEST_F(Watching, AnAlertIsWrittenWhenItBeginsAndWhenItEnds) {
  Restart();
  inputs.disk_free_bytes = 1;
  log.rt().RunFor(absl::Hours(1));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised"));
  inputs.disk_free_bytes = 9'000'000'000;
  log.rt().RunFor(absl::Minutes(1));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised", "alert.ended"));
}

TEST_F(Watching, ARestartDoesNotRaiseItAgainAndDoesEndIt) {
  inputs.disk_free_bytes = 1;
  for (int i = 0; i < 3; ++i) {
    Restart();
    log.rt().RunFor(absl::Minutes(5));
  }
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised"));
  inputs.disk_free_bytes = 9'000'000'000;
  Restart();
  log.rt().RunFor(absl::Minutes(1));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised", "alert.ended"));
}

TEST_F(Watching, AFleetIsShortSinceTheLogSaysSoNotSinceTheDaemonRuns) {
  log.Fleet("zeb", {.workers = 8});
  Health(8);
  Health(5);
  Fleet(5);
  Restart();
  log.rt().RunFor(absl::Minutes(20));
  EXPECT_THAT(Alerts(), IsEmpty());
  Restart();
  log.rt().RunFor(absl::Minutes(9));
  EXPECT_THAT(Alerts(), IsEmpty());
  log.rt().RunFor(absl::Minutes(2));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised"));
}

TEST_F(Watching, OfALongHistoryOnlyTheNewestPartIsReadAtAStart) {
  log.Fleet("zeb", {.workers = 8});
  Health(8);
  for (int i = 0; i < 1999; ++i) log.Write("fleet/zeb", eventpb::StrikesResumed());
  Fleet(5);
  Health(5);
  Restart();
  log.rt().RunFor(absl::Minutes(31));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised"));
  for (int i = 0; i < 2000; ++i) log.Write("fleet/zeb", eventpb::StrikesResumed());
  Restart();
  log.rt().RunFor(absl::Minutes(1));
  EXPECT_THAT(Alerts(), ElementsAre("alert.raised"))
      << "what was raised is known by its own stream";
}

TEST_F(Watching, AnEarlierShortageThatEndedDoesNotCount) {
  log.Fleet("zeb", {.workers = 8});
  Health(5);
  Health(8);
  log.rt().RunFor(absl::Hours(2));
  log.After(absl::Hours(2));
  Health(5);
  Fleet(5);
  Restart();
  log.rt().RunFor(absl::Minutes(29));
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(Watching, ALogThatCannotBeWrittenIsToldOnce) {
  Restart();
  log.rt().RunFor(absl::Minutes(1));
  EXPECT_THAT(unwritable, IsEmpty());
  log.store().FailNextAppend(Unavailable("the disk is gone"));
  inputs.disk_free_bytes = 1;
  log.rt().RunFor(absl::Hours(1));
  EXPECT_THAT(unwritable, ElementsAre(HasSubstr("the disk is gone")));
}

TEST_F(Watching, ThePolicyDoesNotHearOfAlertsOrOfWhatWasTold) {
  EXPECT_TRUE(IsAside(AlertStream()));
  EXPECT_TRUE(IsAside(NotifyStream("pager")));
  EXPECT_TRUE(IsAside(AuditStream()));
  EXPECT_FALSE(IsAside(FleetStream(FleetName("notify"))));
  EXPECT_FALSE(IsAside(InstallationStream()));
}

}  // namespace
}  // namespace muster::notify
