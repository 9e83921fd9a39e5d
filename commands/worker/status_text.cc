#include "commands/worker/status_text.h"

#include <algorithm>
#include <array>

namespace muster::worker {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Has(std::string_view text, std::string_view lower_words) {
  return std::search(text.begin(), text.end(), lower_words.begin(), lower_words.end(),
                     [](char a, char b) { return Lower(a) == b; }) != text.end();
}

// Asked in order. An image without the program to start fails in the runtime too, so it comes
// before the runtime's own name.
constexpr std::array kTexts = {
    StatusText{specpb::OURS, "manifest unknown"},
    StatusText{specpb::OURS, "pull access denied"},
    StatusText{specpb::OURS, "unauthorized:"},
    StatusText{specpb::OURS, "failed to resolve reference"},
    StatusText{specpb::OURS, "invalid reference format"},
    StatusText{specpb::OURS, "executable file not found"},
    StatusText{specpb::MACHINE, "nvidia-container"},
    StatusText{specpb::MACHINE, "oci runtime"},
};

}  // namespace

StatusText JudgeStatusText(std::string_view text) {
  for (const StatusText& one : kTexts) {
    if (Has(text, one.words)) return one;
  }
  return {};
}

}  // namespace muster::worker
