#include "workers/providers/hetzner/hardware.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster::hetzner {
namespace {

constexpr int kSocketsMax = 8;

// Lower case, without trademark signs: in ASCII as "(tm)" or "(r)", or anything beyond it.
std::string Plain(std::string_view line) {
  std::string plain;
  for (const char c : line) {
    if (static_cast<unsigned char>(c) < 0x80) plain += absl::ascii_tolower(c);
  }
  return absl::StrReplaceAll(plain, {{"(tm)", ""}, {"(r)", ""}});
}

bool IsOfWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }

bool HasWord(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool begins = at == 0 || !IsOfWord(text[at - 1]);
    if (begins && (end == text.size() || !IsOfWord(text[end]))) return true;
  }
  return false;
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "512", "1.92" or "1,92" followed by gb or tb, in GB; 0 = none.
std::int64_t Gigabytes(std::string_view number, std::string_view unit) {
  std::string text(number);
  std::replace(text.begin(), text.end(), ',', '.');
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !(value > 0 && value < 1e6)) return 0;
  if (unit == "tb") return std::llround(value * 1000);
  return unit == "gb" || unit == "mb" ? std::llround(value) : 0;
}

struct Amount {
  int count = 1;
  std::int64_t gb = 0;
};

// "2 x 512 GB NVMe SSD", "2x SSD M.2 NVMe 1,92 TB Datacenter", "64 GB DDR4", "4x RAM 16384 MB
// DDR4".
Amount FindAmount(const std::string& plain) {
  // "2 x" and "2x" alike.
  const std::string text = absl::StrReplaceAll(plain, {{" x ", "x "}});
  const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  Amount amount;
  for (std::size_t i = 0; i < words.size(); ++i) {
    int count = 0;
    if (absl::EndsWith(words[i], "x") && amount.gb == 0 &&
        absl::SimpleAtoi(words[i].substr(0, words[i].size() - 1), &count) && count > 0 &&
        count <= 64) {
      amount.count = count;
    }
    if (amount.gb != 0 || i + 1 == words.size()) continue;
    amount.gb = Gigabytes(words[i], words[i + 1]);
    if (words[i + 1] == "mb") amount.gb /= 1024;
  }
  return amount;
}

}  // namespace

Gpu FindGpu(const std::vector<std::string>& description) {
  for (const std::string& line : description) {
    const std::string plain = Plain(line);
    if (HasWord(plain.substr(0, 4), "nic")) continue;
    const bool card = (absl::StartsWith(plain, "gpu") && HasWord(plain, "gpu")) ||
                      HasWord(plain, "nvidia") || HasWord(plain, "rtx") || Has(plain, "geforce") ||
                      Has(plain, "radeon");
    if (!card) continue;
    const std::size_t rtx = plain.find("rtx 4000");
    const bool ada = (rtx != std::string::npos && plain.find("ada", rtx) != std::string::npos) ||
                     Has(plain, "ada generation");
    return {line, ada};
  }
  return {};
}

int CoresOf(std::string_view cpu) {
  struct Known {
    std::string_view words;
    int cores;
  };
  static constexpr Known kKnown[] = {
#define CPU(words, cores) {words, cores},
#include "workers/providers/hetzner/cpus.def"
#undef CPU
  };
  std::string plain = Plain(cpu);
  int sockets = 1;
  const std::size_t x = plain.find('x');
  int count = 0;
  if (x != std::string::npos && x > 0 &&
      absl::SimpleAtoi(absl::StripAsciiWhitespace(plain.substr(0, x)), &count) && count > 0 &&
      count <= kSocketsMax) {
    sockets = count;
  }
  for (const Known& known : kKnown) {
    if (Has(plain, known.words)) return sockets * known.cores;
  }
  return 0;
}

Hardware ReadDescription(const std::vector<std::string>& description) {
  Hardware found;
  for (const std::string& line : description) {
    const std::string plain = Plain(line);
    const bool memory = HasWord(plain, "ram") || Has(plain, "ddr");
    const bool disk = HasWord(plain, "ssd") || HasWord(plain, "hdd") || HasWord(plain, "nvme");
    const bool cpu = HasWord(plain, "intel") || HasWord(plain, "amd") || HasWord(plain, "ampere");
    if (memory && found.memory_gb == 0) {
      const Amount amount = FindAmount(plain);
      found.memory_gb = amount.count * amount.gb;
    } else if (disk && found.disk_gb == 0) {
      const Amount amount = FindAmount(plain);
      found.disk_gb = amount.gb;
      found.disks = amount.gb == 0 ? 0 : amount.count;
    } else if (cpu && found.cpu.empty() && !HasWord(plain.substr(0, 4), "nic")) {
      found.cpu = line;
    }
  }
  return found;
}

}  // namespace muster::hetzner
