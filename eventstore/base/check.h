// MUSTER_CHECK: ends the program on what only we can have done wrong.
//
// What the world does (a provider's answer, a full disk, a user's file) is an absl::Status, never
// a check. Stays on in release builds. Thread-safe.
#pragma once

#include <cstdio>
#include <cstdlib>

#define MUSTER_CHECK(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
