// Whole commands against the real services over a unix socket: the log is written by hand, time is
// virtual, and the side that would change something answers what the test wants.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <sstream>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/grpc/convert.h"
#include "services/grpc/server.h"
#include "services/grpc/services.h"
#include "services/muster/cli.h"
#include "tests/services/grpc/query_testing.h"

namespace muster::cli {
namespace {

namespace api = ::muster::api::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Answers every write with the plan it was given; on gRPC's threads.
class FixedPlan final : public api::CommandService::Service {
 public:
  void Set(api::Plan plan) {
    absl::MutexLock lock(&mutex_);
    plan_ = std::move(plan);
  }

  grpc::Status AdoptInstances(grpc::ServerContext*, const api::AdoptInstancesRequest*,
                              api::Operation* answer) override {
    return Answer(answer);
  }
  grpc::Status ScaleFleet(grpc::ServerContext*, const api::ScaleFleetRequest*,
                          api::Operation* answer) override {
    return Answer(answer);
  }

  grpc::Status TestNotifyTarget(grpc::ServerContext*, const api::TestNotifyTargetRequest* request,
                                api::TestNotifyTargetResponse* answer) override {
    answer->set_arrived(request->target() == "pager");
    answer->set_answer(answer->arrived() ? "HTTP 204" : "HTTP 401: who are you?");
    answer->set_message("test-x3k9q2m7d4ab");
    answer->set_took_ms(41);
    return grpc::Status::OK;
  }

 private:
  grpc::Status Answer(api::Operation* answer) {
    absl::MutexLock lock(&mutex_);
    *answer->mutable_plan() = plan_;
    return grpc::Status::OK;
  }

