#include "services/grpc/secret_guard.h"

#include "eventstore/base/strings.h"

namespace muster::grpc_api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kProblem[] =
    "holds the value of a secret; expected a reference such as env:NAME, or the text without it";

class Search {
 public:
  explicit Search(const MaskFn& mask) : mask_(mask) {}

  void In(const Message& message, const std::string& path) {
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const std::string name = Cat(path, path.empty() ? "" : ".", field->name());
      const int count =
          field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        InField(message, *field, i, field->is_repeated() ? Cat(name, "[", i, "]") : name);
      }
    }
  }
  std::vector<std::pair<std::string, std::string>> found;

 private:
  void InField(const Message& message, const FieldDescriptor& field, int index,
               const std::string& name) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      In(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, index)
                             : reflection.GetMessage(message, &field),
         name);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string text = field.is_repeated()
                                   ? reflection.GetRepeatedString(message, &field, index)
                                   : reflection.GetString(message, &field);
      if (mask_(text) != text) found.emplace_back(name, kProblem);
    }
  }

  const MaskFn& mask_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> FieldsWithSecrets(const Message& message,
                                                                   const MaskFn& mask) {
  if (!mask) return {};
  Search search(mask);
  search.In(message, "");
  return std::move(search.found);
}

}  // namespace muster::grpc_api
