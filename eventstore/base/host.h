// Addresses as people and machines write them. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace muster {

// Whether only this machine can be behind it: localhost, ::1, [::1], 127.x.y.z. Four numbers are
// asked for: 127.example.org is somewhere else.
bool IsLoopbackHost(std::string_view host);

struct HostPort {
  std::string host;  // without the brackets of "[V6]"
  int port = -1;     // negative: it was neither "HOST:PORT" nor "[V6]:PORT"
};

HostPort SplitHostPort(std::string_view address);

}  // namespace muster
