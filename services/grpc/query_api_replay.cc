// QueryApi: what another policy would have decided over the log, and a slice of the log to ask that
// elsewhere. Both read for long, a little at a time: the fleets have their turn in between.
#include "commands/handler/log_fold.h"
#include "services/files/spec_check.h"
#include "services/grpc/convert.h"
#include "services/grpc/query_api.h"
#include "services/grpc/query_refusals.h"
#include "services/replay/bundle.h"
#include "services/replay/run.h"

namespace muster::grpc_api {
namespace {

constexpr int kAtOnceMax = 2;                           // each holds two Worlds
constexpr absl::Duration kTimeMax = absl::Minutes(15);  // of one, by the steady clock
constexpr std::size_t kReplayStep = 50;                 // events between two turns of others
constexpr std::size_t kPackStep = 500;
constexpr std::size_t kChunkBytes = 1 << 20;

// Counts one for as long as it lives.
class Turn {
 public:
  explicit Turn(std::shared_ptr<int> count) : count_(std::move(count)) { ++*count_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { --*count_; }

 private:
  const std::shared_ptr<int> count_;
};

Status TooMany() {
  return Refusal(StatusCode::kResourceExhausted, "REPLAYS_BUSY",
                 Cat(kAtOnceMax, " replays are under way: ask again when one has ended"));
}
Status TooLong() {
  return Refusal(StatusCode::kDeadlineExceeded, "REPLAY_TOO_LONG",
                 Cat("it took over ", FormatSpan(kTimeMax), ": expected a shorter span"),
                 {{"next", "name a later --since, or replay offline: muster replay --store DIR"}});
}

// Runs `work` (a ReplayRun or a BundlePacker) to its end.
template <class Work>
Task<Status> RunInSteps(Runtime& rt, Work& work, std::size_t events) {
  const absl::Time begun = rt.Steady();
  while (true) {
    const StatusOr<bool> done = work.Step(events);
    if (!done.ok() || *done) co_return done.status();
    if (rt.Steady() - begun > kTimeMax) co_return TooLong();
    co_await rt.SleepUntil(rt.Now());
  }
}

}  // namespace

Task<StatusOr<api::ReplayResponse>> QueryApi::Replay(api::ReplayRequest request) {
  ReplayQuestion question;
  question.plan = hooks_.plan;
  if (request.differences_max() > 0) {
    question.differences_max = static_cast<std::size_t>(request.differences_max());
  }
  if (request.has_policy()) {
    specpb::FleetSpec policy = request.policy();
    FillDefaults(policy);
    if (request.fleet().empty()) request.set_fleet(policy.name());
    policy.set_name(request.fleet());
    std::vector<std::pair<std::string, std::string>> wrong;
    for (const Violation& violation : ValidateSpec(policy)) {
      wrong.emplace_back(Cat("policy.", violation.field), violation.description);
    }
    if (!wrong.empty()) co_return BadRequest(wrong);
    question.policy = std::move(policy);
  }
  CO_RETURN_IF_ERROR(CheckFleet(projector_.models(), request.fleet(), rt_.Now()));
  if (!request.fleet().empty()) question.fleet = FleetName(request.fleet());
  CO_ASSIGN_OR_RETURN(const Moment until, moments_.Of(request.until()));
  question.until = until.position;
  if (until.time.has_value()) question.end = *until.time;
  if (!IsNow(request.since())) {
    CO_ASSIGN_OR_RETURN(const Moment since, moments_.Of(request.since()));
    question.since = since.position;
    if (since.time.has_value()) question.since_time = *since.time;
  }
  if (question.since >= question.until) {
    co_return BadRequest({{"since", Cat("position ", question.since, "; expected one before ",
                                        question.until, ", where the span ends")}});
  }
  if (*replays_ >= kAtOnceMax) co_return TooMany();
  const Turn turn(replays_);
  StatusOr<World> start = WorldFromSnapshot(store_);
  if (!start.ok() || start->head > question.since) start = World();
  const auto fleet = question.fleet;
  ReplayRun run(std::move(question), ReadFrom(store_), *std::move(start));
  const Status ran = co_await RunInSteps(rt_, run, kReplayStep);
  if (ran.code() == StatusCode::kNotFound && fleet.has_value()) {
    co_return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND", Message(ran),
                      {{"fleet", fleet->str()}});
  }
  if (!ran.ok()) co_return ran;
  co_return run.Answer();
}

Task<Status> QueryApi::PackBundle(api::PackBundleRequest request,
                                  Stream<api::BundleChunk>& stream) {
  if (IsNow(request.around())) {
    co_return BadRequest({{"around", "expected a position or a time"}});
  }
  if (request.before_s() < 0 || request.after_s() < 0) {
    co_return BadRequest({{"before_s, after_s", "expected 0 or more"}});
  }
  CO_ASSIGN_OR_RETURN(const Moment around, moments_.Of(request.around()));
  BundleQuestion question;
  question.head = store_.Head();
  question.plan = hooks_.plan;
  if (around.time.has_value()) {
    question.around_time = *around.time;
  } else {
    question.around = around.position;
  }
  if (request.before_s() > 0) question.before = absl::Seconds(request.before_s());
  if (request.after_s() > 0) question.after = absl::Seconds(request.after_s());
  if (*replays_ >= kAtOnceMax) co_return TooMany();
  const Turn turn(replays_);
  BundlePacker packer(std::move(question), ReadFrom(store_));
  const Status packed = co_await RunInSteps(rt_, packer, kPackStep);
  if (packed.code() == StatusCode::kNotFound) {
    co_return Refusal(StatusCode::kNotFound, "NOTHING_RECORDED", Message(packed));
  }
  if (!packed.ok()) co_return packed;
  const std::string file = packer.TakeFile();
  for (std::size_t at = 0; at < file.size(); at += kChunkBytes) {
    api::BundleChunk chunk;
    chunk.set_data(file.substr(at, kChunkBytes));
    const bool sent = co_await stream.Write(std::move(chunk));
    if (!sent) co_return absl::OkStatus();
  }
  co_return absl::OkStatus();
}

}  // namespace muster::grpc_api
