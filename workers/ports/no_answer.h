// What a call to a provider comes to that brought no answer, or one without sense: the same for all
// providers. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

inline constexpr std::size_t kProviderMessageBytesMax = 300;

// What a call may have changed at the provider when nobody knows whether it arrived.
enum class MayHave { kDoneNothing, kActed };

// The trouble behind an exchange that brought no whole answer (see HttpClient::Send).
Status TroubleOfNoAnswer(MayHave effect, const Status& transport);

// A 2xx answer that makes no sense. Names its size only: it may hold a secret we never learned.
Status Nonsense(std::string_view what, std::string_view body);

}  // namespace muster
