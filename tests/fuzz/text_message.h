// Inputs as text: a protobuf message that is written out changes in more telling ways than its
// bytes do.
#pragma once

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <string>

namespace muster {

class QuietErrors final : public google::protobuf::io::ErrorCollector {
  void AddError(int, int, const std::string&) override {}
};

// False for what is no such message; nothing is printed.
inline bool ParseText(const std::string& text, google::protobuf::Message& message) {
  google::protobuf::TextFormat::Parser parser;
  QuietErrors quiet;
  parser.RecordErrorsTo(&quiet);
  parser.SetRecursionLimit(20);
  return parser.ParseFromString(text, &message);
}

}  // namespace muster
