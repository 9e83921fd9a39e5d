#include "workers/audit/head_maker.h"

#include <algorithm>
#include <utility>

namespace muster {
namespace {

constexpr std::size_t kAtOnce = 256;  // about a millisecond

}  // namespace

Task<Status> WalkRecords(Runtime& rt, const EventStore& store, Position after, Position until,
                         std::function<Status(std::string_view)> take) {
  while (after < until) {
    const Position before = after;
    Status bad;
    const Status read = store.ReadRecords(after, std::min<std::size_t>(kAtOnce, until - after),
                                          [&](Position position, std::string_view record) {
                                            bad = take(record);
                                            if (bad.ok()) after = position;
                                            return bad.ok();
                                          });
    CO_RETURN_IF_ERROR(bad);
    CO_RETURN_IF_ERROR(read);
    if (after == before) co_return DataLoss(Cat("event ", after + 1, " is missing"));
    co_await rt.SleepFor(absl::ZeroDuration());
  }
  co_return absl::OkStatus();
}

Task<StatusOr<audit::SignedHead>> HeadMaker::Make(std::string installation) {
  const AsyncMutex::Held held = co_await mutex_.Lock();
  const Position head = store_.Head();
  if (head == 0) co_return FailedPrecondition("the log is empty: there is nothing to sign");
  std::function<Status(std::string_view)> take = [this](std::string_view record) {
    return walk_.Take(record);
  };
  CO_RETURN_IF_ERROR(co_await WalkRecords(rt_, store_, walk_.position(), head, std::move(take)));
  audit::Head statement{std::move(installation), walk_.position(), walk_.hash(), walk_.Root(),
                        rt_.Now()};
  co_return audit::Sign(std::move(statement), key_);
}

}  // namespace muster
