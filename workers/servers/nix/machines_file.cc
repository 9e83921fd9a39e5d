#include "workers/servers/nix/machines_file.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "workers/servers/nix/machine_line.h"

namespace muster::nix {
namespace {

// No semicolon here: Nix would read what follows one as an entry of its own.
constexpr std::string_view kHead =
    "# Written by muster from its log. What is changed here by hand is told by\n"
    "# 'muster server check' and gone when the set of builders changes.\n";
constexpr std::string_view kMark = "# digest ";

// FNV-1a: finds a hand's work, not malice.
std::string DigestOf(std::string_view text) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
  }
  return absl::StrFormat("%016x", hash);
}

// What muster wrote last, by its digest, even where the rest was changed since; "" = not muster.
std::string_view MarkOf(std::string_view text) {
  const std::size_t at = text.find(kMark);
  if (at == std::string_view::npos) return "";
  const std::string_view mark = text.substr(at + kMark.size());
  return mark.substr(0, mark.find('\n'));
}

}  // namespace

std::string MachinesText(const std::vector<std::string>& lines) {
  std::string body;
  std::vector<std::string> seen;
  for (const std::string& line : lines) {
    if (std::find(seen.begin(), seen.end(), line) != seen.end()) continue;
    seen.push_back(line);
    body += Cat(line, "\n");
  }
  return Cat(kHead, kMark, DigestOf(body), "\n", body);
}

std::vector<std::string> EntriesOf(std::string_view text) {
  std::vector<std::string> entries;
  for (const auto& piece : absl::StrSplit(ToAbsl(text), absl::ByAnyChar("\n;"))) {
    const std::string entry(WithoutComment(ToStd(piece)));
    if (!entry.empty()) entries.push_back(entry);
  }
  return entries;
}

bool ChangedByHand(std::string_view text) {
  const std::string_view mark = MarkOf(text);
  if (mark.empty() || !text.starts_with(kHead)) return true;
  const std::size_t body = static_cast<std::size_t>(mark.data() - text.data()) + mark.size() + 1;
  return body > text.size() || mark != DigestOf(text.substr(body));
}

Status WriteMachinesFile(TextFiles& files, const std::string& path,
                         const std::vector<std::string>& lines) {
  const std::string wanted = MachinesText(lines);
  const StatusOr<std::string> there = files.Read(path);
  if (there.ok() && *there == wanted) return {};
  if (!there.ok() && there.status().code() != StatusCode::kNotFound) return there.status();
  if (there.ok() && !Trim(*there).empty() && ChangedByHand(*there)) {
    // The set is the one that was written last: what came after is a person's, and is told.
    if (MarkOf(*there) == MarkOf(wanted)) return {};
    MUSTER_RETURN_IF_ERROR(files.Write(Cat(path, ".edited"), *there));
  }
  return files.Write(path, wanted);
}

}  // namespace muster::nix
