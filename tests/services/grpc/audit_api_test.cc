// What is billed and by whose wish, what may be spent at worst, and the log as the API gives it
// out.
#include "services/grpc/audit_api.h"

#include "commands/handler/log_fold.h"
#include "eventstore/audit/log_check.h"
#include "eventstore/audit/proof.h"
#include "tests/services/grpc/query_testing.h"

namespace muster::grpc_api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Billed = api::BilledMachine;

Instance Machine(const std::string& id, const std::string& label, std::int64_t price,
                 absl::Time started) {
  Instance instance;
  instance.id = InstanceId(id);
  instance.label = label;
  instance.gpu = GpuName("RTX 3070");
  instance.price = MicroUsdPerHour(price);
  instance.price_known = true;
  instance.started_at = started;
  return instance;
}

// Worker k7f2q runs on instance 123 at $0.081/h; launch l2222 is in flight at $0.10/h.
class Audited : public ::testing::Test {
 protected:
  void SetUp() override {
    eventpb::InstallationCreated created;
    created.set_id("m7k2");
    bench.log.Write("installation", created);
    bench.log.Fleet("zeb", {.workers = 2, .cap_day = 1'000'000});
    intent = bench.log.Launch("k7f2q", "zeb", {});
    bench.log.Accept("k7f2q", "123");
    bench.log.See("k7f2q", 81'000);
    bench.After(absl::Hours(1));
    in_flight = bench.log.Launch("l2222", "zeb", {.price = 100'000, .index = 1});
    bench.rt().RunUntilIdle();
    EXPECT_THAT(bench.log.store().ReadAll(
                    0, 1000,
                    [&](const RecordedEvent& e) {
                      const auto body = DecodeEvent(e.event.type, e.event.payload);
                      Evolve(world, e.stream, *body, Stamp{e.position, e.event.occurred_at});
                      return true;
                    }),
                IsOk());
    hooks.providers = {ProviderName("vast")};
    hooks.world = [this]() -> const World& { return world; };
    hooks.list_instances = [this](ProviderName) -> Task<StatusOr<std::vector<Instance>>> {
      co_return list;
    };
    hooks.heads = &heads;
  }
  AuditApi Api() { return AuditApi(bench.rt(), bench.log.store(), bench.projector, hooks); }
  void Credit(std::int64_t micros) {
    eventpb::CreditObserved credit;
    credit.set_credit_micro_usd(micros);
    bench.log.Write("account/vast", credit);
    bench.rt().RunUntilIdle();
  }
  absl::Time now() { return bench.rt().Now(); }

  QueryBench bench;
  World world;
  StatusOr<std::vector<Instance>> list = std::vector<Instance>();
  HeadMaker heads{bench.rt(), bench.log.store(), audit::SigningKey::Make().value()};
  AuditHooks hooks;
  Position intent = 0;
  Position in_flight = 0;
};

TEST_F(Audited, EveryMachineOfAWorkerIsMappedToTheIntentThatAskedForIt) {
  list = std::vector<Instance>{
      Machine("123", "zeb-worker-vast-0.k7f2q", 81'000, now() - absl::Hours(1)),
      Machine("124", "zeb-worker-vast-1.l2222", 100'000, now())};
  AuditApi api = Api();
  const auto answer = bench.Ask(api.ProveOrphans({}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->proved());
  EXPECT_EQ(answer->burn_micro_usd_per_hour(), 181'000);
  ASSERT_EQ(answer->machines_size(), 2);
  EXPECT_EQ(answer->machines(0).account(), Billed::INTENT);
  EXPECT_EQ(answer->machines(0).position(), intent);
  EXPECT_EQ(answer->machines(0).intent(), "worker.launch_requested");
  EXPECT_EQ(answer->machines(0).billed_micro_usd(), 81'000);
  EXPECT_EQ(answer->machines(1).account(), Billed::LAUNCHING);
  EXPECT_EQ(answer->machines(1).position(), in_flight);
}

TEST_F(Audited, MachinesWithoutAnIntentComeFirstWithAgeAndBurn) {
  list = std::vector<Instance>{
      Machine("123", "x", 81'000, now()), Machine("7", "stranger", 500'000, now() - absl::Hours(2)),
      Machine("8", "zeb-worker-vast-0.m7k2abcd", 60'000, now() - absl::Minutes(30))};
  AuditApi api = Api();
  const auto answer = bench.Ask(api.ProveOrphans({}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->proved());
  EXPECT_EQ(answer->unaccounted(), 2);
  EXPECT_EQ(answer->unaccounted_micro_usd_per_hour(), 560'000);
  ASSERT_EQ(answer->machines_size(), 3);
  EXPECT_EQ(answer->machines(0).instance(), "7");
  EXPECT_EQ(answer->machines(0).account(), Billed::UNKNOWN);
  EXPECT_EQ(answer->machines(0).age_s(), 7200);
  EXPECT_EQ(answer->machines(0).billed_micro_usd(), 1'000'000);
  EXPECT_EQ(answer->machines(1).account(), Billed::ORPHAN);
  EXPECT_EQ(answer->machines(2).account(), Billed::INTENT);
}

TEST_F(Audited, AProviderThatCannotBeListedProvesNothing) {
  list = Unavailable("HTTP 503");
  AuditApi api = Api();
  const auto answer = bench.Ask(api.ProveOrphans({}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->proved());
  EXPECT_THAT(answer->unknown_providers(), ElementsAre("vast: HTTP 503"));
}

TEST_F(Audited, TheWorstCaseIsTheCreditAndLaunchesInFlightBurnToo) {
  Credit(1'810'000);
  AuditApi api = Api();
  const auto answer = bench.Ask(api.ProveBudget({}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->bounded());
  EXPECT_EQ(answer->burn_micro_usd_per_hour(), 181'000);
  EXPECT_EQ(answer->worst_micro_usd(), 1'810'000);
  ASSERT_EQ(answer->accounts_size(), 1);
  EXPECT_EQ(answer->accounts(0).ends_at().seconds(), absl::ToUnixSeconds(now() + absl::Hours(10)));
  ASSERT_EQ(answer->fleets_size(), 1);
  const api::FleetExposure& fleet = answer->fleets(0);
  EXPECT_EQ(fleet.burn_micro_usd_per_hour(), 181'000);
  // 13:00 UTC: eleven hours to midnight; the day's cap of $1.00 is passed on the way.
  EXPECT_EQ(fleet.at_midnight_micro_usd() - fleet.spent_today_micro_usd(), 11 * 181'000);
  ASSERT_TRUE(fleet.has_cap_day_at());
  const double hours = (1'000'000.0 - static_cast<double>(fleet.spent_today_micro_usd())) / 181'000;
  EXPECT_NEAR(static_cast<double>(fleet.cap_day_at().seconds()),
              static_cast<double>(absl::ToUnixSeconds(now())) + hours * 3600, 2);
}

TEST_F(Audited, NothingBoundsAnAccountWhoseCreditWasNeverSeen) {
  AuditApi api = Api();
  const auto answer = bench.Ask(api.ProveBudget({}));
  ASSERT_THAT(answer, IsOk());
  ASSERT_EQ(answer->accounts_size(), 1);
  EXPECT_FALSE(answer->accounts(0).bounded());
  EXPECT_FALSE(answer->bounded());
}

// ---- of the past ------------------------------------------------------------------------------

class AuditedThen : public Audited {
 protected:
  // The account's complete list, as the poller has it written down.
  Position Listed(const std::vector<std::string>& added,
                  const std::vector<std::string>& removed = {}) {
    eventpb::InstanceListObserved seen;
    for (const std::string& id : added) seen.add_added(id);
    for (const std::string& id : removed) seen.add_removed(id);
    return bench.log.Write("account/vast", seen);
  }
  void Orphan(const std::string& id, std::int64_t price) {
    eventpb::OrphanFound found;
    found.set_instance(id);
    found.set_label("zeb-worker-vast-0.m7k2abcd");
    found.set_gpu("RTX 3070");
    found.set_price_micro_usd_per_hour(price);
    found.set_why("token of ours");
    bench.log.Write("account/vast", found);
  }
  StatusOr<api::ProveOrphansResponse> At(Position position) {
    hooks.list_instances = [](ProviderName) -> Task<StatusOr<std::vector<Instance>>> {
      ADD_FAILURE() << "the provider was asked";
      co_return Unavailable("");
    };
    AuditApi api = Api();
    api::ProveOrphansRequest request;
    request.mutable_as_of()->set_position(position);
    return bench.Ask(api.ProveOrphans(request));
  }
  // What is told of each machine, and the notes, one a line.
  std::vector<std::string> Told(const api::ProveOrphansResponse& answer) {
    std::vector<std::string> told;
    for (const Billed& machine : answer.machines()) {
      told.push_back(Cat(machine.instance(), " ", Billed::Account_Name(machine.account()), " ",
                         machine.worker(), machine.why(), " ", machine.price_micro_usd_per_hour()));
    }
    return told;
  }
};

TEST_F(AuditedThen, MachinesAreThoseOfTheListThatWasRecordedThen) {
  bench.After(absl::Minutes(1));
  const Position list_at = Listed({"123"});
  bench.After(absl::Minutes(2));
  const Position then = bench.log.Health("k7f2q", eventpb::WorkerHealthChanged::HEALTHY);
  bench.After(absl::Hours(1));
  Listed({"7"});
  const auto answer = At(then);
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->proved());
  EXPECT_THAT(Told(*answer), ElementsAre("123 INTENT k7f2q 81000"));
  EXPECT_EQ(answer->machines(0).position(), intent);
  EXPECT_EQ(answer->machines(0).age_s(), 3600 + 180);  // since it was asked for
  EXPECT_EQ(answer->position(), then);
  ASSERT_GE(answer->notes_size(), 2);
  EXPECT_THAT(answer->notes(0), HasSubstr(Cat("(position ", list_at, ", 2m00s before)")));
  EXPECT_THAT(answer->notes(1), HasSubstr("1 rentals had no answer yet"));
}

TEST_F(AuditedThen, WhatWasRentedAfterTheListCountsAndWhatEndedAfterItDoesNot) {
  Listed({"123"});
  const Position accepted = bench.log.Accept("l2222", "124");
  auto answer = At(accepted);
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(Told(*answer), ElementsAre("123 INTENT k7f2q 81000", "124 INTENT l2222 100000"));
  EXPECT_THAT(answer->notes(1), HasSubstr("1 rented after it count"));
  const Position ended = bench.log.End("k7f2q");
  answer = At(ended);
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(Told(*answer), ElementsAre("124 INTENT l2222 100000"));
  EXPECT_TRUE(answer->proved());
  // A later list still has it: it is billed, and nobody accounts for it.
  const Position still = Listed({"124"});
  answer = At(still);
  EXPECT_THAT(Told(*answer), ElementsAre("123 UNKNOWN  0", "124 INTENT l2222 100000"));
  EXPECT_FALSE(answer->proved());
}

TEST_F(AuditedThen, OrphansBearWhatWasFoundOfThem) {
  Listed({"123", "8", "9"});
  Orphan("8", 60'000);
  const auto answer = At(bench.log.store().Head());
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(Told(*answer), ElementsAre("8 ORPHAN token of ours 60000", "9 UNKNOWN  0",
                                         "123 INTENT k7f2q 81000"));
  EXPECT_EQ(answer->unaccounted(), 2);
}

TEST_F(AuditedThen, AnAccountThatHasNoMachinesIsNotAskedForAList) {
  eventpb::AccountTroubleBegan trouble;
  trouble.set_kind(eventpb::AccountTroubleBegan::AUTH);
  bench.log.Write("account/hetzner", trouble);
  const auto answer = At(Listed({"123"}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->proved());
}

TEST_F(AuditedThen, WithoutAListNothingIsProved) {
  const auto answer = At(in_flight);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->proved());
  EXPECT_THAT(answer->unknown_providers(),
              ElementsAre("vast: no complete list of its machines was recorded by then"));
}

TEST_F(AuditedThen, TheWorstCaseIsByteForByteWhatWasToldThen) {
  std::vector<std::pair<Position, std::string>> told;
  const auto keep = [&] {
    bench.rt().RunUntilIdle();
    const Position head = bench.log.store().Head();
    const auto now_world = bench.rt().Run(WorldAt(bench.rt(), bench.log.store(), head));
    ASSERT_THAT(now_world, IsOk());
    hooks.world = [live = *now_world]() -> const World& { return *live; };
    AuditApi api = Api();
    told.emplace_back(head, bench.Ask(api.ProveBudget({}))->SerializeAsString());
  };
  keep();
  Credit(1'810'000);
  keep();
  bench.After(absl::Minutes(10));
  bench.log.Accept("l2222", "124");
  keep();
  bench.After(absl::Hours(20));
  bench.log.End("k7f2q", 900'000);
  keep();
  bench.After(absl::Hours(20));
  AuditApi api = Api();
  for (const auto& [position, bytes] : told) {
    api::ProveBudgetRequest request;
    request.mutable_as_of()->set_position(position);
    const auto answer = bench.Ask(api.ProveBudget(request));
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->SerializeAsString(), bytes) << position;
  }
  EXPECT_NE(told[1].second, told[2].second);
}

TEST_F(Audited, TheRecordsGivenOutAreThoseOfTheHeadAndProveSingleEvents) {
  AuditApi api = Api();
  KeptStream<api::RecordBatch> stream(bench.rt());
  ASSERT_THAT(bench.Ask(api.ExportRecords({}, stream)), IsOk());
  const auto head = bench.Ask(api.GetHead({}));
  ASSERT_THAT(head, IsOk());
  const auto read = audit::ReadHead(head->head(), heads.key().PublicHex());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->head.installation, "m7k2");
  audit::LogCheck check(read->head);
  for (const api::RecordBatch& batch : stream.sent) {
    for (const std::string& record : batch.records()) ASSERT_THAT(check.Take(record), IsOk());
  }
  EXPECT_THAT(check.End(), IsOk());
  api::ProveEventRequest request;
  request.set_position(intent);
  request.set_head(head->head());
  const auto proof = bench.Ask(api.ProveEvent(request));
  ASSERT_THAT(proof, IsOk());
  EXPECT_EQ(audit::CheckProof(proof->proof(), heads.key().PublicHex())->event.position, intent);
  request.set_position(1000);
  EXPECT_THAT(bench.Ask(api.ProveEvent(request)), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(Audited, TheDaemonsOwnVerdictNamesWhatAHeadMisses) {
  AuditApi api = Api();
  EXPECT_TRUE(bench.Ask(api.VerifyLog({}))->whole());
  audit::Head longer{"m7k2", bench.log.store().Head() + 2, {}, {}, now()};
  api::VerifyLogRequest request;
  request.set_head(audit::Sign(longer, heads.key()).text);
  const auto verdict = bench.Ask(api.VerifyLog(request));
  ASSERT_THAT(verdict, IsOk());
  EXPECT_FALSE(verdict->whole());
  EXPECT_EQ(verdict->first_bad(), bench.log.store().Head() + 1);
  EXPECT_THAT(verdict->problem(), HasSubstr("2 events are cut off"));
  request.set_head("{}");
  EXPECT_THAT(bench.Ask(api.VerifyLog(request)), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster::grpc_api
