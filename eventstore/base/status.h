// Status helpers: constructors and macros that speak std::string_view, over absl::Status.
//
// Codes equal gRPC's, so an error made deep inside crosses the wire without a table. Pure.
//
//   MUSTER_ASSIGN_OR_RETURN(const Spec spec, ParseSpec(text));   // in functions
//   CO_RETURN_IF_ERROR(co_await store.Append(...).status());     // in coroutines
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/base/strings.h"

namespace muster {

using absl::Status;
using absl::StatusCode;
using absl::StatusOr;

inline std::string_view Message(const Status& status) { return ToStd(status.message()); }
inline Status MakeStatus(StatusCode code, std::string_view message) {
  return Status(code, ToAbsl(message));
}
inline Status InvalidArgument(std::string_view m) {
  return MakeStatus(StatusCode::kInvalidArgument, m);
}
inline Status NotFound(std::string_view m) { return MakeStatus(StatusCode::kNotFound, m); }
inline Status AlreadyExists(std::string_view m) {
  return MakeStatus(StatusCode::kAlreadyExists, m);
}
inline Status FailedPrecondition(std::string_view m) {
  return MakeStatus(StatusCode::kFailedPrecondition, m);
}
inline Status ResourceExhausted(std::string_view m) {
  return MakeStatus(StatusCode::kResourceExhausted, m);
}
inline Status Unavailable(std::string_view m) { return MakeStatus(StatusCode::kUnavailable, m); }
inline Status Unauthenticated(std::string_view m) {
  return MakeStatus(StatusCode::kUnauthenticated, m);
}
inline Status PermissionDenied(std::string_view m) {
  return MakeStatus(StatusCode::kPermissionDenied, m);
}
inline Status DeadlineExceeded(std::string_view m) {
  return MakeStatus(StatusCode::kDeadlineExceeded, m);
}
inline Status Aborted(std::string_view m) { return MakeStatus(StatusCode::kAborted, m); }
inline Status DataLoss(std::string_view m) { return MakeStatus(StatusCode::kDataLoss, m); }
inline Status Unknown(std::string_view m) { return MakeStatus(StatusCode::kUnknown, m); }
inline Status Unimplemented(std::string_view m) {
  return MakeStatus(StatusCode::kUnimplemented, m);
}
inline Status Internal(std::string_view m) { return MakeStatus(StatusCode::kInternal, m); }

// The same error with `context` (what was being done) in front; OK stays OK. Payloads are kept.
Status Annotate(const Status& status, std::string_view context);

}  // namespace muster

// `lhs` is a declaration, which takes no parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define MUSTER_CONCAT_INNER(a, b) a##b
#define MUSTER_CONCAT(a, b) MUSTER_CONCAT_INNER(a, b)

#define MUSTER_RETURN_IF_ERROR(expr)                                       \
  do {                                                                     \
    if (::absl::Status muster_s = (expr); !muster_s.ok()) return muster_s; \
  } while (false)

#define MUSTER_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return std::move(tmp).status();     \
  lhs = *std::move(tmp)
#define MUSTER_ASSIGN_OR_RETURN(lhs, expr) \
  MUSTER_ASSIGN_OR_RETURN_IMPL(MUSTER_CONCAT(muster_tmp_, __LINE__), lhs, expr)

#define CO_RETURN_IF_ERROR(expr)            \
  do {                                      \
    ::absl::Status muster_s = (expr);       \
    if (!muster_s.ok()) co_return muster_s; \
  } while (false)

#define CO_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr)    \
  auto tmp = (expr);                                \
  if (!tmp.ok()) co_return std::move(tmp).status(); \
  lhs = *std::move(tmp)
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  CO_ASSIGN_OR_RETURN_IMPL(MUSTER_CONCAT(muster_tmp_, __LINE__), lhs, expr)
// NOLINTEND(bugprone-macro-parentheses)
