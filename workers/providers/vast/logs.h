// Log text and where it comes from: which hosts may be asked for it, and what the bytes mean.
// Internal to the adapter. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "workers/ports/provider.h"

namespace muster::vast {

// Whether `url` may be fetched, by the rules of VastOptions::log_hosts. The provider names the
// URL, so it is not trusted: no user part, no odd scheme, only a host that the configuration lists.
bool IsAllowedLogUrl(std::string_view url, const std::vector<std::string>& log_hosts);

// What is printed to a terminal made plain: ANSI sequences removed, a line that was overwritten
// after a carriage return shown as it ended, malformed UTF-8 as U+FFFD, other control bytes gone.
std::string PlainText(std::string_view bytes);

// Whether the bytes, as a whole, are what a host says for itself in the place of a log: a failure
// in JSON, a page of HTML or XML. No program prints just that; a log may well contain it.
bool IsForeignPage(std::string_view bytes);

// The state and text behind the bytes of a log object. At most `bytes_max` of the end are kept,
// from a line's start on (a longer line loses its front). `cut_before` = bytes are missing already.
LogTail ReadLog(std::string_view bytes, std::size_t bytes_max, bool cut_before);

}  // namespace muster::vast
