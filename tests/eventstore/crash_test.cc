// kill -9 of a writing process, at any moment: what was acknowledged is there, and nothing is there
// by halves.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;

// The writer of tests/support/store_writer.cc as a child, which does not outlive the test.
class Writer {
 public:
  explicit Writer(const std::string& path) {
    const std::string writer = BinDir() + "/store_writer";
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execl(writer.c_str(), "store_writer", path.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    out_ = ends[0];
  }
  ~Writer() {
    Kill();
    close(out_);
  }

  // Reads until `count` more appends were acknowledged; false when the child ended before.
  bool WaitFor(int count) {
    while (count > 0) {
      const int lines = ReadSome();
      if (lines < 0) return false;
      count -= lines;
    }
    return true;
  }
  void Kill() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  // The highest acknowledged position, after Kill: including what was still in the pipe.
  Position Acknowledged() {
    while (ReadSome() >= 0) {
    }
    return acknowledged_;
  }

 private:
  int ReadSome() {
    char buffer[4096];
    const ssize_t size = read(out_, buffer, sizeof(buffer));
    if (size <= 0) return -1;
    int lines = 0;
    for (ssize_t i = 0; i < size; ++i) {
      if (buffer[i] != '\n') {
        line_ += buffer[i];
        continue;
      }
      Position position = 0;
      std::from_chars(line_.data(), line_.data() + line_.size(), position);
      acknowledged_ = std::max(acknowledged_, position);
      line_.clear();
      ++lines;
    }
    return lines;
  }

  pid_t child_ = 0;
  int out_ = -1;
  std::string line_;
  Position acknowledged_ = 0;
};

// "writer/3-17/2.0" -> the append "writer/3-17" of 2 events.
std::pair<std::string, int> AppendOf(const std::string& id) {
  const std::size_t slash = id.rfind('/');
  return {id.substr(0, slash), std::atoi(id.c_str() + slash + 1)};
}

TEST(Crash, NothingAcknowledgedIsLostAndNothingIsHalfWrittenWhereverTheKillFalls) {
  TempFolder folder;
  Rng rng(20261121);
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(Cat("round ", round));
    Position acknowledged = 0;
    {
      Writer writer(folder.path("store"));
      ASSERT_TRUE(writer.WaitFor(1 + static_cast<int>(rng.Below(400))));
      writer.Kill();
      acknowledged = writer.Acknowledged();
    }
    VirtualRuntime rt(1);
    auto store = RocksDbEventStore::Open(rt, {.path = folder.path("store")});
    ASSERT_THAT(store, IsOk());
    EXPECT_GE((*store)->Head(), acknowledged);
    EXPECT_THAT((*store)->Verify(0), IsOk());
    std::map<std::string, int> events_left;
    std::map<std::string, Version> versions;
    for (const RecordedEvent& event : ReadEvents(**store)) {
      EXPECT_EQ(event.version, ++versions[event.stream.str()]);
      const auto [append, count] = AppendOf(event.event.id.str());
      const int left = events_left.try_emplace(append, count).first->second--;
      EXPECT_GT(left, 0);
    }
    for (const auto& [append, left] : events_left) EXPECT_EQ(left, 0) << append;
    for (const auto& [stream, version] : versions) {
      EXPECT_EQ((*store)->StreamVersion(StreamId(stream)), version);
      EXPECT_EQ(ReadStreamIds(**store, stream).ids.size(), version);
    }
  }
}

TEST(Defect15, ASecondMonitorIsKeptOutUntilTheFirstIsGone) {
  TempFolder folder;
  VirtualRuntime rt(1);
  Writer writer(folder.path("store"));
  ASSERT_TRUE(writer.WaitFor(1));
  const auto second = RocksDbEventStore::Open(rt, {.path = folder.path("store")});
  EXPECT_THAT(second, StatusIs(StatusCode::kFailedPrecondition, HasSubstr(folder.path("store"))));
  writer.Kill();
  EXPECT_THAT(RocksDbEventStore::Open(rt, {.path = folder.path("store")}), IsOk());
}

}  // namespace
}  // namespace muster
