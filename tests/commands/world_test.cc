#include "commands/world.h"

#include "commands/snapshot.h"
#include "eventstore/base/rng.h"
#include "eventstore/events/fleet_events.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

// One entry of a log.
struct Entry {
  StreamId stream;
  eventpb::EventBody body;
  absl::Time at;
};

class Log {
 public:
  void Add(const StreamId& stream, const eventpb::EventBody& body, absl::Time at) {
    entries.push_back({stream, body, at});
  }
  // Folds the entries after the World's head.
  void FoldInto(World& world) const {
    for (std::size_t i = world.head; i < entries.size(); ++i) {
      Evolve(world, entries[i].stream, entries[i].body, Stamp{i + 1, entries[i].at});
    }
  }
  World Fold() const {
    World world;
    FoldInto(world);
    return world;
  }
  std::vector<Entry> entries;
};

const WorkerId kWorker("k7f2q");

Log OneWorker() {
  Log log;
  const StreamId stream = WorkerStream(kWorker);
  log.Add(stream, Wrap(Intent()), At(0));
  log.Add(stream, Accepted(), At(10));
  return log;
}
void End(Log& log, absl::Time at) {
  eventpb::WorkerEnded ended;
  ended.set_how(eventpb::WorkerEnded::VANISHED);
  log.Add(WorkerStream(kWorker), Wrap(ended), at);
}
// Something that happens elsewhere, so that time goes on.
void Tick(Log& log, absl::Time at) {
  log.Add(AccountStream(ProviderName("vast")), Wrap(eventpb::CreditObserved()), at);
}

// Everything that holds a time.
Log Everything() {
  Log log;
  const StreamId worker = WorkerStream(kWorker), account = AccountStream(ProviderName("vast"));
  const StreamId fleet = FleetStream(FleetName("zeb"));
  const StreamId host = HostStream(ProviderName("vast"), MachineId("5512"));
  eventpb::FleetApplied applied;
  applied.mutable_spec()->set_name("zeb");
  applied.set_fleet_version(1);
  log.Add(fleet, Wrap(applied), At(0));
  eventpb::PreflightChecked checked;
  checked.set_name("weights");
  log.Add(fleet, Wrap(checked), At(1));
  log.Add(fleet, Wrap(eventpb::FleetScaled()), At(2));
  log.Add(fleet, Wrap(eventpb::FleetWaitChanged()), At(3));
  log.Add(fleet, Wrap(eventpb::StrikesSuspended()), At(4));
  log.Add(worker, Wrap(Intent()), At(5));
  eventpb::LaunchRequested other = Intent("other");
  other.set_upgrade_trial(true);
  log.Add(WorkerStream(WorkerId("other")), Wrap(other), At(6));
  log.Add(WorkerStream(WorkerId("other")), Wrap(eventpb::LaunchUnclear()), At(7));
  eventpb::LaunchRequested third = Intent("third");
  log.Add(WorkerStream(WorkerId("third")), Wrap(third), At(8));
  log.Add(WorkerStream(WorkerId("third")), Accepted("i3"), At(9));
  eventpb::WorkerEnded ended;
  ended.set_how(eventpb::WorkerEnded::VANISHED);
  log.Add(WorkerStream(WorkerId("third")), Wrap(ended), At(40));  // also a launch that failed
  log.Add(worker, Accepted(), At(10));
  eventpb::WorkerHealthChanged health;
  health.set_health(eventpb::WorkerHealthChanged::BOOT);
  log.Add(worker, Wrap(health), At(11));
  log.Add(worker, Wrap(MakeInstanceObserved(Running())), At(20));
  eventpb::LogObserved facts = LogFacts("producing", 7);
  log.Add(worker, Wrap(facts), At(25));
  facts.set_counter(8);
  log.Add(worker, Wrap(facts), At(26));
  facts.set_error("boom");
  facts.set_broken(true);
  log.Add(worker, Wrap(facts), At(27));
  eventpb::ObservationFailed failed;
  for (const char* what : {"log", "instance"}) {
    failed.set_what(what);
    failed.set_count(2);
    log.Add(worker, Wrap(failed), At(30));
  }
  log.Add(worker, Wrap(eventpb::StartRequested()), At(31));
  eventpb::InstanceAbsent absent;
  absent.set_complete_lists(1);
  log.Add(worker, Wrap(absent), At(32));
  eventpb::HostStruck struck;
  struck.set_weight(1);
  struck.set_expires_us(absl::ToUnixMicros(At(1'000'000)));
  log.Add(host, Wrap(struck), At(33));
  log.Add(account, Wrap(eventpb::CreditObserved()), At(34));
  log.Add(account, Wrap(eventpb::CreditWaitBegan()), At(35));
  log.Add(account, Wrap(eventpb::CreditProbed()), At(36));
  log.Add(account, Wrap(eventpb::OffersObserved()), At(37));
  log.Add(account, Wrap(eventpb::InstanceListObserved()), At(38));
  eventpb::OrphanFound orphan;
  orphan.set_instance("i9");
  log.Add(account, Wrap(orphan), At(39));
  eventpb::AccountTroubleBegan trouble;
  trouble.set_kind(eventpb::AccountTroubleBegan::OUTAGE);
  log.Add(account, Wrap(trouble), At(39));
  return log;
}

