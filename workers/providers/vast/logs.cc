#include "workers/providers/vast/logs.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/host.h"
#include "workers/providers/vast/wire.h"

namespace muster::vast {
namespace {

struct Origin {
  std::string scheme;
  std::string host;
  std::string port;  // as written; "" = the scheme's own
};

// Splits "host:port" and "[::1]:port".
void SplitHost(std::string_view authority, Origin& origin) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  origin.host = std::string(authority.substr(0, has_port ? colon : authority.size()));
  std::transform(origin.host.begin(), origin.host.end(), origin.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (has_port) origin.port = std::string(authority.substr(colon + 1));
}

// nullopt-like: an empty host means that the text is no plain http(s) URL.
Origin OriginOf(std::string_view url) {
  Origin origin;
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) return origin;
  origin.scheme = std::string(url.substr(0, mark));
  if (origin.scheme != "http" && origin.scheme != "https") return origin;
  std::string_view authority = url.substr(mark + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  for (const unsigned char c : authority) {
    // A user part, a backslash or a space is how one host is made to look like another.
    if (std::isalnum(c) == 0 &&
        std::string_view(".-:[]_").find(static_cast<char>(c)) == std::string_view::npos) {
      return origin;
    }
  }
  SplitHost(authority, origin);
  if (origin.port == (origin.scheme == "http" ? "80" : "443")) origin.port.clear();
  return origin;
}

// Three names of one machine: a stand-in that is reached by one of them may give its logs by
// another.
bool IsThisMachine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}
bool SameHost(std::string_view a, std::string_view b) {
  return a == b || (IsThisMachine(a) && IsThisMachine(b));
}

bool Matches(const Origin& origin, const std::string& entry) {
  if (absl::StrContains(entry, "://")) {
    const Origin allowed = OriginOf(entry);
    return allowed.scheme == origin.scheme && SameHost(allowed.host, origin.host) &&
           allowed.port == origin.port;
  }
  Origin allowed;
  SplitHost(entry, allowed);
  const bool loopback = IsLoopbackHost(origin.host);
  if (origin.scheme == "http" && !loopback) return false;
  const bool any_port = allowed.port.empty() && loopback;
  if (!any_port && allowed.port != origin.port) return false;
  if (absl::StartsWith(allowed.host, "*.")) {
    return absl::EndsWith(origin.host, allowed.host.substr(1)) &&
           origin.host.size() >= allowed.host.size();
  }
  return SameHost(allowed.host, origin.host);
}

// The index after the escape sequence that starts at `i`, where an ESC stands.
std::size_t AfterEscape(std::string_view text, std::size_t i) {
  if (++i >= text.size()) return i;
  if (text[i] == '[') {  // CSI: parameters, then one final byte of @...~
    for (++i; i < text.size(); ++i) {
      if (text[i] >= '@' && text[i] <= '~') return i + 1;
      if (text[i] == '\n') return i;
    }
    return i;
  }
  if (text[i] == ']') {  // OSC: up to BEL or ESC backslash
    for (++i; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\n') return i;
      if (text[i] == '\x1b') return i + 1 < text.size() && text[i + 1] == '\\' ? i + 2 : i + 1;
    }
    return i;
  }
  if (text[i] == '(' || text[i] == ')') return std::min(i + 2, text.size());
  return i + 1;
}

// What is left on the screen of a line in which carriage returns went back to its start. Progress
// bars rewrite the whole line, so the last part that has any text is what shows.
std::string_view AfterReturns(std::string_view line) {
  while (true) {
    while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const std::size_t at = line.rfind('\r');
    if (at == std::string_view::npos) return line;
    return line.substr(at + 1);
  }
}

bool IsDaemonLine(std::string_view line) {
  if (absl::StartsWith(ToAbsl(line), "cat: ") &&
      absl::StrContains(ToAbsl(line), "instance_extra_logs/")) {
    return true;
  }
  if (line.starts_with("Status: Downloaded newer image") ||
      line.starts_with("Status: Image is up to date") || line.starts_with("Digest: sha256:") ||
      absl::StrContains(ToAbsl(line), ": Pulling from ")) {
    return true;
  }
  const std::size_t colon = line.find(": ");
  if (colon != 12 || !std::all_of(line.begin(), line.begin() + 12,
                                  [](unsigned char c) { return std::isxdigit(c) != 0; })) {
    return false;
  }
  static constexpr std::string_view kWords[] = {
      "Pulling fs layer",   "Waiting",    "Downloading",   "Download complete",
      "Verifying Checksum", "Extracting", "Pull complete", "Already exists"};
  const std::string_view rest = line.substr(colon + 2);
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return rest.starts_with(word); });
}

