#include "services/muster/log_source.h"

#include <cstring>
#include <fstream>

#include "eventstore/rocksdb/store_folder.h"

namespace muster::cli {
namespace {

int ReadFile(Session& s, const std::function<void(const audit::ExportStart&)>& begin,
             const TakeRecord& take, Status& damage) {
  const std::string path = s.args.Get("file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return s.Fail(kFailed, Cat("--file: cannot read ", path));
  const auto start = audit::ReadExportStart(file);
  if (!start.ok()) return s.Fail(kFailed, Cat(path, ": ", Message(start.status())));
  begin(*start);
  const Status read = audit::ReadExportRecords(file, [&](std::string_view record) {
    damage = take(record);
    return damage.ok();
  });
  if (damage.ok()) damage = read;
  return kOk;
}

int ReadFolder(Session& s, const std::function<void(const audit::ExportStart&)>& begin,
               const TakeRecord& take, Status& damage) {
  begin({});
  const Status read = ReadStoreFolder(s.args.Get("store"), [&](std::string_view record) {
    damage = take(record);
    return damage.ok();
  });
  if (damage.ok() && read.code() == StatusCode::kDataLoss) {
    damage = read;
  } else if (!read.ok()) {
    return s.Fail(read);
  }
  return kOk;
}

int ReadDaemon(Session& s, const std::function<void(const audit::ExportStart&)>& begin,
               const TakeRecord& take, Status& damage) {
  const auto context = s.StreamContext();
  const auto reader = s.audit().ExportRecords(context.get(), {});
  api::RecordBatch batch;
  bool first = true;
  while (damage.ok() && reader->Read(&batch)) {
    if (std::exchange(first, false)) {
      audit::ExportStart start{batch.after(), {}};
      if (batch.hash().size() == start.hash.size()) {
        std::memcpy(start.hash.data(), batch.hash().data(), start.hash.size());
      }
      begin(start);
    }
    for (const std::string& record : batch.records()) {
      damage = take(record);
      if (!damage.ok()) break;
    }
  }
  if (!damage.ok()) {
    context->TryCancel();
    while (reader->Read(&batch)) {
    }
    (void)reader->Finish();
    return kOk;
  }
  const grpc::Status status = reader->Finish();
  if (status.error_code() == grpc::StatusCode::DATA_LOSS) {
    damage = DataLoss(status.error_message());
    return kOk;
  }
  return status.ok() ? kOk : s.Fail(status);
}

}  // namespace

std::vector<Flag> LogSourceFlags() {
  return {{"store", 0, "DIR", "of this store's folder; musterd need not run"},
          {"file", 0, "FILE", "of what 'muster audit export --raw' wrote"}};
}

bool IsOffline(const Session& s) { return s.args.Has("store") || s.args.Has("file"); }

int ReadLog(Session& s, const std::function<void(const audit::ExportStart&)>& begin,
            const TakeRecord& take, Status& damage) {
  if (s.args.Has("store") && s.args.Has("file")) {
    return s.Fail(kUsage, "--store and --file: expected one of them");
  }
  if (s.args.Has("file")) return ReadFile(s, begin, take, damage);
  if (s.args.Has("store")) return ReadFolder(s, begin, take, damage);
  return ReadDaemon(s, begin, take, damage);
}

}  // namespace muster::cli
