#include "workers/servers/remote/vitals.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"

namespace muster::remote {
namespace {

constexpr std::string_view kSection = "== ";

void ReadLoad(const std::vector<std::string>& words, eventpb::BuilderObserved& seen) {
  double load = 0;
  if (!words.empty() && absl::SimpleAtod(words[0], &load)) seen.set_load1(load);
}
void ReadMemory(const std::vector<std::string>& words, eventpb::BuilderObserved& seen) {
  std::int64_t kb = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &kb)) return;
  if (words[0] == "MemTotal:") seen.set_memory_total_kb(kb);
  if (words[0] == "MemAvailable:") seen.set_memory_available_kb(kb);
}
// Of df -P: file system, blocks, used, available, capacity, where.
void ReadDisk(const std::vector<std::string>& words, eventpb::BuilderObserved& seen) {
  std::int64_t total = 0, free = 0;
  if (words.size() < 6 || !absl::SimpleAtoi(words[1], &total) ||
      !absl::SimpleAtoi(words[3], &free)) {
    return;  // its head line
  }
  // /nix/store when it is a file system of its own, which comes last.
  seen.set_disk_total_bytes(total);
  seen.set_disk_free_bytes(free);
}
void ReadGpu(std::string_view line, eventpb::BuilderObserved& seen) {
  const std::vector<std::string> fields = absl::StrSplit(ToAbsl(line), ", ");
  double percent = 0;
  std::int64_t used = 0, total = 0;
  if (fields.size() != 4 || !absl::SimpleAtoi(fields[2], &used) ||
      !absl::SimpleAtoi(fields[3], &total)) {
    return;
  }
  eventpb::GpuVitals& gpu = *seen.add_gpus();
  gpu.set_name(ToValidUtf8(Trim(fields[0])));
  if (absl::SimpleAtod(fields[1], &percent)) gpu.set_utilization_percent(percent);
  gpu.set_memory_used_mib(used);
  gpu.set_memory_total_mib(total);
  seen.set_has_gpu_data(true);
}

}  // namespace

RemoteCommand VitalsCommand() {
  RemoteCommand command =
      Script("vitals", "look", {},
             "echo '== load'; cat /proc/loadavg\n"
             "echo '== memory'; cat /proc/meminfo\n"
             "echo '== disk'; df -PB1 / /nix/store 2>/dev/null || df -PB1 /\n"
             "echo '== builds'\n"
             "ps -eo user= 2>/dev/null | grep -c '^nixbld' || true\n"
             "echo '== gpus'\n"
             "if command -v nvidia-smi >/dev/null; then\n"
             "  gpus=$(nvidia-smi --query-gpu=name,utilization.gpu,memory.used,memory.total"
             " --format=csv,noheader,nounits) && printf '%s\\n' \"$gpus\" || true\n"
             "fi\n",
             /*with_prelude=*/false);
  command.name = "vitals";
  command.timeout = absl::Seconds(30);
  command.silence_max = absl::Seconds(30);
  return command;
}

StatusOr<eventpb::BuilderObserved> ReadVitals(std::string_view out) {
  eventpb::BuilderObserved seen;
  std::string section;
  for (const auto part : absl::StrSplit(ToAbsl(out), '\n')) {
    const std::string_view line = Trim(ToStd(part));
    if (line.starts_with(kSection)) {
      section = line.substr(kSection.size());
      continue;
    }
    const std::vector<std::string> words = absl::StrSplit(ToAbsl(line), ' ', absl::SkipEmpty());
    if (section == "load") ReadLoad(words, seen);
    if (section == "memory") ReadMemory(words, seen);
    if (section == "disk") ReadDisk(words, seen);
    if (section == "gpus") ReadGpu(line, seen);
    std::int64_t builds = 0;
    if (section == "builds" && absl::SimpleAtoi(ToAbsl(line), &builds)) {
      seen.set_build_processes(static_cast<int>(builds));
    }
  }
  if (seen.memory_total_kb() == 0 && seen.disk_total_bytes() == 0) {
    return InvalidArgument("the machine answered nothing that was asked");
  }
  seen.set_reached(true);
  return seen;
}

}  // namespace muster::remote
