// ServerCalls: whether every call that changes something at the provider of dedicated servers was
// announced in the log when it was made, and is covered by what was announced. Beside
// DeedWithoutCause, which asks where the announcements come from. For tests and storms.
//
//   ServerCalls calls;
//   calls.Watch(outside.service, store);   // once per life
//   EXPECT_EQ(calls.problem(), "");
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eventstore/event_store.h"
#include "eventstore/events/codec.h"
#include "tests/stage/outside.h"

namespace muster {

class ServerCalls {
 public:
  // Each call from now on is held against the log as `store` has it at that moment. All three have
  // to outlive the calls, or Unwatch.
  void Watch(Outside& service, const EventStore& store);
  void Unwatch();

  // The first call that uploaded or removed a key, ordered, named, set or unset a rescue system,
  // reset, cancelled or revoked while no intent of the log stood open for it; "" = none.
  const std::string& problem() const { return problem_; }
  void Forgive() { problem_.clear(); }

 private:
  // What may be done while an intent is open.
  enum class Leave { kOrder, kName, kRescue, kReset, kCancel, kRevoke, kForgetKey };
  struct Book {
    std::string number, key_md5;
    std::map<Leave, int> calls_left;
  };
  struct Call {
    std::string method;
    std::vector<std::string> path;  // {"reset", "321"}
  };

  static Call Read(const HttpRequest& request);
  static void Enter(const eventpb::EventBody& body, Book& book);
  static bool Use(Book& book, Leave leave);
  void Check(const HttpRequest& request);
  bool Covered(const Call& call);

  Outside* service_ = nullptr;
  const EventStore* store_ = nullptr;
  Position read_ = 0;
  std::map<std::string, Book> books_;  // by stream
  std::string problem_;
};

}  // namespace muster
