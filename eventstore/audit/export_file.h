// The export file: the log's records as they are stored, in one file that needs no database to be
// read. log_format.md describes it; deploy/audit/check_log.py reads it.
//
//   "muster-export 1 AFTER HASH\n", then for each record its length (u32, little-endian) and bytes
//
// Single-threaded.
#pragma once

#include <istream>
#include <ostream>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"

namespace muster::audit {

// `hash` is that of the event at `after`; the first record is the one behind it.
void BeginExport(std::ostream& out, Position after, const EventHash& hash);
void ExportRecord(std::ostream& out, std::string_view record);

// Where a file begins.
struct ExportStart {
  Position after = 0;
  EventHash hash{};
};
// kInvalidArgument  no export file
StatusOr<ExportStart> ReadExportStart(std::istream& in);
// Calls `visit` with each record until it returns false.
// kDataLoss  the file ends within a record
Status ReadExportRecords(std::istream& in, absl::FunctionRef<bool(std::string_view record)> visit);

}  // namespace muster::audit
