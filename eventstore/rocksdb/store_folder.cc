#include "eventstore/rocksdb/store_folder.h"

#include <rocksdb/env.h>

#include <cstddef>

#include "eventstore/rocksdb/log_db.h"

namespace muster {

Status ReadStoreFolder(const std::string& path,
                       absl::FunctionRef<bool(std::string_view record)> visit) {
  rocksdb::Env* env = rocksdb::Env::Default();
  if (!env->FileExists(path + "/db/CURRENT").ok()) {
    return NotFound(Cat("there is no store at ", path, ": expected a folder with db/ in it"));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto db,
                          rocks::LogDb::Open(path, env, rocks::LogDb::Mode::kReadOnly));
  rocks::Tip tip;
  // A damaged newest record is for the visitor to find; where it stands is known all the same.
  if (const Status read = db->ReadTip(tip); !read.ok() && tip.position == 0) return read;
  return db->Walk(0, static_cast<std::size_t>(-1), tip.position,
                  [&](Position, std::string_view record) { return visit(record); });
}

}  // namespace muster
