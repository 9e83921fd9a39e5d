// AccountReporter: what the outcomes of calls say about the account and the provider as a whole.
//
// A refused key, a missing permission, throttling and an outage are conditions of the account, not
// of the worker that a call was made for. Pollers and effects report each call's outcome; this
// begins and ends the AccountTrouble in the log. One bad answer of the doubtful kinds is not a
// condition: throttling takes two in a row, an outage three with no good answer in between.
//
// Reactor thread. The group and the handler must outlive it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "eventstore/base/ids.h"
#include "eventstore/base/status.h"

namespace muster {

class Handler;
class TaskGroup;

class AccountReporter {
 public:
  AccountReporter(Handler& handler, TaskGroup& group, ProviderName provider)
      : handler_(handler), group_(group), provider_(std::move(provider)) {}

  // `what` names the kind of call in muster's words ("list", "search", "create", ...).
  void Report(std::string_view what, const Status& outcome);

 private:
  enum class Kind { kAuth, kForbidden, kOutage, kThrottled };
  void Begin(Kind kind, std::string_view what, std::string_view detail);
  void End(Kind kind, std::string_view what);

  Handler& handler_;
  TaskGroup& group_;
  ProviderName provider_;
  std::map<std::string, int, std::less<>> throttled_;  // in a row, by kind of call
  // Polled kinds of calls whose newest outcome was a refused key: while there are any, the good
  // answers of others do not end the trouble, lest it should begin anew at every turn.
  std::set<std::string, std::less<>> refused_;
  int unanswered_ = 0;  // in a row, over all kinds
};

}  // namespace muster
