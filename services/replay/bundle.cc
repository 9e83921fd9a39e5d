#include "services/replay/bundle.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "commands/snapshot.h"
#include "eventstore/base/sha256.h"
#include "services/files/spec_check.h"

namespace muster {
namespace {

constexpr char kMagic[] = "muster-bundle";
constexpr int kFormat = 1;

std::set<std::string> Gpus() {
  const std::vector<std::string>& known = KnownGpus();
  return {known.begin(), known.end()};
}
std::set<std::string> Providers() { return {"vast", "hetzner", "ec2"}; }

replay::Recorded FromBundle(const eventpb::BundledEvent& event) {
  replay::Recorded recorded{.position = event.position(),
                            .stream = StreamId(event.stream()),
                            .recorded_at = absl::FromUnixMicros(event.recorded_us()),
                            .occurred_at = absl::FromUnixMicros(event.occurred_us()),
                            .by_policy = replay::IsPolicy(event.actor()),
                            .body = event.body()};
  if (event.has_pass()) {
    recorded.pass = PassMark{event.pass_head(), absl::FromUnixMicros(event.pass_at_us())};
  }
  return recorded;
}

fleet::PlanOptions PlanOf(const eventpb::Bundle& bundle) {
  fleet::PlanOptions plan;
  plan.launches_in_flight_max = bundle.launches_in_flight_max();
  for (const eventpb::BundledLimit& limit : bundle.limits()) {
    plan.account_budgets[ProviderName(limit.provider())] = limit.budget();
  }
  return plan;
}

Status Wrong(std::string_view field, std::string_view found, std::string_view expected) {
  return InvalidArgument(Cat("field ", field, ": ", found, "; expected ", expected));
}

StatusOr<World> WorldOf(const eventpb::Bundle& bundle) {
  StatusOr<World> world = ParseWorld(bundle.world());
  if (!world.ok()) return Wrong("world", Message(world.status()), "a state of this format");
  if (world->head != bundle.before_first()) {
    return Wrong("world", Cat("of position ", world->head), Cat(bundle.before_first()));
  }
  return world;
}

// What the replay of a bundle needs besides its events.
struct Slice {
  replay::Options options;
  World world;
};

StatusOr<replay::Report> ReplaySlice(const eventpb::Bundle& bundle, Slice slice) {
  replay::Scan scan(slice.world.head);
  for (const eventpb::BundledEvent& event : bundle.events()) scan.Add(FromBundle(event));
  // A span may reach to before the log began.
  const std::int64_t first = bundle.events(0).recorded_us();
  const absl::Time from =
      absl::FromUnixMicros(bundle.before_first() == 0 ? first : bundle.from_us());
  replay::Replay replay(std::move(slice.world), from, std::move(slice.options), scan);
  for (const eventpb::BundledEvent& event : bundle.events()) replay.Take(FromBundle(event));
  return replay.Finish(absl::InfinitePast());
}

// The newest policy of `fleet` before its first decision here, as its file had it.
const eventpb::BundledPolicy* PolicyOf(const eventpb::Bundle& bundle, const std::string& fleet) {
  for (const eventpb::BundledPolicy& policy : bundle.policies()) {
    if (policy.spec().name() == fleet) return &policy;
  }
  return nullptr;
}

}  // namespace

// ---- packing ----------------------------------------------------------------------------------

BundlePacker::BundlePacker(BundleQuestion question, ReadLogFn read)
    : question_(std::move(question)), read_(std::move(read)), mask_(Gpus(), Providers()) {}

BundlePacker::~BundlePacker() = default;

Status BundlePacker::Begin() {
  absl::Time around = question_.around_time;
  if (question_.around > 0) {
    bool found = false;
    MUSTER_RETURN_IF_ERROR(read_(question_.around - 1, 1, [&](const RecordedEvent& recorded) {
      found = true;
      around = recorded.recorded_at;
      return false;
    }));
    if (!found) return NotFound(Cat("the log has no position ", question_.around));
  }
  from_ = around - question_.before;
  to_ = around + question_.after;
  bundle_.set_program(MUSTER_VERSION);
  bundle_.set_world_format(kWorldFormat);
  bundle_.set_around(question_.around);
  bundle_.set_from_us(absl::ToUnixMicros(from_));
  bundle_.set_to_us(absl::ToUnixMicros(to_));
  bundle_.set_launches_in_flight_max(question_.plan.launches_in_flight_max);
  for (const auto& [provider, budget] : question_.plan.account_budgets) {
    eventpb::BundledLimit& limit = *bundle_.add_limits();
    limit.set_provider(provider.str());
    *limit.mutable_budget() = budget;
  }
  phase_ = Phase::kFold;
  return absl::OkStatus();
}

StatusOr<bool> BundlePacker::Step(std::size_t events) {
  if (phase_ == Phase::kBegin) MUSTER_RETURN_IF_ERROR(Begin());
  if (phase_ != Phase::kDone) MUSTER_RETURN_IF_ERROR(Read(events));
  return phase_ == Phase::kDone;
}

Status BundlePacker::Read(std::size_t events) {
  bool more = false;
  Status taken;
  MUSTER_RETURN_IF_ERROR(read_(at_, events, [&](const RecordedEvent& recorded) {
    more = recorded.position <= question_.head && recorded.recorded_at <= to_;
    if (!more) return false;
    taken = Take(recorded);
    at_ = recorded.position;
    return taken.ok();
  }));
  MUSTER_RETURN_IF_ERROR(taken);
  return more ? absl::OkStatus() : Finish();
}

Status BundlePacker::Take(const RecordedEvent& recorded) {
  MUSTER_ASSIGN_OR_RETURN(const replay::Recorded event, ToRecorded(recorded));
  const auto masked = mask_.Event(event.stream, event.body);
  if (masked.has_value() && masked->body.has_fleet_applied()) {
    eventpb::BundledPolicy& policy = *bundle_.add_policies();
    policy.set_position(event.position);
    policy.set_fleet_version(masked->body.fleet_applied().fleet_version());
    *policy.mutable_spec() = masked->body.fleet_applied().spec();
  }
  const std::string hash(recorded.hash.begin(), recorded.hash.end());
  if (phase_ == Phase::kFold && recorded.recorded_at >= from_) phase_ = Phase::kSlice;
  if (phase_ == Phase::kFold) {
    bundle_.set_before_first(event.position);
    bundle_.set_hash_before(hash);
    world_.head = event.position;
    if (masked.has_value()) {
      Evolve(world_, masked->stream, masked->body, Stamp{event.position, event.occurred_at});
    }
    return absl::OkStatus();
  }
  bundle_.set_last(event.position);
  bundle_.set_hash_last(hash);
  if (!masked.has_value()) return absl::OkStatus();
  eventpb::BundledEvent& packed = *bundle_.add_events();
  packed.set_position(event.position);
  packed.set_stream(masked->stream.str());
  packed.set_recorded_us(absl::ToUnixMicros(event.recorded_at));
  packed.set_occurred_us(absl::ToUnixMicros(event.occurred_at));
  packed.set_actor(replay::Mask::Actor(recorded.event.actor));
  *packed.mutable_body() = masked->body;
  if (event.pass.has_value()) {
    packed.set_has_pass(true);
    packed.set_pass_head(event.pass->head);
    packed.set_pass_at_us(absl::ToUnixMicros(event.pass->at));
  }
  return absl::OkStatus();
}

Status BundlePacker::Finish() {
  if (bundle_.events().empty()) {
    return NotFound(Cat("nothing was recorded from ", FormatUtc(from_), " to ", FormatUtc(to_)));
  }
  // Of the policies that were applied before, the newest of each fleet is in force.
  std::map<std::string, std::uint64_t> newest;
  for (const auto& policy : bundle_.policies()) {
    if (policy.position() > bundle_.before_first()) continue;
    newest[policy.spec().name()] = policy.position();
  }
  auto& policies = *bundle_.mutable_policies();
  policies.erase(std::remove_if(policies.begin(), policies.end(),
                                [&](const auto& policy) {
                                  return policy.position() <= bundle_.before_first() &&
                                         newest[policy.spec().name()] != policy.position();
                                }),
                 policies.end());
  bundle_.set_installation(world_.installation);
  bundle_.set_world(SerializeWorld(world_));
  MUSTER_ASSIGN_OR_RETURN(
      const replay::Report report,
      ReplaySlice(bundle_, {.options = {.plan = PlanOf(bundle_)}, .world = std::move(world_)}));
  bundle_.set_decisions(report.decisions);
  bundle_.set_digest(report.digest);
  bundle_.set_digest_replayed(report.digest_replayed);
  eventpb::BundleFile file;
  file.set_magic(kMagic);
  file.set_format(kFormat);
  file.set_content(Deterministic(bundle_));
  const Sha256Digest digest = Sha256(file.content());
  file.set_sha256(std::string(Bytes(digest)));
  file_ = Deterministic(file);
  phase_ = Phase::kDone;
  return absl::OkStatus();
}

// ---- and back ---------------------------------------------------------------------------------

StatusOr<eventpb::Bundle> ReadBundle(std::string_view file) {
  eventpb::BundleFile outer;
  if (!outer.ParseFromArray(file.data(), static_cast<int>(file.size())) ||
      outer.magic() != kMagic) {
    return Wrong("magic", outer.magic() == kMagic ? "the file is cut short or damaged" : "missing",
                 Cat("\"", kMagic, "\", as 'muster bundle' writes it"));
  }
  if (outer.format() != kFormat) return Wrong("format", Cat(outer.format()), Cat(kFormat));
  const Sha256Digest digest = Sha256(outer.content());
  if (outer.sha256() != Bytes(digest)) {
    return Wrong("sha256", "not that of the content: the file was damaged or changed",
                 ToHex(digest).substr(0, 16) + "...");
  }
  eventpb::Bundle bundle;
  if (!bundle.ParseFromString(outer.content())) {
    return Wrong("content", "does not parse", "a bundle");
  }
  if (bundle.world_format() != kWorldFormat) {
    return Wrong("world_format",
                 Cat(bundle.world_format(), ", packed by muster ", bundle.program()),
                 Cat(kWorldFormat, ", that of muster ", MUSTER_VERSION));
  }
  if (bundle.events().empty()) return Wrong("events", "none", "one at least");
  std::uint64_t last = bundle.before_first();
  for (int i = 0; i < bundle.events_size(); ++i) {
    const eventpb::BundledEvent& event = bundle.events(i);
    if (event.position() <= last) {
      return Wrong(Cat("events[", i, "].position"), Cat(event.position()), Cat("over ", last));
    }
    last = event.position();
    if (event.body().kind_case() == eventpb::EventBody::KIND_NOT_SET) {
      return Wrong(Cat("events[", i, "].body"), "of a kind unknown here",
                   Cat("one that muster ", MUSTER_VERSION, " knows"));
    }
  }
  MUSTER_RETURN_IF_ERROR(WorldOf(bundle).status());
  return bundle;
}

StatusOr<apipb::ReplayResponse> ReplayBundle(const eventpb::Bundle& bundle,
                                             std::optional<specpb::FleetSpec> policy,
                                             std::size_t differences_max) {
  MUSTER_ASSIGN_OR_RETURN(World world, WorldOf(bundle));
  Slice slice{.options = {.plan = PlanOf(bundle), .differences_max = differences_max},
              .world = std::move(world)};
  std::string fleet;
  std::optional<specpb::FleetSpec> live, trial;
  if (policy.has_value()) {
    replay::Mask mask(Gpus(), Providers());
    std::vector<std::string> there;
    for (const auto& known : bundle.policies()) {
      mask.Know(FleetStream(FleetName(known.spec().name())));
      there.push_back(known.spec().name());
    }
    fleet = policy->name();
    const eventpb::BundledPolicy* known = PolicyOf(bundle, fleet);
    if (known == nullptr) {
      return NotFound(
          Cat("name: ", fleet, "; expected a fleet of the bundle: ", absl::StrJoin(there, ", ")));
    }
    live = known->spec();
    trial = mask.Policy(*policy);
    if (trial->provider() != live->provider()) {
      return Wrong("provider", trial->provider(), live->provider());
    }
    slice.options.fleet = FleetName(fleet);
    slice.options.trial = replay::Trial{FleetName(fleet), *trial, live->workers()};
  }
  MUSTER_ASSIGN_OR_RETURN(const replay::Report report, ReplaySlice(bundle, std::move(slice)));
  return ToResponse(report, fleet, live.has_value() ? &*live : nullptr,
                    trial.has_value() ? &*trial : nullptr);
}

}  // namespace muster
