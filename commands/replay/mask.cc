#include "commands/replay/mask.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <array>

#include "commands/fleet/plan/label.h"
#include "commands/replay/act.h"
#include "commands/rules.h"
#include "commands/worker/status_text.h"
#include "eventstore/base/rental.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"

namespace muster::replay {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kMasked[] = "[masked]";
constexpr char kWorkUnit[] = "work";

// The shapes in which a text may pass.
enum class Shape {
  kId,        // a number, else a digest
  kDigest,    // a digest: only whether two are the same matters
  kPresent,   // "[masked]": only whether it is there matters
  kFleet,     // the name of a fleet that has a stream, else a digest
  kWorker,    // the same of a worker
  kProvider,  // the same of a provider, or one of general knowledge
  kGpu,       // a name of general knowledge, else a digest
  kRule,      // one of rules.def
  kWords,     // those of a status text that are judged
  kCountry,   // the two letters at its end
  kEndpoint,  // which calls it is about
  kWord,      // one of muster's own words
  kToken,     // of four letters
  kWorkKey,   // see WorkKeyOf
};

struct Allowed {
  std::string_view field;
  Shape shape;
};

// Everything that may hold text and matters for a decision; nothing else leaves.
constexpr Allowed kAllowed[] = {
    {"muster.event.v1.Evidence.rule", Shape::kRule},
    {"muster.event.v1.Evidence.summary", Shape::kWords},
    {"muster.event.v1.InstallationCreated.id", Shape::kToken},
    {"muster.event.v1.Wait.owner", Shape::kWord},
    {"muster.event.v1.PreflightChecked.name", Shape::kDigest},
    {"muster.event.v1.QuotaIntervalChanged.quota", Shape::kDigest},
    {"muster.event.v1.StrikesSuspended.cause", Shape::kRule},
    {"muster.event.v1.OfferTaken.offer", Shape::kId},
    {"muster.event.v1.OfferTaken.machine", Shape::kId},
    {"muster.event.v1.OfferTaken.gpu", Shape::kGpu},
    {"muster.event.v1.OfferTaken.location", Shape::kCountry},
    {"muster.event.v1.LaunchRequested.fleet", Shape::kFleet},
    {"muster.event.v1.LaunchRequested.provider", Shape::kProvider},
    {"muster.event.v1.LaunchRequested.token", Shape::kWorker},
    {"muster.event.v1.LaunchRequested.replaces", Shape::kWorker},
    {"muster.event.v1.LaunchAccepted.instance", Shape::kId},
    {"muster.event.v1.WorkerAdopted.fleet", Shape::kFleet},
    {"muster.event.v1.WorkerAdopted.provider", Shape::kProvider},
    {"muster.event.v1.WorkerAdopted.instance", Shape::kId},
    {"muster.event.v1.InstanceObserved.actual_status", Shape::kWord},
    {"muster.event.v1.InstanceObserved.intended_raw", Shape::kDigest},
    {"muster.event.v1.InstanceObserved.status_message", Shape::kWords},
    {"muster.event.v1.InstanceObserved.machine", Shape::kId},
    {"muster.event.v1.InstanceObserved.gpu", Shape::kGpu},
    {"muster.event.v1.LogObserved.phase", Shape::kWord},
    {"muster.event.v1.LogObserved.error", Shape::kPresent},
    {"muster.event.v1.LogObserved.container_id", Shape::kDigest},
    {"muster.event.v1.ObservationFailed.what", Shape::kWord},
    {"muster.event.v1.DestroyRequested.instance", Shape::kId},
    {"muster.event.v1.StartRequested.instance", Shape::kId},
    {"muster.event.v1.HostStruck.worker", Shape::kWorker},
    {"muster.event.v1.HostStruck.cause", Shape::kRule},
    {"muster.event.v1.HostStruck.fleet", Shape::kFleet},
    {"muster.event.v1.HostMeasured.worker", Shape::kWorker},
    {"muster.event.v1.HostMeasured.gpu", Shape::kGpu},
    {"muster.event.v1.HostMeasured.work_key", Shape::kWorkKey},
    {"muster.event.v1.AccountTroubleBegan.endpoint", Shape::kEndpoint},
    {"muster.event.v1.AccountTroubleEnded.endpoint", Shape::kEndpoint},
    {"muster.event.v1.OfferSeen.offer", Shape::kId},
    {"muster.event.v1.OfferSeen.machine", Shape::kId},
    {"muster.event.v1.OfferSeen.gpu", Shape::kGpu},
    {"muster.event.v1.OfferSeen.location", Shape::kCountry},
    {"muster.event.v1.OrphanFound.instance", Shape::kId},
    {"muster.event.v1.OrphanFound.machine", Shape::kId},
    {"muster.event.v1.OrphanFound.gpu", Shape::kGpu},
    {"muster.event.v1.OrphanFound.fleet", Shape::kFleet},
    {"muster.event.v1.OrphanResolved.instance", Shape::kId},
    {"muster.event.v1.OrphanResolved.worker", Shape::kWorker},
    {"muster.event.v1.InstanceListObserved.added", Shape::kId},
    {"muster.event.v1.InstanceListObserved.removed", Shape::kId},
    {"muster.spec.v1.FleetSpec.name", Shape::kFleet},
    {"muster.spec.v1.FleetSpec.provider", Shape::kProvider},
    {"muster.spec.v1.GpuExpectation.name", Shape::kGpu},
    {"muster.spec.v1.Market.countries", Shape::kCountry},
    {"muster.spec.v1.Preflight.name", Shape::kDigest},
    {"muster.spec.v1.SharedQuota.name", Shape::kDigest},
};

// Words of muster's own making: owners of waits, phases of a log, statuses, what was looked at.
constexpr std::string_view kWords[] = {"operator", "provider",  "muster", "boot",    "setup",
                                       "started",  "producing", "log",    "instance"};

std::string DigestOf(std::string_view text) {
  return text.empty() ? std::string() : Cat("x", Sha256Hex(text).substr(0, 10));
}

bool IsWord(const std::string& text) {
  return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords) ||
         ActualStatusFromName(text) != ActualStatus::kOther;
}
bool IsRule(const std::string& text) {
  return text == "imported" || std::any_of(std::begin(rules::kAll), std::end(rules::kAll),
                                           [&](const char* rule) { return text == rule; });
}
bool IsToken(const std::string& text) {
  return text.size() == 4 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
         });
}

