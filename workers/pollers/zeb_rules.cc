// The built-in rules for the zeb worker's output, first match per line.
#include "workers/pollers/log_facts.h"

namespace muster {
namespace {

specpb::FactRule Rule(specpb::FactRule::Kind kind, const char* name, const char* pattern,
                      specpb::Fault fault = specpb::FAULT_UNSPECIFIED) {
  specpb::FactRule rule;
  rule.set_kind(kind);
  rule.set_name(name);
  rule.set_pattern(pattern);
  rule.set_fault(fault);
  return rule;
}

using specpb::FactRule;

}  // namespace

std::vector<specpb::FactRule> ZebFactRules() {
  return {
      // Words of failure in lines that the worker gets over by itself.
      Rule(FactRule::HARMLESS, "upload-retry", R"(Upload failed \(.*will retry next cycle)"),
      Rule(FactRule::HARMLESS, "hub-retry", R"(^\s*HF transient error \(attempt \d+/\d+\))"),
      Rule(FactRule::HARMLESS, "retry-wait", R"(^\s*Retrying in \d+s)"),
      Rule(FactRule::HARMLESS, "warning", R"(\b(?:User|Future|Deprecation|Runtime)Warning\b)"),
      Rule(FactRule::HARMLESS, "exception-ignored", R"(^Exception ignored (?:in|on)\b)"),

      Rule(FactRule::PROGRESS, "batch",
           R"(\bbatch (?P<counter>\d+):.*?\b(?P<rate>\d+(?:\.\d+)?) games/s)"
           R"((?:.*?\bstep=(?P<step>\d+))?(?:.*?\btotal_games=(?P<total>\d+))?)"),
      Rule(FactRule::BUSY, "upload",
           R"(\bUpload complete\b|\bUploading .* batches\b|\bNew Data Upload\b)"),

      Rule(FactRule::STARTED, "worker-start",
           R"(^=== Starting worker\b|^Pulling initial\b|^\s*Model loaded \(|)"
           R"(^Creating self-play pipeline|^Pipeline created in\b|^Worker \S+ starting\b)"),
      Rule(FactRule::SETUP, "setup",
           R"(^=== Setup started(?: at (?P<container>.*?))? ===|\b(?:git|deps) installed\b|)"
           R"(\brepo cloned\b|^Cloning into\b|^GPU OK\b)"),

      Rule(FactRule::ERROR, "cuda-device",
           R"(CUDA error|cuDNN error|CUBLAS_STATUS|CUDNN_STATUS|no CUDA-capable device|)"
           R"(CUDA driver version is insufficient|CUDA unknown error|NVIDIA driver|)"
           R"(uncorrectable ECC|\bXid\b|Found no NVIDIA)",
           specpb::MACHINE),
      Rule(FactRule::ERROR, "no-gpu", R"(^(?:GPU FAILED|No GPU\b)|AssertionError: .*CUDA)",
           specpb::MACHINE),
      Rule(FactRule::ERROR, "disk-full", R"(No space left on device)", specpb::MACHINE),
      Rule(FactRule::ERROR, "out-of-memory",
           R"(CUDA out of memory|OutOfMemoryError|\boom-kill|^Out of memory: Killed|)"
           R"(\bOOM\b|MemoryError\b)"),
      Rule(FactRule::ERROR, "size-mismatch", R"(\bsize mismatch\b)", specpb::OURS),
      Rule(FactRule::ERROR, "hub-access",
           R"(RepositoryNotFoundError|EntryNotFoundError|GatedRepoError|401 Client Error|)"
           R"(403 Client Error|Invalid user token|HF_TOKEN.*(?:missing|not set|invalid))",
           specpb::OURS),
      Rule(FactRule::ERROR, "program",
           R"(^(?:ModuleNotFoundError|ImportError|SyntaxError|IndentationError|NameError)\b)",
           specpb::OURS),
      Rule(FactRule::ERROR, "killed",
           R"(^(?:.*: line \d+: +\d+ )?Killed\b|\bkilled by signal\b|^Segmentation fault|)"
           R"(^Bus error)"),
      Rule(FactRule::ERROR, "traceback", R"(^\s*Traceback \(most recent call last\))"),
      Rule(FactRule::ERROR, "exception",
           R"(^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception|Interrupt)\b(?::|$))"),

      Rule(FactRule::BROKEN, "launch",
           R"(command not found|No such file or directory|Permission denied|cannot execute)",
           specpb::OURS),
  };
}

}  // namespace muster
