#include "services/grpc/query_api.h"

#include "queries/market/record.h"
#include "services/files/market_file.h"
#include "services/grpc/convert.h"
#include "tests/services/grpc/query_testing.h"

namespace muster::grpc_api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Health = eventpb::WorkerHealthChanged;

// Fleet zeb with one worker, launched ten minutes after the fleet was applied (positions 1 and 2),
// and another five minutes later.
void FillLog(QueryBench& bench) {
  bench.log.Fleet("zeb", {.workers = 1});
  bench.After(absl::Minutes(10));
  bench.log.Launch("k7f2q", "zeb", {});
  bench.After(absl::Minutes(5));
  bench.rt().RunUntilIdle();
}

api::GetFleetRequest ZebAt(const api::AsOf& moment) {
  api::GetFleetRequest request;
  request.set_fleet("zeb");
  *request.mutable_as_of() = moment;
  return request;
}
api::AsOf AtPosition(std::uint64_t position) {
  api::AsOf moment;
  moment.set_position(position);
  return moment;
}
api::AsOf AtTime(absl::Time time) {
  api::AsOf moment;
  *moment.mutable_time() = ToTimestamp(time);
  return moment;
}
api::AsOf Ago(absl::Duration span) {
  api::AsOf moment;
  moment.set_seconds_ago(absl::ToInt64Seconds(span));
  return moment;
}

TEST(QueriesOfThePast, TakeAPositionATimeOrASpan) {
  QueryBench bench;
  FillLog(bench);
  const auto have = [&](const api::AsOf& moment) {
    const auto fleet = bench.Ask(bench.api.GetFleet(ZebAt(moment)));
    EXPECT_THAT(fleet, IsOk());
    return fleet.ok() ? fleet->have() : -1;
  };
  EXPECT_EQ(have({}), 1);
  EXPECT_EQ(have(AtPosition(2)), 1);
  EXPECT_EQ(have(AtPosition(1)), 0);
  const absl::Time launched = bench.rt().Now() - absl::Minutes(5);
  EXPECT_EQ(have(AtTime(launched)), 1);
  EXPECT_EQ(have(AtTime(launched - absl::Seconds(1))), 0);
  EXPECT_EQ(have(Ago(absl::Minutes(5))), 1);
  EXPECT_EQ(have(Ago(absl::Minutes(5) + absl::Seconds(1))), 0);
}

