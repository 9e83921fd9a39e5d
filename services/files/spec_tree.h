// A FleetSpec as the tree of keys and texts that a fleet file shows. Internal to services/files:
// what is written and what is compared come from this one description.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster {

namespace spec::v1 {
class FleetSpec;
}

namespace files {

struct Tree {
  enum class Kind { kScalar, kMap, kList };
  Kind kind = Kind::kMap;
  std::string key;   // "" for items of a list
  std::string text;  // of a scalar
  std::vector<Tree> children;

  void Put(std::string_view key, std::string_view text);
  Tree& Map(std::string_view key);
  Tree& List(std::string_view key);
  Tree& Item();
};

Tree TreeOf(const spec::v1::FleetSpec& spec);

// `tree` as YAML that any YAML reader reads back to the same keys and texts.
std::string WriteYaml(const Tree& tree);

}  // namespace files
}  // namespace muster
