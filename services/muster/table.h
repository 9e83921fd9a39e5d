// Tables, colours and numbers as people read them. Pure.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"

namespace muster::cli {

class Table {
 public:
  // A header that starts with '>' is right-aligned.
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}
  void Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  // Columns two blanks apart; the last one is cut to fit `columns` (0 = never cut).
  void Print(std::ostream& out, int columns) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

// Wide as seen: UTF-8 code points.
std::size_t DisplayWidth(const std::string& text);

std::string Usd(std::int64_t micros);               // "$9.11"
std::string UsdRate(std::int64_t micros_per_hour);  // "0.642"
std::string Rate(double per_s);                     // "4.2"; "-" when unknown (<= 0)
std::string Place(const std::string& location);     // ", US" -> "US"; "-" when unknown
absl::Time FromProto(const google::protobuf::Timestamp& time);
std::string Ago(const google::protobuf::Timestamp& time, absl::Time now);  // "6s ago"; "-"

// On several lines, or on one.
StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool one_line = false);
StatusOr<std::string> ToYaml(const google::protobuf::Message& message);

}  // namespace muster::cli