TEST(QueriesOfThePast, BeyondWhatWasRecordedAreRefusedWithAReason) {
  QueryBench bench;
  FillLog(bench);
  const auto refused = [&](const api::AsOf& moment) {
    return bench.Ask(bench.api.GetFleet(ZebAt(moment))).status();
  };
  const Status past_head = refused(AtPosition(3));
  EXPECT_THAT(past_head, StatusIs(StatusCode::kOutOfRange, HasSubstr("after 2")));
  EXPECT_EQ(ReasonOf(past_head), "POSITION_PAST_HEAD");
  const Status future = refused(AtTime(bench.rt().Now() + absl::Seconds(1)));
  EXPECT_THAT(future, StatusIs(StatusCode::kOutOfRange, HasSubstr("yet to come")));
  EXPECT_EQ(ReasonOf(future), "TIME_IN_THE_FUTURE");
  EXPECT_THAT(refused(AtPosition(0)), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(refused(Ago(-absl::Seconds(1))), StatusIs(StatusCode::kInvalidArgument));
  // Before the first event there was no fleet, and it must not be taken for an error of ours.
  EXPECT_THAT(refused(Ago(absl::Hours(24 * 365 * 200))), StatusIs(StatusCode::kNotFound));
}

TEST(QueriesOfThePast, ExplainKnowsNothingLater) {
  QueryBench bench;
  FillLog(bench);
  api::ExplainRequest request;
  request.set_subject("fleet/zeb");
  const auto positions = [&] {
    std::vector<std::uint64_t> seen;
    const auto answer = bench.Ask(bench.api.Explain(request));
    EXPECT_THAT(answer, IsOk());
    for (const auto& line : answer->lines()) seen.push_back(line.position());
    return seen;
  };
  EXPECT_THAT(positions(), ElementsAre(1, 2));
  *request.mutable_as_of() = AtPosition(1);
  EXPECT_THAT(positions(), ElementsAre(1));
  request.set_subject("worker/k7f2q");
  const Status unborn = bench.Ask(bench.api.Explain(request)).status();
  EXPECT_THAT(unborn, StatusIs(StatusCode::kNotFound, HasSubstr("at position 1")));
}

TEST(Filters, ByAFleetThatNeverWasNameTheNearest) {
  QueryBench bench;
  FillLog(bench);
  api::ListWorkersRequest workers;
  workers.set_fleet("zeb");
  EXPECT_EQ(bench.Ask(bench.api.ListWorkers(workers))->workers_size(), 1);
  workers.set_fleet("zeeb");
  const Status unknown = bench.Ask(bench.api.ListWorkers(workers)).status();
  EXPECT_THAT(unknown, StatusIs(StatusCode::kNotFound, HasSubstr("did you mean zeb?")));
  EXPECT_EQ(ReasonOf(unknown), "FLEET_NOT_FOUND");
  api::GetCostRequest cost;
  cost.set_fleet("zeeb");
  EXPECT_THAT(bench.Ask(bench.api.GetCost(cost)), StatusIs(StatusCode::kNotFound));
  api::GetEfficiencyRequest efficiency;
  efficiency.set_fleet("zeeb");
  EXPECT_THAT(bench.Ask(bench.api.GetEfficiency(efficiency)), StatusIs(StatusCode::kNotFound));
}

std::vector<std::uint64_t> Positions(const StatusOr<api::ListEventsResponse>& answer) {
  EXPECT_THAT(answer, IsOk());
  std::vector<std::uint64_t> seen;
  if (!answer.ok()) return seen;
  for (const auto& event : answer->events()) seen.push_back(event.position());
  return seen;
}

TEST(Events, EndAtTheMomentAskedForInBothDirections) {
  QueryBench bench;
  FillLog(bench);
  bench.log.Accept("k7f2q", "123");
  api::ListEventsRequest request;
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(1, 2, 3));
  *request.mutable_as_of() = AtPosition(2);
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(1, 2));
  request.set_newest_first(true);
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(2, 1));
  *request.mutable_as_of() = AtPosition(9);
  EXPECT_THAT(bench.Ask(bench.api.ListEvents(request)), StatusIs(StatusCode::kOutOfRange));
}

TEST(Events, AreLookedThroughInPartsAndFoundAllTheSame) {
  QueryBench bench;
  FillLog(bench);
  bench.log.Accept("k7f2q", "123");
  std::vector<std::uint64_t> judged;
  for (int i = 0; i < 450; ++i) {
    bench.log.See("k7f2q", 81'000 + i);
    if (i % 200 == 150) judged.push_back(bench.log.Health("k7f2q", Health::HEALTHY));
  }
  api::ListEventsRequest request;
  request.add_types("worker.health_changed");
  bench.rt().RunUntilIdle();
  const std::uint64_t before = bench.rt().steps();
  EXPECT_EQ(Positions(bench.Ask(bench.api.ListEvents(request))), judged);
  EXPECT_GE(bench.rt().steps() - before, 4u);  // others had their turn after each hundred
  request.set_newest_first(true);
  request.set_page_size(1);
  const auto newest = bench.Ask(bench.api.ListEvents(request));
  EXPECT_THAT(Positions(newest), ElementsAre(judged[1]));
  EXPECT_NE(newest->next_after(), 0u);
  request.set_after(newest->next_after());
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(judged[0]));
  api::ListEventsRequest all;
  all.set_page_size(350);
  std::vector<std::uint64_t> seen, expected;
  for (std::uint64_t position = 1; position <= 455; ++position) expected.push_back(position);
  do {
    const auto page = bench.Ask(bench.api.ListEvents(all));
    for (const std::uint64_t position : Positions(page)) seen.push_back(position);
    EXPECT_LE(page->events_size(), 350);
    all.set_after(page->next_after());
  } while (all.after() != 0);
  EXPECT_EQ(seen, expected);
}

TEST(Events, OfAnUnknownTypeAreRefusedWithTheNearest) {
  QueryBench bench;
  FillLog(bench);
  api::ListEventsRequest request;
  request.add_types("worker.launch_requested");
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(2));
  request.add_types("worker.condemed");
  const Status near = bench.Ask(bench.api.ListEvents(request)).status();
  EXPECT_THAT(near,
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("did you mean worker.condemned?")));
  request.set_types(1, "host.exploded");
  const Status kin = bench.Ask(bench.api.ListEvents(request)).status();
  EXPECT_THAT(kin, StatusIs(StatusCode::kInvalidArgument, HasSubstr("host.struck, host.pardoned")));
  EXPECT_THAT(std::string(Message(kin)), Not(HasSubstr("fleet.applied")));
}

