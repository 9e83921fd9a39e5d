#include <algorithm>
#include <utility>

#include "eventstore/base/strings.h"
#include "muster/spec/v1/fleet.pb.h"
#include "services/files/fleet_file.h"
#include "services/files/problems.h"
#include "services/files/spec_check.h"
#include "services/files/spec_tree.h"

namespace muster {
namespace {

using files::Tree;
using Fields = std::vector<std::pair<std::string, std::string>>;  // path -> text

void Flatten(const Tree& tree, const std::string& path, Fields& out) {
  for (std::size_t i = 0; i < tree.children.size(); ++i) {
    const Tree& child = tree.children[i];
    const std::string inner = tree.kind == Tree::Kind::kList ? Cat(path, "[", i, "]")
                              : path.empty()                 ? child.key
                                                             : Cat(path, ".", child.key);
    if (child.kind == Tree::Kind::kScalar) {
      out.emplace_back(inner, child.text);
    } else {
      Flatten(child, inner, out);
    }
  }
}

Fields FieldsOf(const specpb::FleetSpec& spec) {
  specpb::FleetSpec filled = spec;
  FillDefaults(filled);
  Fields fields;
  Flatten(files::TreeOf(filled), "", fields);
  return fields;
}

const std::string* Find(const Fields& fields, const std::string& path) {
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const auto& field) { return field.first == path; });
  return it == fields.end() ? nullptr : &it->second;
}

// A text of many lines is told by its size; the rest as it stands.
std::string Shown(const std::string& text) {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  if (lines > 0) return Cat(lines, " lines, ", text.size(), " bytes");
  return text.empty() ? "empty" : Ellipsize(text, 80);
}

}  // namespace

std::vector<std::string> DiffSpecs(const specpb::FleetSpec& before,
                                   const specpb::FleetSpec& after) {
  const Fields was = FieldsOf(before);
  const Fields is = FieldsOf(after);
  std::vector<std::string> lines;
  for (const auto& [path, text] : is) {
    const std::string* old = Find(was, path);
    if (old == nullptr) {
      lines.push_back(Cat(path, ": new, ", Shown(text)));
    } else if (*old != text) {
      const std::string from = Shown(*old);
      const std::string to = Shown(text);
      lines.push_back(from == to ? Cat(path, ": changed, ", to)
                                 : Cat(path, ": ", from, " -> ", to));
    }
  }
  for (const auto& [path, text] : was) {
    if (Find(is, path) == nullptr) lines.push_back(Cat(path, ": gone, was ", Shown(text)));
  }
  return lines;
}

std::string FormatFleetFile(const specpb::FleetSpec& spec) {
  return files::WriteYaml(files::TreeOf(spec));
}

}  // namespace muster
