// What an answer of Vast.ai means when it is not the one asked for.
//
// Judged by status, error code and text together, never by one alone: a 404 may be a bad key, a
// gone offer, a gone instance, an expired login or a gateway's HTML page. Pure; masking is the
// caller's.
#pragma once

#include <string_view>

#include "workers/ports/http.h"
#include "workers/ports/no_answer.h"
#include "workers/ports/provider.h"

namespace muster::vast {

// What may have happened at the provider when the answer is unclear.
enum class CallKind {
  kRead,    // nothing: an unclear answer is just no answer
  kCreate,  // a machine may be rented
  kWrite,   // an instance may be started, stopped or destroyed
};

// The trouble behind a whole HTTP answer that is not a success: any status but 2xx, or a 2xx whose
// JSON says success:false. The message names status, code and text, at most 300 bytes.
Status ErrorFromAnswer(CallKind kind, const HttpResponse& response);

// The trouble behind an exchange that brought no whole answer (see HttpClient::Send).
Status ErrorFromTransport(CallKind kind, const Status& transport);

using muster::Nonsense;

}  // namespace muster::vast