LogTail::State StateOf(std::string_view text) {
  const std::string_view whole = Trim(text);
  if (whole.empty()) return LogTail::State::kText;
  // Only as the whole text: a program may print these very words.
  if (whole.find('\n') == std::string_view::npos &&
      absl::StrContains(ToAbsl(whole), "No such container") &&
      (absl::StartsWith(ToAbsl(whole), "Error response from daemon") ||
       absl::StartsWith(ToAbsl(whole), "Error: No such container"))) {
    return LogTail::State::kNoContainer;
  }
  for (const auto piece : absl::StrSplit(ToAbsl(whole), '\n')) {
    const std::string_view line = Trim(ToStd(piece));
    if (!line.empty() && !IsDaemonLine(line)) return LogTail::State::kText;
  }
  return LogTail::State::kDaemon;
}

}  // namespace

bool IsAllowedLogUrl(std::string_view url, const std::vector<std::string>& log_hosts) {
  const Origin origin = OriginOf(url);
  if (origin.host.empty()) return false;
  return std::any_of(log_hosts.begin(), log_hosts.end(),
                     [&](const std::string& entry) { return Matches(origin, entry); });
}

std::string PlainText(std::string_view bytes) {
  std::string plain;
  plain.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    if (bytes[i] == '\x1b') {
      i = AfterEscape(bytes, i);
      continue;
    }
    const auto c = static_cast<unsigned char>(bytes[i++]);
    if (c >= ' ' || c == '\n' || c == '\r' || c == '\t') plain += static_cast<char>(c);
  }
  std::string out;
  out.reserve(plain.size());
  std::string_view rest = plain;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    out += AfterReturns(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    out += '\n';
    rest.remove_prefix(end + 1);
  }
  return ToValidUtf8(out);
}

bool IsForeignPage(std::string_view bytes) {
  const std::string_view whole = Trim(bytes);
  if (whole.starts_with('{') && whole.ends_with('}')) return VerdictOf(whole) == Verdict::kFailure;
  static constexpr std::string_view kPages[] = {"<!doctype ", "<html", "<?xml "};
  return whole.ends_with('>') &&
         std::any_of(std::begin(kPages), std::end(kPages), [&](std::string_view start) {
           return absl::StartsWithIgnoreCase(ToAbsl(whole), ToAbsl(start));
         });
}

LogTail ReadLog(std::string_view bytes, std::size_t bytes_max, bool cut_before) {
  LogTail tail;
  tail.cut = cut_before;
  bool within_line = cut_before;
  if (bytes.size() > bytes_max) {
    const std::size_t from = bytes.size() - bytes_max;
    within_line = bytes[from - 1] != '\n';
    bytes.remove_prefix(from);
    tail.cut = true;
  }
  if (within_line) {
    // Half a line could read as something that was never printed.
    const std::size_t end = bytes.find('\n');
    if (end != std::string_view::npos) bytes.remove_prefix(end + 1);
  }
  tail.text = PlainText(bytes);
  tail.state = StateOf(tail.text);
  return tail;
}

}  // namespace muster::vast
