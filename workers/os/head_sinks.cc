#include "workers/os/head_sinks.h"

#include <syslog.h>

#include <utility>

#include "workers/os/private_file.h"

namespace muster {
namespace {

class FileHeadSink final : public HeadSink {
 public:
  explicit FileHeadSink(std::string path) : path_(std::move(path)) {}
  std::string_view place() const override { return "file"; }
  Task<Status> Deliver(std::string line) override { co_return AppendLine(path_, line); }

 private:
  const std::string path_;
};

class SyslogHeadSink final : public HeadSink {
 public:
  std::string_view place() const override { return "syslog"; }
  Task<Status> Deliver(std::string line) override {
    openlog("musterd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    syslog(LOG_NOTICE, "%s", line.c_str());
    closelog();
    co_return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<HeadSink> MakeFileHeadSink(std::string path) {
  return std::make_unique<FileHeadSink>(std::move(path));
}
std::unique_ptr<HeadSink> MakeSyslogHeadSink() { return std::make_unique<SyslogHeadSink>(); }

}  // namespace muster
