#include "workers/providers/hetzner/json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "eventstore/base/strings.h"

namespace muster::hetzner {
namespace {

// Beyond it no price is believed, and sums stay far from overflow.
constexpr std::int64_t kUnitsMax = 1'000'000'000;
constexpr std::int64_t kMicrosPerUnit = 1'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<Json> ParseJson(std::string_view text) {
  Json value = Json::parse(ToValidUtf8(text), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

const Json& Member(const Json& object, std::string_view key) {
  static const Json& none = *new Json();
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

std::string Text(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (!member.is_string()) return "";
  return std::string(Trim(member.get_ref<const std::string&>()));
}

std::string IdText(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_number_unsigned()) return Cat(member.get<std::uint64_t>());
  return Text(object, key);
}

std::optional<std::int64_t> Whole(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_number_unsigned() && member.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  if (member.is_number_integer()) return member.get<std::int64_t>();
  std::int64_t value = 0;
  if (member.is_string() && absl::SimpleAtoi(member.get_ref<const std::string&>(), &value)) {
    return value;
  }
  return std::nullopt;
}

std::optional<bool> Flag(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_boolean()) return member.get<bool>();
  const std::string text = Text(object, key);
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::vector<std::string> Texts(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_string()) return {Text(object, key)};
  std::vector<std::string> texts;
  if (!member.is_array()) return texts;
  for (const Json& one : member) {
    if (one.is_string()) texts.emplace_back(Trim(one.get_ref<const std::string&>()));
  }
  return texts;
}

std::optional<std::int64_t> MicrosFromDecimal(std::string_view text) {
  const std::size_t point = text.find('.');
  const std::string_view units = text.substr(0, point);
  const std::string_view rest =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (units.empty() || (point != std::string_view::npos && rest.empty())) return std::nullopt;
  std::int64_t micros = 0;
  for (const char c : units) {
    if (!IsDigit(c)) return std::nullopt;
    micros = micros * 10 + (c - '0');
    if (micros > kUnitsMax) return std::nullopt;
  }
  micros *= kMicrosPerUnit;
  std::int64_t place = kMicrosPerUnit;
  for (const char c : rest) {
    if (!IsDigit(c)) return std::nullopt;
    place /= 10;
    if (place == 0 && c != '0') return std::nullopt;
    micros += (c - '0') * place;
  }
  return micros;
}

std::optional<std::int64_t> Micros(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (!member.is_string()) return std::nullopt;
  return MicrosFromDecimal(Text(object, key));
}

}  // namespace muster::hetzner
