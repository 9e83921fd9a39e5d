// What the RocksDB store does when the disk is full, when a sync fails, and when bytes are wrong.
#include <rocksdb/db.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/fault_fs.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RocksDbFaults : public testing::TestWithParam<bool> {
 protected:
  StatusOr<std::unique_ptr<RocksDbEventStore>> TryOpen() {
    return RocksDbEventStore::Open(
        rt_, {.path = path_, .commit_thread = GetParam(), .env = faults_.env()});
  }
  void Open() {
    store_.reset();
    auto opened = TryOpen();
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  StatusOr<Appended> Append(const std::string& stream, Version expected,
                            const std::vector<std::string>& ids) {
    return AppendTo(rt_, *store_, stream, expected, ids);
  }
  // The database itself, behind the store's back.
  template <class Edit>
  void EditDatabase(Edit edit) {
    store_.reset();
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    rocksdb::ColumnFamilyOptions plain;
    plain.compression = rocksdb::kNoCompression;
    for (const char* name : {"default", "log", "stream", "id"}) families.push_back({name, plain});
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path_ + "/db", families, &handles, &db).ok());
    edit(*db, handles);
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  // Moves all events from the write-ahead log into sorted files.
  void FlushToFiles() {
    EditDatabase([](rocksdb::DB& db, const auto& handles) {
      for (auto* handle : handles) ASSERT_TRUE(db.Flush({}, handle).ok());
    });
  }
  // Changes the first byte of `text` in the only file with this ending that has it.
  void Corrupt(const std::string& ending, const std::string& text) {
    store_.reset();
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/db")) {
      if (entry.path().extension() != ending) continue;
      std::stringstream content;
      content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      const std::size_t at = content.str().find(text);
      if (at == std::string::npos) continue;
      ++found;
      std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(at));
      file.put('X');
    }
    ASSERT_EQ(found, 1);
  }

  TempFolder folder_;
  const std::string path_ = folder_.path("store");
  FaultFs faults_;
  VirtualRuntime rt_{1, kLogStart};
  std::unique_ptr<RocksDbEventStore> store_;
};

INSTANTIATE_TEST_SUITE_P(CommitOn, RocksDbFaults, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Thread" : "Reactor");
});

TEST_P(RocksDbFaults, AFullDiskIsSaidAndNothingIsWrittenAndRoomHealsIt) {
  Open();
  ASSERT_THAT(Append("a", 0, {"1"}), IsOk());
  for (const std::int64_t room : {0, 1, 100, 300, 3000}) {
    SCOPED_TRACE(room);
    faults_.set_room(room);
    EXPECT_THAT(Append("a", 1, {"x1", "x2"}), StatusIs(StatusCode::kResourceExhausted));
    EXPECT_THAT(Append("b", 0, {"y"}), StatusIs(StatusCode::kResourceExhausted));
    EXPECT_EQ(store_->Head(), 1u);
    EXPECT_EQ(store_->StreamVersion(StreamId("a")), 1u);
    EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("1"));
    EXPECT_THAT(Append("a", 0, {"1"}), IsOk()) << "known ids need no room";
  }
  faults_.set_room(FaultFs::kPlenty);
  EXPECT_THAT(Append("a", 1, {"x1", "x2"}), IsOk());
  EXPECT_THAT(Append("b", 0, {"y"}), IsOk());
  const auto ids = ElementsAre("1", "x1", "x2", "y");
  EXPECT_THAT(ReadIds(*store_).ids, ids);
  Open();
  EXPECT_THAT(ReadIds(*store_).ids, ids);
  EXPECT_THAT(store_->Verify(0), IsOk());
}

TEST_P(RocksDbFaults, AKillWhileTheDiskIsFullLeavesNothingHalfWritten) {
  for (std::int64_t room = 0; room < 700; room += 50) {
    SCOPED_TRACE(room);
    faults_.set_room(FaultFs::kPlenty);
    Open();
    const auto version = store_->StreamVersion(StreamId("a"));
    const auto before = ReadIds(*store_).ids;
    faults_.set_room(room);
    const std::string name = Cat("r", room, "-");
    const auto appended = Append("a", version, {name + "1", name + "2"});
    // What the process has written so far is what a kill leaves behind.
    const std::string copy = folder_.path(Cat("copy", room));
    std::filesystem::copy(path_, copy, std::filesystem::copy_options::recursive);
    auto after_kill = RocksDbEventStore::Open(rt_, {.path = copy, .commit_thread = false});
    ASSERT_THAT(after_kill, IsOk());
    const auto survived = ReadIds(**after_kill).ids;
    EXPECT_THAT(survived, SizeIs(before.size() + (appended.ok() ? 2 : 0)));
    EXPECT_THAT((*after_kill)->Verify(0), IsOk());
  }
}