TEST(Events, OfAStreamMayBeAskedForByWhatItIsCalled) {
  QueryBench bench;
  FillLog(bench);
  api::ListEventsRequest request;
  for (const char* name : {"worker/k7f2q", "k7f2q", "k7f", "zeb/0"}) {
    request.set_stream(name);
    EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(2)) << name;
  }
  request.set_stream("zeb");
  EXPECT_THAT(Positions(bench.Ask(bench.api.ListEvents(request))), ElementsAre(1));
  request.set_stream("worker/nobody");
  const Status unknown = bench.Ask(bench.api.ListEvents(request)).status();
  EXPECT_THAT(unknown, StatusIs(StatusCode::kNotFound, HasSubstr("fleet/NAME")));
}

TEST(Watching, EventsPassesOnlyTheTypesAskedForOldAndNew) {
  QueryBench bench;
  FillLog(bench);
  bench.log.Accept("k7f2q", "123");
  api::WatchEventsRequest request;
  request.add_types("worker.launch_accepted");
  KeptStream<api::Event> stream(bench.rt());
  std::optional<Status> ended;
  bench.rt().RunUntilIdle();
  bench.Serve(bench.api.WatchEvents(request, stream), &ended);
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_EQ(stream.sent[0].position(), 3u);
  bench.log.Launch("b4mzp", "zeb", {.index = 1});
  bench.log.Accept("b4mzp", "124");
  bench.After(absl::Seconds(6));
  ASSERT_EQ(stream.sent.size(), 2u);
  EXPECT_EQ(stream.sent[1].position(), 5u);
  EXPECT_FALSE(ended.has_value());
  stream.Leave();
  bench.After(absl::Seconds(6));
  ASSERT_TRUE(ended.has_value());
  EXPECT_THAT(*ended, IsOk());
}

TEST(Watching, EventsFromNowLeavesOutWhatWas) {
  QueryBench bench;
  FillLog(bench);
  api::WatchEventsRequest request;
  request.set_from_now(true);
  request.set_stream("k7f2q");
  KeptStream<api::Event> stream(bench.rt());
  std::optional<Status> ended;
  bench.Serve(bench.api.WatchEvents(request, stream), &ended);
  bench.log.Accept("k7f2q", "123");
  bench.After(absl::Seconds(6));
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_EQ(stream.sent[0].type(), "worker.launch_accepted");
}

TEST(Watching, WhatDoesNotExistIsRefusedAtOnce) {
  QueryBench bench;
  FillLog(bench);
  KeptStream<api::Event> events(bench.rt());
  api::WatchEventsRequest request;
  request.add_types("nonsense");
  EXPECT_THAT(bench.Ask(bench.api.WatchEvents(request, events)),
              StatusIs(StatusCode::kInvalidArgument));
  request.clear_types();
  request.set_stream("fleet/other");
  EXPECT_THAT(bench.Ask(bench.api.WatchEvents(request, events)), StatusIs(StatusCode::kNotFound));
  KeptStream<api::ListFleetsResponse> fleets(bench.rt());
  api::WatchFleetsRequest other;
  other.set_fleet("other");
  EXPECT_THAT(bench.Ask(bench.api.WatchFleets(other, fleets)), StatusIs(StatusCode::kNotFound));
}

TEST(Watching, FleetsSendsAgainWhenSomethingChanged) {
  QueryBench bench;
  FillLog(bench);
  api::WatchFleetsRequest request;
  request.set_least_interval_ms(500);
  KeptStream<api::ListFleetsResponse> stream(bench.rt());
  std::optional<Status> ended;
  bench.Serve(bench.api.WatchFleets(request, stream), &ended);
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_EQ(stream.sent[0].fleets(0).have(), 1);
  bench.log.Launch("b4mzp", "zeb", {.index = 1});
  bench.After(absl::Milliseconds(499));
  EXPECT_EQ(stream.sent.size(), 1u);  // not more often than asked for
  bench.After(absl::Milliseconds(1));
  ASSERT_EQ(stream.sent.size(), 2u);
  EXPECT_EQ(stream.sent[1].fleets(0).have(), 2);
}

