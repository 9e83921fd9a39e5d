// How a wait comes to its end, as people read it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/strings.h"

namespace muster {

// "muster resolves it, next look in 20s", "you: add credit": who can end the wait for `kind`
// ("credit"), and when it is looked at again. `left` is the time until then, "" = nobody knows;
// `owner` is as the log has it, "" = nobody is named. "" when there is nothing to say.
inline std::string WaitEnd(std::string_view kind, std::string_view owner, std::string_view left) {
  std::string text(owner);
  if (owner == "muster") {
    text = "muster resolves it";
  } else if (owner == "provider") {
    text = kind == "offers" ? "up to the market" : "up to the provider";
  } else if (owner == "operator") {
    text = kind == "credit"    ? "you: add credit"
           : kind == "auth"    ? "you: renew the key"
           : kind == "secrets" ? "you: correct the reference"
                               : "up to you";
  }
  if (left.empty()) return text;
  return Cat(text, text.empty() ? "" : ", ", "next ", owner == "muster" ? "look" : "try", " in ",
             left);
}

}  // namespace muster
