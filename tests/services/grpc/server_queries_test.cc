// Dedicated servers as clients see them: live and of the past, their lines, and the state check.
#include "commands/handler/handler.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "services/grpc/audit_api.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"
#include "services/grpc/server_bills.h"
#include "tests/commands/server/given_server.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/servers/nix/machine_line.h"
#include "workers/servers/nix/machines_file.h"
#include "workers/virtual/memory_text_files.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::grpc_api {
namespace {

using server::AnOrder;
using server::AStep;
using server::Done;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHostKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H";
constexpr char kPath[] = "/var/lib/muster/machines";

class ServerQueries : public ::testing::Test {
 protected:
  ServerQueries() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    EXPECT_THAT(rt_.Run(projector_.Start()), IsOk());
    QueryHooks hooks;
    hooks.world = [this]() -> const World& { return handler_.world(); };
    hooks.server_doing = [this](const server::State&) { return doing_; };
    hooks.files = &files_;
    hooks.machines_file = kPath;
    api_ = std::make_unique<QueryApi>(rt_, store_, projector_, tails_, std::move(hooks));
  }
  ~ServerQueries() override { rt_.DestroyTasks(); }

  void Do(const std::string& id, server::Command command) {
    Origin origin{.actor = "test"};
    EXPECT_THAT(rt_.Run(handler_.Server(ServerId(id), std::move(command), origin)), IsOk());
    rt_.RunUntilIdle();
  }
  static specpb::ServerSpec Spec(const std::string& name) {
    specpb::ServerSpec spec;
    spec.set_name(name);
    spec.set_provider("hetzner");
    specpb::NixBuilder& nix = *spec.mutable_nix();
    nix.set_user("builder");
    nix.add_systems("x86_64-linux");
    nix.set_max_jobs(4);
    nix.set_speed_factor(1);
    nix.add_supported_features(Cat("muster-", name));
    nix.set_ssh_key("/etc/nix/key");
    return spec;
  }
  void Ordered(const std::string& id, const std::string& name) {
    server::Order order = AnOrder(Cat("offer-", id));
    *order.planned.mutable_spec() = Spec(name);
    order.planned.set_host_public_key(kHostKey);
    order.requested.mutable_offer()->set_name("SB148");
    order.requested.mutable_offer()->set_benchmark(32'000);
    Do(id, order);
    Do(id, server::OrderAnswered{OrderId(Cat("B", id))});
  }
  void Step(const std::string& id, server::RequestStep request, server::StepDone done = Done()) {
    Do(id, std::move(request));
    Do(id, std::move(done));
  }
  std::string Line(const std::string& name) {
    return *nix::MachineLine(Spec(name), "2001:db8:61:1f::1", 22, kHostKey);
  }
  void Installed(const std::string& id, const std::string& name) {
    Ordered(id, name);
    server::Deliver delivery = server::ADelivery();
    delivery.delivered.set_server(Cat("31", id));
    Do(id, delivery);
    Step(id, AStep(eventpb::INSPECT), server::Inspected());
    Step(id, server::APrepare({server::ADisk("wwn-1"), server::ADisk("wwn-2")}, name));
    Step(id, AStep(eventpb::BOOT));
  }
  void Registered(const std::string& id, const std::string& name) {
    Installed(id, name);
    server::StepDone done = Done();
    done.done.set_machine_line(Line(name));
    Step(id, AStep(eventpb::REGISTER), done);
  }
  StatusOr<api::Server> Get(const std::string& name, std::uint64_t position = 0) {
    api::GetServerRequest request;
    request.set_server(name);
    if (position > 0) request.mutable_as_of()->set_position(position);
    return rt_.Run(api_->GetServer(request));
  }
  std::vector<std::string> Violations(const std::string& server = "") {
    api::CheckBuildersRequest request;
    request.set_server(server);
    const auto answer = rt_.Run(api_->CheckBuilders(request));
    EXPECT_THAT(answer, IsOk());
    std::vector<std::string> out;
    for (const api::Check& check : answer->checks()) {
      if (check.result() == api::Check::FAILED)
        out.push_back(Cat(check.name(), ": ", check.detail()));
    }
    return out;
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  queries::Projector projector_{rt_, store_};
  TailKeeper tails_{rt_, {}};
  MemoryTextFiles files_;
  std::optional<ServerDoing> doing_;
  std::unique_ptr<QueryApi> api_;
};

TEST_F(ServerQueries, TellWhereAServerIsAndWhatComesNext) {
  Ordered("a", "b1");
  rt_.RunFor(absl::Minutes(90));
  auto server = Get("b1");
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(server->state(), "ordered");
  EXPECT_EQ(server->order(), "Ba");
  EXPECT_EQ(server->offer().name(), "SB148");
  EXPECT_EQ(server->offer().micros_per_month(), 148'000'000);
  EXPECT_EQ(server->offer().micros_per_point(), 4625);
  EXPECT_EQ(server->address(), "");
  EXPECT_EQ(server->host_public_key(), "");
  Do("a", server::ADelivery());
  server = Get("a");
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(server->number(), "3100001");
  EXPECT_EQ(server->address(), "2001:db8:61:1f::2") << "of the rescue system";
  EXPECT_EQ(server->ssh_port(), 22);
  EXPECT_THAT(server->host_keys(), ElementsAre("ED25519 SHA256:qz0a"));
  EXPECT_EQ(server->next_step(), "inspect");
  Do("a", AStep(eventpb::INSPECT));
  rt_.RunFor(absl::Minutes(2));
  server = Get("b1");
  EXPECT_EQ(server->running_step(), "inspect");
  EXPECT_EQ(server->state(), "being inspected");
  EXPECT_EQ(server->detail(), "attempt 1, for 2m00s");
}

TEST_F(ServerQueries, WhatServersCostStandsApartInTheirOwnCurrency) {
  EXPECT_TRUE(rt_.Run(api_->GetCost({}))->servers().empty());
  Ordered("a", "b1");
  const std::uint64_t ordered = store_.Head();
  Do("a", server::ADelivery());
  rt_.RunFor(absl::Minutes(90));
  const auto cost = rt_.Run(api_->GetCost({}));
  ASSERT_THAT(cost, IsOk());
  ASSERT_EQ(cost->servers_size(), 1);
  const api::ServerBill& bill = cost->servers(0);
  EXPECT_EQ(bill.server(), "b1");
  EXPECT_EQ(bill.currency(), "EUR");
  EXPECT_EQ(bill.micros_per_month(), 148'000'000);
  EXPECT_EQ(bill.spent_micros(), 2 * 237'200) << "started hours in full";
  EXPECT_EQ(bill.intent(), "server.order_requested");
  EXPECT_EQ(bill.position(), 3u);
  api::GetCostRequest then;
  then.mutable_as_of()->set_position(ordered);
  EXPECT_EQ(rt_.Run(api_->GetCost(then))->servers(0).spent_micros(), 0);
}

TEST_F(ServerQueries, ADiffTellsWhatBecameOfThem) {
  api::DiffRequest request;
  Ordered("a", "b1");
  request.mutable_from()->set_position(store_.Head());
  Do("a", server::ADelivery());
  rt_.RunFor(absl::Minutes(90));
  const auto diff = rt_.Run(api_->Diff(request));
  ASSERT_THAT(diff, IsOk());
  std::vector<std::string> told;
  for (const auto& change : diff->changes()) {
    if (change.subject() != "server/b1") continue;
    told.push_back(Cat(change.field(), ": ", change.before(), " -> ", change.after()));
  }
  EXPECT_THAT(told, ElementsAre("state: ordered -> in rescue", HasSubstr("spent:  -> 0.4"),
                                "number:  -> 3100001", HasSubstr("next: ")));
}

TEST_F(ServerQueries, OneDeliveredJustNowIsThatOfTheOrderUnderWay) {
  Ordered("a", "b1");
  Server fresh, other;
  fresh.number = ServerNumber("3100001");
  other.number = ServerNumber("99");
  const ProviderName provider("hetzner");
  auto strays = StrayBills(handler_.world(), provider, {fresh});
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_EQ(strays[0].intent(), "an order under way");
  strays = StrayBills(handler_.world(), provider, {fresh, other});
  ASSERT_EQ(strays.size(), 2u);
  EXPECT_EQ(strays[0].intent(), "") << "one of them was not asked for";
  Do("a", server::ADelivery());
  strays = StrayBills(handler_.world(), provider, {fresh, other});
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_EQ(strays[0].number(), "99");
  EXPECT_EQ(strays[0].intent(), "");
}

TEST_F(ServerQueries, WhoProvesWhatIsBilledIsToldOfEachWithItsOrder) {
  Ordered("a", "b1");
  Do("a", server::ADelivery());
  Server ours, strange;
  ours.number = ServerNumber("3100001");
  strange.number = ServerNumber("99");
  strange.name = "somebody's";
  std::vector<Server> list = {ours};
  AuditHooks hooks;
  hooks.world = [this]() -> const World& { return handler_.world(); };
  hooks.server_providers = {ProviderName("hetzner")};
  hooks.list_servers = [&list](ProviderName) -> Task<StatusOr<std::vector<Server>>> {
    co_return list;
  };
  AuditApi audit(rt_, store_, projector_, hooks);
  auto proof = rt_.Run(audit.ProveOrphans({}));
  ASSERT_THAT(proof, IsOk());
  EXPECT_TRUE(proof->proved());
  ASSERT_EQ(proof->servers_size(), 1);
  EXPECT_EQ(proof->servers(0).position(), 3u);
  list.push_back(strange);
  proof = rt_.Run(audit.ProveOrphans({}));
  EXPECT_FALSE(proof->proved());
  EXPECT_EQ(proof->unaccounted(), 1);
  ASSERT_EQ(proof->servers_size(), 2);
  EXPECT_EQ(proof->servers(0).number(), "99") << "those without an order first";
  EXPECT_EQ(proof->servers(0).position(), 0u);
  api::ProveOrphansRequest then;
  then.mutable_as_of()->set_position(store_.Head());
  EXPECT_EQ(rt_.Run(audit.ProveOrphans(then))->servers_size(), 1) << "by what was recorded";
  const auto budget = rt_.Run(audit.ProveBudget({}));
  ASSERT_THAT(budget, IsOk());
  ASSERT_EQ(budget->servers_size(), 1);
  EXPECT_EQ(budget->servers(0).micros_per_month(), 148'000'000);
  EXPECT_EQ(budget->burn_micro_usd_per_hour(), 0) << "in no sum in dollars";
}

TEST_F(ServerQueries, WhatIsRunJustNowIsToldOfNowOnly) {
  Ordered("a", "b1");
  EXPECT_FALSE(Get("b1")->has_progress());
  doing_ = {.step = eventpb::PREPARE,
            .command = 3,
            .commands = 14,
            .name = "receive the image",
            .lasts = absl::Seconds(20),
            .bytes_sent = 500,
            .bytes_total = 2000,
            .bytes_per_s = 25};
  const api::ServerProgress progress = Get("b1")->progress();
  EXPECT_EQ(progress.ShortDebugString(),
            "step: \"prepare\" command: 3 commands: 14 name: \"receive the image\" for_s: 20 "
            "bytes_sent: 500 bytes_total: 2000 bytes_per_s: 25");
  const auto list = rt_.Run(api_->ListServers({}));
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->servers(0).progress().command(), 3);
  const auto then = Get("b1", store_.Head());
  ASSERT_THAT(then, IsOk());
  EXPECT_FALSE(then->has_progress()) << "it is in no event";
}

TEST_F(ServerQueries, AFailureIsToldUntilTheStepIsTakenAgain) {
  Ordered("a", "b1");
  Do("a", server::ADelivery());
  Do("a", AStep(eventpb::INSPECT));
  Do("a", server::StepFailed{"sshd is silent", false, "look at its console"});
  auto server = Get("b1");
  EXPECT_EQ(server->state(), "inspect failed");
  EXPECT_EQ(server->detail(), "sshd is silent");
  EXPECT_EQ(server->next(), "look at its console");
  EXPECT_TRUE(server->needs_operator());
  Do("a", AStep(eventpb::INSPECT));
  Do("a", server::Inspected());
  server = Get("b1");
  EXPECT_EQ(server->detail(), "");
  EXPECT_EQ(server->disks_size(), 2);
}

TEST_F(ServerQueries, TheInstalledSystemHasItsOwnAddressAndKey) {
  Installed("a", "b1");
  const auto server = Get("b1");
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(server->address(), "2001:db8:61:1f::1");
  EXPECT_EQ(server->host_public_key(), kHostKey);
  EXPECT_THAT(server->host_keys(), IsEmpty()) << "those of the rescue system are gone";
}

TEST_F(ServerQueries, ThePastIsAnsweredAsItWas) {
  Ordered("a", "b1");
  const std::uint64_t then = store_.Head();
  Do("a", server::ADelivery());
  EXPECT_EQ(Get("b1", then)->state(), "ordered");
  EXPECT_EQ(Get("b1")->state(), "in rescue");
  EXPECT_THAT(Get("b1", 999), StatusIs(StatusCode::kOutOfRange));
}

TEST_F(ServerQueries, AreListedByNameAndEndedOnesWhenAskedFor) {
  Ordered("z", "b1");
  Ordered("a", "b2");
  Do("a", server::OrderRefused{eventpb::ServerOrderRefused::CANCELLED, "gone"});
  const auto list = rt_.Run(api_->ListServers({}));
  ASSERT_THAT(list, IsOk());
  ASSERT_EQ(list->servers_size(), 2);
  EXPECT_EQ(list->servers(0).name(), "b1");
  EXPECT_EQ(list->servers(1).state(), "order refused");
}

TEST_F(ServerQueries, WhoIsUnknownIsRefusedWithTheNearestName) {
  Ordered("a", "builder-01");
  EXPECT_THAT(Get("builder-02"), StatusIs(StatusCode::kNotFound, HasSubstr("\"builder-01\"?")));
}

TEST_F(ServerQueries, ExportTheLinesOfAllThatAreRegistered) {
  Registered("a", "b1");
  Installed("b", "b2");
  const std::uint64_t before = store_.Head();
  Registered("c", "b3");
  const auto text = rt_.Run(api_->ExportMachines({}));
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(nix::EntriesOf(text->text()), ElementsAre(Line("b1"), Line("b3")));
  api::ExportMachinesRequest past;
  past.mutable_as_of()->set_position(before);
  EXPECT_THAT(nix::EntriesOf(rt_.Run(api_->ExportMachines(past))->text()), ElementsAre(Line("b1")));
}

TEST_F(ServerQueries, TheStateCheckHoldsTheFileAgainstTheLog) {
  Registered("a", "b1");
  EXPECT_THAT(Violations(), ElementsAre(Cat("machines file: ", kPath, " is not there")));
  files_.files[kPath] = rt_.Run(api_->ExportMachines({}))->text();
  EXPECT_THAT(Violations(), IsEmpty());
  Registered("b", "b2");
  files_.files[kPath] += "ssh://mine\n";
  EXPECT_THAT(Violations(), ElementsAre(HasSubstr("lacks the line of b2"),
                                        HasSubstr("a line that the log does not: ssh://mine")));
  EXPECT_THAT(Violations("b1").size(), 2u) << "the file is everybody's";
  api::CheckBuildersRequest request;
  request.set_server("nobody");
  EXPECT_THAT(rt_.Run(api_->CheckBuilders(request)), StatusIs(StatusCode::kNotFound));
}

TEST_F(ServerQueries, AFailedProbeTakesTheLineOut) {
  Registered("a", "b1");
  Do("a", AStep(eventpb::VALIDATE));
  Do("a", server::StepFailed{"built at home", false, "look"});
  EXPECT_THAT(nix::EntriesOf(rt_.Run(api_->ExportMachines({}))->text()), IsEmpty());
  files_.files[kPath] = nix::MachinesText({Line("b1")});
  EXPECT_THAT(Violations(), ElementsAre(HasSubstr("still has the line of b1")));
}

}  // namespace
}  // namespace muster::grpc_api
