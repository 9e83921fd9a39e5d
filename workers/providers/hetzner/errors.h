// What an answer of the Robot web service means when it is not the one asked for.
//
// Judged by the code inside first: a 403 is a quota, a 404 is often "none", a 409 often "it is so
// already". Pure; masking is the caller's.
#pragma once

#include <string>
#include <string_view>

#include "workers/ports/http.h"
#include "workers/ports/no_answer.h"
#include "workers/ports/provider.h"

namespace muster::hetzner {

// What may have happened at the provider when the answer is unclear.
enum class CallKind {
  kRead,   // nothing: an unclear answer is just no answer
  kWrite,  // something may have been changed
  kOrder,  // a server may have been bought
};

// The trouble behind a whole HTTP answer that is not a 2xx. The message names status, code and
// text, at most 300 bytes. RetryAfter of a kThrottled is the length of the quota's window: the
// longest that it can take.
Status ErrorFromAnswer(CallKind kind, const HttpResponse& response);

// The trouble behind an exchange that brought no whole answer (see HttpClient::Send).
Status ErrorFromTransport(CallKind kind, const Status& transport);

using muster::Nonsense;

// The service's own word in an error made here, "SERVER_NOT_FOUND"; "" = none.
std::string ErrorCode(const Status& status);
Status WithErrorCode(Status status, std::string_view code);

}  // namespace muster::hetzner
