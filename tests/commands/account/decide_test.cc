#include "commands/account/commands.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::account {
namespace {

using eventpb::AccountTroubleBegan;
using eventpb::OrphanResolved;

std::string When(const State& state, const Command& command, absl::Time now = At(0)) {
  return Kinds(Decide(state, command, {now}));
}
std::string Then(State& state, const Command& command, absl::Time now = At(0)) {
  const auto decided = Decide(state, command, {now});
  if (decided.ok()) Given(state, *decided, now);
  return Kinds(decided);
}
ObserveCredit Credit(std::int64_t micros) { return {MicroUsd(micros), MicroUsd(0)}; }

// ---- credit -----------------------------------------------------------------------------------

TEST(AccountDecide, CreditIsWrittenWhenItMovedByACentOrAfterFiveMinutes) {
  State state;
  EXPECT_EQ(Then(state, Credit(5'000'000)), "account.credit_observed");
  EXPECT_EQ(When(state, Credit(4'990'001), At(60)), "nothing");
  EXPECT_EQ(When(state, Credit(4'990'000), At(60)), "account.credit_observed");
  EXPECT_EQ(When(state, Credit(5'010'000), At(60)), "account.credit_observed");
  EXPECT_EQ(When(state, Credit(5'000'000), At(299)), "nothing");
  EXPECT_EQ(When(state, Credit(5'000'000), At(300)), "account.credit_observed");
  EXPECT_EQ(When(state, Credit(5'000'000), At(-10)), "account.credit_observed");
  EXPECT_EQ(When(state, {ObserveCredit{MicroUsd(5'000'000), MicroUsd(10'000)}}, At(60)),
            "account.credit_observed");
}
TEST(AccountDecide, ACreditWaitBeginsOnceIsProbedAndEnds) {
  State state;
  EXPECT_EQ(When(state, RecordProbe{false, ""}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, EndCreditWait{}), "nothing");
  EXPECT_EQ(When(state, BeginCreditWait{"no credit", {}}), "INVALID_ARGUMENT");
  const BeginCreditWait begin{"no credit", Because("credit")};
  EXPECT_EQ(Then(state, begin, At(10)), "account.credit_wait_began");
  EXPECT_EQ(Then(state, begin, At(11)), "nothing");
  EXPECT_EQ(state.last_probe.at, At(10));
  EXPECT_EQ(Then(state, RecordProbe{false, "still none"}, At(310)), "account.credit_probed");
  EXPECT_TRUE(state.credit_wait);
  EXPECT_EQ(state.last_probe.at, At(310));
  EXPECT_EQ(Then(state, EndCreditWait{Because("credit")}, At(600)), "account.credit_wait_ended");
  EXPECT_FALSE(state.credit_wait);
  EXPECT_FALSE(state.credit_wait_since.seen());
}

// ---- trouble ----------------------------------------------------------------------------------

TEST(AccountDecide, TroublesAreKeptByKindAndEndpoint) {
  State state;
  EXPECT_EQ(Then(state, BeginTrouble{AccountTroubleBegan::THROTTLED, "search", "429"}),
            "account.trouble_began");
  EXPECT_EQ(Then(state, BeginTrouble{AccountTroubleBegan::THROTTLED, "search", "429 again"}),
            "nothing");
  EXPECT_EQ(Then(state, BeginTrouble{AccountTroubleBegan::THROTTLED, "list", "429"}),
            "account.trouble_began");
  EXPECT_EQ(Then(state, EndTrouble{AccountTroubleBegan::THROTTLED, "search"}),
            "account.trouble_ended");
  EXPECT_EQ(Then(state, EndTrouble{AccountTroubleBegan::THROTTLED, "search"}), "nothing");
  ASSERT_NE(state.Find(AccountTroubleBegan::THROTTLED), nullptr);
  EXPECT_EQ(state.Find(AccountTroubleBegan::THROTTLED)->endpoint, "list");
  EXPECT_EQ(state.Find(AccountTroubleBegan::AUTH), nullptr);
  EXPECT_EQ(When(state, BeginTrouble{}), "INVALID_ARGUMENT");
}

// ---- offers -----------------------------------------------------------------------------------

Offer MakeOffer(std::string id, std::int64_t price, std::string gpu = "RTX 3070") {
  Offer offer;
  offer.id = OfferId(std::move(id));
  offer.gpu = GpuName(std::move(gpu));
  offer.price = MicroUsdPerHour(price);
  return offer;
}

TEST(AccountDecide, OffersAreKeptCheapestFirstAndWrittenWhenTheyChange) {
  State state;
  const ObserveOffers search{{MakeOffer("b", 90), MakeOffer("a", 80)}, 2, "q"};
  EXPECT_EQ(Then(state, search), "account.offers_observed");
  ASSERT_EQ(state.offers.size(), 2u);
  EXPECT_EQ(state.offers[0].id, OfferId("a"));
  EXPECT_EQ(When(state, search, At(60)), "nothing");
  EXPECT_EQ(When(state, search, At(300)), "account.offers_observed");
  const ObserveOffers dearer{{MakeOffer("b", 90), MakeOffer("a", 81)}, 2, "q"};
  EXPECT_EQ(When(state, dearer, At(60)), "account.offers_observed");
  EXPECT_EQ(When(state, ObserveOffers{{}, 0, "q"}, At(60)), "account.offers_observed");
}
TEST(AccountDecide, AnEmptyMarketIsAFactToo) {
  State state;
  EXPECT_EQ(Then(state, ObserveOffers{{}, 0, "q"}), "account.offers_observed");
  EXPECT_TRUE(state.offers_seen.seen());
}
TEST(AccountDecide, OnlyTheCheapestOffersOfEachGpuAreKept) {
  ObserveOffers search{{}, 80, "q"};
  for (int i = 0; i < 40; ++i) {
    search.offers.push_back(MakeOffer(Cat("a", i), 1000 + i, "RTX 3070"));
    search.offers.push_back(MakeOffer(Cat("b", i), 2000 + i, "RTX 4070"));
  }
  State state;
  Then(state, search);
  EXPECT_EQ(state.offers.size(), 64u);
  EXPECT_EQ(state.offers_found, 80);
}

// ---- the list and strays ----------------------------------------------------------------------

ObserveList List(std::vector<std::string> ids, std::vector<std::string> strays = {}) {
  ObserveList list;
  for (const std::string& id : ids) list.instances.emplace_back(id);
  for (const std::string& id : strays) {
    Instance instance;
    instance.id = InstanceId(id);
    instance.label = "zeb-worker-vast-0.abcde";
    list.strays.push_back(MakeOrphanFound(instance, FleetName("zeb"), "token of ours"));
  }
  return list;
}

TEST(AccountDecide, AListIsWrittenWhenItsIdsChangedAndEveryFiveMinutes) {
  State state;
  EXPECT_EQ(Then(state, List({})), "account.instance_list_observed");
  EXPECT_EQ(When(state, List({}), At(299)), "nothing");
  EXPECT_EQ(When(state, List({}), At(300)), "account.instance_list_observed");
  const auto grown = Decide(state, List({"i2", "i1"}), {At(15)});
  ASSERT_EQ(Kinds(grown), "account.instance_list_observed");
  EXPECT_THAT((*grown)[0].instance_list_observed().added(), testing::ElementsAre("i1", "i2"));
  Given(state, *grown, At(15));
  EXPECT_EQ(When(state, List({"i1", "i2"}), At(30)), "nothing");
  const auto shrunk = Decide(state, List({"i2"}), {At(45)});
  EXPECT_THAT((*shrunk)[0].instance_list_observed().removed(), testing::ElementsAre("i1"));
  EXPECT_EQ((*shrunk)[0].instance_list_observed().instances(), 1);
}
TEST(AccountDecide, AListMayComeInAnyOrderAndNameAnIdTwice) {
  State state;
  Then(state, List({"i1", "i3", "i5", "i7"}));
  const auto changed = Decide(state, List({"i8", "i3", "i4", "i8", "i0", "i7"}), {At(15)});
  ASSERT_EQ(Kinds(changed), "account.instance_list_observed");
  const auto& seen = (*changed)[0].instance_list_observed();
  EXPECT_THAT(seen.added(), testing::ElementsAre("i0", "i4", "i8"));
  EXPECT_THAT(seen.removed(), testing::ElementsAre("i1", "i5"));
  EXPECT_EQ(seen.instances(), 5);
  Given(state, *changed, At(15));
  const auto same = List({"i0", "i3", "i4", "i7", "i8"});
  EXPECT_EQ(When(state, same, At(30)), "nothing");
  const auto later = Decide(state, same, {At(400)});
  EXPECT_EQ((*later)[0].instance_list_observed().digest(), seen.digest());
}
TEST(AccountDecide, AStrayIsFoundOnce) {
  State state;
  EXPECT_EQ(Then(state, List({"i1"}, {"i1"})),
            "account.instance_list_observed account.orphan_found");
  EXPECT_EQ(Then(state, List({"i1"}, {"i1"}), At(15)), "nothing");
  EXPECT_EQ(state.orphans.at(InstanceId("i1")).fleet, FleetName("zeb"));
  EXPECT_EQ(When(state, List({"i1"}, {"i2"})), "INVALID_ARGUMENT");
}
TEST(AccountDecide, AnOrphanIsGoneOnlyAfterTwoListsWithoutIt) {
  State state;
  Then(state, List({"i1"}, {"i1"}));
  EXPECT_EQ(Then(state, List({}), At(15)), "account.instance_list_observed");
  EXPECT_TRUE(state.orphans.contains(InstanceId("i1")));
  EXPECT_EQ(Then(state, List({}), At(30)), "account.orphan_resolved");
  EXPECT_TRUE(state.orphans.empty());
}
TEST(AccountDecide, AnOrphanThatIsNoStrayAnyMoreIsResolved) {
  State state;
  Then(state, List({"i1"}, {"i1"}));
  const auto decided = Decide(state, List({"i1"}), {At(15)});
  ASSERT_EQ(Kinds(decided), "account.orphan_resolved");
  EXPECT_EQ((*decided)[0].orphan_resolved().how(), OrphanResolved::ADOPTED);
}
TEST(AccountDecide, AnOrphanIsResolvedByCommandOnce) {
  State state;
  Then(state, List({"i1"}, {"i1"}));
  const ResolveOrphan resolve{InstanceId("i1"), OrphanResolved::DESTROYED, WorkerId("k7f2q")};
  EXPECT_EQ(Then(state, resolve), "account.orphan_resolved");
  EXPECT_EQ(Then(state, resolve), "nothing");
  EXPECT_EQ(When(state, ResolveOrphan{InstanceId("i1")}), "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace muster::account
