#include "workers/pollers/log_facts.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;
using Phase = worker::Observed::Phase;

std::shared_ptr<const LogRules> Zeb() {
  specpb::FleetSpec spec;
  spec.set_fact_rules("zeb");
  return *LogRules::Make(spec);
}

eventpb::LogObserved Read(const std::string& text, Phase known = Phase::kBoot) {
  static const std::shared_ptr<const LogRules> rules = Zeb();
  return rules->Read(LogTail{LogTail::State::kText, text, false}, known);
}

constexpr char kSetup[] =
    "=== Setup started at Sat Nov 21 03:14:07 UTC 2026 ===\ngit installed\nrepo cloned\n"
    "deps installed\nGPU OK: NVIDIA GeForce RTX 3070\n";
constexpr char kStarted[] =
    "=== Starting worker worker-vast-3 at Sat Nov 21 03:20:07 UTC 2026 ===\n"
    "Pulling initial weights from jane/zeb-large/zeb-557k-1m.pt...\n"
    "  Model loaded (step 142), 557,186 params, tokenizer=v1\n"
    "  Examples repo: jane/zeb-examples\n"
    "Creating self-play pipeline...\nPipeline created in 8.3s\n\n"
    "Worker worker-vast-3 starting (output: jane/zeb-examples (namespace: zeb))\n"
    "  games_per_batch=256, weight_sync_interval=2\n"
    "  upload_interval=240s (folder upload)\n";
constexpr char kBatch[] =
    "[worker-vast-3] batch 7: 7168 examples, 1.4 games/s, step=142, total_games=1792\n";

TEST(ZebFacts, FollowsAWorkerFromSetUpToProduction) {
  EXPECT_EQ(Read("").phase(), "boot");
  EXPECT_EQ(Read(kSetup).phase(), "setup");
  EXPECT_EQ(Read(Cat(kSetup, kStarted)).phase(), "started");
  const eventpb::LogObserved facts = Read(Cat(kSetup, kStarted, kBatch));
  EXPECT_EQ(facts.phase(), "producing");
  EXPECT_EQ(facts.counter(), 7);
  EXPECT_EQ(facts.rate_per_s(), 1.4);
  EXPECT_EQ(facts.step(), 142);
  EXPECT_EQ(facts.total(), 1792);
  EXPECT_EQ(facts.error(), "");
  EXPECT_FALSE(facts.broken());
  EXPECT_EQ(facts.container_id(), "Sat Nov 21 03:14:07 UTC 2026");
}

// Its container was started anew after the error, and it was destroyed while it produced.
TEST(ZebFacts, AnErrorOfTheContainerBeforeThisOneIsNone) {
  constexpr char kError[] = "RuntimeError: CUDA error: an illegal memory access was encountered\n";
  for (const std::string& before : {Cat(kBatch, kError), std::string(kError)}) {
    EXPECT_NE(Read(before, Phase::kProducing).error(), "");
    const eventpb::LogObserved facts = Read(Cat(before, kSetup), Phase::kProducing);
    EXPECT_EQ(facts.error(), "");
    EXPECT_EQ(facts.phase(), "setup");
    EXPECT_EQ(facts.counter(), -1);
  }
  EXPECT_NE(Read(Cat(kSetup, kError)).error(), "");
}

TEST(ZebFacts, TheNewestProgressLineCounts) {
  const eventpb::LogObserved facts = Read(
      "[w] batch 7: 7168 examples, 1.4 games/s, step=142, total_games=1792\n"
      "[w] No new weights (still step 142)\n"
      "[w] batch 8: 7168 examples, 1.6 games/s, step=150, total_games=2048\n"
      "[w] Weights updated: step 142 -> 150\n");
  EXPECT_EQ(facts.counter(), 8);
  EXPECT_EQ(facts.rate_per_s(), 1.6);
  EXPECT_EQ(facts.total(), 2048);
}

TEST(ZebFacts, AnUploadIsWorkWithoutACounter) {
  for (const char* line : {"[w] Uploading 9 batches to HF...", "[w] Upload complete (9 batches)",
                           "New Data Upload: 100%|####| 12.1MB / 12.1MB"}) {
    const eventpb::LogObserved facts = Read(line);
    EXPECT_EQ(facts.phase(), "producing") << line;
    EXPECT_TRUE(facts.busy()) << line;
    EXPECT_EQ(facts.counter(), -1) << line;
  }
  EXPECT_FALSE(Read(Cat("[w] Uploading 9 batches to HF...\n", kBatch)).busy());
}

