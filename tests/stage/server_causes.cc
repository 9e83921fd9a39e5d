#include "tests/stage/server_causes.h"

#include <algorithm>
#include <map>
#include <vector>

#include "eventstore/base/strings.h"
#include "eventstore/events/codec.h"

namespace muster {
namespace {

using B = eventpb::EventBody;

// What may be done while an intent is open.
enum class Leave { kOrder, kName, kRescue, kReset, kCancel, kRevoke, kForgetKey };

struct Intent {
  Leave leave = Leave::kOrder;
  absl::Time from;
  absl::Time until = absl::InfiniteFuture();
  int calls_left = 1'000'000;
};

struct Book {
  std::string number, key_md5;
  std::vector<Intent> intents;

  void Open(Leave leave, absl::Time at, int calls = 1'000'000) {
    intents.push_back({leave, at, absl::InfiniteFuture(), calls});
  }
  void Close(Leave leave, absl::Time at) {
    for (Intent& intent : intents) {
      if (intent.leave == leave) intent.until = std::min(intent.until, at);
    }
  }
  // Uses one of the calls that the newest open intent allows.
  bool Covers(Leave leave, absl::Time at) {
    for (auto intent = intents.rbegin(); intent != intents.rend(); ++intent) {
      if (intent->leave != leave || at < intent->from || at > intent->until) continue;
      if (intent->calls_left-- > 0) return true;
    }
    return false;
  }
};

// A power button is held, then pressed again: two calls for one reset.
constexpr int kCallsOfAReset = 2;

void EndStep(eventpb::ServerStep step, absl::Time at, Book& book) {
  if (step == eventpb::RESCUE) book.Close(Leave::kRescue, at);
  if (step == eventpb::RESCUE || step == eventpb::BOOT) book.Close(Leave::kReset, at);
}

void Enter(const B& body, absl::Time at, Book& book) {
  switch (body.kind_case()) {
    case B::kServerPlanned:
      book.key_md5 = body.server_planned().order_key_md5();
      return;
    case B::kServerOrderRequested:
      return book.Open(Leave::kOrder, at);
    case B::kServerOrderAccepted:
    case B::kServerOrderRefused:
    case B::kServerOrderUnclear:
    case B::kServerOrderNotFound:
      return book.Close(Leave::kOrder, at);
    case B::kServerDelivered:
      book.number = body.server_delivered().server();
      return book.Open(Leave::kName, at);
    case B::kServerStepRequested:
      if (body.server_step_requested().step() == eventpb::RESCUE) book.Open(Leave::kRescue, at);
      return;
    case B::kServerResetRequested:
      return book.Open(Leave::kReset, at, kCallsOfAReset);
    case B::kServerStepDone:
      return EndStep(body.server_step_done().step(), at, book);
    case B::kServerStepFailed:
      return EndStep(body.server_step_failed().step(), at, book);
    case B::kServerCancelRequested:
      return book.Open(Leave::kCancel, at);
    case B::kServerCancelSet:
      return book.Close(Leave::kCancel, at);
    case B::kServerCancelFailed:
      return book.Close(body.server_cancel_failed().revoke() ? Leave::kRevoke : Leave::kCancel, at);
    case B::kServerRevokeRequested:
      return book.Open(Leave::kRevoke, at);
    case B::kServerRevoked:
      return book.Close(Leave::kRevoke, at);
    case B::kServerEnded:
      for (Intent& intent : book.intents) intent.until = std::min(intent.until, at);
      return book.Open(Leave::kForgetKey, at);
    default:
      return;
  }
}

// Whether somebody's intent covers the call; every server's when the call names none.
bool Covered(const hetznersim::JournalEntry& call, std::map<std::string, Book>& books) {
  const absl::Time at = absl::FromUnixMicros(absl::ToUnixMicros(call.at));
  const std::string& endpoint = call.endpoint;
  const auto any = [&](Leave leave) {
    return std::any_of(books.begin(), books.end(),
                       [&](auto& each) { return each.second.Covers(leave, at); });
  };
  const auto own = [&](Leave leave) {
    const std::string number = Cat(call.server);
    return std::any_of(books.begin(), books.end(), [&](auto& each) {
      return each.second.number == number && each.second.Covers(leave, at);
    });
  };
  if (endpoint == hetznersim::kOrderAuction || endpoint == hetznersim::kOrderStandard) {
    return any(Leave::kOrder);
  }
  if (endpoint == "POST key") return any(Leave::kOrder) || any(Leave::kRescue);
  if (endpoint == "DELETE key/{name}") {
    return std::any_of(books.begin(), books.end(), [&](auto& each) {
      return call.path.find(each.second.key_md5) != std::string::npos &&
             each.second.Covers(Leave::kForgetKey, at);
    });
  }
  if (endpoint == "POST server/{id}") return own(Leave::kName);
  if (endpoint.find(" boot/{id}/rescue") != std::string::npos) return own(Leave::kRescue);
  if (endpoint == "POST reset/{id}") return own(Leave::kReset);
  if (endpoint == "POST server/{id}/cancellation") return own(Leave::kCancel);
  if (endpoint == "DELETE server/{id}/cancellation") {
    return own(Leave::kRevoke) || own(Leave::kCancel);
  }
  return false;
}

}  // namespace

std::string CallWithoutIntent(const EventStore& store, const hetznersim::HetznerSim& sim) {
  std::map<std::string, Book> books;
  std::string problem;
  const Status read = store.ReadAll(0, store.Head(), [&](const RecordedEvent& recorded) {
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (!body.ok()) problem = Cat(recorded.position, ": ", Message(body.status()));
    if (!recorded.stream.str().starts_with("server/")) return problem.empty();
    if (body.ok()) Enter(*body, recorded.event.occurred_at, books[recorded.stream.str()]);
    return problem.empty();
  });
  if (!read.ok()) return std::string(Message(read));
  if (!problem.empty()) return problem;
  for (const hetznersim::JournalEntry& call : sim.Journal()) {
    const bool changes = call.method != "GET" && !call.endpoint.empty() && !call.test;
    if (!changes || Covered(call, books)) continue;
    return Cat(FormatUtc(call.at), " ", call.method, " ", call.path, " -> ", call.status,
               ": no intent of the log was open for it");
  }
  return "";
}

}  // namespace muster
