#include "workers/ports/sim_route.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster {

std::string DecodeForm(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
               absl::ascii_isxdigit(text[i + 2])) {
      out += absl::HexStringToBytes(ToAbsl(text.substr(i + 1, 2)));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> ReadForm(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> form;
  for (const auto& piece : absl::StrSplit(ToAbsl(text), '&', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(piece, absl::MaxSplits('=', 1));
    form.emplace_back(DecodeForm(pair.first), DecodeForm(pair.second));
  }
  return form;
}

SimPath SplitUrl(std::string_view url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    const std::size_t slash = url.find('/', scheme + 3);
    url = slash == std::string_view::npos ? "/" : url.substr(slash);
  }
  SimPath split;
  const std::size_t question = url.find('?');
  split.path = std::string(url.substr(0, question));
  if (question != std::string_view::npos) split.query = url.substr(question + 1);
  for (const auto& segment : absl::StrSplit(split.path, '/', absl::SkipEmpty())) {
    split.segments.push_back(DecodeForm(ToStd(segment)));
  }
  return split;
}

bool MatchRoute(std::string_view pattern, const std::vector<std::string>& segments,
                std::int64_t* id, std::string* name) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(pattern), '/');
  if (parts.size() != segments.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "{id}") {
      if (!absl::SimpleAtoi(segments[i], id)) return false;
    } else if (parts[i] == "{name}") {
      *name = segments[i];
    } else if (parts[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace muster
