#include "tests/stage/server_causes.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster {
namespace {

constexpr int kAnyNumber = 1'000'000;
// A power button is held, then pressed again: two calls for one reset.
constexpr int kCallsOfAReset = 2;

}  // namespace

void ServerCalls::Watch(Outside& service, const EventStore& store) {
  service_ = &service;
  store_ = &store;
  service.on_call = [this](const HttpRequest& request) { Check(request); };
}

void ServerCalls::Unwatch() {
  if (service_ != nullptr) service_->on_call = nullptr;
  store_ = nullptr;
}

ServerCalls::Call ServerCalls::Read(const HttpRequest& request) {
  static constexpr std::array kRoots = {"order", "key", "boot", "reset", "server"};
  const std::string url = request.url.substr(0, request.url.find('?'));
  std::vector<std::string> parts = absl::StrSplit(url, '/', absl::SkipEmpty());
  const auto root = std::find_if(parts.begin(), parts.end(), [](const std::string& part) {
    return std::find(kRoots.begin(), kRoots.end(), part) != kRoots.end();
  });
  parts.erase(parts.begin(), root);
  return {request.method, std::move(parts)};
}

void ServerCalls::Enter(const eventpb::EventBody& body, Book& book) {
  using B = eventpb::EventBody;
  auto& left = book.calls_left;
  const auto end_step = [&left](eventpb::ServerStep step) {
    if (step == eventpb::RESCUE) left.erase(Leave::kRescue);
    if (step == eventpb::RESCUE || step == eventpb::BOOT) left.erase(Leave::kReset);
  };
  switch (body.kind_case()) {
    case B::kServerPlanned:
      book.key_md5 = body.server_planned().order_key_md5();
      return;
    case B::kServerOrderRequested:
      left[Leave::kOrder] = kAnyNumber;
      return;
    case B::kServerOrderAccepted:
    case B::kServerOrderRefused:
    case B::kServerOrderUnclear:
    case B::kServerOrderNotFound:
      left.erase(Leave::kOrder);
      return;
    case B::kServerDelivered:
      book.number = body.server_delivered().server();
      left[Leave::kName] = kAnyNumber;
      return;
    case B::kServerStepRequested:
      if (body.server_step_requested().step() == eventpb::RESCUE) {
        left[Leave::kRescue] = kAnyNumber;
      }
      return;
    case B::kServerResetRequested:
      left[Leave::kReset] = kCallsOfAReset;
      return;
    case B::kServerStepDone:
      return end_step(body.server_step_done().step());
    case B::kServerStepFailed:
      return end_step(body.server_step_failed().step());
    case B::kServerCancelRequested:
      left[Leave::kCancel] = kAnyNumber;
      return;
    case B::kServerCancelSet:
      left.erase(Leave::kCancel);
      return;
    case B::kServerCancelFailed:
      left.erase(body.server_cancel_failed().revoke() ? Leave::kRevoke : Leave::kCancel);
      return;
    case B::kServerRevokeRequested:
      left[Leave::kRevoke] = kAnyNumber;
      return;
    case B::kServerRevoked:
      left.erase(Leave::kRevoke);
      return;
    case B::kServerEnded:
      left = {{Leave::kForgetKey, kAnyNumber}};
      return;
    default:
      return;
  }
}

bool ServerCalls::Use(Book& book, Leave leave) {
  const auto left = book.calls_left.find(leave);
  return left != book.calls_left.end() && left->second-- > 0;
}

bool ServerCalls::Covered(const Call& call) {
  const std::vector<std::string>& path = call.path;
  const auto whose = [&](Leave leave, auto is_its) {
    return std::any_of(books_.begin(), books_.end(),
                       [&](auto& each) { return is_its(each.second) && Use(each.second, leave); });
  };
  const auto any = [&](Leave leave) { return whose(leave, [](const Book&) { return true; }); };
  const auto own = [&](Leave leave) {
    return whose(leave, [&](const Book& book) { return book.number == path[1]; });
  };
  if (path.empty()) return false;
  if (path[0] == "order") return any(Leave::kOrder);
  if (path[0] == "key" && path.size() == 1) return any(Leave::kOrder) || any(Leave::kRescue);
  if (path.size() < 2) return false;
  if (path[0] == "key") {
    return call.method == "DELETE" &&
           whose(Leave::kForgetKey, [&](const Book& book) { return book.key_md5 == path[1]; });
  }
  if (path[0] == "boot") return own(Leave::kRescue);
  if (path[0] == "reset") return own(Leave::kReset);
  if (path.size() == 2) return own(Leave::kName);
  // One that is set for another day has to go before the wanted one.
  return own(Leave::kCancel) || (call.method == "DELETE" && own(Leave::kRevoke));
}

void ServerCalls::Check(const HttpRequest& request) {
  if (request.method == "GET" || store_ == nullptr || !problem_.empty()) return;
  const Status read = store_->ReadAll(read_, SIZE_MAX, [&](const RecordedEvent& recorded) {
    read_ = recorded.position;
    if (!recorded.stream.str().starts_with("server/")) return true;
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    if (body.ok()) Enter(*body, books_[recorded.stream.str()]);
    return true;
  });
  if (!read.ok()) problem_ = std::string(Message(read));
  if (!problem_.empty() || Covered(Read(request))) return;
  problem_ = Cat("EveryCallIsAnnounced: ", request.method, " ", request.url,
                 " while no intent of the log is open for it (after ", read_, ")");
}

}  // namespace muster
