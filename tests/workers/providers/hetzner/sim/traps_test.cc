// Every wire trap, one row each: set it, make the call, see what the client sees.
#include <functional>
#include <set>

#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/sim/sim_driver.h"

namespace muster::hetznersim {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// `id` is a server that was delivered in its rescue system.
using Check = std::function<void(SimDriver&, std::int64_t id)>;

// A rename answers `status` with `text`, and nothing was renamed.
Check Refuses(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t id) {
    const Answer answer = d.Do("POST", Cat("server/", id), "server_name=other");
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_EQ(d.sim.Servers().at(0).name, "");
  };
}

Check CutsBefore(SimReply::Cut cut) {
  return [=](SimDriver& d, std::int64_t) {
    EXPECT_EQ(d.Order().cut, cut);
    EXPECT_EQ(d.sim.Orders().size(), 1u);
  };
}

Check CutsAfter(SimReply::Cut cut) {
  return [=](SimDriver& d, std::int64_t) {
    EXPECT_EQ(d.Order().cut, cut);
    EXPECT_EQ(d.sim.Orders().size(), 2u);
  };
}

// The list of servers, as text, says so.
Check ListSays(std::string text) {
  return
      [=](SimDriver& d, std::int64_t) { EXPECT_THAT(d.Do("GET", "server").text, HasSubstr(text)); };
}

Check OrderRefused(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t) {
    const Answer answer = d.Order();
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_EQ(d.sim.Orders().size(), 1u);
  };
}

// An order made now has this status ten minutes and two hours later.
Check OrderBecomes(std::string soon, std::string late) {
  return [=](SimDriver& d, std::int64_t) {
    EXPECT_EQ(d.Order().status, 201);
    d.Wait(absl::Minutes(10));
    EXPECT_EQ(d.sim.Orders().at(1).status, soon);
    d.Wait(absl::Hours(2));
    EXPECT_EQ(d.sim.Orders().at(1).status, late);
  };
}

// What the machine is in five and fifteen minutes after a reset with the rescue system active.
Check ResetLeadsTo(Power soon, Power late) {
  return [=](SimDriver& d, std::int64_t id) {
    EXPECT_EQ(d.Rescue(id).status, 200);
    EXPECT_EQ(d.Reset(id).status, 200);
    d.Wait(absl::Minutes(5));
    EXPECT_EQ(d.sim.Servers().at(0).power, soon);
    d.Wait(absl::Minutes(10));
    EXPECT_EQ(d.sim.Servers().at(0).power, late);
  };
}

Check ResetRefused(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t id) {
    const Answer answer = d.Reset(id);
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_EQ(d.sim.Servers().at(0).power, Power::kRescue);
  };
}

Check CancelRefused(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t id) {
    const Answer answer = d.Cancel(id);
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_EQ(d.sim.Servers().at(0).cancelled, "");
  };
}

json HostKeys(SimDriver& d) {
  return d.Do("GET", "order/server_market/transaction").body[0]["transaction"]["host_key"];
}

std::map<Trap, Check> AnyEndpoint() {
  return {
      {Trap::kHangBefore, CutsBefore(SimReply::Cut::kHang)},
      {Trap::kResetBefore, CutsBefore(SimReply::Cut::kResetBeforeAnswer)},
      {Trap::kServerErrorBefore, Refuses(500, "INTERNAL_ERROR")},
      {Trap::kMaintenance, Refuses(503, "<html>")},
      {Trap::kQuota, Refuses(403, "\"max_request\":200")},
      {Trap::kQuotaPlural, Refuses(403, "\"max_requests\":200")},
      {Trap::kUnauthorized, Refuses(401, "UNAUTHORIZED")},
      {Trap::kUnauthorizedEmpty, Refuses(401, "")},
      {Trap::kOrderRightMissing, OrderRefused(401, "UNAUTHORIZED")},
      {Trap::kProxyPage, Refuses(404, "<html>")},
      {Trap::kUnknownCode, Refuses(422, "SOMETHING_ELSE")},
      {Trap::kRedirect, Refuses(302, "<html>")},
      {Trap::kErrorEchoesBody, Refuses(400, "server_name=other")},
      {Trap::kHangAfter, CutsAfter(SimReply::Cut::kHang)},
      {Trap::kResetAfter, CutsAfter(SimReply::Cut::kResetBeforeAnswer)},
      {Trap::kTruncateAfter, CutsAfter(SimReply::Cut::kTruncate)},
      {Trap::kServerErrorAfter,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(d.Order().status, 500);
         EXPECT_EQ(d.sim.Orders().size(), 2u);
       }},
      {Trap::kSlow,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(d.Order().delay, absl::Seconds(10)); }},
      {Trap::kEmptyBody, [](SimDriver& d, std::int64_t) { EXPECT_EQ(d.Order().text, ""); }},
      {Trap::kTrailingGarbage, ListSays("]{\"extra\": 1}")},
      {Trap::kTruncatedJson,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(d.Do("GET", "server").body.is_discarded()); }},
      {Trap::kWrongContentType,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(FindHeader(d.Do("GET", "server").headers, "content-type"),
                   "text/html; charset=utf-8");
       }},
      {Trap::kUnknownKeys, ListSays("brand_new")},
      {Trap::kRawUtf8,
       [](SimDriver& d, std::int64_t) {
         EXPECT_THAT(d.Do("GET", "order/server/product").text, HasSubstr("RTX\u2122"));
       }},
  };
}

