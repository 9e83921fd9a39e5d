#include "commands/fleet/plan/label.h"

#include <map>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr char kDefaultLabel[] = "{fleet}-worker-{index}";

std::string Template(const specpb::FleetSpec& spec) {
  std::string text = spec.launch().label().empty() ? kDefaultLabel : spec.launch().label();
  return absl::StrReplaceAll(text, {{"{fleet}", spec.name()}});
}

std::optional<int> Digits(std::string_view text) {
  if (text.empty() || text.size() > 6) return std::nullopt;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// `label` without a token behind it.
std::string_view WithoutToken(std::string_view label) {
  const std::string_view token = TokenIn(label);
  return token.empty() ? label : label.substr(0, label.size() - token.size() - 1);
}

std::uint64_t Mix(std::uint64_t hash, std::string_view text) {  // FNV-1a
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return (hash ^ 0xFF) * 0x100000001B3ull;
}

}  // namespace

std::string BareLabel(const specpb::FleetSpec& spec, int index) {
  return absl::StrReplaceAll(Template(spec), {{"{index}", Cat(index)}});
}

std::string LabelFor(const specpb::FleetSpec& spec, int index, const WorkerId& token) {
  return Cat(BareLabel(spec, index), ".", token.str());
}

std::optional<int> IndexAfterPrefix(std::string_view prefix, std::string_view label) {
  const std::string_view bare = WithoutToken(Trim(label));
  if (bare.substr(0, prefix.size()) != prefix) return std::nullopt;
  return Digits(bare.substr(prefix.size()));
}

std::optional<int> IndexFromLabel(const specpb::FleetSpec& spec, std::string_view label) {
  const std::string text = Template(spec);
  const std::size_t at = text.find("{index}");
  if (at == std::string::npos) return std::nullopt;
  const std::string_view bare = WithoutToken(Trim(label));
  const std::string_view tail = std::string_view(text).substr(at + 7);
  if (bare.size() < at + tail.size()) return std::nullopt;
  if (bare.substr(bare.size() - tail.size()) != tail) return std::nullopt;
  return IndexAfterPrefix(std::string_view(text).substr(0, at),
                          bare.substr(0, bare.size() - tail.size()));
}

std::string_view TokenIn(std::string_view label) {
  const std::size_t dot = label.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : label.substr(dot + 1);
}

std::string WorkKey(const specpb::FleetSpec& spec) {
  std::uint64_t hash = Mix(0xCBF29CE484222325ull, spec.launch().image());
  const std::map<std::string, std::string> env(spec.launch().env().begin(),
                                               spec.launch().env().end());
  for (const auto& [name, value] : env) {
    if (value.rfind("env:", 0) == 0 || value.rfind("file:", 0) == 0) continue;
    hash = Mix(Mix(hash, name), value);
  }
  return absl::StrFormat("%s-%08x", spec.work_unit(), static_cast<std::uint32_t>(hash >> 32));
}

}  // namespace muster::fleet
