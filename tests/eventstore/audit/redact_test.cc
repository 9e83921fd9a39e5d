// Free text taken out of payloads: out of the message, and out of every file of the store.
#include "eventstore/audit/redact.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "eventstore/events/values.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "eventstore/rocksdb/store_folder.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::audit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kSecret[] = "call-alice-at-555-0100";

eventpb::EventBody Log() {
  eventpb::LogObserved log;
  log.set_line(kSecret);
  log.set_error(kSecret);
  log.set_phase("setup");
  log.set_container_id("c1");
  log.set_counter(7);
  return Wrap(log);
}

TEST(RedactFields, PutsAMarkInThePlaceOfTheTextAndLeavesEverythingElse) {
  const auto out = RedactFields(Log(), {"line"});
  ASSERT_THAT(out, IsOk());
  EXPECT_THAT(out->fields, ElementsAre("log_observed.line"));
  eventpb::EventBody expected = Log();
  expected.mutable_log_observed()->set_line(kRedactedText);
  EXPECT_EQ(EncodeEvent(out->body), EncodeEvent(expected));
}

TEST(RedactFields, TakesWholeMessagesListsAndMapsByTheirName) {
  EXPECT_THAT(RedactFields(Log(), {"log_observed"})->fields,
              ElementsAre("log_observed.error", "log_observed.line"));
  eventpb::FleetApplied applied;
  (*applied.mutable_spec()->mutable_launch()->mutable_env())["A"] = kSecret;
  applied.mutable_spec()->mutable_launch()->set_onstart(kSecret);
  applied.mutable_spec()->set_name("zeb");
  const auto out = RedactFields(Wrap(applied), {"spec"});
  ASSERT_THAT(out, IsOk());
  EXPECT_EQ(out->body.ShortDebugString().find(kSecret), std::string::npos);
  EXPECT_EQ(out->body.fleet_applied().spec().launch().env().at("A"), kRedactedText);
  EXPECT_EQ(out->body.fleet_applied().spec().name(), "zeb");
}

TEST(RedactFields, WhatAServersStepSaidIsText) {
  eventpb::ServerStepFailed failed;
  failed.set_step(eventpb::PREPARE);
  failed.set_detail(kSecret);
  failed.set_next(kSecret);
  failed.set_build("k7f2q");
  const auto out = RedactFields(Wrap(failed), {"server_step_failed"});
  ASSERT_THAT(out, IsOk());
  EXPECT_THAT(out->fields, ElementsAre("server_step_failed.detail", "server_step_failed.next"));
  EXPECT_EQ(out->body.server_step_failed().build(), "k7f2q");
  eventpb::ServerStepDone done;
  done.set_text(kSecret);
  done.set_machine_line("ssh-ng://builder@192.0.2.7");
  EXPECT_THAT(FreeTextIn(Wrap(done)), ElementsAre("server_step_done.text"));
}

TEST(RedactFields, RefusesWhatIsNoFreeTextAndSaysWhatIs) {
  for (const char* path : {"phase", "counter", "nonsense", "log_observed.container_id", ""}) {
    EXPECT_THAT(
        RedactFields(Log(), {path}),
        StatusIs(StatusCode::kInvalidArgument,
                 HasSubstr("expected one or more of log_observed.error, log_observed.line")))
        << path;
  }
  EXPECT_THAT(RedactFields(Log(), {}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(RedactFields(Wrap(eventpb::FleetEnded()), {"reason"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("holds no free text")));
}

// Every file below `folder` that holds `text`.
std::vector<std::string> FilesWith(const std::string& folder, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    if (bytes.str().find(text) != std::string::npos) found.push_back(entry.path().string());
  }
  return found;
}

TEST(Redact, LeavesTheTextInNoFileOfTheStore) {
  const TempFolder folder;
  VirtualRuntime rt{1};
  auto store = RocksDbEventStore::Open(rt, {.path = folder.path("store")});
  ASSERT_THAT(store, IsOk());
  NewEvent secret = MakeEvent("e2");
  secret.payload = EncodeEvent(Log());
  ASSERT_THAT(AppendTo(rt, **store, "worker/a", 0, {"e1"}), IsOk());
  ASSERT_THAT(Await(rt, (*store)->Append(StreamId("worker/a"), Expect::At(1), {secret}, kLogStart)),
              IsOk());
  ASSERT_THAT(AppendTo(rt, **store, "worker/a", 2, {"e3"}), IsOk());
  ASSERT_FALSE(FilesWith(folder.path("store"), kSecret).empty());
  ASSERT_THAT((*store)->Redact(2, EncodeEvent(RedactFields(Log(), {"log_observed"})->body)),
              IsOk());
  EXPECT_THAT(FilesWith(folder.path("store"), kSecret), ElementsAre());
  store->reset();
  EXPECT_THAT(FilesWith(folder.path("store"), kSecret), ElementsAre());
  int records = 0;
  EXPECT_THAT(ReadStoreFolder(folder.path("store"),
                              [&](std::string_view) {
                                ++records;
                                return true;
                              }),
              IsOk());
  EXPECT_EQ(records, 3);
  EXPECT_THAT(ReadStoreFolder(folder.path("none"), [](std::string_view) { return true; }),
              StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace muster::audit
