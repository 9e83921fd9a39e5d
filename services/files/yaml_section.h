// Section: one map of a YAML file, read key by key with the errors gathered in Problems.
//
// Keys asked for are the known ones; whatever is left at Finish() is an unknown key. Internal to
// services/files: nothing else sees yaml-cpp. One thread; borrows Problems.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "services/files/problems.h"

namespace muster::files {

// The single document of `text`, which must be a map; otherwise the reason is in `problems` and the
// node is undefined. Never throws.
inline constexpr std::size_t kDocumentBytesMax = 1u << 20;
YAML::Node LoadDocument(std::string_view text, std::string_view what, Problems& problems,
                        std::size_t bytes_max = kDocumentBytesMax);

Place PlaceOf(const YAML::Node& node);

class Section {
 public:
  // `node` may be undefined (an absent section): then every key is absent. Anything but a map, and
  // a key that is there twice, is a problem.
  Section(const YAML::Node& node, std::string path, Problems& problems);

  const std::string& path() const { return path_; }
  Problems& problems() { return *problems_; }
  Place place() const { return place_; }
  bool present() const { return present_; }
  std::string PathOf(std::string_view key) const;

  // The value of `key`, undefined when absent. Marks the key as known.
  YAML::Node Take(std::string_view key);
  bool Has(std::string_view key) const;
  // The keys in the file's order, for maps whose keys are data. Marks all as known.
  std::vector<std::string> TakeKeys();

  // Calls `parse` with the text of `key`; what it complains of becomes a problem, with the value.
  // False when the key is absent or wrong.
  bool Scalar(std::string_view key, std::string_view expected,
              const std::function<Status(std::string_view)>& parse);
  // As Scalar, storing what `parse` returns.
  template <class T, class Parse>
  bool Read(std::string_view key, std::string_view expected, Parse parse, T store) {
    return Scalar(key, expected, [&](std::string_view text) -> Status {
      auto value = parse(text);
      if (!value.ok()) return value.status();
      store(*value);
      return absl::OkStatus();
    });
  }
  bool Text(std::string_view key, std::string* out);
  // A text that must not be empty; `what` is what it should be.
  bool Filled(std::string_view key, std::string_view what, std::string* out);
  // An amount such as $18.00 for each `per` ("h", "day", "" = at all) in micro-dollars, or none: 0.
  bool Amount(std::string_view key, std::string_view per,
              const std::function<void(std::int64_t)>& store);
  // A text that must not be shown when it is wrong: only "env:NAME" and "file:PATH" will do.
  bool SecretRef(std::string_view key, std::string* out);
  // One of `words`; gives its index.
  bool Choice(std::string_view key, const std::vector<std::string>& words, int* index);
  // A list of texts, or one text.
  bool Texts(std::string_view key, std::vector<std::string>* out);
  Section Map(std::string_view key);
  // The maps of a list; a list with anything else in it is a problem.
  std::vector<Section> Maps(std::string_view key);

  // Reports the keys nobody asked for.
  void Finish();

 private:
  struct Entry {
    std::string key;
    YAML::Node value;
    Place place;
    bool known = false;
  };
  Entry* Find(std::string_view key);

  std::string path_;
  Problems* problems_;
  Place place_;
  bool present_ = false;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

// The text of a scalar, "" for the null value; problems otherwise.
bool ScalarText(const YAML::Node& node, std::string_view path, std::string_view expected,
                Problems& problems, std::string* out);

// Whether `text` has the form of a secret reference: "env:NAME" or "file:PATH".
bool HasSecretRefForm(std::string_view text);

}  // namespace muster::files
