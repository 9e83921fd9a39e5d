// InfoLog: RocksDB's own warnings, in the file LOG beside its database.
//
// RocksDB's logger ends the process with an assertion of its own (Debian builds with them) when it
// writes to a file whose last write found no room. This one loses the line instead.
// Thread-safe, as RocksDB asks of loggers.
#pragma once

#include <rocksdb/env.h>

#include <memory>
#include <string>

namespace muster::rocks {

// Adds to `file`, which is begun anew beyond a megabyte. A file that cannot be written loses lines
// and nothing else. `env` is borrowed, for the time.
std::shared_ptr<rocksdb::Logger> MakeInfoLog(const std::string& file, rocksdb::Env* env);

// For who only reads: says nothing and writes no file.
std::shared_ptr<rocksdb::Logger> NoInfoLog();

}  // namespace muster::rocks