std::string CountryOf(const std::string& location) {
  const std::string_view text = Trim(location);
  const std::string_view last = text.size() < 2 ? text : text.substr(text.size() - 2);
  const bool letters = last.size() == 2 && std::all_of(last.begin(), last.end(),
                                                       [](char c) { return c >= 'A' && c <= 'Z'; });
  return letters ? std::string(last) : "";
}

// The gates ask whether it is about lists or about launches (commands/fleet/plan/gates.cc).
std::string EndpointOf(const std::string& endpoint) {
  if (endpoint.empty()) return "";
  const auto has = [&](const char* part) { return endpoint.find(part) != std::string::npos; };
  const char* kind = has("list") ? "list" : has("create") || has("launch") ? "create" : "call";
  return Cat(kind, "-", DigestOf(endpoint));
}

// Measurements belong to a program, named by image and settings. Those are left out of a policy, so
// the policy gets an image that stands for them, and measurements the key that follows from it.
std::string ImageFor(std::string_view work_key) { return Cat("masked-", DigestOf(work_key)); }
std::string WorkKeyOf(std::string_view work_key) {
  specpb::FleetSpec spec;
  spec.set_work_unit(kWorkUnit);
  spec.mutable_launch()->set_image(ImageFor(work_key));
  return fleet::WorkKey(spec);
}

const Shape* ShapeOf(std::string_view field) {
  for (const Allowed& one : kAllowed) {
    if (one.field == field) return &one.shape;
  }
  return nullptr;
}

}  // namespace

// Goes through every field that is there and rewrites or removes its text.
class MaskWalker {
 public:
  explicit MaskWalker(const Mask& mask) : mask_(mask) {}

  void Walk(Message& message) const {
    const auto& reflection = *message.GetReflection();
    reflection.MutableUnknownFields(&message)->Clear();  // of a newer muster
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_map() || field->type() == FieldDescriptor::TYPE_BYTES) {
        reflection.ClearField(&message, field);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        Rewrite(message, *field);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
        for (int i = 0; i < count; ++i) {
          Walk(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                    : *reflection.MutableMessage(&message, field));
        }
      }
    }
  }

 private:
  void Rewrite(Message& message, const FieldDescriptor& field) const {
    const auto& reflection = *message.GetReflection();
    if (ShapeOf(field.full_name()) == nullptr) return reflection.ClearField(&message, &field);
    if (!field.is_repeated()) {
      const std::string text = reflection.GetString(message, &field);
      return reflection.SetString(&message, &field, mask_.Text(field.full_name(), text));
    }
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const std::string text = reflection.GetRepeatedString(message, &field, i);
      reflection.SetRepeatedString(&message, &field, i, mask_.Text(field.full_name(), text));
    }
  }

  const Mask& mask_;
};

Mask::Mask(std::set<std::string> gpus, std::set<std::string> providers)
    : gpus_(std::move(gpus)), providers_(std::move(providers)) {}

std::string Mask::Name(const std::set<std::string>& known, const std::string& name) const {
  return known.contains(name) ? name : DigestOf(name);
}

