#include "eventstore/audit/export_file.h"

#include <cstdint>
#include <sstream>
#include <string>

#include "eventstore/audit/hex.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "eventstore/record.h"

namespace muster::audit {
namespace {

constexpr char kMagic[] = "muster-export";
constexpr std::size_t kLengthBytes = 4;
// More than a record can have: its payload and six names.
constexpr std::size_t kRecordBytesMax = kPayloadBytesMax + 6 * (kNameBytesMax + 4) + 256;

}  // namespace

void BeginExport(std::ostream& out, Position after, const EventHash& hash) {
  out << kMagic << " 1 " << after << " " << ToHex(hash) << "\n";
}

void ExportRecord(std::ostream& out, std::string_view record) {
  const auto size = static_cast<std::uint32_t>(record.size());
  for (int shift = 0; shift < 32; shift += 8) out.put(static_cast<char>(size >> shift));
  out.write(record.data(), static_cast<std::streamsize>(record.size()));
}

StatusOr<ExportStart> ReadExportStart(std::istream& in) {
  std::string line;
  std::getline(in, line);
  std::istringstream words(line.substr(0, 200));
  std::string magic, version, hash;
  ExportStart start;
  words >> magic >> version >> start.after >> hash;
  const auto parsed = HashOfHex(hash);
  if (!in || words.fail() || magic != kMagic || version != "1" || !parsed.has_value()) {
    return InvalidArgument(
        Cat("no export: expected \"", kMagic, " 1 AFTER HASH\" in the first line"));
  }
  start.hash = *parsed;
  return start;
}

Status ReadExportRecords(std::istream& in, absl::FunctionRef<bool(std::string_view)> visit) {
  std::string record;
  while (true) {
    char length[kLengthBytes];
    in.read(length, kLengthBytes);
    if (in.gcount() == 0) return {};
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
      size |= static_cast<std::uint32_t>(static_cast<unsigned char>(length[i])) << (8 * i);
    }
    if (in.gcount() != kLengthBytes || size > kRecordBytesMax) {
      return DataLoss("the file ends within a record, or its lengths are damaged");
    }
    record.resize(size);
    in.read(record.data(), size);
    if (static_cast<std::uint32_t>(in.gcount()) != size) {
      return DataLoss("the file ends within a record");
    }
    if (!visit(record)) return {};
  }
}

}  // namespace muster::audit
