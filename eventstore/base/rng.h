// Rng: the only source of chance. Seeded, so a run can be repeated; the daemon seeds it from the
// operating system (workers/os), tests from a number they print.
//
// Not thread-safe: lives on the reactor thread.
#pragma once

#include <cstdint>
#include <string>

namespace muster {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  // SplitMix64: small, fast, good enough for simulation, jitter and tokens; not for keys.
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound). REQUIRES: bound > 0
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }
  // Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  double Between(double low, double high) { return low + (high - low) * Unit(); }
  bool Chance(double probability) { return Unit() < probability; }
  // `length` characters of a-z and 2-7 (no look-alikes of 0, 1): 5 bits each.
  std::string Token(int length) {
    static constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    std::string token;
    for (int i = 0; i < length; ++i) token += kAlphabet[Below(32)];
    return token;
  }

 private:
  std::uint64_t state_;
};

}  // namespace muster
