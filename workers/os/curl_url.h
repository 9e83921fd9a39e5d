// What HTTP needs to know of a URL, by curl's own parser, so that check and use agree. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

// OK for an absolute http or https URL without user and password; else kInvalidArgument. The
// message does not repeat the URL.
Status CheckHttpUrl(const std::string& url);

// The host of a URL that CheckHttpUrl accepts.
std::string HostOf(const std::string& url);

// `location` (absolute or relative) seen from `base`, when it has the same scheme, host and port;
// nullopt when it leads elsewhere or makes no sense.
std::optional<std::string> SameOriginUrl(const std::string& base, std::string_view location);

}  // namespace muster