// Lines that hold words of failure and mean none.
TEST(ZebFacts, HarmlessLinesAreNoErrors) {
  for (const char* line : {
           "[w] Upload failed (HTTPSConnectionPool: Max retries exceeded (Caused by "
           "urllib3.exceptions.ReadTimeoutError)), will retry next cycle",
           "[w] Upload failed (requests.exceptions.ConnectionError: x), will retry next cycle",
           "  HF transient error (attempt 1/4): HfHubHTTPError: 503 Server Error",
           "  HF transient error (attempt 2/4): Exception: killed by peer",
           "  Retrying in 5s...",
           "mushroom kingdom",
           "a skilled player",
           "zoom level 3",
           "broom",
           "https://huggingface.co/jane/boom/resolve/main/x.pt",
           "/venv/torch/nn.py:12: UserWarning: size mismatch is ignored",
           "Exception ignored in: <function _releaseLock>",
           "loss=0.3 exceptions=0 killed=0",
           "TypeErrors are counted here",
       }) {
    const eventpb::LogObserved facts = Read(line);
    EXPECT_EQ(facts.error(), "") << line;
  }
}

struct Fatal {
  const char* line;
  const char* rule;
  specpb::Fault fault;
};

TEST(ZebFacts, FatalLinesAreErrorsWithTheirFault) {
  const Fatal rows[] = {
      {"RuntimeError: CUDA error: an illegal memory access was encountered", "cuda-device",
       specpb::MACHINE},
      {"RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "cuda-device", specpb::MACHINE},
      {"RuntimeError: No CUDA GPUs are available", "exception", specpb::FAULT_UNSPECIFIED},
      {"RuntimeError: Found no NVIDIA driver on your system.", "cuda-device", specpb::MACHINE},
      {"torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "out-of-memory",
       specpb::FAULT_UNSPECIFIED},
      {"worker: OOM, giving up", "out-of-memory", specpb::FAULT_UNSPECIFIED},
      {"RuntimeError: Error(s) in loading state_dict: size mismatch for fc.weight", "size-mismatch",
       specpb::OURS},
      {"OSError: [Errno 28] No space left on device", "disk-full", specpb::MACHINE},
      {"huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error.", "hub-access",
       specpb::OURS},
      {"ModuleNotFoundError: No module named 'forge'", "program", specpb::OURS},
      {"Killed", "killed", specpb::FAULT_UNSPECIFIED},
      {"/root/run.sh: line 31:   482 Killed                  python -u -m forge.zeb.worker.run",
       "killed", specpb::FAULT_UNSPECIFIED},
      {"Segmentation fault (core dumped)", "killed", specpb::FAULT_UNSPECIFIED},
      {"Traceback (most recent call last):", "traceback", specpb::FAULT_UNSPECIFIED},
      {"ValueError: bad example", "exception", specpb::FAULT_UNSPECIFIED},
      {"concurrent.futures.process.BrokenProcessPoolError", "exception", specpb::FAULT_UNSPECIFIED},
      {"Exception: no weights", "exception", specpb::FAULT_UNSPECIFIED},
  };
  for (const Fatal& row : rows) {
    const eventpb::LogObserved facts = Read(Cat(kBatch, row.line, "\n"));
    EXPECT_THAT(facts.error(), HasSubstr(row.line)) << row.line;
    EXPECT_EQ(facts.error_rule(), row.rule) << row.line;
    EXPECT_EQ(facts.error_fault(), row.fault) << row.line;
    EXPECT_EQ(facts.counter(), 7) << row.line;
  }
}

TEST(ZebFacts, ProgressAfterAnErrorClearsItAndNothingElseDoes) {
  const std::string error = "Traceback (most recent call last):\nValueError: bad example\n";
  EXPECT_EQ(Read(Cat(error, kBatch)).error(), "");
  EXPECT_EQ(Read(Cat(kBatch, error)).error(), "ValueError: bad example");
  EXPECT_EQ(Read(Cat(error, "[w] Upload complete (9 batches)\n")).error(),
            "ValueError: bad example");
}

TEST(ZebFacts, AProgramStartedAnewDropsItsOldCounters) {
  const eventpb::LogObserved facts = Read(Cat(kBatch, kSetup));
  EXPECT_EQ(facts.phase(), "setup");
  EXPECT_EQ(facts.counter(), -1);
  EXPECT_EQ(facts.total(), -1);
}

TEST(ZebFacts, TextWithoutAMarkEndsTheBootButIsNoRestart) {
  EXPECT_EQ(Read("hello\n", Phase::kBoot).phase(), "setup");
  EXPECT_EQ(Read("hello\n", Phase::kSetup).phase(), "setup");
  EXPECT_EQ(Read("hello\n", Phase::kStarted).phase(), "boot");
  EXPECT_EQ(Read("hello\n", Phase::kProducing).phase(), "boot");
  EXPECT_EQ(Read(" \n\n", Phase::kBoot).phase(), "boot");
}

TEST(ZebFacts, ALaunchIsBrokenFromTenSuchLinesWithoutAnyWork) {
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += "/root/onstart.sh: line 3: git: command not found\n";
  EXPECT_FALSE(Read(nine).broken());
  const eventpb::LogObserved facts = Read(nine + "python: cannot execute: required file\n");
  EXPECT_TRUE(facts.broken());
  EXPECT_EQ(facts.error_fault(), specpb::OURS);
  EXPECT_FALSE(Read(Cat(nine, "sh: x: Permission denied\n", kBatch)).broken());
}

// The log of a container that was stopped and started goes on where it was.
TEST(ZebFacts, WorkOfTheContainerBeforeThisOneDoesNotMakeItsLaunchGood) {
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += "/root/onstart.sh: line 3: git: command not found\n";
  const eventpb::LogObserved facts = Read(Cat(kSetup, kBatch, kSetup, ten));
  EXPECT_TRUE(facts.broken());
  EXPECT_EQ(facts.error_fault(), specpb::OURS);
  // Nor do the lines of one that worked make the next one bad.
  EXPECT_FALSE(Read(Cat(kSetup, ten, kBatch, kSetup)).broken());
  EXPECT_FALSE(Read(Cat(kSetup, kBatch, ten, kSetup)).broken());
}

TEST(ZebFacts, ALaunchThatFailsAgainAndAgainIsBroken) {
  std::string lives;
  for (int i = 0; i < 10; ++i) lives += Cat(kSetup, "/root/onstart.sh: git: command not found\n");
  EXPECT_TRUE(Read(lives).broken());
  EXPECT_TRUE(Read(Cat(kSetup, kBatch, lives)).broken());
}

TEST(ZebFacts, NoContainerAndPullLogsAreBoot) {
  const auto rules = Zeb();
  const LogTail none{LogTail::State::kNoContainer, "Error response from daemon: No such container",
                     false};
  EXPECT_TRUE(rules->Read(none, Phase::kBoot).no_container());
  EXPECT_EQ(rules->Read(none, Phase::kBoot).phase(), "boot");
  const LogTail pull{LogTail::State::kDaemon, "ea381c80ad7f: Pull complete", false};
  EXPECT_FALSE(rules->Read(pull, Phase::kBoot).no_container());
  EXPECT_EQ(rules->Read(pull, Phase::kBoot).phase(), "boot");
  EXPECT_FALSE(Read(Cat(kBatch, "Error: No such container: C.1\n")).no_container());
}

TEST(ZebFacts, LongLinesAreReadByTheirFrontAndKeptShort) {
  const std::string tail(1 << 20, 'x');
  const eventpb::LogObserved facts = Read(Cat("ValueError: ", tail, "\n"));
  EXPECT_LE(facts.error().size(), 170u);
  EXPECT_LE(facts.line().size(), 170u);
  EXPECT_EQ(facts.error_rule(), "exception");
}

TEST(ZebFacts, NumbersThatAreNoneAreAbsent) {
  const eventpb::LogObserved facts =
      Read("[w] batch 99999999999999999999: 1 examples, 1.5 games/s, step=7, total_games=8\n");
  EXPECT_EQ(facts.counter(), -1);
  EXPECT_EQ(facts.step(), 7);
}

specpb::FactRule Rule(specpb::FactRule::Kind kind, const char* pattern) {
  specpb::FactRule rule;
  rule.set_kind(kind);
  rule.set_name("mine");
  rule.set_pattern(pattern);
  return rule;
}

TEST(CustomFacts, TheFirstMatchingRulePerLineSpeaks) {
  specpb::FleetSpec spec;
  spec.set_fact_rules("custom");
  *spec.add_facts() = Rule(specpb::FactRule::HARMLESS, "it is fine");
  *spec.add_facts() = Rule(specpb::FactRule::ERROR, "(?:FATAL|error): (?P<text>.*)");
  *spec.add_facts() = Rule(specpb::FactRule::PROGRESS, R"(epoch (?P<counter>\d+))");
  *spec.add_facts() = Rule(specpb::FactRule::NO_CONTAINER, "nobody home");
  *spec.add_facts() = Rule(specpb::FactRule::BROKEN, "bad interpreter");
  const auto rules = LogRules::Make(spec);
  ASSERT_THAT(rules, IsOk());
  const auto read = [&](const char* text) {
    return (*rules)->Read(LogTail{LogTail::State::kText, text, false}, Phase::kBoot);
  };
  EXPECT_EQ(read("epoch 3\nFATAL: disk on fire\n").error(), "disk on fire");
  EXPECT_EQ(read("FATAL: x it is fine\n").error(), "");
  EXPECT_EQ(read("epoch 12\n").counter(), 12);
  EXPECT_EQ(read("epoch 12\n").rate_per_s(), -1);
  EXPECT_TRUE(read(" nobody home \n").no_container());
  EXPECT_FALSE(read("nobody home\nepoch 1\n").no_container());
  EXPECT_TRUE(read("bad interpreter\n").broken());
  EXPECT_EQ(read("Traceback (most recent call last):\n").error(), "");
}

TEST(CustomFacts, BadRulesAreRefusedByName) {
  specpb::FleetSpec spec;
  spec.set_fact_rules("custom");
  EXPECT_THAT(LogRules::Make(spec), StatusIs(StatusCode::kInvalidArgument));
  *spec.add_facts() = Rule(specpb::FactRule::ERROR, "(unclosed");
  EXPECT_THAT(LogRules::Make(spec), StatusIs(StatusCode::kInvalidArgument, HasSubstr("mine")));
  spec.set_fact_rules("nonesuch");
  EXPECT_THAT(LogRules::Make(spec), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
