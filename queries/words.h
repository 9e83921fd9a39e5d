// The reader's words for the enums of the log, used by several read models. Pure.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/units.h"

namespace muster::queries {

// All take the number of the enum in muster.event.v1; "" where it says nothing.
std::string_view WaitWord(int kind);             // "credit"
std::string_view LaunchRejectWord(int reason);   // "offer gone"
std::string_view DestroyAnswerWord(int answer);  // "accepted"
std::string_view TroubleWord(int kind);          // "throttled"
std::string_view EndedWord(int how);             // "destroyed"
std::string HealthWord(int health);              // "SETUP"

// FormatSpan without a zero second unit: "10m", "1h", "4m12s".
std::string ShortSpan(absl::Duration span);

// What a gateway answers instead of the provider is a page for people: that it is one is enough.
// "HTTP 503: (a web page)".
std::string WithoutPage(const std::string& text);

// Foreign text on one line, without control characters.
std::string OneLine(std::string_view text);

}  // namespace muster::queries
