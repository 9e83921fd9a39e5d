#include "workers/servers/remote/shell.h"

#include <algorithm>

#include "eventstore/base/check.h"

namespace muster::remote {
namespace {

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-./:,+@%").find(c) != std::string_view::npos;
}

}  // namespace

std::string Quoted(std::string_view value) {
  MUSTER_CHECK(value.find('\0') == std::string_view::npos);
  if (!value.empty() && std::all_of(value.begin(), value.end(), IsPlain)) {
    return std::string(value);
  }
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'') {
      quoted += R"('\'')";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::optional<std::vector<std::string>> Words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == ' ') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
      continue;
    }
    inside = true;
    if (c == '\'') {
      const std::size_t end = line.find('\'', i + 1);
      if (end == std::string_view::npos) return std::nullopt;
      word += line.substr(i + 1, end - i - 1);
      i = end;
    } else if (line.substr(i, 2) == "\\'") {
      word += '\'';
      ++i;
    } else if (IsPlain(c)) {
      word += c;
    } else {
      return std::nullopt;
    }
  }
  if (inside) words.push_back(std::move(word));
  return words;
}

}  // namespace muster::remote