std::map<Trap, Check> ListsAndMarket() {
  return {
      {Trap::kEmptyListIsArray,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(d.Do("GET", "order/server/transaction").text, "[]");
       }},
      {Trap::kListGarblesRow,
       [](SimDriver& d, std::int64_t) {
         EXPECT_FALSE(d.Do("GET", "server").body[0]["server"].contains("server_number"));
       }},
      {Trap::kServerLag,
       [](SimDriver& d, std::int64_t) {
         d.Order();
         while (d.sim.Servers().size() == 1) d.Wait(absl::Seconds(1));
         EXPECT_EQ(d.Do("GET", "server").body.size(), 1u);
         d.Wait(absl::Seconds(90));
         EXPECT_EQ(d.Do("GET", "server").body.size(), 2u);
       }},
      {Trap::kNullFields, ListSays("\"subnet\":null")},
      {Trap::kStrangeStatus, ListSays("in progress")},
      {Trap::kMarketEmpty,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(d.Do("GET", "order/server_market/product").status, 404);
       }},
      {Trap::kPriceRises,
       [](SimDriver& d, std::int64_t) {
         const std::string path = "order/server_market/product";
         const json listed = d.Do("GET", path).body[0]["product"];
         const json single = d.Do("GET", Cat(path, "/", listed["id"].dump())).body["product"];
         EXPECT_GT(std::stod(single["price"].get<std::string>()),
                   std::stod(listed["price"].get<std::string>()) * 1.09);
       }},
      {Trap::kNotHourly,
       [](SimDriver& d, std::int64_t) {
         const json body = d.Do("GET", "order/server_market/product").body;
         EXPECT_TRUE(body[0]["product"]["price_hourly"].is_null());
       }},
  };
}

std::map<Trap, Check> OrdersAndKeys() {
  return {
      {Trap::kProductGone400, OrderRefused(400, "\"invalid\":[\"product_id\"]")},
      {Trap::kProductGone404, OrderRefused(404, "NOT_FOUND")},
      {Trap::kOrderPrecondition, OrderRefused(412, "PRECONDITION_FAILED")},
      {Trap::kOrderUnlisted,
       [](SimDriver& d, std::int64_t) {
         d.Order();
         EXPECT_EQ(d.Do("GET", "order/server_market/transaction").body.size(), 1u);
       }},
      {Trap::kNeverDelivered, OrderBecomes("in process", "in process")},
      {Trap::kDeliverySlow, OrderBecomes("in process", "ready")},
      {Trap::kCancelledBySupport, OrderBecomes("cancelled", "cancelled")},
      {Trap::kHostKeysMd5,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(HostKeys(d)[0]["key"]["fingerprint"].get<std::string>().size(), 47u);
       }},
      {Trap::kHostKeysMissing,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(HostKeys(d).empty()); }},
      {Trap::kWrongHostKey,
       [](SimDriver& d, std::int64_t) {
         d.Order();
         d.Wait(absl::Minutes(8));
         EXPECT_NE(HostKeys(d)[0]["key"]["fingerprint"], std::string(43, 'c'));
       }},
      {Trap::kKeyConflict,
       [](SimDriver& d, std::int64_t) {
         d.Do("DELETE", Cat("key/", kMd5A));
         EXPECT_EQ(d.StoreKey().status, 409);
         EXPECT_TRUE(d.sim.Keys().empty());
       }},
  };
}

