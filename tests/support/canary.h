// Canaries: made-up secrets that scenario tests plant wherever real ones go (the environment, a
// provider's answers, key files), and a search that must find none of them afterwards: not in the
// log, the store's files, metrics, error texts, the output of any command.
//
//   const std::string key = CanaryValue("vast-key");
//   ... run the scenario ...
//   EXPECT_THAT(FindCanaries(output), testing::IsEmpty());
//   EXPECT_THAT(FindCanariesIn(store_path), testing::IsEmpty());
//
// Found in every form that the mask knows (literal, JSON, URL, base64). What a file holds
// compressed is not seen: stores under test are searched before compaction, or written
// uncompressed. Users link muster_ports.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "workers/ports/secret_mask.h"

namespace muster {

struct Canary {
  std::string_view name;
  std::string_view value;
};

// One per kind of secret, each with what its kind has of characters that encoders change.
inline constexpr std::array<Canary, 9> kCanaries = {{
    {"vast-key", "c4nary7vast0f3b9d2e61a85c4470b9e1d26a3f8c5b70e4d9a1"},
    {"hf-token", "hf_C4naryTokenXqZwLmNoPrStUvBdFgHj"},
    {"registry-login", "-u c4nary -p Reg1stry/p+ss=w0rd&x ghcr.io"},
    {"hetzner-password", "C4n\"ary\\Robot<p4ss>w\xC3\xB6rd?"},
    {"aws-secret", "C4nary/AwS+SeCrEt/KeY/bPxRfiCYEXAMPLE0"},
    {"nats-token", "SUC4NARYNATSSEEDXQ2ZK3JH7TLMWQ"},
    {"github-key", "ghs_C4naryInstallationToken0123456789ab"},
    {"jupyter-token", "c4naryjupyter8e1f6a2b7c3d9054"},
    {"ssh-key", "c3NoLWNhbmFyeS1wcml2YXRlLWtleS1ib2R5LWMwZmZlZQ"},
}};

// The value of the canary called `name`. REQUIRES: there is one
inline std::string CanaryValue(std::string_view name) {
  const auto* const found = std::find_if(kCanaries.begin(), kCanaries.end(),
                                         [&](const Canary& c) { return c.name == name; });
  MUSTER_CHECK(found != kCanaries.end());
  return std::string(found->value);
}

struct CanaryFound {
  std::string canary;
  std::string where;  // file, or "text"
  std::size_t at = 0;
  std::string around;  // some text before it, to tell how it came there

  friend std::ostream& operator<<(std::ostream& os, const CanaryFound& found) {
    return os << found.canary << " in " << found.where << " at " << found.at << ", after \""
              << found.around << "\"";
  }
};

// At most one finding per canary: the first.
inline std::vector<CanaryFound> FindCanaries(std::string_view text,
                                             std::string_view where = "text") {
  static const auto* const kForms = [] {
    auto* all = new std::vector<std::pair<std::string_view, std::vector<std::string>>>;
    for (const Canary& canary : kCanaries)
      all->emplace_back(canary.name, SecretForms(canary.value));
    return all;
  }();
  constexpr std::size_t kBefore = 60;
  std::vector<CanaryFound> found;
  for (const auto& [name, forms] : *kForms) {
    std::size_t first = std::string_view::npos;
    for (const std::string& form : forms) first = std::min(first, text.find(form));
    if (first == std::string_view::npos) continue;
    const std::size_t from = first > kBefore ? first - kBefore : 0;
    found.push_back({.canary = std::string(name),
                     .where = std::string(where),
                     .at = first,
                     .around = ToValidUtf8(text.substr(from, first - from))});
  }
  return found;
}

// In a file, or in all files below a folder.
inline std::vector<CanaryFound> FindCanariesIn(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return FindCanaries(text, path.string());
  }
  std::vector<CanaryFound> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    for (CanaryFound& found : FindCanariesIn(entry.path())) all.push_back(std::move(found));
  }
  return all;
}

}  // namespace muster
