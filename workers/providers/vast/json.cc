#include "workers/providers/vast/json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "eventstore/base/strings.h"

namespace muster::vast {
namespace {

using nlohmann::json;

std::optional<json> ParseStrict(std::string_view text) {
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
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

// Reads everything and keeps the plain members of the outermost object.
class FlatReader {
 public:
  bool null() { return Keep(nullptr); }
  bool boolean(bool value) { return Keep(value); }
  bool number_integer(json::number_integer_t value) { return Keep(value); }
  bool number_unsigned(json::number_unsigned_t value) { return Keep(value); }
  bool number_float(json::number_float_t value, const std::string&) { return Keep(value); }
  bool string(std::string& value) { return depth_ > 1 || Keep(std::move(value)); }
  bool binary(json::binary_t&) { return false; }
  bool start_object(std::size_t) {
    is_object_ = is_object_ || depth_ == 0;
    return Nest();
  }
  bool end_object() { return --depth_, true; }
  bool start_array(std::size_t) { return Nest(); }
  bool end_array() { return --depth_, true; }
  bool key(std::string& name) {
    if (depth_ == 1) key_.swap(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }

  std::optional<json> Take() {
    if (!is_object_) return std::nullopt;
    return std::move(flat_);
  }

 private:
  // A key that comes twice has its last value, as in ParseJson.
  bool Nest() {
    if (depth_++ == 1 && is_object_) flat_.erase(key_);
    return true;
  }
  template <class T>
  bool Keep(T&& value) {
    if (depth_ == 1 && is_object_) flat_[key_] = std::forward<T>(value);
    return true;
  }

  json flat_ = json::object();
  std::string key_;
  int depth_ = 0;
  bool is_object_ = false;
};

std::optional<json> FlatStrict(std::string_view text, bool* is_json) {
  FlatReader reader;
  *is_json = json::sax_parse(text, &reader);
  return *is_json ? reader.Take() : std::nullopt;
}

}  // namespace

std::optional<json> ParseFlat(std::string_view text) {
  bool is_json = false;
  std::optional<json> flat = FlatStrict(text, &is_json);
  if (is_json) return flat;
  return FlatStrict(WithoutNan(ToValidUtf8(text)), &is_json);
}

std::optional<json> ParseJson(std::string_view text) {
  std::optional<json> value = ParseStrict(text);
  if (value.has_value()) return value;
  return ParseStrict(WithoutNan(ToValidUtf8(text)));
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
