#include "services/files/yaml_section.h"

#include <algorithm>
#include <exception>
#include <sstream>

#include "absl/strings/str_join.h"
#include "services/files/human_units.h"
#include "yaml-cpp/eventhandler.h"

namespace muster::files {
namespace {

constexpr std::string_view kRefExpected =
    "a secret reference, env:NAME or file:/PATH, never the secret itself";

std::string_view KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
      return "nothing";
    case YAML::NodeType::Null:
      return "no value";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
  }
  return "nothing";
}

// Where the first byte stands that is no UTF-8; line 0 when there is none.
Place BadUtf8(std::string_view text) {
  const std::string valid = ToValidUtf8(text);
  const auto [bad, unused] = std::mismatch(text.begin(), text.end(), valid.begin(), valid.end());
  if (bad == text.end()) return {};
  const std::string_view before = text.substr(0, static_cast<std::size_t>(bad - text.begin()));
  const std::size_t line_start = before.rfind('\n') + 1;  // 0 in the first line
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(before.size() - line_start) + 1};
}

// Builds nothing, remembers where a document starts.
class DocumentStart : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  YAML::Mark mark() const { return mark_; }

 private:
  YAML::Mark mark_ = YAML::Mark::null_mark();
};

// Where a second document starts; a null mark when there is none. YAML::LoadAll is no way to learn
// it: at a bracket that closes nothing it adds empty documents until memory ends.
YAML::Mark SecondDocument(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStart start;
  const bool two = parser.HandleNextDocument(start) && parser.HandleNextDocument(start);
  return two ? start.mark() : YAML::Mark::null_mark();
}

}  // namespace

Place PlaceOf(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1};
}

YAML::Node LoadDocument(std::string_view text, std::string_view what, Problems& problems,
                        std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    problems.Add({}, "", Cat("is larger than ", bytes_max >> 20, "MB; expected ", what));
    return YAML::Node(YAML::NodeType::Undefined);
  }
  if (text.find('\0') != std::string_view::npos) {
    problems.Add({}, "", Cat("holds a zero byte; expected ", what, " in YAML"));
    return YAML::Node(YAML::NodeType::Undefined);
  }
  if (const Place bad = BadUtf8(text); bad.line > 0) {
    problems.Add(bad, "", Cat("a byte that is no UTF-8; expected ", what, " in UTF-8"));
    return YAML::Node(YAML::NodeType::Undefined);
  }
  try {
    const std::string document(text);
    if (const YAML::Mark second = SecondDocument(document); !second.is_null()) {
      problems.Add({second.line + 1, second.column + 1}, "",
                   Cat("a second document, or text that belongs to no key; expected one: ", what));
      return YAML::Node(YAML::NodeType::Undefined);
    }
    YAML::Node root = YAML::Load(document);
    if (root.IsNull()) {
      problems.Add({}, "", Cat("is empty; expected ", what));
    } else if (!root.IsMap()) {
      problems.Add(PlaceOf(root), "",
                   Cat("is ", KindOf(root), "; expected ", what, ": a map of keys"));
    } else {
      return root;
    }
  } catch (const YAML::Exception& e) {
    const Place place = e.mark.is_null() ? Place{} : Place{e.mark.line + 1, e.mark.column + 1};
    problems.Add(place, "", Cat("is not YAML: ", e.msg, "; expected ", what));
  } catch (const std::exception& e) {
    problems.Add({}, "", Cat("is not YAML: ", e.what(), "; expected ", what));
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

bool HasSecretRefForm(std::string_view text) {
  if (text.substr(0, 5) == "file:") return text.size() > 5;
  if (text.substr(0, 4) != "env:" || text.size() == 4) return false;
  const auto word = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  text.remove_prefix(4);
  return std::all_of(text.begin(), text.end(), word) && !(text[0] >= '0' && text[0] <= '9');
}

bool ScalarText(const YAML::Node& node, std::string_view path, std::string_view expected,
                Problems& problems, std::string* out) {
  if (!node.IsScalar()) {
    problems.Add(PlaceOf(node), path, Cat("is ", KindOf(node), "; expected ", expected));
    return false;
  }
  *out = node.Scalar();
  return true;
}

Section::Section(const YAML::Node& node, std::string path, Problems& problems)
    : path_(std::move(path)), problems_(&problems) {
  if (!node.IsDefined()) return;
  place_ = PlaceOf(node);
  if (!node.IsMap()) {
    problems.Add(place_, path_, Cat("is ", KindOf(node), "; expected a map of keys"));
    return;
  }
  present_ = true;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      problems.Add(PlaceOf(pair.first), path_, "has a key that is not a word; expected KEY: VALUE");
      continue;
    }
    Entry entry{pair.first.Scalar(), pair.second, PlaceOf(pair.first), false};
    if (const Entry* first = Find(entry.key)) {
      problems.Add(entry.place, PathOf(entry.key),
                   Cat("is here twice, first in line ", first->place.line, "; expected it once"));
      continue;
    }
    problems.Note(PathOf(entry.key), entry.place);
    entries_.push_back(std::move(entry));
  }
}

std::string Section::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : Cat(path_, ".", key);
}

Section::Entry* Section::Find(std::string_view key) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [key](const Entry& entry) { return entry.key == key; });
  return it == entries_.end() ? nullptr : &*it;
}

