#include "eventstore/base/host.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace muster {
namespace {

// "" = none.
std::string_view TakeUntil(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view piece = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return piece;
}

// -1 = not a number of at most `max`, written in digits only.
int ParseNatural(std::string_view text, int max) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && text.front() != '-' && number <= max ? number : -1;
}

bool IsHostCharacter(unsigned char c) {
  return std::isalnum(c) != 0 || c == '.' || c == '_' || c == ':' || c == '%' || c == '-';
}

}  // namespace

bool IsLoopbackHost(std::string_view host) {
  if (host == "localhost" || host == "::1" || host == "[::1]") return true;
  if (std::count(host.begin(), host.end(), '.') != 3 || host.back() == '.') return false;
  if (TakeUntil(host, '.') != "127") return false;
  while (!host.empty()) {
    if (ParseNatural(TakeUntil(host, '.'), 255) < 0) return false;
  }
  return true;
}

HostPort SplitHostPort(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  std::string_view host = address.substr(0, colon);
  const int port = ParseNatural(address.substr(colon + 1), 65535);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return {};
  }
  if (port < 0 || !std::all_of(host.begin(), host.end(), IsHostCharacter)) return {};
  return {std::string(host), port};
}

}  // namespace muster
