#include "eventstore/record.h"

#include <fstream>
#include <sstream>

#include "eventstore/base/crc32c.h"
#include "eventstore/base/sha256.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    hex += "0123456789abcdef"[c & 15];
  }
  return hex;
}

// The event of the worked example in eventstore/log_format.md.
RecordedEvent Example() {
  RecordedEvent event;
  event.position = 1;
  event.stream = StreamId("worker/k7f2q");
  event.version = 1;
  event.recorded_at = absl::FromUnixMicros(1'795'233'247'000'000);
  event.event = {.id = EventId("e1"),
                 .type = "worker.condemned",
                 .payload = "payload",
                 .actor = "policy:zeb@v12",
                 .cause = "",
                 .correlation = "r1",
                 .occurred_at = absl::FromUnixMicros(1'795'233'246'500'000)};
  return event;
}

std::string Stored(RecordedEvent event, const EventHash& previous) {
  std::string header, record;
  EncodeHeader(event, header);
  event.hash = ChainHash(previous, header, event.event.payload);
  EncodeRecord(event, header, record);
  return record;
}

TEST(Crc32c, HasThePublishedCheckValue) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Record, TheWorkedExampleOfTheFormatPageIsTrue) {
  std::ifstream file(SourceDir() + "/eventstore/log_format.md");
  std::stringstream page;
  page << file.rdbuf();
  const RecordedEvent event = Example();
  std::string header;
  EncodeHeader(event, header);
  EXPECT_THAT(page.str(), HasSubstr(Hex(header)));
  EXPECT_THAT(page.str(), HasSubstr(Sha256Hex(event.event.payload)));
  const EventHash hash = ChainHash(kGenesisHash, header, event.event.payload);
  EXPECT_THAT(page.str(), HasSubstr(ToHex(hash)));
  EXPECT_THAT(page.str(), HasSubstr(Hex(Stored(event, kGenesisHash).substr(0, 4))));
}

TEST(Record, AnyFlippedBitIsFound) {
  const std::string good = Stored(Example(), kGenesisHash);
  RecordedEvent event;
  ASSERT_THAT(DecodeRecord(good, event), IsOk());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_THAT(DecodeRecord(bad, event), StatusIs(StatusCode::kDataLoss)) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_THAT(DecodeRecord(good.substr(0, size), event), StatusIs(StatusCode::kDataLoss));
  }
}

TEST(Record, TheChainHoldsOnlyAfterTheRightPredecessor) {
  const std::string record = Stored(Example(), kGenesisHash);
  EXPECT_TRUE(ChainHolds(record, kGenesisHash));
  EventHash other{};
  other[31] = 1;
  EXPECT_FALSE(ChainHolds(record, other));
}

// What a pruning tool writes: the digest in place of the payload, and the checksum made new.
TEST(Record, APrunedPayloadReadsAsEmptyAndTheChainStillHolds) {
  const RecordedEvent event = Example();
  std::string record = Stored(event, kGenesisHash);
  record.resize(record.size() - event.event.payload.size() - 1);
  record += '\x02';
  record += Bytes(Sha256(event.event.payload));
  const std::uint32_t crc = Crc32c(std::string_view(record).substr(4));
  for (int i = 0; i < 4; ++i) record[i] = static_cast<char>(crc >> (8 * i));
  RecordedEvent read;
  ASSERT_THAT(DecodeRecord(record, read), IsOk());
  EXPECT_EQ(read.event.payload, "");
  EXPECT_EQ(read.event.id, event.event.id);
  EXPECT_TRUE(ChainHolds(record, kGenesisHash));
}

}  // namespace
}  // namespace muster