TEST_P(RocksDbFaults, AFullDiskWhileOpeningIsSaid) {
  Open();
  ASSERT_THAT(Append("a", 0, {"1"}), IsOk());
  store_.reset();
  for (const std::int64_t room : {0, 1, 200, 1000, 3000, 8000}) {
    SCOPED_TRACE(room);
    faults_.set_room(room);
    const auto opened = TryOpen();
    if (!opened.ok() || room == 0) {
      EXPECT_THAT(opened, StatusIs(StatusCode::kResourceExhausted, HasSubstr(path_)));
    }
  }
  faults_.set_room(FaultFs::kPlenty);
  Open();
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("1"));
  EXPECT_THAT(Append("a", 1, {"2"}), IsOk());
}

TEST_P(RocksDbFaults, ASnapshotThatFindsNoRoomDoesNotTroubleTheLog) {
  Open();
  ASSERT_THAT(Append("a", 0, {"1"}), IsOk());
  ASSERT_THAT(store_->SaveSnapshot("s", {.position = 1, .state = "old"}), IsOk());
  faults_.set_room(5);
  EXPECT_THAT(store_->SaveSnapshot("s", {.position = 1, .state = std::string(1000, 'n')}),
              StatusIs(StatusCode::kResourceExhausted));
  faults_.set_room(FaultFs::kPlenty);
  EXPECT_THAT(Append("a", 1, {"2"}), IsOk());
  const auto loaded = store_->LoadSnapshot("s");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->state, "old");
}

TEST_P(RocksDbFaults, AFailedSyncStopsAllLaterWritesAndShowsNoneOfIt) {
  Open();
  ASSERT_THAT(Append("a", 0, {"1"}), IsOk());
  faults_.set_syncs_fail(true);
  const auto stopped = StatusIs(StatusCode::kUnavailable, HasSubstr("restart"));
  EXPECT_THAT(Append("a", 1, {"2"}), stopped);
  faults_.set_syncs_fail(false);
  EXPECT_THAT(Append("a", 1, {"3"}), stopped);
  EXPECT_THAT(Append("a", 1, {"2"}), stopped) << "nobody knows whether it is on the disk";
  EXPECT_THAT(Append("b", 0, {"4"}), stopped);
  EXPECT_EQ(store_->Head(), 1u);
  EXPECT_EQ(store_->StreamVersion(StreamId("a")), 1u);
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("1"));
  EXPECT_THAT(ReadStreamIds(*store_, "a").ids, ElementsAre("1"));
  EXPECT_THAT(Append("a", 0, {"1"}), IsOk()) << "what was synced is still known";
  EXPECT_THAT(store_->Verify(0), IsOk());

  Open();
  const Version version = store_->StreamVersion(StreamId("a"));
  EXPECT_THAT(Append("a", version, {"5"}), IsOk());
  EXPECT_THAT(store_->Verify(0), IsOk());
}

TEST_P(RocksDbFaults, AFailedWriteStopsAllLaterWrites) {
  Open();
  ASSERT_THAT(Append("a", 0, {"1"}), IsOk());
  faults_.set_writes_fail(true);
  EXPECT_THAT(Append("a", 1, {"2"}), StatusIs(StatusCode::kUnavailable));
  faults_.set_writes_fail(false);
  EXPECT_THAT(Append("a", 1, {"2"}), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("1"));
  Open();
  EXPECT_THAT(Append("a", 1, {"2"}), IsOk());
}

class RocksDbDamage : public RocksDbFaults {
 protected:
  void SetUp() override {
    Open();
    for (int i = 1; i <= 5; ++i) {
      ASSERT_THAT(Append("a", i - 1, {Cat("e", i)}), IsOk());
    }
  }
  void ExpectOnlyTheThirdIsLost() {
    Open();
    const auto damaged = StatusIs(StatusCode::kDataLoss, HasSubstr("event 3 "));
    const ReadResult all = ReadIds(*store_);
    EXPECT_THAT(all.ids, ElementsAre("e1", "e2"));
    EXPECT_THAT(all.status, damaged);
    EXPECT_THAT(ReadIds(*store_, 2).status, damaged);
    EXPECT_THAT(ReadIds(*store_, 3).ids, ElementsAre("e4", "e5"));
    EXPECT_THAT(ReadIds(*store_, 3).status, IsOk());
    EXPECT_THAT(store_->Verify(0), damaged);
    EXPECT_THAT(store_->Verify(2), damaged);
    EXPECT_THAT(store_->Verify(4), IsOk());
    EXPECT_THAT(ReadStreamIds(*store_, "a").ids, ElementsAre("e1", "e2"));
    EXPECT_THAT(ReadStreamIds(*store_, "a").status, StatusIs(StatusCode::kDataLoss));
    EXPECT_THAT(ReadStreamIds(*store_, "a", 3).ids, ElementsAre("e4", "e5"));
    EXPECT_THAT(Append("a", 5, {"e6"}), IsOk());
    EXPECT_THAT(ReadIds(*store_, 3).ids, ElementsAre("e4", "e5", "e6"));
  }
};

INSTANTIATE_TEST_SUITE_P(CommitOn, RocksDbDamage, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Thread" : "Reactor");
});

TEST_P(RocksDbDamage, AWrongByteInASortedFileCostsOneEvent) {
  FlushToFiles();
  Corrupt(".sst", "payload of e3");
  ExpectOnlyTheThirdIsLost();
}