// A step of the clock leaves no time behind: the World is as if the clock had always stood so.
TEST(World, AStepOfTheClockMovesEveryTime) {
  for (const bool condemned : {false, true}) {
    for (const absl::Duration by : {absl::Minutes(20), -absl::Minutes(20)}) {
      Log log = Everything();
      if (condemned) {
        log.Add(WorkerStream(kWorker), Wrap(Verdict()), At(50));
        log.Add(WorkerStream(kWorker), DestroyAsked(), At(50));
        log.Add(WorkerStream(kWorker), DestroyAnsweredWith(eventpb::DestroyAnswered::UNCLEAR),
                At(51));
      }
      Log later = log;
      for (Entry& entry : later.entries) {
        entry.at += by;
        if (!entry.body.has_host_struck()) continue;
        entry.body.mutable_host_struck()->set_expires_us(absl::ToUnixMicros(At(1'000'000) + by));
      }
      eventpb::ClockStepped stepped;
      stepped.set_by_us(absl::ToInt64Microseconds(by));
      log.Add(InstallationStream(), Wrap(stepped), At(60) + by);
      World world = log.Fold();
      World same = later.Fold();
      same.head = world.head;
      EXPECT_EQ(SerializeWorld(world), SerializeWorld(same));
    }
  }
}

