#include "services/files/whole_file.h"

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"

namespace muster {

StatusOr<std::string> ReadWholeFile(const std::string& path, std::string_view expected) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  // An empty file is one, though nothing is taken from it.
  if (in && in.peek() == std::ifstream::traits_type::eof() && !in.bad()) return std::string();
  if (!in || !(text << in.rdbuf()) || in.bad()) {
    return NotFound(Cat(path, ": cannot be read; expected ", expected));
  }
  return text.str();
}

FileReader ReaderBeside(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  return [folder](const std::string& name) {
    return ReadWholeFile(absl::StartsWith(name, "/") ? name : folder + name);
  };
}

FileReader NoReader(std::string_view instead) {
  const std::string why = Cat("needs a folder to be read from; expected ", instead);
  return [why](const std::string&) -> StatusOr<std::string> { return InvalidArgument(why); };
}

}  // namespace muster
