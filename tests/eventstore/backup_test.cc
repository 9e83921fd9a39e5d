#include <filesystem>
#include <fstream>
#include <thread>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Backup : public testing::Test {
 protected:
  void SetUp() override {
    store_ = Open("store");
    ASSERT_THAT(AppendTo(rt_, *store_, "a", 0, {"1", "2"}), IsOk());
  }
  std::unique_ptr<RocksDbEventStore> Open(const std::string& name) {
    auto opened = RocksDbEventStore::Open(rt_, {.path = folder_.path(name)});
    EXPECT_THAT(opened, IsOk());
    return *std::move(opened);
  }
  Status Restore(const std::string& from, const std::string& to) {
    return RocksDbEventStore::Restore(folder_.path(from), folder_.path(to));
  }

  TempFolder folder_;
  VirtualRuntime rt_{1, kLogStart};
  std::unique_ptr<RocksDbEventStore> store_;
};

TEST_F(Backup, HoldsTheLogAsItWasAndTheStoreGoesOn) {
  EXPECT_THAT(store_->Backup(folder_.path("backup")), IsOkAndHolds(2u));
  ASSERT_THAT(AppendTo(rt_, *store_, "a", 2, {"3"}), IsOk());
  ASSERT_THAT(Restore("backup", "restored"), IsOk());
  auto restored = Open("restored");
  EXPECT_THAT(ReadIds(*restored).ids, ElementsAre("1", "2"));
  EXPECT_THAT(restored->Verify(0), IsOk());
  EXPECT_THAT(AppendTo(rt_, *restored, "a", 2, {"other"}), IsOk());
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("1", "2", "3"));
}

TEST_F(Backup, TheNewestIsRestoredAndTwoAreKept) {
  for (int i = 3; i < 7; ++i) {
    ASSERT_THAT(AppendTo(rt_, *store_, "a", i - 1, {Cat(i)}), IsOk());
    ASSERT_THAT(store_->Backup(folder_.path("backup")), IsOk());
  }
  ASSERT_THAT(Restore("backup", "restored"), IsOk());
  EXPECT_EQ(Open("restored")->Head(), 6u);
  int kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path("backup/meta"))) {
    kept += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(kept, 2);
}

TEST_F(Backup, MayBeTakenWhileAppendsGoOn) {
  StatusOr<Position> taken = Internal("not taken");
  std::thread thread([&] { taken = store_->Backup(folder_.path("backup")); });
  for (int i = 3; i < 40; ++i) {
    EXPECT_THAT(AppendTo(rt_, *store_, "a", i - 1, {Cat(i)}), IsOk());
  }
  thread.join();
  ASSERT_THAT(taken, IsOk());
  ASSERT_THAT(Restore("backup", "restored"), IsOk());
  auto restored = Open("restored");
  EXPECT_GE(restored->Head(), *taken);
  EXPECT_THAT(restored->Verify(0), IsOk());
}

TEST_F(Backup, WhereThereIsNoneIsNotFound) {
  EXPECT_THAT(Restore("nothing", "restored"),
              StatusIs(StatusCode::kNotFound, HasSubstr(folder_.path("nothing"))));
  std::filesystem::create_directories(folder_.path("empty/meta"));
  EXPECT_THAT(Restore("empty", "restored"), StatusIs(StatusCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("restored")));
}

TEST_F(Backup, NothingIsEverRestoredOverSomething) {
  ASSERT_THAT(store_->Backup(folder_.path("backup")), IsOk());
  EXPECT_THAT(Restore("backup", "store"),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr(folder_.path("store"))));
  std::filesystem::create_directories(folder_.path("empty"));
  EXPECT_THAT(Restore("backup", "empty"), StatusIs(StatusCode::kAlreadyExists));
}

TEST_F(Backup, ADamagedOneIsRefusedAndLeavesNothingBehind) {
  ASSERT_THAT(store_->Backup(folder_.path("backup")), IsOk());
  int damaged = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.path("backup/private"))) {
    if (entry.path().extension() != ".log") continue;
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(20);
    file.put('\xee');
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  EXPECT_THAT(Restore("backup", "restored"), StatusIs(StatusCode::kDataLoss));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("restored")));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("restored.restoring")));
}

TEST_F(Backup, ToAPlaceThatCannotBeWrittenNamesThePlace) {
  EXPECT_THAT(store_->Backup(folder_.path("no/such/place")),
              StatusIs(StatusCode::kUnavailable, HasSubstr(folder_.path("no/such/place"))));
}

}  // namespace
}  // namespace muster