TEST(Operations, OfAnApplyGoOnUntilEveryWorkerIsHealthy) {
  QueryBench bench;
  FillLog(bench);
  api::GetOperationRequest request;
  request.set_name("operations/apply.zeb.1");
  KeptStream<api::Operation> stream(bench.rt());
  std::optional<Status> ended;
  bench.Serve(bench.api.WatchOperation(request, stream), &ended);
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_FALSE(stream.sent[0].done());
  EXPECT_THAT(stream.sent[0].progress(), HasSubstr("0 of 1 healthy"));
  bench.log.Accept("k7f2q", "123");
  bench.log.See("k7f2q", 81'000);
  bench.log.Read("k7f2q", {.counter = 7, .total = 1792, .rate = 4.2});
  bench.log.Health("k7f2q", Health::HEALTHY);
  bench.After(absl::Seconds(6));
  ASSERT_TRUE(ended.has_value());
  EXPECT_THAT(*ended, IsOk());
  EXPECT_TRUE(stream.sent.back().done());
  EXPECT_EQ(stream.sent.back().error(), "");
}

TEST(Operations, OfADestroyAreDoneWhenTheWorkerIsGone) {
  QueryBench bench;
  FillLog(bench);
  bench.log.Accept("k7f2q", "123");
  api::GetOperationRequest request;
  request.set_name("operations/destroy.k7f2q.3");
  EXPECT_FALSE(bench.Ask(bench.api.GetOperation(request))->done());
  bench.log.End("k7f2q", 50'000);
  const auto done = bench.Ask(bench.api.GetOperation(request));
  EXPECT_TRUE(done->done());
  EXPECT_THAT(done->progress(), HasSubstr("spent $0.05"));
  request.set_name("operations/destroy.nobody.3");
  EXPECT_THAT(bench.Ask(bench.api.GetOperation(request)), StatusIs(StatusCode::kNotFound));
  request.set_name("apply");
  EXPECT_THAT(bench.Ask(bench.api.GetOperation(request)), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Logs, FollowingBringsTheKeptTailThenOnlyNewLinesUntilTheWorkerEnds) {
  QueryBench bench;
  FillLog(bench);
  const WorkerId worker("k7f2q");
  bench.tails.Keep(worker, {.text = "one\ntwo\nthree\n"});
  api::ReadLogsRequest request;
  request.set_worker("zeb/0");
  request.set_follow(true);
  request.set_lines(2);
  KeptStream<api::LogChunk> stream(bench.rt());
  std::optional<Status> ended;
  bench.Serve(bench.api.ReadLogs(request, stream), &ended);
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_EQ(stream.sent[0].text(), "two\nthree\n");
  EXPECT_EQ(stream.sent[0].state(), "text");
  bench.tails.Keep(worker, {.text = "two\nthree\nfour\n"});
  bench.After(absl::Seconds(1));
  ASSERT_EQ(stream.sent.size(), 2u);
  EXPECT_EQ(stream.sent[1].text(), "four\n");
  bench.log.End("k7f2q");
  bench.After(absl::Seconds(10));
  ASSERT_TRUE(ended.has_value());
  EXPECT_THAT(*ended, IsOk());
}

TEST(Logs, OfAMachineThatIsGoneAreTheKeptTail) {
  QueryBench bench;
  FillLog(bench);
  bench.tails.Keep(WorkerId("k7f2q"), {.text = "last words\n"});
  bench.log.End("k7f2q");
  bench.rt().RunUntilIdle();
  api::ReadLogsRequest request;
  request.set_worker("k7f2q");
  request.set_follow(true);
  KeptStream<api::LogChunk> stream(bench.rt());
  EXPECT_THAT(bench.Ask(bench.api.ReadLogs(request, stream)), IsOk());
  ASSERT_EQ(stream.sent.size(), 1u);
  EXPECT_EQ(stream.sent[0].text(), "last words\n");
  EXPECT_EQ(stream.sent[0].state(), "kept tail of a machine that is gone");
}

// Two looks at a market of two machines, five minutes apart; the second is dearer then.
void LookAtMarketTwice(QueryBench& bench) {
  for (const std::int64_t price : {80'000, 120'000}) {
    eventpb::OffersObserved look;
    look.set_query_digest("q");
    for (const char* machine : {"11", "12"}) {
      eventpb::OfferSeen& offer = *look.add_offers();
      offer.set_offer(Cat("9", machine));
      offer.set_machine(machine);
      offer.set_gpu("RTX 3070");
      offer.set_gpus(1);
      offer.set_price_micro_usd_per_hour(machine == std::string_view("12") ? price : 80'000);
    }
    bench.log.Write("account/vast", look);
    bench.After(absl::Minutes(5));
  }
}

api::ExportMarketRequest OfMarket(api::ExportMarketRequest::Form form) {
  api::ExportMarketRequest request;
  request.set_provider("vast");
  request.set_form(form);
  return request;
}

TEST(ExportMarket, IsAFileThatReadsBackAsTheMarketOfTheLogInEitherForm) {
  using Request = api::ExportMarketRequest;
  QueryBench bench;
  LookAtMarketTwice(bench);
  const auto recorded = queries::RecordMarket(bench.log.store(), ProviderName("vast"),
                                              absl::InfinitePast(), bench.rt().Now());
  ASSERT_THAT(recorded, IsOk());
  for (const auto form : {Request::FORM_UNSPECIFIED, Request::YAML, Request::JSON}) {
    const auto answer = bench.Ask(bench.api.ExportMarket(OfMarket(form)));
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->machines(), 2);
    EXPECT_EQ(answer->rentals(), 0);
    EXPECT_EQ(FromTimestamp(answer->from()), bench.rt().Now() - absl::Minutes(10));
    EXPECT_EQ(FromTimestamp(answer->to()), bench.rt().Now() - absl::Minutes(5));
    EXPECT_EQ(answer->content()[0] == '{', form == Request::JSON);
    const auto read = ParseMarketFile(answer->content(), "market");
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, *recorded);
  }
}

TEST(ExportMarket, IsOfTheSpanAskedFor) {
  QueryBench bench;
  LookAtMarketTwice(bench);
  const auto price_of_12 = [&](const api::AsOf& since, const api::AsOf& until) {
    api::ExportMarketRequest request = OfMarket(api::ExportMarketRequest::YAML);
    *request.mutable_since() = since;
    *request.mutable_until() = until;
    const auto answer = bench.Ask(bench.api.ExportMarket(request));
    EXPECT_THAT(answer, IsOk());
    std::vector<std::int64_t> prices;
    const auto file = ParseMarketFile(answer->content(), "m");  // outlives the loop over it
    for (const auto& listing : file->machines[1].listings) {
      prices.push_back(listing.price.micros);
    }
    return prices;
  };
  EXPECT_THAT(price_of_12({}, {}), ElementsAre(80'000, 120'000));
  EXPECT_THAT(price_of_12(Ago(absl::Minutes(6)), {}), ElementsAre(120'000));
  EXPECT_THAT(price_of_12(AtPosition(2), {}), ElementsAre(120'000));
  EXPECT_THAT(price_of_12({}, AtTime(bench.rt().Now() - absl::Minutes(6))), ElementsAre(80'000));
}

TEST(ExportMarket, OfATimeOrAProviderThatNobodyLookedAtIsRefusedWithTheReason) {
  QueryBench bench;
  LookAtMarketTwice(bench);
  api::ExportMarketRequest request = OfMarket(api::ExportMarketRequest::YAML);
  request.set_provider("vastly");
  const Status unknown = bench.Ask(bench.api.ExportMarket(request)).status();
  EXPECT_THAT(unknown, StatusIs(StatusCode::kNotFound, HasSubstr("no offers of vastly")));
  EXPECT_EQ(ReasonOf(unknown), "NOTHING_RECORDED");
  request.set_provider("vast");
  *request.mutable_since() = Ago(absl::Minutes(1));
  EXPECT_EQ(ReasonOf(bench.Ask(bench.api.ExportMarket(request)).status()), "NOTHING_RECORDED");
  *request.mutable_since() = AtPosition(3);
  EXPECT_EQ(ReasonOf(bench.Ask(bench.api.ExportMarket(request)).status()), "POSITION_PAST_HEAD");
}

TEST(Workers, ShowHowFarTheirClockHasRunNowNotWhenItWasJudged) {
  QueryBench bench;
  FillLog(bench);
  bench.log.Accept("k7f2q", "123");
  bench.log.Read("k7f2q", {.phase = "setup"});
  bench.log.Health("k7f2q", Health::SETUP);
  bench.After(absl::Seconds(252));
  api::GetWorkerRequest request;
  request.set_worker("k7f2q");
  const auto worker = bench.Ask(bench.api.GetWorker(request));
  ASSERT_THAT(worker, IsOk());
  EXPECT_EQ(worker->health_detail(), "4m12s of 10m00s");
}

}  // namespace
}  // namespace muster::grpc_api
