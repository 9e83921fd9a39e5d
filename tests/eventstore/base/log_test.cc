#include "eventstore/base/log.h"

#include "eventstore/base/ids.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  LogTest() { Configure({}); }
  ~LogTest() override { ConfigureLog({}); }
  void Configure(LogOptions options) {
    options.sink = [this](std::string_view line) { lines_.emplace_back(line); };
    ConfigureLog(std::move(options));
  }
  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesTheEventAndItsFieldsOnOneLine) {
  Log(LogLevel::kInfo, "worker_launched",
      {{"fleet", FleetName("zeb")},
       {"price", 0.25},
       {"n", 3},
       {"ok", true},
       {"took", absl::Milliseconds(1500)},
       {"why", "two words"},
       {"none", ""},
       {"error", NotFound("gone")}});
  EXPECT_THAT(lines_, ElementsAre("info worker_launched fleet=zeb price=0.25 n=3 ok=true took=1.5s "
                                  "why=\"two words\" none=\"\" error=\"NOT_FOUND: gone\"\n"));
}

TEST_F(LogTest, KeepsForeignTextOnItsLine) {
  Log(LogLevel::kWarning, "odd", {{"text", "a\n\x1b[31m\"b\"\xff="}});
  EXPECT_THAT(lines_, ElementsAre("warning odd text=\"a\\n\\u001b[31m\\\"b\\\"\xEF\xBF\xBD=\"\n"));
}

TEST_F(LogTest, WritesTheTimeItIsGiven) {
  Configure({.now = [] { return absl::FromUnixMillis(1'790'000'000'123); }});
  Log(LogLevel::kError, "x");
  EXPECT_THAT(lines_, ElementsAre("2026-09-21T14:13:20.123Z error x\n"));
}

TEST_F(LogTest, GivesTheJournalItsPriority) {
  Configure({.level = LogLevel::kDebug, .journal = true, .now = [] { return absl::UnixEpoch(); }});
  Log(LogLevel::kDebug, "d");
  Log(LogLevel::kInfo, "i");
  Log(LogLevel::kWarning, "w");
  Log(LogLevel::kError, "e");
  EXPECT_THAT(lines_, ElementsAre("<7>debug d\n", "<6>info i\n", "<4>warning w\n", "<3>error e\n"));
}

TEST_F(LogTest, WritesJson) {
  Configure({.format = LogOptions::Format::kJson, .now = [] { return absl::UnixEpoch(); }});
  Log(LogLevel::kInfo, "x", {{"n", 1}, {"text", "a \"b\""}});
  EXPECT_THAT(lines_, ElementsAre("{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\","
                                  "\"event\":\"x\",\"n\":\"1\",\"text\":\"a \\\"b\\\"\"}\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  Configure({.level = LogLevel::kWarning});
  Log(LogLevel::kInfo, "quiet");
  Log(LogLevel::kWarning, "loud");
  EXPECT_THAT(lines_, ElementsAre("warning loud\n"));
}

TEST_F(LogTest, MasksEveryValueBeforeItCutsIt) {
  Configure({.mask = [](std::string_view text) {
    return text == std::string(9000, 's') ? "[secret]" : std::string(text);
  }});
  Log(LogLevel::kInfo, "x", {{"key", std::string(9000, 's')}, {"long", std::string(9000, 'l')}});
  EXPECT_THAT(lines_[0], HasSubstr("key=[secret] "));
  EXPECT_THAT(lines_[0], Not(HasSubstr("sss")));
  EXPECT_LT(lines_[0].size(), 4200u);
}

TEST(ParseLogLevel, KnowsFourNames) {
  EXPECT_THAT(ParseLogLevel("warning"), IsOkAndHolds(LogLevel::kWarning));
  EXPECT_THAT(ParseLogLevel("WARN"), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
