#include "services/grpc/errors.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/support/pch.h"

namespace muster::grpc_api {
namespace {

google::rpc::Status Rich(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  return rich;
}

template <class Detail>
Detail Find(const google::rpc::Status& rich) {
  Detail detail;
  for (const auto& any : rich.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  ADD_FAILURE() << "no " << detail.GetDescriptor()->full_name();
  return detail;
}

TEST(GrpcErrors, ARefusalCarriesReasonDomainAndWhatToDo) {
  const Status refused =
      Refusal(StatusCode::kAborted, "PLAN_STALE", "plan 7f3a is old", {{"next", "muster plan"}});
  const grpc::Status status = ToGrpc(refused);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "plan 7f3a is old");
  const auto info = Find<google::rpc::ErrorInfo>(Rich(status));
  EXPECT_EQ(info.reason(), "PLAN_STALE");
  EXPECT_EQ(info.domain(), "muster");
  EXPECT_EQ(info.metadata().at("next"), "muster plan");
  EXPECT_EQ(ReasonOf(refused), "PLAN_STALE");
}

TEST(GrpcErrors, APlainErrorGetsTheReasonOfItsCode) {
  const grpc::Status status = ToGrpc(Unavailable("the disk is gone"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(Rich(status)).reason(), "UNAVAILABLE");
}

TEST(GrpcErrors, OutOfRangeIsNoErrorOfOurs) {
  EXPECT_EQ(ReasonOf(MakeStatus(StatusCode::kOutOfRange, "past the head")), "OUT_OF_RANGE");
}

TEST(GrpcErrors, BadRequestNamesEveryField) {
  const Status bad =
      BadRequest({{"spec.workers", "-1: expected 0 or more"}, {"spec.name", "empty"}});
  const auto detail = Find<google::rpc::BadRequest>(Rich(ToGrpc(bad)));
  ASSERT_EQ(detail.field_violations_size(), 2);
  EXPECT_EQ(detail.field_violations(0).field(), "spec.workers");
  EXPECT_EQ(Message(bad), "spec.workers: -1: expected 0 or more; spec.name: empty");
}

TEST(GrpcErrors, ViolatedGuardsTravelWithTheirNumbers) {
  Status refused = Refusal(StatusCode::kFailedPrecondition, "BUDGET", "over budget");
  AddViolations(refused, "BUDGET", {"$19.02 of $18.00 today"});
  const auto detail = Find<google::rpc::PreconditionFailure>(Rich(ToGrpc(refused)));
  ASSERT_EQ(detail.violations_size(), 1);
  EXPECT_EQ(detail.violations(0).description(), "$19.02 of $18.00 today");
}

TEST(GrpcErrors, OkStaysOk) { EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok()); }

}  // namespace
}  // namespace muster::grpc_api
