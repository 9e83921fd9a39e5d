#include "workers/ports/secret_mask.h"

#include <algorithm>
#include <functional>

#include "eventstore/base/strings.h"

namespace muster {
namespace {

// Of a secret of many lines, shorter lines are not found by themselves.
constexpr std::size_t kLineBytesMin = 16;

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Base64(std::string_view bytes, const char* alphabet) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<std::uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) out += alphabet[(bits >> (count - 6)) & 63];
  }
  if (count > 0) out += alphabet[(bits << (6 - count)) & 63];
  return out;
}

// The characters of base64(x + secret + y) that depend on `secret` alone, for |x| = offset.
std::string Base64Inside(std::string_view secret, std::size_t offset, const char* alphabet) {
  const std::string whole = Base64(std::string(offset, '\0') + std::string(secret), alphabet);
  const std::size_t first = (offset * 8 + 5) / 6;
  const std::size_t last = (offset + secret.size()) * 8 / 6;
  return whole.substr(first, last - first);
}

void AppendHex(std::string& out, std::uint8_t byte, const char* digits) {
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

// `kept` are further characters that this encoder leaves alone.
std::string UrlEncode(std::string_view text, std::string_view kept, const char* digits,
                      bool plus_for_space) {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c) || kept.find(c) != std::string_view::npos) {
      out += c;
    } else if (c == ' ' && plus_for_space) {
      out += '+';
    } else {
      out += '%';
      AppendHex(out, static_cast<std::uint8_t>(c), digits);
    }
  }
  return out;
}

// `also` are characters that this encoder writes as \u00xx ("<>&" in Go); `slash`: "\/".
std::string JsonEscape(std::string_view text, std::string_view also, bool slash) {
  static constexpr std::string_view kPlain = "\"\\\b\f\n\r\t";
  static constexpr std::string_view kShort = "\"\\bfnrt";
  std::string out;
  for (const char c : text) {
    if (const std::size_t at = kPlain.find(c); at != std::string_view::npos) {
      out += '\\';
      out += kShort[at];
    } else if (c == '/' && slash) {
      out += "\\/";
    } else if (static_cast<std::uint8_t>(c) < 0x20 || also.find(c) != std::string_view::npos) {
      out += "\\u00";
      AppendHex(out, static_cast<std::uint8_t>(c), "0123456789abcdef");
    } else {
      out += c;
    }
  }
  return out;
}

std::uint16_t Two(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>((static_cast<std::uint8_t>(text[at]) << 8) |
                                    static_cast<std::uint8_t>(text[at + 1]));
}

std::uint32_t Four(std::string_view text, std::size_t at) {
  return (std::uint32_t{Two(text, at)} << 16) | Two(text, at + 2);
}

bool Longer(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a < b;
}

}  // namespace

std::vector<std::string> SecretForms(std::string_view secret) {
  std::vector<std::string> forms = {std::string(secret)};
  for (const bool slash : {false, true}) {
    for (const std::string_view also : {"", "<>&", "<>&'\x7f"}) {
      forms.push_back(JsonEscape(secret, also, slash));
      forms.push_back(JsonEscape(forms.back(), also, slash));  // JSON inside a JSON string
    }
  }
  for (const char* digits : {"0123456789ABCDEF", "0123456789abcdef"}) {
    for (const std::string_view kept : {"", "/", "/:@!$&'()*+,;="}) {
      forms.push_back(UrlEncode(secret, kept, digits, /*plus_for_space=*/false));
      forms.push_back(UrlEncode(secret, kept, digits, /*plus_for_space=*/true));
    }
  }
  for (const char* alphabet : {kBase64, kBase64Url}) {
    std::string padded = Base64(secret, alphabet);
    forms.push_back(padded);
    padded.append((4 - padded.size() % 4) % 4, '=');
    forms.push_back(padded);
    for (std::size_t offset = 0; offset < 3; ++offset) {
      forms.push_back(Base64Inside(secret, offset, alphabet));
    }
  }
  std::sort(forms.begin(), forms.end(), Longer);
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  return forms;
}

void SecretMask::Learn(std::string_view secret) {
  Add(secret);
  Add(Trim(secret));
  if (secret.find('\n') == std::string_view::npos) return;
  while (!secret.empty()) {
    const std::size_t end = std::min(secret.find('\n'), secret.size());
    std::string_view line = secret.substr(0, end);
    secret.remove_prefix(std::min(end + 1, secret.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const bool frame = line.substr(0, 5) == "-----";  // "-----BEGIN ...": the same for everybody
    if (!frame && line.size() >= kLineBytesMin) Add(line);
  }
}

void SecretMask::Add(std::string_view secret) {
  if (secret.size() < kBytesMin || secrets_.contains(secret)) return;
  secrets_.emplace(secret);
  for (std::string& form : SecretForms(secret)) {
    starts_.set(Two(form, 0));
    std::vector<std::string>& list = forms_[Four(form, 0)];
    list.insert(std::upper_bound(list.begin(), list.end(), form, Longer), std::move(form));
  }
}

std::size_t SecretMask::LongestAt(std::string_view text, std::size_t at) const {
  if (!starts_.test(Two(text, at))) return 0;
  const auto list = forms_.find(Four(text, at));
  if (list == forms_.end()) return 0;
  for (const std::string& form : list->second) {
    if (text.compare(at, form.size(), form) == 0) return form.size();
  }
  return 0;
}

std::string SecretMask::Mask(std::string_view text) const {
  std::string out;
  std::size_t written = 0;  // text before this is in `out`, or painted over
  for (std::size_t at = 0; at + kBytesMin <= text.size(); ++at) {
    const std::size_t length = LongestAt(text, at);
    if (length == 0) continue;
    if (at >= written) {
      out += text.substr(written, at - written);
      out += "[secret]";
    }
    written = std::max(written, at + length);
  }
  if (written < text.size()) out += text.substr(written);
  return out;
}

}  // namespace muster