std::map<Trap, Check> BootAndCancellation() {
  return {
      {Trap::kRescueIgnored,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(d.Rescue(id).body["rescue"]["active"], true);
         EXPECT_FALSE(d.sim.Servers().at(0).rescue_active);
       }},
      {Trap::kRescueOtherKey,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_THAT(d.Rescue(id).text, testing::Not(HasSubstr(kMd5A)));
       }},
      {Trap::kRescueFails,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_THAT(d.Rescue(id).text, HasSubstr("BOOT_ACTIVATION_FAILED"));
         EXPECT_FALSE(d.sim.Servers().at(0).rescue_active);
       }},
      {Trap::kRescueKeysLate,
       [](SimDriver& d, std::int64_t id) {
         d.Rescue(id);
         d.Reset(id);
         d.Wait(absl::Minutes(5));
         const std::string last = Cat("boot/", id, "/rescue/last");
         EXPECT_TRUE(d.Do("GET", last).body["rescue"]["host_key"].empty());
         d.Wait(absl::Minutes(2));
         EXPECT_EQ(d.Do("GET", last).body["rescue"]["host_key"].size(), 1u);
       }},
      {Trap::kBootsDisk, ResetLeadsTo(Power::kInstalled, Power::kInstalled)},
      {Trap::kSlowBoot, ResetLeadsTo(Power::kBooting, Power::kRescue)},
      {Trap::kBootHangs, ResetLeadsTo(Power::kDead, Power::kDead)},
      {Trap::kResetIgnored,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(d.Reset(id).status, 200);
         EXPECT_EQ(d.sim.Servers().at(0).power, Power::kRescue);
       }},
      {Trap::kResetRejected, ResetRefused(400, "\"invalid\":[\"type\"]")},
      {Trap::kResetManualActive, ResetRefused(409, "RESET_MANUAL_ACTIVE")},
      {Trap::kResetFails, ResetRefused(500, "RESET_FAILED")},
      {Trap::kCancelConflict, CancelRefused(409, "CONFLICT")},
      {Trap::kCancelIgnored, CancelRefused(200, "\"cancelled\":true")},
      {Trap::kCancelNowRefused, CancelRefused(400, "cancellation_date")},
      {Trap::kRevokeConflict,
       [](SimDriver& d, std::int64_t id) {
         d.Cancel(id, "2026-12-31");
         EXPECT_EQ(d.Do("DELETE", Cat("server/", id, "/cancellation")).status, 409);
         EXPECT_EQ(d.sim.Servers().at(0).cancelled, "2026-12-31");
       }},
      {Trap::kRevokeAnswers,
       [](SimDriver& d, std::int64_t id) {
         d.Cancel(id, "2026-12-31");
         EXPECT_THAT(d.Do("DELETE", Cat("server/", id, "/cancellation")).text,
                     HasSubstr("\"cancelled\":false"));
       }},
      {Trap::kReservationSpelt,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_THAT(d.Do("GET", Cat("server/", id, "/cancellation")).text,
                     HasSubstr("\"reservation\":false"));
       }},
  };
}

std::map<Trap, Check> AllChecks() {
  std::map<Trap, Check> all = AnyEndpoint();
  all.merge(ListsAndMarket());
  all.merge(OrdersAndKeys());
  all.merge(BootAndCancellation());
  return all;
}

TEST(HetznerSimTraps, EveryTrapShowsWhatItsLineSays) {
  const std::map<Trap, Check> checks = AllChecks();
  for (int i = 0; i <= static_cast<int>(Trap::kReservationSpelt); ++i) {
    const auto trap = static_cast<Trap>(i);
    SCOPED_TRACE(std::string(TrapName(trap)));
    const auto check = checks.find(trap);
    ASSERT_NE(check, checks.end());
    SimDriver driver;
    const std::int64_t id = driver.Server();
    driver.sim.SetFault({.trap = trap});
    check->second(driver, id);
    EXPECT_THAT(driver.sim.Journal().back().traps + driver.Do("GET", "control/journal").text,
                HasSubstr(std::string(TrapName(trap))));
    EXPECT_EQ(driver.sim.ClearFaults(trap), 1);
  }
}

TEST(HetznerSimTraps, FireAsOftenWhereAndAsLateAsTold) {
  SimDriver d;
  const std::int64_t id = d.Server();
  d.sim.SetFault({.trap = Trap::kMaintenance,
                  .endpoint = "GET server/{id}",
                  .server = id,
                  .skip = 1,
                  .times = 2});
  EXPECT_EQ(d.Do("GET", "server").status, 200);
  EXPECT_EQ(d.Do("GET", Cat("server/", id)).status, 200);
  EXPECT_EQ(d.Do("GET", Cat("server/", id)).status, 503);
  EXPECT_EQ(d.Do("GET", "server/77").status, 404);
  EXPECT_EQ(d.Do("GET", Cat("server/", id)).status, 503);
  EXPECT_EQ(d.Do("GET", Cat("server/", id)).status, 200);
}

}  // namespace
}  // namespace muster::hetznersim
