// Heads, proofs, export files and CloudEvents: what leaves the house as evidence.
#include <nlohmann/json.hpp>
#include <sstream>

#include "eventstore/audit/cloud_events.h"
#include "eventstore/audit/export_file.h"
#include "eventstore/audit/hex.h"
#include "eventstore/audit/proof.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "eventstore/record.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::audit {
namespace {

using testing::HasSubstr;
using testing::Not;

EventHash Numbered(std::uint8_t n) {
  EventHash hash{};
  hash[0] = n;
  return hash;
}

TEST(MerkleTree, HasTheRootsThatTheDefinitionGives) {
  const auto leaf = [](std::uint8_t n) {
    const EventHash hash = Numbered(n);
    return Sha256(std::string("\0", 1) + std::string(Bytes(hash)));
  };
  const auto node = [](const EventHash& a, const EventHash& b) {
    return Sha256("\x01" + std::string(Bytes(a)) + std::string(Bytes(b)));
  };
  MerkleTree tree;
  EXPECT_EQ(tree.Root(), Sha256(""));
  tree.Append(Numbered(1));
  EXPECT_EQ(tree.Root(), leaf(1));
  tree.Append(Numbered(2));
  tree.Append(Numbered(3));
  EXPECT_EQ(tree.Root(), node(node(leaf(1), leaf(2)), leaf(3)));
}

TEST(MerkleTree, EveryLeafOfEverySizeHasAPathToTheRootAndNoOtherLeafHasIt) {
  for (std::uint8_t size = 1; size <= 33; ++size) {
    MerkleTree tree;
    for (std::uint8_t n = 1; n <= size; ++n) tree.Append(Numbered(n));
    for (std::uint8_t at = 1; at <= size; ++at) {
      MerklePath path(at, size);
      for (std::uint8_t n = 1; n <= size; ++n) path.Append(Numbered(n));
      EXPECT_EQ(RootOf(Numbered(at), at, size, path.Path()), tree.Root());
      EXPECT_NE(RootOf(Numbered(at + 1), at, size, path.Path()), tree.Root());
      std::vector<EventHash> longer = path.Path();
      longer.push_back({});
      EXPECT_EQ(RootOf(Numbered(at), at, size, longer), std::nullopt);
    }
  }
  EXPECT_EQ(RootOf(Numbered(1), 0, 1, {}), std::nullopt);
  EXPECT_EQ(RootOf(Numbered(1), 2, 1, {}), std::nullopt);
}

Head SomeHead() {
  return {"m7k2", 7, Numbered(1), Numbered(2), absl::FromUnixSeconds(1'795'233'247)};
}

TEST(SignedHead, IsReadBackAndCheckedByTheKeyThatMadeIt) {
  const SigningKey key = SigningKey::Make().value();
  const SignedHead made = Sign(SomeHead(), key);
  const StatusOr<SignedHead> read = ReadHead(made.text + "\n", key.PublicHex());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->head.position, 7u);
  EXPECT_EQ(read->head.hash, Numbered(1));
  EXPECT_EQ(read->head.installation, "m7k2");
  EXPECT_EQ(read->text, made.text);
  const SigningKey other = SigningKey::Make().value();
  EXPECT_THAT(ReadHead(made.text, other.PublicHex()), StatusIs(StatusCode::kPermissionDenied));
}

TEST(SignedHead, ChangedInAnyFieldIsRefused) {
  const SignedHead made = Sign(SomeHead(), SigningKey::Make().value());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"\"position\":7", "\"position\":6"}, {"m7k2", "m7k3"},
      {"2026-11-21", "2026-11-20"},         {"\"hash\":\"01", "\"hash\":\"02"},
      {"\"root\":\"02", "\"root\":\"03"},   {"\"signature\":\"", "\"signature\":\"00"}};
  for (const auto& [from, to] : changes) {
    std::string changed = made.text;
    const std::size_t at = changed.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << changed;
    changed.replace(at, from.size(), to);
    EXPECT_THAT(ReadHead(changed), StatusIs(StatusCode::kPermissionDenied)) << to;
  }
  for (const char* nonsense : {"", "{}", "[]", "{\"format\":\"muster-head 1\"}", "x"}) {
    EXPECT_THAT(ReadHead(nonsense), StatusIs(StatusCode::kInvalidArgument)) << nonsense;
  }
}

