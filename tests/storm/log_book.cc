#include "tests/storm/log_book.h"

#include <cstdint>

#include "eventstore/base/strings.h"
#include "eventstore/events/codec.h"

namespace muster::storm {
namespace {

// The evidence of an event that has a field for it, or nullptr.
const eventpb::Evidence* EvidenceIn(const eventpb::EventBody& body) {
  const google::protobuf::Descriptor& kinds = *body.GetDescriptor();
  const google::protobuf::FieldDescriptor* kind =
      kinds.FindFieldByNumber(static_cast<int>(body.kind_case()));
  if (kind == nullptr) return nullptr;
  const google::protobuf::Message& event = body.GetReflection()->GetMessage(body, kind);
  const google::protobuf::FieldDescriptor* field =
      event.GetDescriptor()->FindFieldByName("evidence");
  if (field == nullptr) return nullptr;
  return dynamic_cast<const eventpb::Evidence*>(&event.GetReflection()->GetMessage(event, field));
}

// Decisions that cost or end something: those must say what they were drawn from.
bool MustCite(const eventpb::EventBody& body) {
  return body.has_worker_condemned() || body.has_destroy_requested() || body.has_host_struck() ||
         body.has_start_requested() || body.has_launch_requested() ||
         body.has_credit_wait_began() || body.has_credit_wait_ended() ||
         body.has_strikes_suspended();
}

std::string AfterSlash(std::string_view text) {
  return std::string(text.substr(text.rfind('/') + 1));
}

}  // namespace

Status LogBook::ReadOn(const EventStore& store) {
  Status bad;
  const Status read = store.ReadAll(world_.head, SIZE_MAX, [&](const RecordedEvent& recorded) {
    StatusOr<eventpb::EventBody> body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) {
      bad = body.status();
      return false;
    }
    CheckSecrets(recorded);
    CheckEvidence(recorded, *body);
    Note(recorded, *body);
    Evolve(world_, recorded.stream, *body, Stamp{recorded.position, recorded.event.occurred_at});
    return true;
  });
  return bad.ok() ? read : bad;
}

void LogBook::CheckSecrets(const RecordedEvent& recorded) {
  if (!secret_problem_.empty()) return;
  for (const std::string& secret : secrets_) {
    const NewEvent& event = recorded.event;
    for (const std::string* text :
         {&event.payload, &event.actor, &event.cause, &event.correlation}) {
      if (text->find(secret) == std::string::npos) continue;
      secret_problem_ = Cat("a secret in event ", recorded.position, " ", event.type);
    }
  }
}

void LogBook::CheckEvidence(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const eventpb::Evidence* evidence = EvidenceIn(body);
  if (evidence == nullptr) return;
  if (!evidence->rule().empty()) ++rules_[evidence->rule()];
  if (!evidence_problem_.empty()) return;
  const std::string where = Cat("event ", recorded.position, " ", recorded.event.type);
  for (const std::uint64_t position : evidence->positions()) {
    if (position == 0 || position >= recorded.position) {
      evidence_problem_ = Cat(where, " cites ", position);
      return;
    }
  }
  if (!MustCite(body)) return;
  if (evidence->rule().empty()) evidence_problem_ = Cat(where, " names no rule");
  const bool by_operator = recorded.event.actor.rfind("operator:", 0) == 0;
  if (evidence->positions().empty() && !by_operator) {
    evidence_problem_ = Cat(where, " (", evidence->rule(), ") cites nothing");
  }
}

void LogBook::Note(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  if (body.has_fleet_applied()) {
    const specpb::FleetSpec& spec = body.fleet_applied().spec();
    const double limit = static_cast<double>(spec.market().price_max_micro_usd_per_hour()) / 1e6;
    const auto [it, first] = price_max_least_.emplace(spec.name(), limit);
    if (!first) it->second = std::min(it->second, limit);
    return;
  }
  if (body.has_host_struck()) {
    struck_.push_back({body.host_struck().worker(), body.host_struck().cause(),
                       AfterSlash(recorded.stream.str()), recorded.position});
    return;
  }
  NoteWorker(recorded, body);
}

void LogBook::NoteWorker(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const std::string worker = AfterSlash(recorded.stream.str());
  if (body.has_launch_requested()) {
    const eventpb::LaunchRequested& intent = body.launch_requested();
    intents_[intent.token()] = {intent.fleet(), recorded.position};
    fleet_of_[worker] = intent.fleet();
  } else if (body.has_launch_accepted()) {
    instances_[worker].insert(body.launch_accepted().instance());
  } else if (body.has_worker_adopted()) {
    instances_[worker].insert(body.worker_adopted().instance());
    fleet_of_[worker] = body.worker_adopted().fleet();
  } else if (body.has_worker_condemned()) {
    const std::string& rule = body.worker_condemned().evidence().rule();
    ++rules_condemned_[rule];
    condemned_[worker] = {rule, recorded.event.actor, fleet_of_[worker], recorded.position};
  } else if (body.has_destroy_requested()) {
    destroyers_[body.destroy_requested().instance()].insert(worker);
  }
}

}  // namespace muster::storm
