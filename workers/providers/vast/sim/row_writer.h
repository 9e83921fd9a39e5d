// RowWriter: one flat JSON object as text, field by field. Rows are most of what the simulator
// writes, so they are written straight; whoever must look into one parses it.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::vastsim {

class RowWriter {
 public:
  RowWriter() { text_.reserve(2048); }

  void Number(std::string_view key, double value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    std::string_view written(digits, static_cast<std::size_t>(end - digits));
    Raw(key, written);
    // As other JSON writers do: what is a float stays one.
    if (written.find_first_of(".en") == std::string_view::npos) text_ += ".0";
  }
  void Int(std::string_view key, std::int64_t value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    Raw(key, {digits, static_cast<std::size_t>(end - digits)});
  }
  void Bool(std::string_view key, bool value) { Raw(key, value ? "true" : "false"); }
  void Null(std::string_view key) { Raw(key, "null"); }
  void Text(std::string_view key, std::string_view value) {
    Raw(key, "");
    AddQuoted(text_, value);
  }
  // Null when empty.
  void TextOrNull(std::string_view key, std::string_view value) {
    value.empty() ? Null(key) : Text(key, value);
  }
  // `json` is a JSON value already.
  void Raw(std::string_view key, std::string_view json) {
    text_ += text_.empty() ? "{\"" : ",\"";
    text_ += key;
    text_ += "\":";
    text_ += json;
  }
  // REQUIRES: at least one field. The writer is empty afterwards.
  std::string Take() {
    text_ += '}';
    return std::move(text_);
  }

  // Appends `value` as a JSON string; bytes that are not UTF-8 become U+FFFD.
  static void AddQuoted(std::string& out, std::string_view value);

 private:
  std::string text_;
};

}  // namespace muster::vastsim