TEST_P(RocksDbDamage, AWrongByteInTheWriteAheadLogIsAHoleAndNotTheEnd) {
  // Groups further than a block of the write-ahead log away are out of the damage's reach.
  store_.reset();
  std::filesystem::remove_all(path_);
  Open();
  std::vector<NewEvent> big = MakeEvents({"e3"});
  big[0].payload.append(40'000, '.');
  ASSERT_THAT(Append("a", 0, {"e1", "e2"}), IsOk());
  ASSERT_THAT(Await(rt_, store_->Append(StreamId("a"), Expect::At(2), big, kLogStart)), IsOk());
  ASSERT_THAT(Append("a", 3, {"e4", "e5"}), IsOk());
  Corrupt(".log", "payload of e3");
  ExpectOnlyTheThirdIsLost();
}

TEST_P(RocksDbDamage, AWrongByteInsideARecordCostsThatEvent) {
  EditDatabase([](rocksdb::DB& db, const auto& handles) {
    const rocksdb::Slice key("\0\0\0\0\0\0\0\3", 8);
    std::string record;
    ASSERT_TRUE(db.Get({}, handles[1], key, &record).ok());
    record[60] = static_cast<char>(record[60] ^ 1);
    ASSERT_TRUE(db.Put({}, handles[1], key, record).ok());
  });
  ExpectOnlyTheThirdIsLost();
}

TEST_P(RocksDbDamage, AMissingEventIsNamed) {
  EditDatabase([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Delete({}, handles[1], rocksdb::Slice("\0\0\0\0\0\0\0\3", 8)).ok());
  });
  ExpectOnlyTheThirdIsLost();
}

TEST_P(RocksDbDamage, AnEventPutInAnothersPlaceIsFound) {
  EditDatabase([](rocksdb::DB& db, const auto& handles) {
    std::string record;
    ASSERT_TRUE(db.Get({}, handles[1], rocksdb::Slice("\0\0\0\0\0\0\0\2", 8), &record).ok());
    ASSERT_TRUE(db.Put({}, handles[1], rocksdb::Slice("\0\0\0\0\0\0\0\3", 8), record).ok());
  });
  Open();
  EXPECT_THAT(store_->Verify(0), StatusIs(StatusCode::kDataLoss, HasSubstr("event 3 ")));
  EXPECT_THAT(ReadIds(*store_).status, StatusIs(StatusCode::kDataLoss, HasSubstr("event 3 ")));
}

TEST_P(RocksDbDamage, WithTheNewestEventDamagedTheLogIsReadableButNotWritable) {
  FlushToFiles();
  Corrupt(".sst", "payload of e5");
  Open();
  EXPECT_EQ(store_->Head(), 5u);
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("e1", "e2", "e3", "e4"));
  EXPECT_THAT(Append("a", 5, {"e6"}),
              StatusIs(StatusCode::kDataLoss, AllOf(HasSubstr("event 5 "), HasSubstr("backup"))));
  EXPECT_THAT(Append("b", 0, {"e6"}), StatusIs(StatusCode::kDataLoss));
}

TEST_P(RocksDbDamage, ADamagedSnapshotIsNone) {
  ASSERT_THAT(store_->SaveSnapshot("s", {.position = 5, .state = "state"}), IsOk());
  std::fstream file(path_ + "/snapshots/s.snapshot",
                    std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(17);
  file.put('X');
  file.close();
  EXPECT_THAT(store_->LoadSnapshot("s"), StatusIs(StatusCode::kNotFound, HasSubstr("damaged")));
}

TEST_P(RocksDbDamage, ASnapshotOfEventsThatAreNotInTheLogIsNone) {
  ASSERT_THAT(store_->SaveSnapshot("s", {.position = 6, .state = "from another log"}), IsOk());
  EXPECT_THAT(store_->LoadSnapshot("s"), StatusIs(StatusCode::kNotFound));
}

TEST_P(RocksDbDamage, AnotherFormatIsRefusedByName) {
  EditDatabase([](rocksdb::DB& db, const auto& handles) {
    ASSERT_TRUE(db.Put({}, handles[0], "format", "muster-log 2").ok());
  });
  EXPECT_THAT(TryOpen(), StatusIs(StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr("muster-log 2"), HasSubstr(path_))));
}

TEST_P(RocksDbFaults, ADatabaseThatIsNotOursIsRefused) {
  std::filesystem::create_directories(path_);
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, path_ + "/db", &db).ok());
  delete db;
  EXPECT_THAT(TryOpen(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr(path_)));
}

TEST_P(RocksDbFaults, APathThatCannotBeMadeIsNamed) {
  auto opened = RocksDbEventStore::Open(rt_, {.path = folder_.path("no/such/folder")});
  EXPECT_THAT(opened, StatusIs(StatusCode::kUnavailable, HasSubstr("no/such/folder")));
}

TEST_P(RocksDbFaults, ASecondOpenerIsToldWhoseThePathIs) {
  Open();
  EXPECT_THAT(TryOpen(), StatusIs(StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr(path_), HasSubstr("another process"))));
  store_.reset();
  EXPECT_THAT(TryOpen(), IsOk());
}

}  // namespace
}  // namespace muster
