#include "workers/providers/vast/logs.h"

#include "tests/support/pch.h"

namespace muster::vast {
namespace {

struct UrlRow {
  const char* url;
  bool allowed;
};

TEST(VastLogs, FetchesOnlyFromListedHosts) {
  const std::vector<std::string> hosts = {"s3.amazonaws.com", "*.logs.example", "127.0.0.1",
                                          "http://10.0.0.5:8080"};
  const UrlRow rows[] = {
      {"https://s3.amazonaws.com/vast.ai/instance_logs/ab12.log", true},
      {"https://S3.AMAZONAWS.COM/vast.ai/x", true},
      {"https://s3.amazonaws.com:443/x", true},
      {"http://s3.amazonaws.com/x", false},
      {"https://s3.amazonaws.com:8443/x", false},
      {"https://s3.amazonaws.com.evil.example/x", false},
      {"https://evil.example/s3.amazonaws.com", false},
      {"https://s3.amazonaws.com@evil.example/x", false},
      {"https://evil.example\\@s3.amazonaws.com/x", false},
      {"https://evil.example#s3.amazonaws.com", false},
      {"https://a.logs.example/x", true},
      {"https://logs.example/x", false},
      {"https://evillogs.example/x", false},
      {"http://127.0.0.1:4321/x", true},
      {"https://127.0.0.1/x", true},
      {"http://127.0.0.2:4321/x", false},
      {"http://10.0.0.5:8080/x", true},
      {"http://10.0.0.5/x", false},
      {"https://10.0.0.5:8080/x", false},
      {"ftp://s3.amazonaws.com/x", false},
      {"file:///etc/passwd", false},
      {"//s3.amazonaws.com/x", false},
      {"", false},
  };
  for (const UrlRow& row : rows) EXPECT_EQ(IsAllowedLogUrl(row.url, hosts), row.allowed) << row.url;
}

TEST(VastLogs, KnowsThisMachineByItsThreeNames) {
  for (const char* entry :
       {"127.0.0.1:4010", "localhost:4010", "[::1]:4010", "http://localhost:4010"}) {
    EXPECT_TRUE(IsAllowedLogUrl("http://localhost:4010/x", {entry})) << entry;
    EXPECT_TRUE(IsAllowedLogUrl("http://127.0.0.1:4010/x", {entry})) << entry;
    EXPECT_TRUE(IsAllowedLogUrl("http://[::1]:4010/x", {entry})) << entry;
    EXPECT_FALSE(IsAllowedLogUrl("http://localhost:4011/x", {entry})) << entry;
    EXPECT_FALSE(IsAllowedLogUrl("http://127.0.0.2:4010/x", {entry})) << entry;
  }
  EXPECT_FALSE(IsAllowedLogUrl("http://localhost/x", {"s3.amazonaws.com"}));
}

TEST(VastLogs, TakesNoPageForALog) {
  EXPECT_TRUE(IsForeignPage(R"({"success":false,"msg":"failed"})"));
  EXPECT_TRUE(IsForeignPage(" {\n \"success\": false\n}\n"));
  EXPECT_TRUE(IsForeignPage("<!DOCTYPE html><html><h1>503</h1></html>\n"));
  EXPECT_TRUE(IsForeignPage("<html>Bad gateway</html>"));
  EXPECT_TRUE(IsForeignPage("<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>"));
  EXPECT_FALSE(IsForeignPage(""));
  EXPECT_FALSE(IsForeignPage("{\"loss\": 0.4}\n{\"loss\": 0.3}\n"));
  EXPECT_FALSE(IsForeignPage("{\"loss\": 0.4}"));
  EXPECT_FALSE(IsForeignPage("GPU OK\n{\"success\":false}"));
  EXPECT_FALSE(IsForeignPage("<html> was what the hub answered\nretrying"));
}

TEST(VastLogs, ShowsAProgressBarAsItEnded) {
  EXPECT_EQ(PlainText("Upload:   0%\rUpload:  50%\rUpload: 100%\nnext\n"), "Upload: 100%\nnext\n");
  EXPECT_EQ(PlainText("line\r\nnext\r\n"), "line\nnext\n");
  EXPECT_EQ(PlainText("50%\r100%\r\r\n"), "100%\n");
}

TEST(VastLogs, RemovesAnsiSequencesAndControlBytes) {
  EXPECT_EQ(PlainText("\x1b[1;32mGPU OK\x1b[0m: RTX\x07\n"), "GPU OK: RTX\n");
  EXPECT_EQ(PlainText("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link"), "textlink");
  EXPECT_EQ(PlainText("a\x1b[31\nb"), "a\nb");
  EXPECT_EQ(PlainText("end\x1b"), "end");
  EXPECT_EQ(PlainText("end\x1b["), "end");
  EXPECT_EQ(PlainText(std::string("a\0b", 3)), "ab");
}

TEST(VastLogs, MakesTextValid) { EXPECT_EQ(PlainText("ok \xff\xfe!"), "ok \uFFFD\uFFFD!"); }

TEST(VastLogs, NoContainerOnlyAsTheWholeText) {
  const std::string missing = "Error response from daemon: No such container: C.21934511\n";
  EXPECT_EQ(ReadLog(missing, 1000, false).state, LogTail::State::kNoContainer);
  EXPECT_EQ(ReadLog("batch 3\n" + missing, 1000, false).state, LogTail::State::kText);
  EXPECT_EQ(ReadLog(missing + "batch 3\n", 1000, false).state, LogTail::State::kText);
  EXPECT_EQ(ReadLog("I said: No such container", 1000, false).state, LogTail::State::kText);
}

TEST(VastLogs, KnowsTheHostsPullLog) {
  EXPECT_EQ(
      ReadLog("ea381c80ad7f: Pulling fs layer\nea381c80ad7f: Pull complete\n", 1000, false).state,
      LogTail::State::kDaemon);
  EXPECT_EQ(
      ReadLog("cat: /x/instance_extra_logs/C.1: No such file or directory", 1000, false).state,
      LogTail::State::kDaemon);
  EXPECT_EQ(ReadLog("ea381c80ad7f: Pull complete\nbatch 3\n", 1000, false).state,
            LogTail::State::kText);
}

TEST(VastLogs, EmptyTextIsText) {
  EXPECT_EQ(ReadLog("", 1000, false).state, LogTail::State::kText);
  EXPECT_EQ(ReadLog(" \n\n", 1000, false).state, LogTail::State::kText);
}

TEST(VastLogs, KeepsTheEndFromALinesStart) {
  const LogTail at = ReadLog("aaaa\nbbbb\n", 10, false);
  EXPECT_EQ(at.text, "aaaa\nbbbb\n");
  EXPECT_FALSE(at.cut);
  const LogTail over = ReadLog("aaaa\nbbbb\n", 9, false);
  EXPECT_EQ(over.text, "bbbb\n");
  EXPECT_TRUE(over.cut);
  EXPECT_EQ(ReadLog("aaaa\nbbbb\n", 5, false).text, "bbbb\n");
  EXPECT_EQ(ReadLog("half line\nwhole\n", 1000, true).text, "whole\n");
}

TEST(VastLogs, AMegabyteWithoutANewlineIsCutNotRefused) {
  const LogTail tail = ReadLog(std::string(2'000'000, 'x'), 1'000'000, false);
  EXPECT_EQ(tail.text.size(), 1'000'000u);
  EXPECT_TRUE(tail.cut);
}

}  // namespace
}  // namespace muster::vast
