// Secrets: references in, values only at the moment of use, masks everywhere else.
//
// A reference is "env:NAME" or "file:PATH". Every value ever resolved is remembered (for masking
// only), so text that comes back from the world can be cleaned by literal value before it is
// logged, stored or shown. Reactor thread.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

// Whether `text` has the form of a reference: "env:" and a variable's name, or "file:" and a path.
bool IsSecretRef(std::string_view text);

class Secrets {
 public:
  virtual ~Secrets() = default;
  // The value behind `ref`, read anew each time (a rotated file is seen), trailing newline cut.
  //
  // kNotFound         the variable or file is missing or empty; the message names the reference
  // kInvalidArgument  not a reference
  virtual StatusOr<std::string> Resolve(std::string_view ref) = 0;
  // Learns a secret that came from elsewhere (a key in a provider's answer).
  virtual void Learn(std::string_view value) = 0;
  // `text` with every known secret (6 bytes or longer) replaced by "[secret]". Also finds values
  // in their JSON-escaped, URL-encoded and base64 forms.
  virtual std::string Mask(std::string_view text) const = 0;
};

}  // namespace muster
