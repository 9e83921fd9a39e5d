#include "eventstore/base/host.h"

#include "tests/support/pch.h"

namespace muster {
namespace {

TEST(LoopbackHost, IsWhatOnlyThisMachineCanBe) {
  for (const char* host :
       {"localhost", "::1", "[::1]", "127.0.0.1", "127.1.2.3", "127.255.255.255"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
}

TEST(LoopbackHost, IsNoNameThatLooksLikeOne) {
  for (const char* host :
       {"", ".", "...", "127", "127.", "127.0.0", "127.0.0.", "127.0.0.256",
        "127.0.0.1.example.org", "127.a.b.c", "127.example.org", "127...", "127.0.0.-1",
        "128.0.0.1", "0.0.0.0", "::", "localhost.example.org", "127.0.0.1 ", "+127.0.0.1"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST(SplitHostPort, ReadsNamesAndBothKindsOfAddresses) {
  const auto split = [](const char* text) {
    const HostPort out = SplitHostPort(text);
    return std::pair(out.host, out.port);
  };
  EXPECT_EQ(split("127.0.0.1:7600"), std::pair(std::string("127.0.0.1"), 7600));
  EXPECT_EQ(split("[::1]:0"), std::pair(std::string("::1"), 0));
  EXPECT_EQ(split("a-host.example:65535"), std::pair(std::string("a-host.example"), 65535));
  for (const char* text : {"", ":1", "host", "host:", "host:-1", "host:65536", "host:7x", "::1:80",
                           "ho st:1", "unix:///run/x", "host:+1"}) {
    EXPECT_EQ(split(text), std::pair(std::string(), -1)) << text;
  }
}

}  // namespace
}  // namespace muster
