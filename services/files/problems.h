// Problems: everything that is wrong with one file, gathered so that all of it is told at once.
//
// Each problem says where (line and column), which field, and what was found and expected. Owned
// by whoever reads the file; one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"

namespace muster {

// A place in a text, both counted from 1. Line 0: the file as a whole.
struct Place {
  int line = 0;
  int column = 0;
};

class Problems {
 public:
  explicit Problems(std::string_view file_name) : file_name_(file_name) {}

  // Adds "FILE:LINE:COLUMN: FIELD: WHAT". `field` is a path, "market.price_max"; it may be empty.
  void Add(Place place, std::string_view field, std::string_view what);
  // Remembers where `field` stands, for problems that are found after reading.
  void Note(std::string_view field, Place place);
  // Adds a problem of `field` where it stands, or where the nearest section around it stands.
  // A field that has a problem already is not blamed twice.
  void AddAt(std::string_view field, std::string_view what);

  bool empty() const { return lines_.empty(); }
  // OK, or kInvalidArgument with one line per problem in the order of the file.
  Status ToStatus() const;

 private:
  struct Line {
    Place place;
    std::string text;
  };

  std::string file_name_;
  std::vector<Line> lines_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<std::string> blamed_;
};

// The candidate that `word` most likely means, "" when none is near.
std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean \"NEAR\"?" or "".
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

// `value` in quotes, cut short and made printable, for messages.
std::string Quoted(std::string_view value);

}  // namespace muster
