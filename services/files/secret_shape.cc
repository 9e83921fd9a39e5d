#include "services/files/secret_shape.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "re2/re2.h"

namespace muster::files {

bool NamesASecret(std::string_view name) {
  static constexpr std::string_view kWords[] = {"TOKEN",       "SECRET",     "PASSWORD",
                                                "PASSWD",      "PASSPHRASE", "KEY",
                                                "CREDENTIALS", "CREDENTIAL", "APIKEY"};
  std::string word;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    const char c = i < name.size() ? name[i] : '_';
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      continue;
    }
    if (std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords)) return true;
    word.clear();
  }
  return false;
}

bool HoldsASecret(std::string_view text) {
  static const RE2* const kShapes = new RE2(
      R"((?:^|[^A-Za-z0-9])(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{16,}|gh[opsu]_[A-Za-z0-9]{16,})"
      R"(|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|xox[abp]-[A-Za-z0-9-]{10,})"
      R"(|AKIA[0-9A-Z]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY))");
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *kShapes);
}

bool HasUserInfo(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view rest = url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#")).find('@') != std::string_view::npos;
}

}  // namespace muster::files
