#include "eventstore/audit/redact.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"

namespace muster::audit {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Fields that hold words, not names of things. Nothing is decided by what they say, only by
// whether they say anything.
bool IsFreeText(const FieldDescriptor& field) {
  static const auto* const names = new std::set<std::string>{
      "detail",  "reason",         "summary", "line",         "error",   "why", "result", "file",
      "onstart", "status_message", "args",    "missing_help", "pattern", "env", "text",   "next"};
  const bool text = field.type() == FieldDescriptor::TYPE_STRING || field.is_map();
  return text && names->count(field.name()) > 0;
}

// Visits every free text below `message` that is there: its path, and how to overwrite it.
class Walker {
 public:
  Walker(const std::vector<std::string>* wanted, std::vector<std::string>& found)
      : wanted_(wanted), found_(found) {}

  void Walk(Message& message, const std::string& prefix) {
    const auto& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const std::string path = Cat(prefix, prefix.empty() ? "" : ".", field->name());
      if (IsFreeText(*field)) {
        Found(message, *field, path);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
        const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
        for (int i = 0; i < count; ++i) {
          Walk(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                    : *reflection.MutableMessage(&message, field),
               path);
        }
      }
    }
  }

 private:
  bool Wanted(const std::string& path) const {
    if (wanted_ == nullptr) return true;
    return std::any_of(wanted_->begin(), wanted_->end(), [&](const std::string& want) {
      return path == want || absl::StartsWith(path, want + ".");
    });
  }

  void Found(Message& message, const FieldDescriptor& field, const std::string& path) {
    if (!Wanted(path)) return;
    if (std::find(found_.begin(), found_.end(), path) == found_.end()) found_.push_back(path);
    if (wanted_ == nullptr) return;
    const auto& reflection = *message.GetReflection();
    // An answer that is kept is read back as JSON.
    const std::string instead = field.name() == "result" ? "{}" : kRedactedText;
    if (!field.is_repeated()) return reflection.SetString(&message, &field, instead);
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      if (field.is_map()) {
        Message& entry = *reflection.MutableRepeatedMessage(&message, &field, i);
        const FieldDescriptor* value = entry.GetDescriptor()->FindFieldByName("value");
        entry.GetReflection()->SetString(&entry, value, instead);
      } else {
        reflection.SetRepeatedString(&message, &field, i, instead);
      }
    }
  }

  const std::vector<std::string>* wanted_;  // null: all of them, and nothing is overwritten
  std::vector<std::string>& found_;
};

// With the name of the message in front: "line" -> "log_observed.line".
std::string FullPath(const eventpb::EventBody& body, const std::string& path) {
  const auto* kind = body.GetDescriptor()->FindFieldByNumber(static_cast<int>(body.kind_case()));
  if (kind == nullptr || path == kind->name() || absl::StartsWith(path, kind->name() + ".")) {
    return path;
  }
  return Cat(kind->name(), ".", path);
}

}  // namespace

std::vector<std::string> FreeTextIn(const eventpb::EventBody& body) {
  std::vector<std::string> found;
  eventpb::EventBody copy = body;
  Walker(nullptr, found).Walk(copy, "");
  return found;
}

StatusOr<RedactedBody> RedactFields(const eventpb::EventBody& body,
                                    const std::vector<std::string>& paths) {
  const std::vector<std::string> there = FreeTextIn(body);
  if (there.empty()) return InvalidArgument("this event holds no free text");
  if (paths.empty()) {
    return InvalidArgument(Cat("expected one or more of ", absl::StrJoin(there, ", ")));
  }
  RedactedBody out{body, {}};
  for (const std::string& path : paths) {
    const std::vector<std::string> wanted = {FullPath(body, path)};
    const std::size_t before = out.fields.size();
    Walker(&wanted, out.fields).Walk(out.body, "");
    if (out.fields.size() == before &&
        std::find(out.fields.begin(), out.fields.end(), wanted[0]) == out.fields.end()) {
      return InvalidArgument(Cat("\"", path, "\" holds no free text; expected one or more of ",
                                 absl::StrJoin(there, ", ")));
    }
  }
  return out;
}

}  // namespace muster::audit
