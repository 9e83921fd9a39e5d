#include "services/muster/table.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "eventstore/base/units.h"

namespace muster::cli {
namespace {

std::string Pad(const std::string& text, std::size_t width, bool right) {
  const std::size_t have = DisplayWidth(text);
  const std::string blanks(width > have ? width - have : 0, ' ');
  return right ? blanks + text : text + blanks;
}

// The first `width` code points of `text`, the last three dots when cut.
std::string Clip(const std::string& text, std::size_t width) {
  if (DisplayWidth(text) <= width || width < 4) return text;
  std::string out;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size() && seen < width - 3;) {
    std::size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    out += text.substr(i, end - i);
    i = end;
    ++seen;
  }
  return out + "...";
}

void EmitYaml(const nlohmann::ordered_json& value, int depth, std::string& out) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, item] : value.items()) {
      out += Cat(indent, key, ":");
      if (item.is_structured() && !item.empty()) {
        out += "\n";
        EmitYaml(item, depth + 1, out);
      } else {
        out += Cat(" ", item.dump(), "\n");
      }
    }
    return;
  }
  if (value.is_array() && !value.empty()) {
    for (const auto& item : value) {
      if (item.is_structured() && !item.empty()) {
        std::string inner;
        EmitYaml(item, depth + 1, inner);
        inner[static_cast<std::size_t>(depth) * 2] = '-';
        out += inner;
      } else {
        out += Cat(indent, "- ", item.dump(), "\n");
      }
    }
    return;
  }
  out += Cat(indent, value.dump(), "\n");
}

}  // namespace

std::size_t DisplayWidth(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void Table::Print(std::ostream& out, int columns) const {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  std::vector<std::string> titles;
  for (const std::string& header : headers_) {
    right.push_back(!header.empty() && header[0] == '>');
    titles.push_back(right.back() ? header.substr(1) : header);
    widths.push_back(DisplayWidth(titles.back()));
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool last = i + 1 == cells.size();
      line += last && !right[i] ? cells[i] : Pad(cells[i], widths[i], right[i]);
      if (!last) line += "  ";
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out << (columns > 0 ? Clip(line, static_cast<std::size_t>(columns)) : line) << "\n";
  };
  print(titles);
  for (const auto& row : rows_) print(row);
}

std::string Usd(std::int64_t micros) { return FormatUsd(MicroUsd(micros), 2); }
std::string UsdRate(std::int64_t micros_per_hour) {
  return absl::StrFormat("%.3f", static_cast<double>(micros_per_hour) / 1e6);
}
std::string Rate(double per_s) { return per_s > 0 ? absl::StrFormat("%.1f", per_s) : "-"; }

std::string Place(const std::string& location) {
  const std::size_t first = location.find_first_not_of(", ");
  return first == std::string::npos ? "-" : location.substr(first);
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}
std::string Ago(const google::protobuf::Timestamp& time, absl::Time now) {
  if (time.seconds() == 0) return "-";
  return Cat(FormatSpan(std::max(absl::ZeroDuration(), now - FromProto(time))), " ago");
}

StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool one_line) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = !one_line;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return Internal("an answer of the daemon cannot be shown as JSON");
  return text;
}

StatusOr<std::string> ToYaml(const google::protobuf::Message& message) {
  MUSTER_ASSIGN_OR_RETURN(const std::string json, ToJson(message));
  const auto value = nlohmann::ordered_json::parse(json, nullptr, false);
  std::string out;
  EmitYaml(value, 0, out);
  return out;
}

}  // namespace muster::cli
