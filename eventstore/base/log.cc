#include "eventstore/base/log.h"

#include <array>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace muster {
namespace {

constexpr std::size_t kValueBytesMax = 4 << 10;
constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> kJournalPrefixes = {"<7>", "<6>", "<4>", "<3>"};

struct State {
  absl::Mutex mutex;
  std::shared_ptr<const LogOptions> options ABSL_GUARDED_BY(mutex) = std::make_shared<LogOptions>();
};

// Never destroyed: threads may log until the very end.
State& TheState() {
  static State* const state = new State;
  return *state;
}

std::shared_ptr<const LogOptions> Options() {
  State& state = TheState();
  absl::MutexLock lock(&state.mutex);
  return state.options;
}

void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool IsBare(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

std::string Clean(const LogOptions& options, std::string_view value) {
  const std::string masked = options.mask ? options.mask(value) : std::string(value);
  return Ellipsize(ToValidUtf8(masked), kValueBytesMax);
}

std::string TimeText(const LogOptions& options) {
  if (options.journal || !options.now) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", options.now(), absl::UTCTimeZone());
}

std::string TextLine(const LogOptions& options, LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  std::string line = TimeText(options);
  if (!line.empty()) line += ' ';
  line += kNames[static_cast<std::size_t>(level)];
  line += ' ';
  line += event;
  for (const LogField& field : fields) {
    const std::string value = Clean(options, field.value);
    line += ' ';
    line += field.key;
    line += '=';
    if (IsBare(value)) {
      line += value;
    } else {
      AppendQuoted(line, value);
    }
  }
  return line;
}

std::string JsonLine(const LogOptions& options, LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  std::string line = "{";
  const auto add = [&](std::string_view key, std::string_view value) {
    if (line.size() > 1) line += ',';
    AppendQuoted(line, key);
    line += ':';
    AppendQuoted(line, value);
  };
  if (const std::string time = TimeText(options); !time.empty()) add("time", time);
  add("level", kNames[static_cast<std::size_t>(level)]);
  add("event", event);
  for (const LogField& field : fields) add(field.key, Clean(options, field.value));
  line += '}';
  return line;
}

}  // namespace

void ConfigureLog(LogOptions options) {
  auto shared = std::make_shared<const LogOptions>(std::move(options));
  State& state = TheState();
  absl::MutexLock lock(&state.mutex);
  state.options.swap(shared);
}

StatusOr<LogLevel> ParseLogLevel(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<LogLevel>(i);
  }
  return InvalidArgument("log level: expected debug, info, warning or error");
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const std::shared_ptr<const LogOptions> options = Options();
  if (level < options->level) return;
  std::string line = options->format == LogOptions::Format::kJson
                         ? JsonLine(*options, level, event, fields)
                         : TextLine(*options, level, event, fields);
  if (options->journal) line.insert(0, kJournalPrefixes[static_cast<std::size_t>(level)]);
  line += '\n';
  if (options->sink) return options->sink(line);
  std::fwrite(line.data(), 1, line.size(), stderr);  // unbuffered: one call, one write
}

}  // namespace muster
