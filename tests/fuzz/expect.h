// What a fuzz target demands: FUZZ_EXPECT(condition) ends the process with the place when it is
// false, in every build, so that both libFuzzer and the plain driver keep the input that did it.
#pragma once

#include <cstdio>
#include <cstdlib>

#define FUZZ_EXPECT(condition)                                                            \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
