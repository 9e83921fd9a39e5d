// Market files: a recorded market (MarketRecord) as YAML or JSON, written by 'muster market
// export' and played back by 'muster simulate --market'. The format: market_file.md beside this.
//
// Every error names file, line, column, field, value and what was expected; all are reported.
// Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/market_record.h"
#include "eventstore/base/status.h"

namespace muster {

// kNotFound         the file cannot be read
// kInvalidArgument  it says something wrong, or is of another version: the message tells all of it
StatusOr<MarketRecord> LoadMarketFile(const std::string& path);
StatusOr<MarketRecord> ParseMarketFile(std::string_view text, std::string_view file_name);

enum class MarketForm { kYaml, kJson };
// Parses back to the same record. REQUIRES: times are whole seconds
std::string FormatMarketFile(const MarketRecord& record, MarketForm form);

}  // namespace muster
