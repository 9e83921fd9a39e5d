#include "eventstore/rocksdb/info_log.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "absl/synchronization/mutex.h"

namespace muster::rocks {
namespace {

constexpr std::int64_t kBytesMax = 1 << 20;
constexpr std::size_t kLineMax = 2000;

class InfoLog final : public rocksdb::Logger {
 public:
  InfoLog(std::string file, rocksdb::Env* env)
      : Logger(rocksdb::WARN_LEVEL), file_(std::move(file)), env_(env) {}

  using Logger::Logv;
  void Logv(const char* format, std::va_list arguments) override {
    char line[kLineMax];
    std::vsnprintf(line, sizeof line, format, arguments);
    const std::uint64_t now_us = env_->NowMicros();
    const absl::MutexLock lock(&mutex_);
    // Opened for each of its few lines: so one that is lost leaves nothing behind that fails later.
    std::FILE* out = std::fopen(file_.c_str(), size_ > kBytesMax ? "we" : "ae");
    if (out == nullptr) return;
    std::fprintf(out, "%s %s\n", env_->TimeToString(now_us / 1'000'000).c_str(), line);
    size_ = std::ftell(out);
    std::fclose(out);
  }

 private:
  const std::string file_;
  rocksdb::Env* const env_;
  absl::Mutex mutex_;
  std::int64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
};

class Silent final : public rocksdb::Logger {
 public:
  Silent() : Logger(rocksdb::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, std::va_list) override {}
};

}  // namespace

std::shared_ptr<rocksdb::Logger> MakeInfoLog(const std::string& file, rocksdb::Env* env) {
  return std::make_shared<InfoLog>(file, env);
}

std::shared_ptr<rocksdb::Logger> NoInfoLog() { return std::make_shared<Silent>(); }

}  // namespace muster::rocks