TEST(World, FindsAnOpenWorkerByItsInstanceAndItsFleet) {
  const World world = OneWorker().Fold();
  ASSERT_NE(world.FindWorker(kWorker), nullptr);
  EXPECT_EQ(world.by_instance.at(InstanceId("i1")), kWorker);
  EXPECT_THAT(world.open_by_fleet.at(FleetName("zeb")), testing::ElementsAre(kWorker));
}
TEST(World, AnAdoptedWorkerHasTheIdOfItsStream) {
  Log log;
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_instance("i7");
  log.Add(WorkerStream(WorkerId("adopt")), Wrap(adoption), At(0));
  const World world = log.Fold();
  EXPECT_EQ(world.FindWorker(WorkerId("adopt"))->identity.id, WorkerId("adopt"));
  EXPECT_EQ(world.by_instance.at(InstanceId("i7")), WorkerId("adopt"));
}
TEST(World, KeepsAnEndedWorkerForAnHourAndItsMoneyForEver) {
  Log log = OneWorker();
  End(log, At(3610));
  World world = log.Fold();
  EXPECT_TRUE(world.open_by_fleet.empty());
  EXPECT_TRUE(world.by_instance.empty());
  ASSERT_NE(world.FindWorker(kWorker), nullptr);
  EXPECT_EQ(world.spent_ended_total.at(FleetName("zeb")), MicroUsd(90'000));
  Tick(log, At(3610 + 3600));
  log.FoldInto(world);
  EXPECT_NE(world.FindWorker(kWorker), nullptr);
  Tick(log, At(3610 + 3601));
  log.FoldInto(world);
  EXPECT_EQ(world.FindWorker(kWorker), nullptr);
  EXPECT_EQ(world.spent_ended_total.at(FleetName("zeb")), MicroUsd(90'000));
}
TEST(World, MoneyOfEndedWorkersIsKeptByDay) {
  Log log;
  const absl::Time midnight = absl::FromUnixSeconds(20'720 * 86'400LL);
  log.Add(WorkerStream(kWorker), Wrap(Intent()), midnight - absl::Hours(2));
  log.Add(WorkerStream(kWorker), Accepted(), midnight - absl::Hours(1));
  End(log, midnight + absl::Hours(2));
  const World world = log.Fold();
  const auto& days = world.spent_ended_by_day.at(FleetName("zeb"));
  EXPECT_EQ(days.at(20'719), MicroUsd(90'000));
  EXPECT_EQ(days.at(20'720), MicroUsd(180'000));
}
TEST(World, ALateEventOfAForgottenWorkerIsIgnored) {
  Log log = OneWorker();
  End(log, At(20));
  Tick(log, At(9000));
  log.Add(WorkerStream(kWorker), Accepted(), At(9001));
  EXPECT_EQ(log.Fold().FindWorker(kWorker), nullptr);
}
TEST(World, AnUpgradesTrialIsNotedByItsFleet) {
  Log log;
  eventpb::FleetApplied applied;
  applied.mutable_spec()->set_name("zeb");
  applied.set_fleet_version(1);
  log.Add(FleetStream(FleetName("zeb")), Wrap(applied), At(0));
  eventpb::LaunchRequested intent = Intent();
  intent.set_upgrade_trial(true);
  log.Add(WorkerStream(kWorker), Wrap(intent), At(5));
  EXPECT_EQ(log.Fold().FindFleet(FleetName("zeb"))->last_upgrade.at, At(5));
}
TEST(World, StreamsThatNobodyKnowsChangeNothingButTheHead) {
  World world;
  for (const char* stream : {"host/vast", "weather/today", "", "request/r1"}) {
    Evolve(world, StreamId(stream), Wrap(eventpb::HostPardoned()), Stamp{world.head + 1, At(0)});
  }
  EXPECT_TRUE(world.hosts.empty());
  EXPECT_EQ(world.head, 4u);
}

// ---- random logs ------------------------------------------------------------------------------

void FillAtRandom(Rng& rng, google::protobuf::Message& message, int depth);

std::string RandomText(Rng& rng) {
  static constexpr const char* kTexts[] = {"",        "zeb",  "vast",    "i1",   "i2",
                                           "running", "boot", "offline", "5512", "producing"};
  return kTexts[rng.Below(std::size(kTexts))];
}

void FillField(Rng& rng, google::protobuf::Message& message,
               const google::protobuf::FieldDescriptor* field, int depth) {
  using F = google::protobuf::FieldDescriptor;
  const auto* r = message.GetReflection();
  const auto number = [&] { return static_cast<std::int64_t>(rng.Below(2000)) - 2; };
  if (field->is_map()) return;
  if (field->is_repeated()) {
    if (field->cpp_type() == F::CPPTYPE_STRING) r->AddString(&message, field, RandomText(rng));
    if (field->cpp_type() == F::CPPTYPE_MESSAGE && depth < 3) {
      FillAtRandom(rng, *r->AddMessage(&message, field), depth + 1);
    }
    return;
  }
  switch (field->cpp_type()) {
    case F::CPPTYPE_INT32:
      return r->SetInt32(&message, field, static_cast<int>(number() % 5));
    case F::CPPTYPE_INT64:
      return r->SetInt64(&message, field, number());
    case F::CPPTYPE_UINT32:
      return r->SetUInt32(&message, field, 1);
    case F::CPPTYPE_UINT64:
      return r->SetUInt64(&message, field, rng.Below(100));
    case F::CPPTYPE_DOUBLE:
      return r->SetDouble(&message, field, rng.Between(-1, 10));
    case F::CPPTYPE_FLOAT:
      return r->SetFloat(&message, field, 1);
    case F::CPPTYPE_BOOL:
      return r->SetBool(&message, field, rng.Chance(0.5));
    case F::CPPTYPE_ENUM:
      return r->SetEnumValue(&message, field, static_cast<int>(rng.Below(9)));
    case F::CPPTYPE_STRING:
      return r->SetString(&message, field, RandomText(rng));
    case F::CPPTYPE_MESSAGE:
      if (depth < 3) FillAtRandom(rng, *r->MutableMessage(&message, field), depth + 1);
  }
}

void FillAtRandom(Rng& rng, google::protobuf::Message& message, int depth) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    if (rng.Chance(0.7)) FillField(rng, message, message.GetDescriptor()->field(i), depth);
  }
}

eventpb::EventBody RandomEvent(Rng& rng) {
  const auto& kinds = AllEventKinds();
  const EventKind kind = kinds[rng.Below(kinds.size())];
  eventpb::EventBody body;
  const auto* field = eventpb::EventBody::descriptor()->FindFieldByNumber(kind);
  FillAtRandom(rng, *eventpb::EventBody::GetReflection()->MutableMessage(&body, field), 0);
  return body;
}

Log RandomLog(std::uint64_t seed, int events) {
  Rng rng(seed);
  Log log;
  absl::Time now = At(0);
  for (int i = 0; i < events; ++i) {
    now += absl::Microseconds(rng.Below(120'000'000));
    if (rng.Chance(0.02)) now -= absl::Minutes(rng.Below(300));  // the clock steps back
    const std::string id(1, static_cast<char>('a' + rng.Below(6)));
    const StreamId streams[] = {WorkerStream(WorkerId(id)),
                                WorkerStream(WorkerId(id)),
                                WorkerStream(WorkerId(id)),
                                FleetStream(FleetName("zeb")),
                                HostStream(ProviderName("vast"), MachineId("5512")),
                                AccountStream(ProviderName("vast")),
                                InstallationStream()};
    log.Add(streams[rng.Below(std::size(streams))], RandomEvent(rng), now);
  }
  return log;
}

TEST(WorldProperty, AnySequenceOfEventsFoldsTheSameWayTwice) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    const Log log = RandomLog(seed, 2000);
    EXPECT_EQ(Digest(log.Fold()), Digest(log.Fold()));
  }
}
TEST(WorldProperty, ASnapshotAnywhereAndTheRestFoldToTheSameWorld) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    Log log = RandomLog(seed, 1000);
    const std::string bytes = SerializeWorld(log.Fold());
    StatusOr<World> restored = ParseWorld(bytes);
    ASSERT_THAT(restored, IsOk());
    EXPECT_EQ(SerializeWorld(*restored), bytes);
    for (const Entry& entry : RandomLog(seed + 1000, 1000).entries) log.entries.push_back(entry);
    log.FoldInto(*restored);
    EXPECT_EQ(Digest(*restored), Digest(log.Fold()));
  }
}
TEST(WorldProperty, SpendingNeverShrinksAlongTheLog) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Log log = RandomLog(seed, 2000);
    World world;
    std::map<WorkerId, std::pair<Stamp, MicroUsd>> before;
    for (std::size_t i = 0; i < log.entries.size(); ++i) {
      const Entry& entry = log.entries[i];
      Evolve(world, entry.stream, entry.body, Stamp{i + 1, entry.at});
      for (const auto& [id, state] : world.workers) {
        auto& [begun, spent] = before[id];
        if (begun == state->identity.begun) {
          EXPECT_GE(state->spent_before, spent) << "seed " << seed << " at " << i + 1;
        }
        begun = state->identity.begun;
        spent = state->spent_before;
      }
    }
  }
}
TEST(Snapshot, OfBytesThatWereCutOrChangedNeverCrashes) {
  const std::string bytes = SerializeWorld(RandomLog(7, 500).Fold());
  for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
    EXPECT_FALSE(ParseWorld(std::string_view(bytes).substr(0, cut)).ok()) << cut;
  }
  Rng rng(3);
  for (int i = 0; i < 500; ++i) {
    std::string bad = bytes;
    bad[rng.Below(bad.size())] = static_cast<char>(rng.Below(128));
    (void)ParseWorld(bad).ok();
  }
}
TEST(Snapshot, OfAnEmptyWorldIsAWorld) {
  const World none;
  const StatusOr<World> restored = ParseWorld(SerializeWorld(none));
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(Digest(*restored), Digest(none));
  EXPECT_THAT(ParseWorld(""), StatusIs(StatusCode::kDataLoss));
}

}  // namespace
}  // namespace muster
