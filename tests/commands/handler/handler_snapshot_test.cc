// A snapshot that fits is used; any other is as none.
#include "eventstore/base/sha256.h"
#include "muster/event/v1/snapshot.pb.h"
#include "tests/commands/handler/handler_fixture.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

class SnapshotTest : public HandlerTest {
 protected:
  SnapshotTest() {
    EXPECT_THAT(Fleet(ApplyOf(4)), IsOk());
    EXPECT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
    EXPECT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
    EXPECT_THAT(handler_->SaveSnapshot(), IsOk());
    EXPECT_THAT(Host(StrikeBy("a")), IsOk());
  }
  // Saves the snapshot again after `change`.
  void Tamper(const std::function<void(eventpb::WorldSnapshot&)>& change) {
    Snapshot saved = *store_->LoadSnapshot("world");
    eventpb::WorldSnapshot snapshot;
    ASSERT_TRUE(snapshot.ParseFromString(saved.state));
    change(snapshot);
    saved.state = snapshot.SerializeAsString();
    ASSERT_THAT(store_->SaveSnapshot("world", saved), IsOk());
  }
  // Whether a new Handler folds only what came after the snapshot: a planted world shows it.
  void ExpectRightAfterRestart() {
    Restart();
    EXPECT_EQ(Digest(handler_->world()), FoldedFromZero());
  }
};

TEST_F(SnapshotTest, LoadsEqualToAFoldFromZero) { ExpectRightAfterRestart(); }
TEST_F(SnapshotTest, IsReallyUsed) {
  // A snapshot that is right in all but a fact nobody can check shows in the World.
  World planted;
  planted.installation = "fake";
  planted.head = 4;
  Tamper([&](eventpb::WorldSnapshot& s) {
    s.set_world(SerializeWorld(planted));
    const Sha256Digest digest = Sha256(s.world());
    s.set_digest(std::string(digest.begin(), digest.end()));
  });
  Restart();
  EXPECT_EQ(handler_->world().installation, "fake");
}
TEST_F(SnapshotTest, OfAnotherFormatIsThrownAway) {
  Tamper([](auto& s) { s.set_format(s.format() + 1); });
  ExpectRightAfterRestart();
}
TEST_F(SnapshotTest, WithAChangedByteIsThrownAway) {
  Tamper([](auto& s) { (*s.mutable_world())[3] ^= 1; });
  ExpectRightAfterRestart();
}
TEST_F(SnapshotTest, OfAnotherLogIsThrownAway) {
  Tamper([](auto& s) { (*s.mutable_log_hash())[0] ^= 1; });
  ExpectRightAfterRestart();
}
TEST_F(SnapshotTest, FromBeyondTheLogIsThrownAway) {
  Tamper([](auto& s) { s.set_position(999); });
  ExpectRightAfterRestart();
}
TEST_F(SnapshotTest, OfAnotherPositionIsThrownAway) {
  Tamper([&](auto& s) {
    s.set_position(2);
    const EventHash hash = Log(1).at(0).hash;
    s.set_log_hash(std::string(hash.begin(), hash.end()));
  });
  ExpectRightAfterRestart();
}
TEST_F(SnapshotTest, ThatIsNoSnapshotIsThrownAway) {
  ASSERT_THAT(store_->SaveSnapshot("world", {4, "\xFF\xFF rubbish"}), IsOk());
  ExpectRightAfterRestart();
}

}  // namespace
}  // namespace muster
