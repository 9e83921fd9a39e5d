#include "services/files/problems.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <tuple>

#include "services/files/secret_shape.h"

namespace muster {
namespace {

constexpr std::size_t kShownMax = 50;
constexpr std::size_t kValueBytesMax = 60;
constexpr std::size_t kWordBytesMax = 64;

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (std::tolower(static_cast<unsigned char>(a[i - 1])) !=
                                             std::tolower(static_cast<unsigned char>(b[j - 1])));
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

void Problems::Add(Place place, std::string_view field, std::string_view what) {
  std::string text = file_name_;
  if (place.line > 0) text += Cat(":", place.line, ":", place.column);
  text += Cat(": ", field, field.empty() ? "" : ": ", what);
  lines_.push_back({place, std::move(text)});
  if (!field.empty()) blamed_.emplace_back(field);
}

void Problems::Note(std::string_view field, Place place) {
  places_.insert_or_assign(std::string(field), place);
}

void Problems::AddAt(std::string_view field, std::string_view what) {
  if (std::find(blamed_.begin(), blamed_.end(), field) != blamed_.end()) return;
  std::string_view around = field;
  while (true) {
    if (const auto it = places_.find(around); it != places_.end()) {
      return Add(it->second, field, what);
    }
    const std::size_t cut = around.find_last_of(".[");
    if (cut == std::string_view::npos) return Add(Place{}, field, what);
    around = around.substr(0, cut);
  }
}

Status Problems::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  std::vector<Line> sorted = lines_;
  std::sort(sorted.begin(), sorted.end(), [](const Line& a, const Line& b) {
    return std::tie(a.place.line, a.place.column, a.text) <
           std::tie(b.place.line, b.place.column, b.text);
  });
  std::string text;
  for (std::size_t i = 0; i < sorted.size() && i < kShownMax; ++i) {
    text += Cat(i == 0 ? "" : "\n", sorted[i].text);
  }
  if (sorted.size() > kShownMax) {
    text += Cat("\n", file_name_, ": and ", sorted.size() - kShownMax, " more");
  }
  return InvalidArgument(text);
}

std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kWordBytesMax) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 3));
  ++best_distance;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = NearestWord(word, candidates);
  return near.empty() ? "" : Cat("; did you mean \"", near, "\"?");
}

std::string Quoted(std::string_view value) {
  if (files::HoldsASecret(value) || files::HasUserInfo(value)) return "a value that is not shown";
  std::string text = Ellipsize(ToValidUtf8(value), kValueBytesMax);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return Cat("\"", text, "\"");
}

}  // namespace muster
