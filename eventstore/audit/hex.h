// Bytes as lower-case hex digits and back. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eventstore/event_store.h"

namespace muster::audit {

std::string HexOf(std::string_view bytes);
// nullopt: not an even number of hex digits.
std::optional<std::string> BytesOfHex(std::string_view hex);
// nullopt: not 64 hex digits.
std::optional<EventHash> HashOfHex(std::string_view hex);

}  // namespace muster::audit
