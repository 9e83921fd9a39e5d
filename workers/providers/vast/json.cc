#include "workers/providers/vast/json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "eventstore/base/strings.h"

namespace muster::vast {
namespace {

using nlohmann::json;

// Whether a member of the outermost object is wanted.
using Wanted = absl::FunctionRef<bool(std::string_view)>;

std::optional<json> ParseStrict(std::string_view text) {
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::optional<json> ParseStrict(std::string_view text, Wanted wanted) {
  const auto keep = [wanted](int depth, json::parse_event_t event, json& parsed) {
    return depth != 1 || event != json::parse_event_t::key ||
           wanted(parsed.get_ref<const std::string&>());
  };
  json value = json::parse(text, keep, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

// The end of the string that begins at `at` (its quote); npos when it has none.
std::size_t EndOfString(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

// The end of the object or array that begins at `at`; npos when it has none.
std::size_t EndOfNested(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = EndOfString(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return std::string_view::npos;
}

std::size_t SkipSpace(std::string_view text, std::size_t at) {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) {
    ++at;
  }
  return at;
}

// Calls `visit(key, at)` for each member of the outermost object: its key as written, without the
// quotes, and where its value begins. Stops where that returns true, and returns whether it did.
// Only brackets and quotes are looked at, which takes a tenth of reading it.
bool VisitMembers(std::string_view text,
                  absl::FunctionRef<bool(std::string_view, std::size_t)> visit) {
  std::size_t at = SkipSpace(text, 0);
  if (at >= text.size() || text[at] != '{') return false;
  ++at;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '{' || c == '[') {
      at = EndOfNested(text, at);
    } else if (c == '"') {
      const std::size_t end = EndOfString(text, at);
      if (end == std::string_view::npos) return false;
      const std::string_view key = text.substr(at + 1, end - at - 2);
      at = SkipSpace(text, end);
      if (at >= text.size() || text[at] != ':') continue;
      at = SkipSpace(text, at + 1);
      if (at < text.size() && visit(key, at)) return true;
    } else {
      ++at;
    }
  }
  return false;
}

// Where the object that is member `name` of the outermost object stands; {0, 0} when there is none.
std::pair<std::size_t, std::size_t> FindObject(std::string_view text, std::string_view name) {
  std::pair<std::size_t, std::size_t> found;
  VisitMembers(text, [&](std::string_view key, std::size_t at) {
    if (key != name || text[at] != '{') return false;
    const std::size_t end = EndOfNested(text, at);
    if (end != std::string_view::npos) found = {at, end};
    return true;
  });
  return found;
}

// Python writes NaN, Infinity and -Infinity where JSON has no word for them.
std::string WithoutNan(std::string_view text) {
  static constexpr std::string_view kWords[] = {"-Infinity", "Infinity", "NaN"};
  std::string out;
  out.reserve(text.size());
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (!quoted) {
      const auto rest = text.substr(i);
      const auto word = std::find_if(std::begin(kWords), std::end(kWords),
                                     [&](std::string_view w) { return rest.starts_with(w); });
      if (word != std::end(kWords)) {
        out += "null";
        i += word->size() - 1;
        continue;
      }
    }
    out += c;
  }
  return out;
}

}  // namespace

std::optional<json> ParseJson(std::string_view text) {
  std::optional<json> value = ParseStrict(text);
  if (value.has_value()) return value;
  return ParseStrict(WithoutNan(ToValidUtf8(text)));
}

std::string WithoutObject(std::string_view text, std::string_view name) {
  const auto [begin, end] = FindObject(text, name);
  if (begin == end) return std::string(text);
  return Cat(text.substr(0, begin), "null", text.substr(end));
}

bool MayBeFalse(std::string_view text, std::string_view name) {
  if (!text.starts_with('{')) return true;
  return VisitMembers(text, [&](std::string_view key, std::size_t at) {
    const bool may_be_it = key == name || key.find('\\') != std::string_view::npos;
    return may_be_it && !text.substr(at).starts_with("true");
  });
}

std::optional<json> ParseJsonOnly(std::string_view text, std::string_view wanted_name) {
  const auto wanted = [wanted_name](std::string_view name) { return name == wanted_name; };
  std::optional<json> value = ParseStrict(text, wanted);
  if (value.has_value()) return value;
  return ParseStrict(WithoutNan(ToValidUtf8(text)), wanted);
}

const json& Member(const json& object, std::string_view key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(std::string(key));
  return found == object.end() ? kNull : *found;
}

std::optional<double> Number(const json& object, std::string_view key) {
  const json& member = Member(object, key);
  double value = 0;
  if (member.is_number()) {
    value = member.get<double>();
  } else if (!member.is_string() ||
             !absl::SimpleAtod(member.get_ref<const std::string&>(), &value)) {
    return std::nullopt;
  }
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

std::string Text(const json& object, std::string_view key) {
  const json& member = Member(object, key);
  if (!member.is_string()) return "";
  return ToValidUtf8(Trim(member.get_ref<const std::string&>()));
}

std::optional<bool> Flag(const json& object, std::string_view key) {
  const json& member = Member(object, key);
  if (member.is_boolean()) return member.get<bool>();
  if (member.is_number()) return member.get<double>() != 0;
  const std::string text = Text(object, key);
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  return std::nullopt;
}

std::string IdText(const json& object, std::string_view key) {
  const json& member = Member(object, key);
  if (member.is_number_unsigned()) return Cat(member.get<std::uint64_t>());
  const std::optional<double> number = Number(object, key);
  if (!number.has_value() || *number < 0 || *number != std::floor(*number) || *number > 9e15) {
    return "";
  }
  return Cat(static_cast<std::int64_t>(*number));
}

}  // namespace muster::vast
