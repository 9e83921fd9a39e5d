// Taking apart what a simulator is asked for: paths, routes, forms. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

// "a%20b+c" -> "a b c". What is no escape stays as it is.
std::string DecodeForm(std::string_view text);
// "a=b&c" -> {"a", "b"}, {"c", ""}, in order, decoded.
std::vector<std::pair<std::string, std::string>> ReadForm(std::string_view text);

// A URL, absolute or path?query, taken apart.
struct SimPath {
  std::string path;                   // as it was written
  std::vector<std::string> segments;  // decoded
  std::string_view query;             // of the URL that was given, without the question mark
};
SimPath SplitUrl(std::string_view url);

// Whether `segments` are those of `pattern` ("instances/{id}/ssh"); what stands for {id} and {name}
// goes to `id` and `name`. An {id} is a whole number.
bool MatchRoute(std::string_view pattern, const std::vector<std::string>& segments,
                std::int64_t* id, std::string* name);

}  // namespace muster
