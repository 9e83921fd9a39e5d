// What a secret looks like when it stands where only a reference should: guards against a token
// pasted into a file. A guess by name and by shape, on purpose a little too careful. Pure.
#pragma once

#include <string_view>

namespace muster::files {

// Whether a variable or key of this name usually holds a secret: "HF_TOKEN", "api_key", but not
// "TOKENIZERS_PARALLELISM".
bool NamesASecret(std::string_view name);

// Whether `text` holds something with the shape of a well-known kind of token.
bool HoldsASecret(std::string_view text);

// Whether `url` carries a user or password.
bool HasUserInfo(std::string_view url);

}  // namespace muster::files
