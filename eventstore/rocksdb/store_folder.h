// Reads the log in a store's folder without being its owner: for who checks it. The daemon may be
// running; then this sees what was there when it was opened. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "eventstore/base/status.h"

namespace muster {

// Calls `visit` with each record, oldest first, until it returns false; not yet checked.
//
// kNotFound            there is no store at `path`
// kFailedPrecondition  its format is not ours
// kDataLoss            too damaged to open, or names the position that is missing
// kUnavailable         the folder cannot be read
Status ReadStoreFolder(const std::string& path,
                       absl::FunctionRef<bool(std::string_view record)> visit);

}  // namespace muster
