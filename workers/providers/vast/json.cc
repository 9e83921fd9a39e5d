#include "workers/providers/vast/json.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/strings/numbers.h"
#include "eventstore/base/strings.h"

namespace muster::vast {

namespace dom = simdjson::dom;

struct JsonDocument::Parsed {
  dom::parser parser;
};

// Between our handle of a value and the library's.
struct JsonAccess {
  static_assert(std::is_trivially_copyable_v<dom::element>);
  using Bytes = decltype(Json::element_);

  static Json Wrap(const dom::element& element) {
    Json value;
    value.element_ = std::bit_cast<Bytes>(element);
    value.present_ = !element.is_null();
    return value;
  }
  // REQUIRES: !value.IsNull()
  static dom::element Element(const Json& value) {
    return std::bit_cast<dom::element>(value.element_);
  }
  static std::optional<JsonDocument> Parse(std::string_view text) {
    auto parsed = std::make_unique<JsonDocument::Parsed>();
    dom::element root;
    if (parsed->parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    return JsonDocument(std::move(parsed), Wrap(root));
  }
};

namespace {

bool IsOfNumber(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// One number as the library can take it.
std::string TakeableNumber(std::string_view number) {
  double value = 0;
  if (absl::SimpleAtod(ToAbsl(number), &value) && !std::isfinite(value)) return "null";
  const bool whole = number.find_first_of(".eE") == std::string_view::npos;
  std::int64_t small = 0;
  std::uint64_t large = 0;
  const bool fits =
      absl::SimpleAtoi(ToAbsl(number), &small) || absl::SimpleAtoi(ToAbsl(number), &large);
  return whole && !fits ? Cat(number, ".0") : std::string(number);
}

// Python writes NaN, Infinity and -Infinity where JSON has no word for them, and numbers that no
// machine word can hold.
std::string Forgiven(std::string_view text) {
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
    if (quoted) {
      out += c;
      continue;
    }
    const auto rest = text.substr(i);
    const auto word = std::find_if(std::begin(kWords), std::end(kWords),
                                   [&](std::string_view w) { return rest.starts_with(w); });
    if (word != std::end(kWords)) {
      out += "null";
      i += word->size() - 1;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      const auto end = std::find_if_not(rest.begin(), rest.end(), IsOfNumber);
      const auto number = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
      out += TakeableNumber(number);
      i += number.size() - 1;
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<double> NumberIn(const Json& value) {
  if (value.IsNull()) return std::nullopt;
  const dom::element element = JsonAccess::Element(value);
  double number = 0;
  std::string_view text;
  if (element.get(number) != simdjson::SUCCESS) {
    if (element.get(text) != simdjson::SUCCESS || !absl::SimpleAtod(ToAbsl(text), &number)) {
      return std::nullopt;
    }
  }
  if (!std::isfinite(number)) return std::nullopt;
  return number;
}

std::string TextIn(const Json& value) {
  std::string_view text;
  if (value.IsNull() || JsonAccess::Element(value).get(text) != simdjson::SUCCESS) return "";
  return ToValidUtf8(Trim(text));
}

}  // namespace

bool Json::IsNull() const { return !present_; }
bool Json::IsObject() const { return present_ && JsonAccess::Element(*this).is_object(); }
bool Json::IsArray() const { return present_ && JsonAccess::Element(*this).is_array(); }

std::vector<Json> Json::Elements() const {
  std::vector<Json> out;
  dom::array array;
  if (IsNull() || JsonAccess::Element(*this).get(array) != simdjson::SUCCESS) return out;
  for (const dom::element element : array) out.push_back(JsonAccess::Wrap(element));
  return out;
}

JsonDocument::JsonDocument(std::unique_ptr<Parsed> parsed, Json root)
    : parsed_(std::move(parsed)), root_(root) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

std::string_view WithoutMark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

std::optional<JsonDocument> ParseJson(std::string_view text) {
  text = WithoutMark(text);
  std::optional<JsonDocument> document = JsonAccess::Parse(text);
  if (document.has_value()) return document;
  return JsonAccess::Parse(Forgiven(ToValidUtf8(text)));
}

Json Member(const Json& object, std::string_view key) {
  Json found;
  dom::object members;
  if (object.IsNull() || JsonAccess::Element(object).get(members) != simdjson::SUCCESS) {
    return found;
  }
  for (const dom::key_value_pair member : members) {
    if (member.key == key) found = JsonAccess::Wrap(member.value);
  }
  return found;
}

bool HasMember(const Json& object, std::string_view key) {
  dom::object members;
  if (object.IsNull() || JsonAccess::Element(object).get(members) != simdjson::SUCCESS) {
    return false;
  }
  return members.at_key(key).error() == simdjson::SUCCESS;
}

std::optional<double> Number(const Json& object, std::string_view key) {
  return NumberIn(Member(object, key));
}

std::string Text(const Json& object, std::string_view key) { return TextIn(Member(object, key)); }

std::optional<bool> Flag(const Json& object, std::string_view key) {
  const Json member = Member(object, key);
  if (member.IsNull()) return std::nullopt;
  const dom::element element = JsonAccess::Element(member);
  bool flag = false;
  if (element.get(flag) == simdjson::SUCCESS) return flag;
  if (element.is_number()) return NumberIn(member) != 0;
  const std::string text = TextIn(member);
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  return std::nullopt;
}

std::string IdText(const Json& object, std::string_view key) {
  const Json member = Member(object, key);
  if (member.IsNull()) return "";
  std::uint64_t whole = 0;
  const dom::element element = JsonAccess::Element(member);
  if (element.is_uint64() || element.is_int64()) {
    if (element.get(whole) == simdjson::SUCCESS) return Cat(whole);
  }
  const std::optional<double> number = NumberIn(member);
  if (!number.has_value() || *number < 0 || *number != std::floor(*number) || *number > 9e15) {
    return "";
  }
  return Cat(static_cast<std::int64_t>(*number));
}

}  // namespace muster::vast
