// Text for the shell of the other side. Pure, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::remote {

// `value` as one word of a POSIX shell, whatever is in it. Every value that enters a shell line
// passes here.
// REQUIRES: no NUL byte in it
std::string Quoted(std::string_view value);

// The words of a line of plain and single-quoted words, as Quoted makes them; nullopt when it is
// something else. For machines that only pretend to be a shell.
std::optional<std::vector<std::string>> Words(std::string_view line);

}  // namespace muster::remote
