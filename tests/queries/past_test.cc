// Questions about the past start from the nearest snapshot, and are answered as if they had not.
#include "queries/projector.h"
#include "tests/queries/random_log.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

constexpr char kShelf[] = "read-models-past";

ProjectorOptions Close() {
  return {.snapshot_every = 0, .batch = 7, .past = {.every = 20, .kept = 6}};
}

std::string FromZero(LogBuilder& log, Position position) {
  ReadModels models(log.store());
  const Status read = log.store().ReadAll(
      0, position, [&](const RecordedEvent& event) { return models.Apply(event).ok(); });
  EXPECT_THAT(read, IsOk());
  return models.Digest();
}

TEST(Past, AtAnyPositionIsAFoldFromZero) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    LogBuilder log;
    WriteRandomEvents(log, seed, 300);
    Projector projector(log.rt(), log.store(), Close());
    ASSERT_THAT(log.rt().Run(projector.Start()), IsOk());
    ASSERT_THAT(log.store().LoadSnapshot(Cat(kShelf, "/0")), IsOk());
    for (Position position = 1; position <= 300; position += 1 + position % 13) {
      const auto past = log.rt().Run(projector.AsOf(position));
      ASSERT_THAT(past, IsOk());
      EXPECT_EQ((*past)->position(), position);
      EXPECT_EQ((*past)->Digest(), FromZero(log, position)) << position;
    }
  }
}

TEST(Past, StaysAsItIsWhileTheLogGoesOn) {
  LogBuilder log;
  WriteRandomEvents(log, 3, 100);
  Projector projector(log.rt(), log.store(), Close());
  ASSERT_THAT(log.rt().Run(projector.Start()), IsOk());
  const auto past = log.rt().Run(projector.AsOf(Position{90}));
  ASSERT_THAT(past, IsOk());
  const auto page = (*past)->Events({.newest_first = true, .page_size = 5});
  WriteRandomEvents(log, 4, 150);
  log.rt().RunFor(absl::Seconds(1));
  ASSERT_EQ(projector.position(), 250u);
  ASSERT_THAT(log.rt().Run(projector.Rebuild()), IsOk());  // the live ones of then are gone
  EXPECT_EQ((*past)->Digest(), FromZero(log, 90));
  const auto again = (*past)->Events({.newest_first = true, .page_size = 5});
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(again->events.front().recorded.position, 90u);
  EXPECT_EQ(page->events.size(), again->events.size());
  EXPECT_THAT((*past)->Explain("91"), StatusIs(StatusCode::kNotFound));
}

TEST(Past, ASnapshotThatDoesNotFitIsIgnored) {
  LogBuilder log, other;
  WriteRandomEvents(log, 5, 100);
  WriteRandomEvents(other, 6, 100);
  Projector foreign(other.rt(), other.store(), Close());
  ASSERT_THAT(other.rt().Run(foreign.Start()), IsOk());
  Projector projector(log.rt(), log.store(), Close());
  ASSERT_THAT(log.rt().Run(projector.Start()), IsOk());
  for (int slot = 0; slot < 3; ++slot) {
    auto saved = log.store().LoadSnapshot(Cat(kShelf, "/", slot));
    auto alien = other.store().LoadSnapshot(Cat(kShelf, "/", slot));
    ASSERT_THAT(saved, IsOk());
    ASSERT_THAT(alien, IsOk());
    saved->state = slot == 0 ? std::string("rubbish") : alien->state;
    ASSERT_THAT(log.store().SaveSnapshot(Cat(kShelf, "/", slot), *saved), IsOk());
  }
  for (const Position position : {20, 45, 64, 99}) {
    const auto past = log.rt().Run(projector.AsOf(position));
    ASSERT_THAT(past, IsOk());
    EXPECT_EQ((*past)->Digest(), FromZero(log, position)) << position;
  }
}

TEST(Past, WhatTheLiveModelsHaveNotFoldedYetIsFoldedAllTheSame) {
  LogBuilder log;
  WriteRandomEvents(log, 7, 50);
  Projector projector(log.rt(), log.store(), Close());  // not started
  const auto past = log.rt().Run(projector.AsOf(Position{40}));
  ASSERT_THAT(past, IsOk());
  EXPECT_EQ((*past)->Digest(), FromZero(log, 40));
}

}  // namespace
}  // namespace muster::queries
