// Reading the provider's JSON without trusting it: every field may be missing, null, of another
// type, a number in a string, NaN or infinite. Internal to the adapter. Pure, no exceptions.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::vast {

// A value inside a JsonDocument, which must outlive it. Copied like a pointer.
class Json {
 public:
  Json() = default;  // null

  bool IsNull() const;
  bool IsObject() const;
  bool IsArray() const;
  // In order; empty for anything but an array.
  std::vector<Json> Elements() const;

 private:
  friend struct JsonAccess;
  // What the library keeps of a value, so that its header stays in json.cc.
  alignas(std::size_t) std::array<std::byte, 2 * sizeof(std::size_t)> element_{};
  bool present_ = false;
};

// A JSON text that was read. Owns what its values are made of; moves.
class JsonDocument {
 public:
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  const Json& root() const { return root_; }

 private:
  friend struct JsonAccess;
  struct Parsed;
  JsonDocument(std::unique_ptr<Parsed> parsed, Json root);

  std::unique_ptr<Parsed> parsed_;
  Json root_;
};

// `text` without the byte order mark that some server put before it.
std::string_view WithoutMark(std::string_view text);

// The whole of `text`, after a byte order mark, as one JSON value; nullopt when it is anything else
// (truncated, followed by garbage, HTML). Three habits of the provider's language are forgiven:
// bare NaN and Infinity, and numbers too large for a double, read as null; malformed UTF-8 as
// U+FFFD; whole numbers of any length as the nearest double.
std::optional<JsonDocument> ParseJson(std::string_view text);

// The member `key`, the last of that name; null when `object` is no object or has none.
Json Member(const Json& object, std::string_view key);
bool HasMember(const Json& object, std::string_view key);

// Finite numbers and strings that hold one; nullopt for all else.
std::optional<double> Number(const Json& object, std::string_view key);
// Trimmed, valid UTF-8; "" for anything but a string.
std::string Text(const Json& object, std::string_view key);
// true, false, 1, 0, "true", "false"; nullopt for all else.
std::optional<bool> Flag(const Json& object, std::string_view key);
// An id: whole numbers however written (7, 7.0, "7") give "7"; "" for all else.
std::string IdText(const Json& object, std::string_view key);

}  // namespace muster::vast
