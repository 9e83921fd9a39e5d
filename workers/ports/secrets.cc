#include "workers/ports/secrets.h"

#include <algorithm>

namespace muster {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool CutPrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

bool IsSecretRef(std::string_view text) {
  if (CutPrefix(text, "env:")) {
    return !text.empty() && IsLetter(text.front()) &&
           std::all_of(text.begin(), text.end(), [](char c) { return IsLetter(c) || IsDigit(c); });
  }
  if (CutPrefix(text, "file:")) {
    return !text.empty() && std::none_of(text.begin(), text.end(),
                                         [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  }
  return false;
}

}  // namespace muster
