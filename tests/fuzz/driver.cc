// Stands in for libFuzzer where the compiler has none (g++): every file of the corpus, and a fixed
// number of seeded mutations of each. Same arguments, same inputs.
//
//   fuzz_NAME [-runs=N] [FOLDER|FILE]...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "eventstore/base/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace muster {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Corpus(const std::vector<std::string>& places) {
  std::vector<std::string> files;
  for (const std::string& place : places) {
    if (!std::filesystem::is_directory(place)) {
      files.push_back(place);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(place)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  corpus.reserve(files.size());
  for (const std::string& file : files) corpus.push_back(ReadFile(file));
  return corpus;
}

std::size_t Below(Rng& rng, std::size_t bound) { return bound == 0 ? 0 : rng.Next() % bound; }

// One to four small changes: a byte, a cut, a doubled piece, a piece of another input.
std::string Mutated(std::string text, const std::vector<std::string>& corpus, Rng& rng) {
  for (std::size_t changes = 1 + Below(rng, 4); changes > 0; --changes) {
    const std::size_t at = Below(rng, text.size() + 1);
    const std::size_t length = Below(rng, std::min<std::size_t>(text.size() - at, 64) + 1);
    switch (Below(rng, 4)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(Below(rng, 256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      default: {
        const std::string& other = corpus[Below(rng, corpus.size())];
        const std::size_t from = Below(rng, other.size() + 1);
        text.insert(at, other.substr(from, Below(rng, 64)));
      }
    }
  }
  return text;
}

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  std::vector<std::string> places;
  long runs = 2000;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "-runs=", 6) == 0) {
      runs = std::strtol(argv[i] + 6, nullptr, 10);
    } else if (argv[i][0] != '-') {
      places.emplace_back(argv[i]);
    }
  }
  const std::vector<std::string> corpus = muster::Corpus(places);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus: name its folder\n", argv[0]);
    return 64;
  }
  for (const std::string& input : corpus) muster::Run(input);
  muster::Rng rng(1);
  for (long run = 0; run < runs; ++run) {
    muster::Run(muster::Mutated(corpus[muster::Below(rng, corpus.size())], corpus, rng));
  }
  std::printf("%zu inputs, %ld mutations\n", corpus.size(), runs);
  return 0;
}
