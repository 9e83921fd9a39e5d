#include "workers/os/curl_url.h"

#include <curl/curl.h>

#include <memory>

namespace muster {
namespace {

constexpr std::size_t kUrlBytesMax = 64 << 10;

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Url Parse(const std::string& text) {
  Url url(curl_url(), &curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

// "" when absent.
std::string Part(const Url& url, CURLUPart part, unsigned flags = CURLU_DEFAULT_PORT) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

bool IsHttp(const Url& url) {
  const std::string scheme = Part(url, CURLUPART_SCHEME);
  return scheme == "http" || scheme == "https";
}

bool HasLogin(const Url& url) {
  return !Part(url, CURLUPART_USER).empty() || !Part(url, CURLUPART_PASSWORD).empty();
}

std::string Origin(const Url& url) {
  return Cat(Part(url, CURLUPART_SCHEME), "://", Part(url, CURLUPART_HOST), ":",
             Part(url, CURLUPART_PORT));
}

}  // namespace

Status CheckHttpUrl(const std::string& url) {
  if (url.size() > kUrlBytesMax) return InvalidArgument("the URL is too long");
  if (url.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return InvalidArgument("the URL has a line break in it");
  }
  const Url parsed = Parse(url);
  if (parsed == nullptr || !IsHttp(parsed)) return InvalidArgument("not an absolute http(s) URL");
  if (HasLogin(parsed)) return InvalidArgument("a URL must not hold a user or password");
  return absl::OkStatus();
}

std::string HostOf(const std::string& url) {
  const Url parsed = Parse(url);
  return parsed != nullptr ? Part(parsed, CURLUPART_HOST) : "";
}

std::optional<std::string> SameOriginUrl(const std::string& base, std::string_view location) {
  if (location.empty()) return std::nullopt;
  const Url from = Parse(base);
  Url to = Parse(base);
  if (from == nullptr || to == nullptr) return std::nullopt;
  if (curl_url_set(to.get(), CURLUPART_URL, std::string(location).c_str(), 0) != CURLUE_OK) {
    return std::nullopt;
  }
  if (HasLogin(to) || Origin(from) != Origin(to)) return std::nullopt;
  return Part(to, CURLUPART_URL, 0);
}

}  // namespace muster
