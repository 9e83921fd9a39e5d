// Shows that a sanitizer sees what it is there for, and nothing in what is right:
//
//   canary locked    two threads count behind an absl::Mutex: nothing to report
//   canary racing    the same without: the thread sanitizer reports a race
//   canary overflow  adds to the largest int: undefined behaviour ends the program
#include <cstdio>
#include <limits>
#include <memory>
#include <string_view>
#include <thread>

#include "absl/synchronization/mutex.h"

namespace {

struct Counter {
  void Add(bool locked) {
    if (!locked) {
      ++value;
      return;
    }
    absl::MutexLock lock(&mutex);
    ++value;
  }

  absl::Mutex mutex;
  int value = 0;
};

int CountByTwo(bool locked) {
  const auto counter =
      std::make_unique<Counter>();  // of locals the compiler may think them private
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) counter->Add(locked);
  });
  for (int i = 0; i < 1000; ++i) counter->Add(locked);
  other.join();
  return counter->value;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "locked";
  if (what == "overflow") {
    const int sum = std::numeric_limits<int>::max() - 1 + argc;
    std::printf("went on with %d\n", sum);
  } else {
    std::printf("%d\n", CountByTwo(what == "locked"));
  }
  return 0;
}
