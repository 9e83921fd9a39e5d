// Bundle: a slice of the log as one file that holds no secrets, and the way back. Packed where the
// log is, replayed anywhere: without daemon, log, provider or credentials.
//
// A bundle begins with a World that was folded from masked events alone (commands/replay/mask.h),
// so nothing that the mask does not let through can be in it. Any thread, one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/replay/mask.h"
#include "muster/event/v1/bundle.pb.h"
#include "services/replay/run.h"

namespace muster {

struct BundleQuestion {
  Position around = 0;  // 0: `around_time` is meant
  absl::Time around_time;
  absl::Duration before = absl::Hours(1);
  absl::Duration after = absl::Hours(1);
  Position head = 0;  // nothing later is looked at
  fleet::PlanOptions plan;
};

// Packs in steps, like ReplayRun. Reads the whole log up to the slice: a World that was folded from
// what is masked is folded from the beginning.
class BundlePacker {
 public:
  BundlePacker(BundleQuestion question, ReadLogFn read);
  ~BundlePacker();

  // Goes on for about `events` events; true when it is done.
  //   kNotFound  no event is in that span
  //   kDataLoss, kUnimplemented  as the log has it
  StatusOr<bool> Step(std::size_t events);
  // The file, once it is done.
  std::string TakeFile() { return std::move(file_); }
  const eventpb::Bundle& bundle() const { return bundle_; }

 private:
  enum class Phase { kBegin, kFold, kSlice, kDone };
  Status Begin();
  Status Read(std::size_t events);
  Status Take(const RecordedEvent& recorded);
  Status Finish();

  const BundleQuestion question_;
  const ReadLogFn read_;
  Phase phase_ = Phase::kBegin;
  absl::Time from_, to_;
  Position at_ = 0;
  replay::Mask mask_;
  World world_;
  eventpb::Bundle bundle_;
  std::string file_;
};

// A bundle that can be replayed.
//
// kInvalidArgument  not a bundle, or not whole: the message names the field and what was expected
StatusOr<eventpb::Bundle> ReadBundle(std::string_view file);

// Replays it; `policy` is tried in the place of its fleet's own, where one is given.
//   kNotFound         the bundle has no such fleet; the message names those that it has
//   kInvalidArgument  as ReadBundle and ReplayRun::Step
StatusOr<apipb::ReplayResponse> ReplayBundle(const eventpb::Bundle& bundle,
                                             std::optional<specpb::FleetSpec> policy,
                                             std::size_t differences_max = 20);

}  // namespace muster