TEST(SigningKey, SurvivesItsFileAndSignsTheSame) {
  const SigningKey key = SigningKey::Make().value();
  const SigningKey again = SigningKey::FromPem(key.PrivatePem()).value();
  EXPECT_EQ(again.Sign("text"), key.Sign("text"));
  EXPECT_EQ(PublicKeyIn(key.PublicPem()).value(), key.PublicHex());
  EXPECT_EQ(PublicKeyIn(Cat(" ", key.PublicHex(), "\n")).value(), key.PublicHex());
  EXPECT_THAT(PublicKeyIn("x"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(SigningKey::FromPem(key.PublicPem()), StatusIs(StatusCode::kInvalidArgument));
}

// A log of a fleet with two workers of it and one of another.
class AuditedLog : public testing::Test {
 protected:
  void SetUp() override {
    eventpb::InstallationCreated created;
    created.set_id("m7k2");
    Write("installation", Wrap(created));
    for (const auto& [worker, fleet] : {std::pair("w1", "zeb"), {"w2", "zeb"}, {"w3", "other"}}) {
      eventpb::LaunchRequested launch;
      launch.set_fleet(fleet);
      launch.set_token(worker);
      Write(Cat("worker/", worker), Wrap(launch));
    }
    eventpb::LogObserved log;
    log.set_line("password hunter2");
    Write("worker/w1", Wrap(log));
    eventpb::HostStruck struck;
    struck.set_worker("w2");
    struck.set_fleet("zeb");
    Write("host/vast/1", Wrap(struck));
    Write("worker/w3", Wrap(log));
  }
  void Write(const std::string& stream, const eventpb::EventBody& body) {
    NewEvent event;
    event.id = EventId(Cat("e", store.Head() + 1));
    event.type = std::string(TypeName(body.kind_case()));
    event.payload = EncodeEvent(body);
    event.actor = "policy:zeb@v1";
    event.occurred_at = kLogStart + absl::Seconds(static_cast<int>(store.Head()));
    const Expect expect = Expect::At(store.StreamVersion(StreamId(stream)));
    ASSERT_THAT(Await(rt, store.Append(StreamId(stream), expect, {event}, event.occurred_at)),
                IsOk());
  }
  std::vector<std::string> Records() const {
    std::vector<std::string> records;
    EXPECT_THAT(store.ReadRecords(0, 1000,
                                  [&](Position, std::string_view record) {
                                    records.emplace_back(record);
                                    return true;
                                  }),
                IsOk());
    return records;
  }
  SignedHead HeadNow() const {
    ChainWalk walk;
    for (const std::string& record : Records()) EXPECT_THAT(walk.Take(record), IsOk());
    return Sign({"m7k2", walk.position(), walk.hash(), walk.Root(), kLogStart}, key);
  }
  std::vector<nlohmann::json> Export(ExportFilter filter, Replacements replacements = {}) const {
    CloudEvents events(std::move(filter), std::move(replacements));
    std::vector<nlohmann::json> out;
    for (const std::string& record : Records()) {
      const auto json = events.Take(record);
      EXPECT_THAT(json, IsOk());
      if (json.ok() && json->has_value()) out.push_back(nlohmann::json::parse(**json));
    }
    return out;
  }
  static std::vector<std::string> Positions(const std::vector<nlohmann::json>& events) {
    std::vector<std::string> positions;
    for (const auto& event : events) positions.push_back(event["position"]);
    return positions;
  }

  VirtualRuntime rt{1};
  MemoryEventStore store{rt};
  SigningKey key = SigningKey::Make().value();
};

using Strings = std::vector<std::string>;

TEST_F(AuditedLog, EveryEventIsProvedAgainstTheHeadByAShortProof) {
  const SignedHead head = HeadNow();
  for (Position position = 1; position <= store.Head(); ++position) {
    ProofMaker maker = ProofMaker::For(position, head).value();
    for (const std::string& record : Records()) ASSERT_THAT(maker.Take(record), IsOk());
    ASSERT_TRUE(maker.done());
    const StatusOr<ProvedEvent> proved = CheckProof(maker.Proof(), key.PublicHex());
    ASSERT_THAT(proved, IsOk());
    EXPECT_EQ(proved->event.position, position);
    EXPECT_FALSE(proved->redacted);
    EXPECT_LE(nlohmann::json::parse(maker.Proof())["path"].size(), 3u);
  }
}

TEST_F(AuditedLog, AProofWithAnyDigitChangedProvesNothing) {
  ProofMaker maker = ProofMaker::For(5, HeadNow()).value();
  for (const std::string& record : Records()) ASSERT_THAT(maker.Take(record), IsOk());
  const std::string proof = maker.Proof();
  int changed = 0;
  for (std::size_t at = 0; at < proof.size(); ++at) {
    if (proof[at] < '0' || proof[at] > '9') continue;
    std::string bad = proof;
    bad[at] = bad[at] == '9' ? '0' : static_cast<char>(bad[at] + 1);
    // The position beside the record is for readers; what counts stands in the record.
    if (at < proof.find("\"record\"")) continue;
    EXPECT_THAT(CheckProof(bad, key.PublicHex()), Not(IsOk())) << at;
    ++changed;
  }
  EXPECT_GT(changed, 300);
}

TEST_F(AuditedLog, NoProofIsMadeOfALogThatIsNotTheHeads) {
  Head wrong = HeadNow().head;
  wrong.hash = Numbered(9);
  ProofMaker maker = ProofMaker::For(2, Sign(wrong, key)).value();
  Status status;
  for (const std::string& record : Records()) status = maker.Take(record);
  EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss, HasSubstr("rewritten at or before 7")));
  EXPECT_THAT(ProofMaker::For(8, HeadNow()), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ProofMaker::For(0, HeadNow()), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(AuditedLog, ARedactedEventIsStillProvedAndSaysSo) {
  const SignedHead head = HeadNow();
  ASSERT_THAT(store.Redact(5, "x"), IsOk());
  ProofMaker maker = ProofMaker::For(5, head).value();
  for (const std::string& record : Records()) ASSERT_THAT(maker.Take(record), IsOk());
  const StatusOr<ProvedEvent> proved = CheckProof(maker.Proof());
  ASSERT_THAT(proved, IsOk());
  EXPECT_TRUE(proved->redacted);
  EXPECT_EQ(proved->event.event.type, "worker.log_observed");
  EXPECT_THAT(maker.Proof(), Not(HasSubstr(HexOf("hunter2"))));
}

TEST_F(AuditedLog, CloudEventsHaveTheAttributesOfVersionOneAndLegalNames) {
  const std::vector<nlohmann::json> events = Export({});
  ASSERT_EQ(events.size(), 7u);
  for (const auto& event : events) {
    EXPECT_EQ(event["specversion"], "1.0");
    EXPECT_EQ(event["source"], "/muster/m7k2");
    for (const auto& [name, value] : event.items()) {
      EXPECT_LE(name.size(), 20u);
      for (const char c : name) EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
      EXPECT_NE(value, "") << name;
    }
  }
  const auto& log = events[4];
  EXPECT_EQ(log["id"], "e5");
  EXPECT_EQ(log["type"], "worker.log_observed");
  EXPECT_EQ(log["subject"], "worker/w1");
  EXPECT_EQ(log["time"], "2026-09-21T14:13:24Z");
  EXPECT_EQ(log["datacontenttype"], "application/json");
  EXPECT_EQ(log["data"]["line"], "password hunter2");
  EXPECT_EQ(log["actor"], "policy:zeb@v1");
  EXPECT_FALSE(log.contains("causeid"));
  EXPECT_EQ(log["chainhash"].get<std::string>().size(), 64u);
}

TEST_F(AuditedLog, AnExportOfOneFleetHoldsItsWorkersAndWhatNamesThem) {
  EXPECT_EQ(Positions(Export({.fleet = "zeb"})), (Strings{"2", "3", "5", "6"}));
  EXPECT_EQ(Positions(Export({.fleet = "other"})), (Strings{"4", "7"}));
  EXPECT_EQ(Positions(Export({.worker = "w2"})), (Strings{"3", "6"}));
  EXPECT_EQ(Positions(Export({.since = 5, .fleet = "zeb"})), (Strings{"5", "6"}));
  EXPECT_EQ(Positions(Export({.since_time = kLogStart + absl::Seconds(5)})), (Strings{"6", "7"}));
  // A server goes by its name, which may have been that of an earlier one, and by its id.
  for (const char* id : {"server/m1", "server/m2"}) {
    eventpb::ServerPlanned planned;
    planned.mutable_spec()->set_name("builder-01");
    Write(id, Wrap(planned));
    Write(id, Wrap(eventpb::ServerDelivered()));
  }
  EXPECT_EQ(Positions(Export({.server = "builder-01"})), (Strings{"8", "9", "10", "11"}));
  EXPECT_EQ(Positions(Export({.since = 9, .server = "builder-01"})), (Strings{"9", "10", "11"}));
  EXPECT_EQ(Positions(Export({.server = "m2"})), (Strings{"10", "11"}));
}

TEST_F(AuditedLog, ARedactedPayloadIsExportedAsWhatWasPutInItsStead) {
  eventpb::LogObserved blank;
  blank.set_line("[redacted]");
  eventpb::PayloadRedacted redacted;
  redacted.set_position(5);
  redacted.set_replacement(EncodeEvent(Wrap(blank)));
  Write("audit", Wrap(redacted));
  ASSERT_THAT(store.Redact(5, redacted.replacement()), IsOk());
  Replacements replacements;
  ASSERT_THAT(store.ReadStream(StreamId("audit"), 0,
                               [&](const RecordedEvent& event) {
                                 replacements.See(event);
                                 return true;
                               }),
              IsOk());
  const std::vector<nlohmann::json> events = Export({.worker = "w1"}, replacements);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1]["redacted"], true);
  EXPECT_EQ(events[1]["data"]["line"], "[redacted]");
  // Without the event that tells of it the envelope is left.
  const std::vector<nlohmann::json> bare = Export({.since = 5, .worker = "w1"});
  ASSERT_EQ(bare.size(), 1u);
  EXPECT_FALSE(bare[0].contains("data"));
}

TEST_F(AuditedLog, AnExportFileGivesBackTheVeryRecords) {
  std::stringstream file;
  BeginExport(file, 0, kGenesisHash);
  for (const std::string& record : Records()) ExportRecord(file, record);
  const std::string bytes = file.str();
  const StatusOr<ExportStart> start = ReadExportStart(file);
  ASSERT_THAT(start, IsOk());
  EXPECT_EQ(start->after, 0u);
  std::vector<std::string> read;
  ASSERT_THAT(ReadExportRecords(file,
                                [&](std::string_view record) {
                                  read.emplace_back(record);
                                  return true;
                                }),
              IsOk());
  EXPECT_EQ(read, Records());
  std::istringstream cut(bytes.substr(0, bytes.size() - 1));
  ASSERT_THAT(ReadExportStart(cut), IsOk());
  EXPECT_THAT(ReadExportRecords(cut, [](std::string_view) { return true; }),
              StatusIs(StatusCode::kDataLoss));
  std::istringstream nonsense("muster-export 2 0 00\n");
  EXPECT_THAT(ReadExportStart(nonsense), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster::audit