  absl::Mutex mutex_;
  api::Plan plan_ ABSL_GUARDED_BY(mutex_);
};

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

class Daemon : public ::testing::Test {
 protected:
  void SetUp() override {
    bench_.log.Fleet("zeb", {.workers = 2});
    bench_.log.Launch("k7f2q", "zeb", {});
    bench_.log.Accept("k7f2q", "123");
    bench_.log.See("k7f2q", 81'000);
    bench_.After(absl::Hours(1));
    eventpb::CreditObserved credit;
    credit.set_credit_micro_usd(23'370'000);
    bench_.log.Write("account/vast", credit);
    bench_.rt().RunUntilIdle();
    const std::string path =
        (std::filesystem::path(::testing::TempDir()) / Cat("muster-cli-", getpid(), ".sock"))
            .string();
    address_ = "unix://" + path;
    auto server = grpc_api::GrpcServer::Start({{.address = address_}, {.address = "127.0.0.1:0"}},
                                              {}, commands_, queries_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  void TearDown() override {
    server_.reset();
    bench_.rt().RunUntilIdle();
  }

  Ran Muster(std::vector<std::string> words) {
    std::istringstream in;
    std::ostringstream out, err;
    CliEnv env{.in = in,
               .out = out,
               .err = err,
               .getenv = [this](const std::string& name) -> std::optional<std::string> {
                 if (name == "MUSTER_ADDRESS") return address_;
                 return std::nullopt;
               },
               .exec = [](std::vector<std::string>) { return 1; },
               .pause = [](absl::Duration) { return false; }};
    std::atomic<bool> done = false;
    int code = -1;
    std::thread command([&] {
      code = RunCli(words, env);
      done = true;
    });
    // This thread is the daemon's reactor.
    while (!done) {
      bench_.rt().RunFor(absl::ZeroDuration());
      std::this_thread::yield();
    }
    command.join();
    return {code, out.str(), err.str()};
  }

  std::string address_;
  grpc_api::QueryBench bench_;
  FixedPlan commands_;
  grpc_api::QueryService queries_{bench_.rt(), bench_.api};
  std::unique_ptr<grpc_api::GrpcServer> server_;
};

TEST_F(Daemon, GetListsEveryKind) {
  EXPECT_THAT(Muster({"get", "fleets"}).out, AllOf(StartsWith("FLEET"), HasSubstr("\nzeb ")));
  EXPECT_THAT(Muster({"get", "workers"}).out, HasSubstr("\nk7f2q "));
  EXPECT_EQ(Muster({"get", "hosts"}).out, "no machine has a live strike\n");
  EXPECT_THAT(Muster({"get", "accounts"}).out, HasSubstr("account vast: credit $23.37"));
  EXPECT_EQ(Muster({"get", "fleets", "-o", "name"}).out, "fleet/zeb\n");
  EXPECT_EQ(Muster({"get", "-o", "name"}).out, "worker/k7f2q\n");
  EXPECT_THAT(Muster({"get", "zeb"}).out, StartsWith("FLEET"));
  EXPECT_THAT(Muster({"get", "fleet/zeb", "-o", "yaml"}).out, StartsWith("name: zeb\n"));
}

TEST_F(Daemon, ServersAreFoundByWhatTheyMustHave) {
  ServerOffer offer;
  offer.id = OfferId("3100001");
  offer.name = "SB148";
  offer.cpu = "Intel Core i5-13500";
  offer.cores = 14;
  offer.benchmark = 32'000;
  offer.memory_gb = 64;
  offer.disk_gb = 1920;
  offer.disks = 2;
  offer.location = "FSN1-DC22";
  offer.price.month.micros = 148'000'000;
  offer.price.hour = Money{237'200};
  offer.next_reduction = bench_.rt().Now() + absl::Hours(3);
  bench_.server_offers = {offer};
  const Ran found = Muster({"server", "find", "--cores", "14", "--memory", "64GB", "--max-price",
                            "148", "--location", "FSN1"});
  EXPECT_EQ(found.code, kOk) << found.err;
  EXPECT_THAT(found.out, HasSubstr("3100001  SB148   148.00   0.2372  EUR   0.00    4.62  Intel"));
  EXPECT_THAT(found.out, HasSubstr("2 x 1920 GB  FSN1-DC22  in 3h00m  -"));
  EXPECT_THAT(found.err, StartsWith("1 of 1 offers"));
  EXPECT_EQ(Muster({"server", "find", "-o", "name"}).out, "3100001\n");
  const Ran none = Muster({"server", "find", "--gpu", "ada"});
  EXPECT_EQ(none.code, kOk);
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, "none of 1 offers fits; --refused says why\n");
  EXPECT_THAT(Muster({"server", "find", "--gpu", "ada", "--refused"}).out, HasSubstr("  no GPU"));
  EXPECT_THAT(Muster({"server", "find", "--standard"}).err, StartsWith("none of 0 offers fits\n"));
}

TEST_F(Daemon, FindSaysWhichFlagMakesNoSense) {
  for (const auto& [flag, value] : {std::pair{"--gpu", "big"},
                                    {"--cores", "many"},
                                    {"--memory", "x"},
                                    {"--max-price", "150 USD/day"},
                                    {"--rank", "nicest"},
                                    {"--limit", "-1"},
                                    {"--benchmark", "1.5"}}) {
    const Ran ran = Muster({"server", "find", flag, value});
    EXPECT_EQ(ran.code, kUsage) << flag;
    EXPECT_THAT(ran.err, HasSubstr(flag));
  }
  EXPECT_EQ(Muster({"server", "find", "builder-01"}).code, kUsage);
}

TEST_F(Daemon, GetOfSomethingUnknownSaysWhatThereIs) {
  const Ran unknown = Muster({"get", "flets"});
  EXPECT_EQ(unknown.code, kNotFound);
  EXPECT_EQ(unknown.out, "");
  EXPECT_THAT(unknown.err, HasSubstr("did you mean fleets?"));
  EXPECT_THAT(unknown.err, HasSubstr("host/PROVIDER/MACHINE"));
  const Ran fleet = Muster({"get", "workers", "--fleet", "nosuch"});
  EXPECT_EQ(fleet.code, kNotFound);
  EXPECT_THAT(fleet.err, HasSubstr("there is no fleet \"nosuch\""));
}

TEST_F(Daemon, DescribeKnowsFleetsWorkersAndAccounts) {
  EXPECT_THAT(Muster({"describe", "account/vast"}).out,
              AllOf(StartsWith("account/vast\n"), HasSubstr("credit         $23.37")));
  EXPECT_EQ(Muster({"describe", "account/other"}).code, kNotFound);
  EXPECT_THAT(Muster({"describe", "zeb"}).out, StartsWith("fleet/zeb  (version 1)"));
  EXPECT_THAT(Muster({"describe", "zeb/0"}).out, HasSubstr("spent          $0.08\n"));
}

TEST_F(Daemon, AFleetThatEndedIsNotShownAsIfItWorked) {
  eventpb::FleetEnded ended;
  bench_.log.Write("fleet/zeb", ended);
  bench_.rt().RunUntilIdle();
  EXPECT_THAT(Muster({"status"}).out, StartsWith("no fleets now\n"));
  EXPECT_THAT(Muster({"status", "--all"}).out, HasSubstr("\nzeb "));
  EXPECT_THAT(Muster({"describe", "zeb"}).out,
              AllOf(Not(HasSubstr("worst case")), Not(HasSubstr("- games/s"))));
}

TEST_F(Daemon, TimesAreTakenAsPositionsMomentsOrSpans) {
  EXPECT_THAT(Muster({"get", "--at", "1"}).out, HasSubstr("no workers"));
  EXPECT_THAT(Muster({"get", "--at", "60m"}).out, HasSubstr("k7f2q"));
  EXPECT_THAT(Muster({"get", "--at", "90m ago"}).out, HasSubstr("no workers"));
  EXPECT_EQ(Muster({"status", "--at", "2h"}).out, "there were no fleets then\n");
  const Ran beyond = Muster({"status", "--at", "99999999"});
  EXPECT_EQ(beyond.code, kUsage);
  EXPECT_THAT(beyond.err, HasSubstr("POSITION_PAST_HEAD"));
  const Ran explained = Muster({"explain", "worker/k7f2q", "--at", "2"});
  EXPECT_EQ(explained.code, kOk) << explained.err;
  EXPECT_THAT(explained.out, Not(HasSubstr("instance 123")));
  EXPECT_THAT(Muster({"explain", "worker/k7f2q"}).out, HasSubstr("instance 123"));
}

TEST_F(Daemon, AShadowIsReportedAsOfAnyMoment) {
  const Ran none = Muster({"shadow", "report", "zeb", "--at", "2"});
  EXPECT_EQ(none.code, kOk) << none.err;
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, HasSubstr("no shadow was ever started beside fleet/zeb"));
  eventpb::ShadowStarted started;
  started.mutable_candidate()->set_name("zeb");
  started.mutable_candidate()->set_workers(9);
  bench_.log.Write("shadow/zeb", started);
  eventpb::ShadowDisagreed disagreed;
  disagreed.set_number(1);
  disagreed.set_kind(eventpb::ShadowDisagreed::WOULD_END);
  disagreed.set_rule("downscale");
  disagreed.set_worker("k7f2q");
  bench_.log.Write("shadow/zeb", disagreed);
  bench_.rt().RunUntilIdle();
  const std::string head = Cat(bench_.log.store().Head());
  const Ran report = Muster({"shadow", "report", "zeb", "--at", head});
  EXPECT_EQ(report.code, kOk) << report.err;
  EXPECT_THAT(report.out,
              AllOf(StartsWith("shadow/zeb   runs, since "), HasSubstr("~ workers: 2 -> 9"),
                    HasSubstr("0 decisions agreed, 1 not (1 open)"),
                    HasSubstr("live: keep worker k7f2q; candidate would end it"),
                    HasSubstr("modelled: "), HasSubstr("exact:    ")));
  EXPECT_EQ(Muster({"shadow", "report", "--at", head, "-o", "name"}).out, "shadow/zeb\n");
  EXPECT_THAT(Muster({"shadow", "report", "--at", head, "-o", "json"}).out,
              HasSubstr("\"disagreements\""));
  EXPECT_EQ(Muster({"shadow", "report", "nosuch", "--at", head}).code, kNotFound);
}

TEST_F(Daemon, AProxyOfTheEnvironmentIsNotAskedForTheDaemon) {
  setenv("http_proxy", "http://proxy.invalid:1", 1);
  const Ran ran = Muster({"status", "--address", server_->addresses()[1], "--timeout", "20s"});
  unsetenv("http_proxy");
  EXPECT_EQ(ran.code, kOk) << ran.err;
}

TEST_F(Daemon, EventsAreFilteredByTypeAndMoment) {
  EXPECT_EQ(Muster({"events", "-o", "name"}).out, "1\n2\n3\n4\n5\n");
  EXPECT_EQ(Muster({"events", "-o", "name", "--at", "2"}).out, "1\n2\n");
  EXPECT_EQ(Muster({"events", "-o", "name", "--type", "fleet.applied,worker.launch_accepted"}).out,
            "1\n3\n");
  for (const bool follow : {false, true}) {
    std::vector<std::string> words = {"events", "--type", "worker.condemed"};
    if (follow) words.push_back("--follow");
    const Ran unknown = Muster(words);
    EXPECT_EQ(unknown.code, kUsage);
    EXPECT_THAT(unknown.err, HasSubstr("did you mean worker.condemned?"));
  }
  EXPECT_EQ(Muster({"events", "--follow", "--at", "2"}).code, kUsage);
}

TEST_F(Daemon, TablesOfMoneyEndWithoutABlankLineAndRoundToCents) {
  const Ran cost = Muster({"cost"});
  EXPECT_EQ(cost.code, kOk) << cost.err;
  EXPECT_THAT(cost.out, HasSubstr("zeb    0.081  $0.08  $0.08"));
  EXPECT_THAT(cost.out, Not(::testing::EndsWith("\n\n")));
  const Ran stats = Muster({"stats"});
  EXPECT_THAT(stats.out, AllOf(HasSubstr("\n\nGPU TYPE"), Not(::testing::EndsWith("\n\n"))));
  EXPECT_EQ(Muster({"stats", "-o", "name"}).code, kUsage);
  EXPECT_EQ(Muster({"stats", "nosuch"}).code, kNotFound);
}

TEST_F(Daemon, YamlKeepsTheOrderOfTheFieldsAndListsOneItemADash) {
  const Ran yaml = Muster({"get", "workers", "-o", "yaml"});
  EXPECT_THAT(yaml.out, StartsWith("workers:\n  - id: \"k7f2q\"\n    fleet: \"zeb\"\n"));
  EXPECT_THAT(Muster({"get", "accounts", "-o", "yaml"}).out,
              StartsWith("accounts:\n  - provider: \"vast\"\n"));
}

TEST_F(Daemon, APlanSaysEachRefusalOnce) {
  api::Plan plan;
  api::PlanStep& step = *plan.add_steps();
  step.set_action(api::PlanStep::REFUSED);
  step.set_text("no offer under $0.05/h");
  plan.add_refusals("no offer under $0.05/h");
  plan.add_refusals("preflight weights must pass first");
  commands_.Set(plan);
  const Ran ran = Muster({"scale", "zeb", "3", "--dry-run", "--detailed-exitcode"});
  EXPECT_EQ(ran.code, kOk) << "nothing that is refused is a pending change";
  const std::size_t first = ran.out.find("no offer under");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(ran.out.find("no offer under", first + 1), std::string::npos) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("! preflight weights must pass first"));
  step.set_action(api::PlanStep::CHANGE);
  commands_.Set(plan);
  EXPECT_EQ(Muster({"scale", "zeb", "3", "--dry-run", "--detailed-exitcode"}).code,
            kChangesPending);
}

TEST_F(Daemon, NotifySaysHowFarEachTargetIsAndWhatHoldsItUp) {
  EXPECT_THAT(Muster({"notify", "status"}).err, HasSubstr("nobody is told"));
  api::NotifyTarget chat;
  chat.set_name("chat");
  chat.set_type("slack");
  chat.set_position(4711);
  chat.set_sent(3);
  chat.set_dropped(14);
  api::NotifyTarget pager = chat;
  pager.set_name("pager");
  pager.set_type("webhook");
  pager.set_behind(21);
  pager.set_waiting(1);
  pager.set_error("HTTP 503: not today");
  *pager.mutable_error_at() = grpc_api::ToTimestamp(bench_.rt().Now() - absl::Seconds(12));
  *pager.mutable_next_try_at() = grpc_api::ToTimestamp(bench_.rt().Now() + absl::Seconds(30));
  bench_.notify_targets = {chat, pager};
  const Ran shown = Muster({"notify", "status"});
  EXPECT_EQ(shown.code, kOk);
  EXPECT_THAT(shown.out, StartsWith("TARGET  TYPE "));
  EXPECT_THAT(shown.out, HasSubstr("\nchat    slack      4711       0        0     3       0       "
                                   "14  -        ok\n"));
  EXPECT_THAT(shown.out, HasSubstr("failed 12s ago: HTTP 503: not today; next try at 13:00:30"));
  EXPECT_EQ(Muster({"notify", "status", "-o", "name"}).out, "chat\npager\n");
}

TEST_F(Daemon, NotifyTestSaysWhatCameBack) {
  const Ran good = Muster({"notify", "test", "pager"});
  EXPECT_EQ(good.code, kOk);
  EXPECT_EQ(good.out, "arrived after 41 ms: HTTP 204  (message test-x3k9q2m7d4ab)\n");
  const Ran bad = Muster({"notify", "test", "chat"});
  EXPECT_EQ(bad.code, kFailed);
  EXPECT_THAT(bad.out, StartsWith("NOT ARRIVED after 41 ms: HTTP 401: who are you?"));
}

TEST_F(Daemon, AdoptingNothingIsNotASuccess) {
  const Ran ran = Muster({"adopt", "zeb", "--label-prefix", "zeb-worker-", "--yes"});
  EXPECT_EQ(ran.code, kNotFound);
  EXPECT_THAT(ran.err, HasSubstr("no running instance is labelled zeb-worker- + number"));
  api::Plan plan;
  api::PlanStep& step = *plan.add_steps();
  step.set_action(api::PlanStep::CHANGE);
  step.set_text("adopts instance 77 (zeb-worker-1) as it is, place 1");
  commands_.Set(plan);
  EXPECT_EQ(Muster({"adopt", "zeb", "--label-prefix", "zeb-worker-", "--yes"}).code, kOk);
}

}  // namespace
}  // namespace muster::cli
