// muster-sim's server on real loopback sockets: what a client's end of the wire sees.
#include "services/sim/sim_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "services/sim/make_sim.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class FixedSim final : public SimServer {
 public:
  explicit FixedSim(SimReply reply) : reply_(std::move(reply)) {}
  SimReply Handle(const HttpRequest& request, absl::Time now) override {
    last = request;
    last_at = now;
    if (request.url == "/plain") return {.response = {.status = 200, .body = "plain"}};
    return reply_;
  }
  void SetOrigin(std::string value) override { origin = std::move(value); }

  HttpRequest last;
  absl::Time last_at;
  std::string origin;

 private:
  SimReply reply_;
};

// A client of one connection: sends bytes, reads to the end.
class Client {
 public:
  explicit Client(const std::string& origin) {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(origin.substr(origin.rfind(':') + 1), &port));
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { close(fd_); }
  void Write(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Until the server closes; `reset` tells how.
  std::string ReadAll() {
    std::string all;
    char block[4096];
    for (;;) {
      const ssize_t count = recv(fd_, block, sizeof(block), 0);
      if (count <= 0) {
        reset = count < 0 && errno == ECONNRESET;
        return all;
      }
      all.append(block, static_cast<std::size_t>(count));
    }
  }
  // Whether a byte arrives within the patience of a test.
  bool HasAnswerWithin(int milliseconds) {
    timeval patience{.tv_sec = 0, .tv_usec = milliseconds * 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char byte;
    return recv(fd_, &byte, 1, MSG_PEEK) > 0;
  }

  bool reset = false;

 private:
  int fd_ = -1;
};

std::string Get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
}

class SimHttp : public testing::Test {
 protected:
  void Serve(SimReply reply, SimHttpServer::Options options = {}) {
    auto sim = std::make_unique<FixedSim>(std::move(reply));
    sim_ = sim.get();
    auto started = SimHttpServer::Start(std::move(sim), options);
    ASSERT_THAT(started, IsOk());
    server_ = *std::move(started);
  }
  std::string Exchange(const std::string& bytes) {
    Client client(server_->origin());
    client.Write(bytes);
    std::string all = client.ReadAll();
    reset_ = client.reset;
    return all;
  }

  FixedSim* sim_ = nullptr;
  std::unique_ptr<SimHttpServer> server_;
  bool reset_ = false;
};

SimReply Hello(SimReply::Cut cut = SimReply::Cut::kNone) {
  return {.response = {.status = 200,
                       .headers = {{"Content-Type", "application/json"}},
                       .body = "{\"hello\":1}"},
          .cut = cut};
}

TEST_F(SimHttp, PassesTheRequestOnAndTheAnswerBack) {
  Serve(Hello());
  const std::string answer = Exchange(
      "PUT /api/v0/x/?a=%20b HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer k\r\n"
      "Content-Length: 4\r\nConnection: close\r\n\r\nbody");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n{\"hello\":1}"));
  server_->With([&](SimServer&, absl::Time) {
    EXPECT_EQ(sim_->last.method, "PUT");
    EXPECT_EQ(sim_->last.url, "/api/v0/x/?a=%20b");
    EXPECT_EQ(sim_->last.body, "body");
    EXPECT_EQ(FindHeader(sim_->last.headers, "authorization"), "Bearer k");
    EXPECT_EQ(sim_->origin, server_->origin());
  });
}

TEST_F(SimHttp, KeepsAConnectionForTheNextRequest) {
  Serve(Hello());
  Client client(server_->origin());
  client.Write("GET /a HTTP/1.1\r\nHost: sim\r\n\r\n" + Get("/b"));
  const std::string answers = client.ReadAll();
  EXPECT_NE(answers.find("hello"), answers.rfind("hello"));
}

TEST_F(SimHttp, AResetComesBeforeTheFirstByte) {
  Serve(Hello(SimReply::Cut::kResetBeforeAnswer));
  EXPECT_EQ(Exchange(Get("/x")), "");
  EXPECT_TRUE(reset_);
  EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
}

