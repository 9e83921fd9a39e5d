// The grammar of the command line: `muster VERB [ARGUMENT...] [--flag[=VALUE]...]`.
//
// Verbs may be cut to a unique prefix. A flag is known to its verb or is an error with a
// suggestion. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"

namespace muster::cli {

struct Flag {
  std::string name;   // "output"
  char letter = 0;    // 'o'; 0 = none
  std::string value;  // "FORMAT"; "" = a switch
  std::string help;
};

struct VerbSpec {
  std::string name;
  std::string arguments;  // "FLEET N", for the usage line
  int arguments_min = 0;
  int arguments_max = 0;
  std::string help;
  std::vector<Flag> flags;
  std::string more = {};  // what 'help VERB' tells besides
};

class Args {
 public:
  const std::vector<std::string>& positional() const { return positional_; }
  bool Has(const std::string& flag) const { return flags_.count(flag) > 0; }
  std::string Get(const std::string& flag, const std::string& otherwise = "") const;

 private:
  friend StatusOr<Args> ParseArgs(const VerbSpec&, const std::vector<Flag>&,
                                  const std::vector<std::string>&);
  std::vector<std::string> positional_;
  std::map<std::string, std::string> flags_;
};

// kInvalidArgument  in the user's words: unknown flag (with the nearest), missing value, too many
//                   or too few arguments
StatusOr<Args> ParseArgs(const VerbSpec& verb, const std::vector<Flag>& global,
                         const std::vector<std::string>& words);

// The index of the verb called `word` or of the only one that starts with it.
// kNotFound         none; the message suggests the nearest
// kInvalidArgument  several; the message lists them
StatusOr<std::size_t> FindVerb(const std::vector<VerbSpec>& verbs, std::string_view word);

// The candidate nearest to `word` by edit distance, "" when none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

std::string UsageOf(const VerbSpec& verb, const std::vector<Flag>& global);
std::string CompletionScript(std::string_view shell, const std::vector<VerbSpec>& verbs,
                             const std::vector<Flag>& global);

}  // namespace muster::cli
