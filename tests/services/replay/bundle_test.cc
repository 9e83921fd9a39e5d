#include "services/replay/bundle.h"

#include "commands/snapshot.h"
#include "eventstore/base/sha256.h"
#include "tests/commands/replay/planted.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using queries::LogBuilder;
using ::testing::HasSubstr;
using ::testing::Not;

StatusOr<std::string> Pack(const EventStore& store, Position around,
                           absl::Duration span = absl::Hours(24)) {
  BundleQuestion question;
  question.around = around;
  question.before = question.after = span;
  question.head = store.Head();
  BundlePacker packer(std::move(question), ReadFrom(store));
  for (bool done = false; !done;) {
    MUSTER_ASSIGN_OR_RETURN(done, packer.Step(7));
  }
  return packer.TakeFile();
}

// A small log: a fleet, one worker, hours apart.
void Write(LogBuilder& log) {
  log.Fleet("zeb", {.workers = 1});
  log.Launch("k7f2q", "zeb", {});
  log.After(absl::Hours(2)).Accept("k7f2q", "900");
  log.After(absl::Hours(2)).See("k7f2q", 81'000);
}

std::string Problem(std::string_view file) {
  return std::string(Message(ReadBundle(file).status()));
}

// Puts `bundle` into a file as the packer would.
std::string Sealed(const eventpb::Bundle& bundle) {
  eventpb::BundleFile file;
  file.set_magic("muster-bundle");
  file.set_format(1);
  file.set_content(bundle.SerializeAsString());
  const Sha256Digest digest = Sha256(file.content());
  file.set_sha256(std::string(Bytes(digest)));
  return file.SerializeAsString();
}

TEST(Bundle, HoldsTheStateBeforeAndTheEventsOfTheSpan) {
  LogBuilder log;
  Write(log);
  const auto file = Pack(log.store(), 3, absl::Hours(1));
  ASSERT_THAT(file, IsOk());
  const auto bundle = ReadBundle(*file);
  ASSERT_THAT(bundle, IsOk());
  EXPECT_EQ(bundle->before_first(), 2u);
  EXPECT_EQ(bundle->last(), 3u);
  ASSERT_EQ(bundle->events_size(), 1);
  EXPECT_TRUE(bundle->events(0).body().has_launch_accepted());
  EXPECT_EQ(bundle->policies_size(), 1);
  const auto world = ParseWorld(bundle->world());
  ASSERT_THAT(world, IsOk());
  EXPECT_NE(world->FindWorker(WorkerId("k7f2q")), nullptr);
  EXPECT_EQ(bundle->hash_before().size(), 32u);
}

TEST(Bundle, IsPackedAlikeEachTime) {
  LogBuilder log;
  Write(log);
  EXPECT_EQ(*Pack(log.store(), 2), *Pack(log.store(), 2));
}

// Secrets in every text of every kind of event, in the slice and in the state before it.
TEST(Bundle, HoldsNoPlantedSecretOfAnyFieldOfAnyEvent) {
  LogBuilder log;
  Write(log);
  const auto write = [&](std::string_view stream, EventKind kind) {
    eventpb::EventBody body;
    const auto* field = body.GetDescriptor()->FindFieldByNumber(kind);
    replay::Plant(*body.GetReflection()->MutableMessage(&body, field));
    const StreamId id(stream);
    NewEvent event{.id = EventId(Cat("p", log.store().Head())),
                   .type = std::string(TypeName(kind)),
                   .payload = EncodeEvent(body),
                   .actor = Cat("operator:", replay::kPlanted),
                   .cause = std::string(replay::kPlanted),
                   .correlation = Cat("request/", replay::kPlanted),
                   .occurred_at = log.now()};
    const auto done = log.rt().Run(log.store().Append(id, Expect::At(log.store().StreamVersion(id)),
                                                      {std::move(event)}, log.now()));
    ASSERT_THAT(done, IsOk());
  };
  for (int round = 0; round < 2; ++round) {
    for (const EventKind kind : AllEventKinds()) {
      for (const char* stream : {"worker/k7f2q", "worker/m3r8s", "fleet/zeb", "account/vast",
                                 "host/vast/5512", "installation", "audit", "request/1"}) {
        write(stream, kind);
      }
    }
    log.After(absl::Hours(round == 0 ? 5 : 0));
  }
  for (const absl::Duration span : {absl::Hours(3), absl::Hours(48)}) {
    const auto file = Pack(log.store(), log.store().Head(), span);
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT(*file, Not(HasSubstr(replay::kPlanted)));
    EXPECT_THAT(*file, Not(HasSubstr(std::string("s3cr3t"))));
    ASSERT_THAT(ReadBundle(*file), IsOk());
  }
  // The search would find it: the log is full of it.
  std::string all;
  ASSERT_THAT(log.store().ReadAll(0, SIZE_MAX,
                                  [&](const RecordedEvent& event) {
                                    all += event.event.payload;
                                    return true;
                                  }),
              IsOk());
  EXPECT_THAT(all, HasSubstr(replay::kPlanted));
}

TEST(Bundle, ADamagedOrForeignFileIsRefusedByFieldAndExpectation) {
  LogBuilder log;
  Write(log);
  const std::string file = *Pack(log.store(), 2);
  EXPECT_THAT(Problem(""), HasSubstr("field magic: missing; expected \"muster-bundle\""));
  EXPECT_THAT(Problem("name: zeb\nworkers: 4\n"), HasSubstr("field magic: missing"));
  EXPECT_THAT(Problem(file.substr(0, file.size() / 2)), HasSubstr("field magic"));
  std::string flipped = file;
  flipped[file.size() / 2] ^= 1;
  EXPECT_THAT(Problem(flipped), HasSubstr("field "));
  EXPECT_THAT(Problem(flipped), HasSubstr("expected"));

  eventpb::BundleFile outer;
  ASSERT_TRUE(outer.ParseFromString(file));
  outer.set_format(9);
  EXPECT_THAT(Problem(outer.SerializeAsString()), HasSubstr("field format: 9; expected 1"));

  eventpb::Bundle bundle = *ReadBundle(file);
  bundle.set_world_format(4);
  EXPECT_THAT(Problem(Sealed(bundle)), HasSubstr("field world_format: 4, packed by muster"));
  bundle = *ReadBundle(file);
  bundle.set_world("not a world");
  EXPECT_THAT(Problem(Sealed(bundle)), HasSubstr("field world: "));
  bundle = *ReadBundle(file);
  bundle.mutable_events(1)->set_position(1);
  EXPECT_THAT(Problem(Sealed(bundle)), HasSubstr("field events[1].position: 1; expected over 1"));
  bundle = *ReadBundle(file);
  bundle.mutable_events(0)->clear_body();
  EXPECT_THAT(Problem(Sealed(bundle)), HasSubstr("field events[0].body"));
}

// No byte can be changed, and none can be left out, without the file being refused.
TEST(Bundle, EveryFlippedByteIsFound) {
  LogBuilder log;
  Write(log);
  const std::string file = *Pack(log.store(), 2);
  for (std::size_t at = 0; at < file.size(); at += 3) {
    std::string flipped = file;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x20);
    EXPECT_FALSE(ReadBundle(flipped).ok()) << at;
    EXPECT_FALSE(ReadBundle(file.substr(0, at)).ok()) << at;
  }
}

TEST(Bundle, ASpanWithoutEventsIsNone) {
  LogBuilder log;
  Write(log);
  BundleQuestion question;
  question.around_time = log.now() + absl::Hours(9);
  question.head = log.store().Head();
  BundlePacker packer(question, ReadFrom(log.store()));
  StatusOr<bool> done = false;
  while (done.ok() && !*done) done = packer.Step(100);
  EXPECT_EQ(done.status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace muster
