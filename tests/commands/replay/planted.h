// Plants a secret in every text of a message, found by reflection: fields that are added later too.
#pragma once

#include <google/protobuf/message.h>

#include <string_view>

#include "eventstore/base/strings.h"

namespace muster::replay {

inline constexpr std::string_view kPlanted = "PlAnTeD-s3cr3t";

// Every field below `message` is set, lists and maps with two entries; each text holds the secret,
// also with a country's letters, a number's digits or a rule's words around it.
inline void Plant(google::protobuf::Message& message, int depth = 0) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->containing_oneof() != nullptr) continue;
    const std::string text =
        Cat("manifest unknown no-progress ", kPlanted, "-", field->name(), " US");
    for (int n = 0; n < (field->is_repeated() ? 2 : 1); ++n) {
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          if (field->is_repeated()) {
            reflection.AddString(&message, field, Cat(text, n));
          } else {
            reflection.SetString(&message, field, text);
          }
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE:
          if (depth > 6) break;
          Plant(field->is_repeated() ? *reflection.AddMessage(&message, field)
                                     : *reflection.MutableMessage(&message, field),
                depth + 1);
          break;
        default:
          break;
      }
    }
  }
}

}  // namespace muster::replay
