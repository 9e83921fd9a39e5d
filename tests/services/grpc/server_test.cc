#include "services/grpc/server.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::grpc_api {
namespace {

using ::testing::HasSubstr;

constexpr char kOpen[] = "0.0.0.0:4001";

TEST(Listeners, ASocketAndLoopbackNeedNoTls) {
  for (const char* address : {"unix:///run/muster/musterd.sock", "127.0.0.1:0", "127.1.2.3:80",
                              "localhost:1", "[::1]:9"}) {
    EXPECT_TRUE(CheckListener(address, {}).ok()) << address;
  }
}

TEST(Listeners, AnyOtherAddressWithoutTlsIsRefusedAndSaysWhatToDo) {
  for (const char* address : {kOpen, "192.168.1.5:4001", "[::]:4001", "muster.example:4001"}) {
    const Status status = CheckListener(address, {});
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << address;
    EXPECT_THAT(std::string(Message(status)), HasSubstr("tls.client_ca")) << address;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(address));
  }
}

TEST(Listeners, TlsWithoutClientCredentialsIsNotEnough) {
  EXPECT_EQ(CheckListener(kOpen, {.cert_file = "c", .key_file = "k"}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(
      CheckListener(kOpen, {.cert_file = "c", .key_file = "k", .client_ca_file = "a"}).ok());
}

TEST(Listeners, NonsenseNamesTheValueAndWhatWasExpected) {
  for (const char* address : {"", "here", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", ":80",
                              "127.0.0.1:70000", "unix://relative", "unix://"}) {
    const Status status = CheckListener(address, {});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(Message(status)), HasSubstr("unix:///")) << address;
  }
}

}  // namespace
}  // namespace muster::grpc_api