std::string Mask::Text(std::string_view field, const std::string& value) const {
  if (value.empty()) return "";
  switch (*ShapeOf(field)) {
    case Shape::kId:
      return ShownId(value);
    case Shape::kDigest:
      return DigestOf(value);
    case Shape::kPresent:
      return kMasked;
    case Shape::kFleet:
      return Name(fleets_, value);
    case Shape::kWorker:
      return Name(workers_, value);
    case Shape::kProvider:
      return Name(providers_, value);
    case Shape::kGpu:
      return Name(gpus_, value);
    case Shape::kRule:
      return IsRule(value) ? value : DigestOf(value);
    case Shape::kWords:
      return std::string(worker::JudgeStatusText(value).words);
    case Shape::kCountry:
      return CountryOf(value);
    case Shape::kEndpoint:
      return EndpointOf(value);
    case Shape::kWord:
      return IsWord(value) ? value : "";
    case Shape::kToken:
      return IsToken(value) ? value : "";
    case Shape::kWorkKey:
      return WorkKeyOf(value);
  }
  return "";
}

// A label says which place of the fleet it is of, and whose token it bears.
std::string Mask::Label(const std::string& label, const std::string& fleet) const {
  if (label.empty()) return "";
  const std::string token(fleet::TokenIn(label));
  const std::string end = token.empty() ? "" : Cat(".", Name(workers_, token));
  const auto spec = specs_.find(fleet);
  if (spec == specs_.end()) return Cat("stray", end);
  const auto index = fleet::IndexFromLabel(spec->second, label);
  if (!index.has_value()) return Cat("stray", end);
  return Cat(fleet::BareLabel(Policy(spec->second), *index), end);
}

specpb::FleetSpec Mask::Policy(const specpb::FleetSpec& spec) const {
  specpb::FleetSpec masked = spec;
  MaskWalker(*this).Walk(masked);
  masked.set_work_unit(kWorkUnit);
  masked.mutable_launch()->set_image(ImageFor(fleet::WorkKey(spec)));
  return masked;
}

StreamId Mask::Stream(const StreamId& stream) {
  const std::string_view text = stream.str();
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return stream;
  const std::string_view kind = text.substr(0, slash);
  const std::string name(text.substr(slash + 1));
  if (kind == "fleet") fleets_.insert(name);
  if (kind == "worker") workers_.insert(name);
  if (kind == "account") providers_.insert(name);
  if (kind != "host") return stream;
  const std::size_t second = name.find('/');
  if (second == std::string::npos) return StreamId(Cat("host/", ShownId(name)));
  providers_.insert(name.substr(0, second));
  return StreamId(Cat("host/", name.substr(0, second), "/", ShownId(name.substr(second + 1))));
}

std::optional<Mask::Masked> Mask::Event(const StreamId& stream, const eventpb::EventBody& body) {
  using B = eventpb::EventBody;
  switch (body.kind_case()) {
    case B::kCommandAccepted:
    case B::kHeadSigned:
    case B::kHeadDelivered:
    case B::kPayloadRedacted:
    case B::kShadowStarted:  // what candidates would have decided is drawn from nothing
    case B::kShadowDisagreed:
    case B::kShadowResolved:
    case B::kShadowCounted:
    case B::kShadowEnded:
    case B::kServerPlanned:  // no policy is drawn from a server
    case B::kServerOrderRequested:
    case B::kServerOrderAccepted:
    case B::kServerOrderRefused:
    case B::kServerOrderUnclear:
    case B::kServerOrderNotFound:
    case B::kServerDelivered:
    case B::kServerOverdue:
    case B::kServerStepRequested:
    case B::kServerResetRequested:
    case B::kServerBuildRequested:
    case B::kServerStepDone:
    case B::kServerStepFailed:
    case B::kServerObserved:
    case B::kBuilderObserved:
    case B::kServerCancelRequested:
    case B::kServerCancelSet:
    case B::kServerCancelFailed:
    case B::kServerRevokeRequested:
    case B::kServerRevoked:
    case B::kServerEnded:
    case B::kStrayServerFound:
    case B::KIND_NOT_SET:
      return std::nullopt;
    default:
      break;
  }
  Masked masked{Stream(stream), body};
  if (body.has_fleet_applied()) {
    const specpb::FleetSpec& spec = body.fleet_applied().spec();
    specs_[spec.name()] = spec;
  }
  MaskWalker(*this).Walk(masked.body);
  if (body.has_fleet_applied()) {
    *masked.body.mutable_fleet_applied()->mutable_spec() = Policy(body.fleet_applied().spec());
  }
  if (body.has_orphan_found()) {
    const eventpb::OrphanFound& found = body.orphan_found();
    masked.body.mutable_orphan_found()->set_label(Label(found.label(), found.fleet()));
  }
  return masked;
}

std::string Mask::Actor(std::string_view actor) {
  const std::string_view who = actor.substr(0, actor.find(':'));
  for (const char* known : {"policy", "operator", "poller", "effects", "muster"}) {
    if (who == known) return known;
  }
  return "other";
}

}  // namespace muster::replay