bool Section::Has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [key](const Entry& entry) { return entry.key == key; });
}

YAML::Node Section::Take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  Entry* entry = Find(key);
  if (entry == nullptr) return YAML::Node(YAML::NodeType::Undefined);
  entry->known = true;
  if (entry->value.IsDefined() && !entry->value.IsNull()) {
    problems_->Note(PathOf(key), PlaceOf(entry->value));
  }
  return entry->value;
}

std::vector<std::string> Section::TakeKeys() {
  std::vector<std::string> keys;
  for (Entry& entry : entries_) {
    entry.known = true;
    keys.push_back(entry.key);
  }
  return keys;
}

bool Section::Scalar(std::string_view key, std::string_view expected,
                     const std::function<Status(std::string_view)>& parse) {
  const YAML::Node node = Take(key);
  if (!node.IsDefined()) return false;
  const std::string path = PathOf(key);
  if (node.IsNull()) {
    problems_->AddAt(path, Cat("has no value; expected ", expected));
    return false;
  }
  std::string text;
  if (!ScalarText(node, path, expected, *problems_, &text)) return false;
  const Status status = parse(text);
  if (status.ok()) return true;
  problems_->Add(PlaceOf(node), path, Cat(Quoted(text), " ", Message(status)));
  return false;
}

bool Section::Text(std::string_view key, std::string* out) {
  return Scalar(key, "a text", [out](std::string_view text) {
    *out = std::string(text);
    return absl::OkStatus();
  });
}

bool Section::Filled(std::string_view key, std::string_view what, std::string* out) {
  return Scalar(key, what, [&](std::string_view text) -> Status {
    if (Trim(text).empty()) return InvalidArgument(Cat("is empty; expected ", what));
    *out = std::string(text);
    return absl::OkStatus();
  });
}

bool Section::Amount(std::string_view key, std::string_view per,
                     const std::function<void(std::int64_t)>& store) {
  const auto parse = [per](std::string_view text) -> StatusOr<std::int64_t> {
    if (text == "none") return 0;
    return ParseMoney(text, per);
  };
  return Read(key, "an amount such as $18.00, or none", parse, store);
}

bool Section::SecretRef(std::string_view key, std::string* out) {
  const YAML::Node node = Take(key);
  if (!node.IsDefined()) return false;
  if (!node.IsScalar() || !HasSecretRefForm(node.Scalar())) {
    problems_->AddAt(PathOf(key),
                     Cat(node.IsScalar() ? "the value is not shown" : "has no usable value",
                         "; expected ", kRefExpected));
    return false;
  }
  *out = node.Scalar();
  return true;
}

bool Section::Choice(std::string_view key, const std::vector<std::string>& words, int* index) {
  const std::string expected = Cat("one of ", absl::StrJoin(words, ", "));
  return Scalar(key, expected, [&](std::string_view text) -> Status {
    const auto it = std::find(words.begin(), words.end(), text);
    if (it == words.end()) {
      return InvalidArgument(Cat("is not known; expected ", expected, DidYouMean(text, words)));
    }
    *index = static_cast<int>(it - words.begin());
    return absl::OkStatus();
  });
}

bool Section::Texts(std::string_view key, std::vector<std::string>* out) {
  const YAML::Node node = Take(key);
  if (!node.IsDefined()) return false;
  std::vector<std::string> texts;
  if (node.IsScalar()) {
    texts.push_back(node.Scalar());
  } else if (node.IsSequence()) {
    for (std::size_t i = 0; i < node.size(); ++i) {
      std::string text;
      const std::string path = Cat(PathOf(key), "[", i, "]");
      if (!ScalarText(node[i], path, "a text", *problems_, &text)) return false;
      problems_->Note(path, PlaceOf(node[i]));
      texts.push_back(std::move(text));
    }
  } else {
    problems_->AddAt(PathOf(key), Cat("is ", KindOf(node), "; expected a list of texts"));
    return false;
  }
  *out = std::move(texts);
  return true;
}

Section Section::Map(std::string_view key) {
  const YAML::Node node = Take(key);
  if (node.IsDefined() && node.IsNull()) {
    return Section(YAML::Node(YAML::NodeType::Undefined), PathOf(key), *problems_);
  }
  return Section(node, PathOf(key), *problems_);
}

std::vector<Section> Section::Maps(std::string_view key) {
  std::vector<Section> sections;
  const YAML::Node node = Take(key);
  if (!node.IsDefined() || node.IsNull()) return sections;
  if (!node.IsSequence()) {
    problems_->AddAt(PathOf(key), Cat("is ", KindOf(node), "; expected a list of maps"));
    return sections;
  }
  for (std::size_t i = 0; i < node.size(); ++i) {
    const std::string path = Cat(PathOf(key), "[", i, "]");
    problems_->Note(path, PlaceOf(node[i]));
    sections.emplace_back(node[i], path, *problems_);
  }
  return sections;
}

void Section::Finish() {
  for (const Entry& entry : entries_) {
    if (entry.known) continue;
    const std::string near = NearestWord(entry.key, known_);
    problems_->Add(entry.place, PathOf(entry.key),
                   Cat("is not a known key; ",
                       near.empty() ? Cat("expected one of ", absl::StrJoin(known_, ", "))
                                    : Cat("did you mean \"", near, "\"?")));
  }
}

}  // namespace muster::files