TEST_F(SimHttp, ATruncatedAnswerPromisesMoreThanItHolds) {
  Serve(Hello(SimReply::Cut::kTruncate));
  const std::string answer = Exchange(Get("/x"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 12\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n{\"hel"));
  EXPECT_TRUE(reset_);
}

TEST_F(SimHttp, AHungAnswerNeverComesAndHoldsUpNobodyElse) {
  Serve(Hello(SimReply::Cut::kHang));
  Client hung(server_->origin());
  hung.Write(Get("/x"));
  EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
  EXPECT_FALSE(hung.HasAnswerWithin(30));
}

int OpenFiles() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.is_symlink();
  }
  return count;
}

TEST_F(SimHttp, AClientThatGivesUpOnAHungAnswerIsForgotten) {
  Serve(Hello(SimReply::Cut::kHang));
  const int before = OpenFiles();
  for (int i = 0; i < 20; ++i) {
    Client client(server_->origin());
    client.Write(Get("/x"));
    EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
  }
  // One of the exchanges below comes after the server has seen the last of them leave.
  int left = OpenFiles();
  for (int i = 0; i < 1000 && left > before; ++i) {
    EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
    left = OpenFiles();
  }
  EXPECT_LE(left, before);
}

TEST_F(SimHttp, ADelayShrinksWithTheSpeedAndAClientMayLeaveMeanwhile) {
  SimReply late = Hello();
  late.delay = absl::Hours(1);
  Serve(late, {.speed = 3'600'000});  // an hour in a millisecond
  EXPECT_THAT(Exchange(Get("/x")), EndsWith("{\"hello\":1}"));
  SimReply never = Hello();
  never.delay = absl::Hours(24);
  Serve(never);
  {
    Client client(server_->origin());
    client.Write(Get("/x"));
    EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
  }
  EXPECT_THAT(Exchange(Get("/plain")), EndsWith("plain"));
}

TEST_F(SimHttp, ItsClockStartsWhereToldAndRunsAtTheSpeed) {
  const absl::Time start = absl::FromUnixSeconds(1'790'000'000);
  Serve(Hello(), {.speed = 1000, .start = start});
  Exchange(Get("/x"));
  absl::Time first;
  server_->With([&](SimServer&, absl::Time) { first = sim_->last_at; });
  EXPECT_GE(first, start);
  Exchange(Get("/x"));
  server_->With([&](SimServer&, absl::Time now) {
    EXPECT_GT(sim_->last_at, first);
    EXPECT_GE(now, sim_->last_at);
  });
}

TEST_F(SimHttp, RefusesAnAddressItCannotHaveAndASpeedOfZero) {
  Serve(Hello());
  const std::string origin = server_->origin();
  SimHttpServer::Options taken;
  ASSERT_TRUE(absl::SimpleAtoi(origin.substr(origin.rfind(':') + 1), &taken.port));
  EXPECT_THAT(SimHttpServer::Start(std::make_unique<FixedSim>(Hello()), taken),
              StatusIs(StatusCode::kUnavailable, HasSubstr("cannot listen")));
  EXPECT_THAT(SimHttpServer::Start(std::make_unique<FixedSim>(Hello()), {.speed = 0}),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(SimHttp, ServesManyClientsAtOnce) {
  Serve(Hello());
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int n = 0; n < 20; ++n) {
        Client client(server_->origin());
        client.Write(Get("/x"));
        answered += absl::EndsWith(client.ReadAll(), "{\"hello\":1}");
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 160);
}

TEST(MakeSim, ServesEveryRegisteredProvider) {
  for (const std::string& name : SimNames()) {
    auto sim = MakeSim(name, {.seed = 1, .start = absl::FromUnixSeconds(1'790'000'000)});
    ASSERT_THAT(sim, IsOk()) << name;
    const auto server = SimHttpServer::Start(*std::move(sim), {});
    ASSERT_THAT(server, IsOk());
    Client client((*server)->origin());
    client.Write(Get("/control/state"));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200"));
  }
}

TEST(MakeSim, NamesTheProvidersThereAreAndPassesSettingsOn) {
  EXPECT_THAT(MakeSim("nimbus", {}), StatusIs(StatusCode::kNotFound, HasSubstr("vast")));
  EXPECT_THAT(MakeSim("vast", {.settings = {{"no", "such"}}}),
              StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
