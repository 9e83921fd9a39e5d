// muster server: what only looks, against a service that answers what it was told.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <sstream>

#include "absl/strings/str_split.h"
#include "muster/api/v1/query.grpc.pb.h"
#include "services/muster/cli.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::cli {
namespace {

namespace api = ::muster::api::v1;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6";

// Filled before anything is asked and not changed while it is.
class Known final : public api::QueryService::Service {
 public:
  grpc::Status GetServer(grpc::ServerContext*, const api::GetServerRequest* request,
                         api::Server* answer) override {
    const std::size_t look = std::min(looks_++, servers.size() - 1);
    *answer = servers[look];
    return request->server() == answer->name()
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such server");
  }
  grpc::Status ListServers(grpc::ServerContext*, const api::ListServersRequest*,
                           api::ListServersResponse* answer) override {
    for (const api::Server& server : servers) *answer->add_servers() = server;
    answer->mutable_now()->set_seconds(1'790'000'100);
    return grpc::Status::OK;
  }
  grpc::Status ListFleets(grpc::ServerContext*, const api::ListFleetsRequest*,
                          api::ListFleetsResponse* answer) override {
    answer->mutable_now()->set_seconds(1'790'000'100);
    return grpc::Status::OK;
  }
  grpc::Status ExportMachines(grpc::ServerContext*, const api::ExportMachinesRequest*,
                              api::ExportMachinesResponse* answer) override {
    answer->set_text("# head\nssh-ng://builder@192.0.2.7 ...\n");
    return grpc::Status::OK;
  }
  grpc::Status CheckBuilders(grpc::ServerContext*, const api::CheckBuildersRequest*,
                             api::CheckBuildersResponse* answer) override {
    *answer = checks;
    return grpc::Status::OK;
  }

  std::vector<api::Server> servers;  // GetServer gives the next of them with each look
  api::CheckBuildersResponse checks;

 private:
  std::size_t looks_ = 0;
};

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

class ServerLooksTest : public ::testing::Test {
 protected:
  void Begin() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&known_);
    server_ = builder.BuildAndStart();
  }
  Ran Run(std::vector<std::string> words) {
    if (server_ == nullptr) Begin();
    words.insert(words.begin(), {"--address", Cat("127.0.0.1:", port_)});
    std::istringstream in;
    std::ostringstream out, err;
    CliEnv env{in, out, err};
    env.getenv = [](const std::string&) { return std::nullopt; };
    env.pause = [](absl::Duration) { return true; };
    env.err_is_terminal = terminal_;
    env.columns = 60;
    Ran ran;
    ran.code = RunCli(words, env);
    ran.out = out.str();
    ran.err = err.str();
    return ran;
  }
  static api::Server AServer(const std::string& state) {
    api::Server server;
    server.set_id("k7f2q");
    server.set_name("b1");
    server.set_provider("hetzner");
    server.set_state(state);
    server.mutable_state_since()->set_seconds(1'790'000'000);
    server.mutable_offer()->set_name("SB148");
    server.mutable_offer()->set_currency("EUR");
    server.mutable_offer()->set_micros_per_month(148'000'000);
    server.set_spent_micros(3'558'000);
    server.set_address("2001:db8::1");
    server.set_ssh_port(22);
    server.set_host_public_key(Cat(kKey, " muster"));
    api::BuilderVitals& vitals = *server.mutable_vitals();
    vitals.mutable_seen_at()->set_seconds(1'790'000'090);
    vitals.set_reached(true);
    vitals.set_load1(1.5);
    vitals.set_memory_total_kb(1000);
    vitals.set_memory_available_kb(750);
    return server;
  }

  // Its image is on the way: so many of 2,000 MB.
  static api::Server Uploading(std::int64_t mb) {
    api::Server server = AServer("being prepared");
    api::ServerProgress& progress = *server.mutable_progress();
    progress.set_step("prepare");
    progress.set_command(3);
    progress.set_commands(14);
    progress.set_name("receive the image");
    progress.set_for_s(20);
    progress.set_bytes_sent(mb * 1'000'000);
    progress.set_bytes_total(2'000'000'000);
    progress.set_bytes_per_s(25e6);
    return server;
  }

  Known known_;
  bool terminal_ = false;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(ServerLooksTest, WhoHasNoFleetsIsToldOfTheServersAndNotToRentAFleet) {
  known_.servers = {AServer("in service")};
  const Ran ran = Run({"status"});
  EXPECT_EQ(ran.out, "no fleets now\ndedicated servers: 1  (muster server list)\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(ServerLooksTest, WhoHasNothingIsToldHowToBegin) {
  const Ran ran = Run({"status"});
  EXPECT_EQ(ran.out, "no fleets now\n");
  EXPECT_THAT(ran.err, HasSubstr("next: muster init vast"));
}

TEST_F(ServerLooksTest, ListShowsStatePriceAndWhatComesNext) {
  known_.servers = {AServer("in service")};
  known_.servers[0].set_next("muster server up b1");
  const Ran ran = Run({"server", "list"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("b1"), HasSubstr("in service"), HasSubstr("148.00 EUR"),
                             HasSubstr("3.558 EUR"), HasSubstr("muster server up b1")));
  EXPECT_EQ(Run({"server", "list", "-o", "name"}).out, "server/b1\n");
}

TEST_F(ServerLooksTest, DescribeTellsAllAndTheVitals) {
  known_.servers = {AServer("in service")};
  const Ran ran = Run({"server", "describe", "b1"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("server/b1  in service since 1m40s ago"), HasSubstr(kKey),
                             HasSubstr("load 1.50, memory 25%"), HasSubstr("(10s ago)")));
  EXPECT_EQ(Run({"server", "describe", "b2"}).code, kNotFound);
}

TEST_F(ServerLooksTest, WatchWithoutATerminalLooksOnce) {
  known_.servers = {AServer("in service")};
  const Ran ran = Run({"server", "watch"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("1.50"), HasSubstr("25%"), HasSubstr("10s ago")));
}

TEST_F(ServerLooksTest, SshPinsTheKeyAndAsksNobody) {
  known_.servers = {AServer("in service")};
  const Ran ran = Run({"server", "ssh", "b1", "uptime"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("StrictHostKeyChecking=yes"),
                             HasSubstr(Cat("'KnownHostsCommand=/bin/echo 2001:db8::1 ", kKey, "'")),
                             HasSubstr("root@2001:db8::1 uptime")));
}

TEST_F(ServerLooksTest, SshIntoARescueSystemIsRefusedWithItsKeys) {
  known_.servers = {AServer("in rescue")};
  known_.servers[0].clear_host_public_key();
  known_.servers[0].add_host_keys("ED25519 SHA256:qz0a");
  const Ran ran = Run({"server", "ssh", "b1"});
  EXPECT_EQ(ran.code, kRefused);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("ED25519 SHA256:qz0a"), HasSubstr("keys/k7f2q.order")));
}

TEST_F(ServerLooksTest, WaitEndsWhenItIsThereAndSaysTheWay) {
  known_.servers = {AServer("ordered"), AServer("in rescue"), AServer("in service")};
  const Ran ran = Run({"server", "wait", "b1"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.err, "ordered\nin rescue\nin service\n");
}

TEST_F(ServerLooksTest, WaitTellsEachTenthOfAnUpload) {
  known_.servers = {Uploading(0), Uploading(199), Uploading(200), Uploading(399), Uploading(1999)};
  api::Server small = Uploading(0);
  small.mutable_progress()->set_command(4);
  small.mutable_progress()->set_name("host key");
  small.mutable_progress()->set_bytes_total(400);
  known_.servers.push_back(small);
  known_.servers.push_back(AServer("in service"));
  const Ran ran = Run({"server", "wait", "b1"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.err,
            "being prepared\n"
            "    3 of 14: receive the image, 0%, 0B of 2.0GB, 25MB/s, for 20s\n"
            "    3 of 14: receive the image, 10%, 200MB of 2.0GB, 25MB/s, for 20s\n"
            "    3 of 14: receive the image, 99%, 2.0GB of 2.0GB, 25MB/s, for 20s\n"
            "    4 of 14: host key, for 20s\n"
            "in service\n");
}

TEST_F(ServerLooksTest, OnATerminalOneLineIsDrawnOverAndTakenAway) {
  terminal_ = true;
  known_.servers = {Uploading(500), Uploading(1000), AServer("in service")};
  const Ran ran = Run({"server", "wait", "b1"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  const std::string clear = "\r\x1b[K";
  EXPECT_THAT(ran.err, HasSubstr(Cat(clear, "  3 of 14: receive the image, 50%")));
  EXPECT_THAT(ran.err, testing::EndsWith(Cat(clear, "in service\n")));
  for (const auto line : absl::StrSplit(ran.err, clear)) EXPECT_LT(line.size(), 60u);
}

TEST_F(ServerLooksTest, DescribeAndWatchTellWhatIsRun) {
  known_.servers = {Uploading(500)};
  const std::string text = "3 of 14: receive the image, 25%, 500MB of 2.0GB, 25MB/s, for 20s";
  EXPECT_THAT(Run({"server", "describe", "b1"}).out, HasSubstr(Cat("doing:        ", text)));
  EXPECT_THAT(Run({"server", "watch"}).out, HasSubstr(text));
}

TEST_F(ServerLooksTest, WaitGivesUpWhenSomebodyHasToLookOrTimeIsOver) {
  known_.servers = {AServer("boot failed")};
  EXPECT_EQ(Run({"server", "wait", "b1", "--timeout", "4s"}).code, kTimedOut);
  known_.servers[0].set_needs_operator(true);
  known_.servers[0].set_next("look at its console");
  const Ran ran = Run({"server", "wait", "b1"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("next: look at its console"));
}

TEST_F(ServerLooksTest, MachinesIsTheFileAndNothingElse) {
  known_.servers = {AServer("in service")};
  EXPECT_EQ(Run({"server", "machines"}).out, "# head\nssh-ng://builder@192.0.2.7 ...\n");
}

TEST_F(ServerLooksTest, CheckFailsOnAViolationAndNotOnAWarning) {
  api::Check& check = *known_.checks.add_checks();
  check.set_name("machines file");
  check.set_result(api::Check::WARNING);
  check.set_detail("none is kept");
  check.set_next("muster server machines > FILE");
  const Ran warned = Run({"server", "check"});
  EXPECT_EQ(warned.code, kOk);
  EXPECT_THAT(warned.err, HasSubstr("next: muster server machines > FILE"));
  check.set_result(api::Check::FAILED);
  const Ran failed = Run({"server", "check"});
  EXPECT_EQ(failed.code, kFailed);
  EXPECT_THAT(failed.out, HasSubstr("FAILED"));
}

}  // namespace
}  // namespace muster::cli
