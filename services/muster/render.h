// How fleets, workers, plans and the rest look on a terminal. Pure: messages in, text out.
#pragma once

#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "eventstore/base/server.h"
#include "eventstore/base/units.h"
#include "muster/api/v1/server.pb.h"
#include "muster/api/v1/types.pb.h"
#include "services/muster/table.h"

namespace muster::cli {

namespace api = ::muster::api::v1;

struct Style {
  bool color = false;
  bool wide = false;
  int columns = 0;  // 0 = never cut
};

template <class Fleets>
Table FleetTable(const Fleets& fleets, absl::Time now) {
  Table table({"FLEET", ">WANT", ">HAVE", ">OK", ">$/H", ">TODAY", ">CAP/DAY", "STATE", "SEEN"});
  for (const api::Fleet& fleet : fleets) {
    table.Row({fleet.name(), Cat(fleet.wanted()), Cat(fleet.have()), Cat(fleet.healthy()),
               UsdRate(fleet.burn_micro_usd_per_hour()), Usd(fleet.spent_today_micro_usd()),
               fleet.cap_day_micro_usd() > 0 ? Usd(fleet.cap_day_micro_usd()) : "-", fleet.state(),
               Ago(fleet.observed_at(), now)});
  }
  return table;
}

// What dedicated servers cost, in the currency that each is billed in.
template <class Bills>
Table ServerBillTable(const Bills& bills) {
  Table table({"SERVER", "NUMBER", "STATE", ">A MONTH", ">SPENT", "ENDS", "ASKED FOR"});
  for (const api::ServerBill& bill : bills) {
    const auto money = [&bill](std::int64_t micros) {
      return bill.currency().empty() ? "-" : FormatMoney({micros, bill.currency()});
    };
    table.Row({bill.server().empty() ? "-" : bill.server(),
               bill.number().empty() ? "-" : bill.number(), bill.state(),
               money(bill.micros_per_month()), money(bill.spent_micros()),
               bill.ends().empty() ? "-" : bill.ends(),
               bill.intent().empty()  ? "NONE: no order of ours explains it"
               : bill.position() == 0 ? bill.intent()
                                      : Cat(bill.intent(), " at ", bill.position())});
  }
  return table;
}

template <class Workers>
Table WorkerTable(const Workers& workers, absl::Time now, bool wide) {
  std::vector<std::string> head = {"WORKER", "FLEET", ">#",     "GPU",     "HEALTH",
                                   ">$/H",   ">RATE", ">BATCH", "PROGRESS"};
  if (wide) {
    for (const char* extra : {"MACHINE", "INSTANCE", "STATUS", "SSH", ">SPENT", "DETAIL"}) {
      head.emplace_back(extra);
    }
  } else {
    head.emplace_back("DETAIL");
  }
  Table table(head);
  for (const api::Worker& w : workers) {
    std::vector<std::string> row = {
        w.id(),
        w.fleet(),
        Cat(w.index()),
        w.gpu(),
        w.phase() == "ended" ? Cat("gone: ", w.ended_how()) : w.health(),
        w.phase() == "ended" ? "-" : UsdRate(w.price_micro_usd_per_hour()),
        Rate(w.rate_per_s()),
        w.counter() >= 0 ? Cat(w.counter()) : "-",
        Ago(w.last_progress_at(), now)};
    if (wide) {
      row.insert(row.end(), {w.machine(), w.instance().empty() ? "-" : w.instance(),
                             w.actual_status().empty() ? "-" : w.actual_status(),
                             w.ssh_host().empty() ? "-" : Cat(w.ssh_host(), ":", w.ssh_port()),
                             Usd(w.spent_micro_usd())});
    }
    row.push_back(w.health_detail());
    table.Row(std::move(row));
  }
  return table;
}

void PrintWaits(std::ostream& out, const api::Fleet& fleet, absl::Time now);
void PrintAccounts(std::ostream& out,
                   const google::protobuf::RepeatedPtrField<api::Account>& accounts,
                   absl::Time now);
void PrintPlan(std::ostream& out, const api::Plan& plan, const Style& style);
// Whether doing the plan would change anything.
bool HasChanges(const api::Plan& plan);
void DescribeFleet(std::ostream& out, const api::Fleet& fleet, absl::Time now);
void DescribeWorker(std::ostream& out, const api::Worker& worker, absl::Time now);
void DescribeAccount(std::ostream& out, const api::Account& account, absl::Time now);
void DescribeHost(std::ostream& out, const api::Host& host, absl::Time now);
// "03:14:07  48203  worker/k7f2q  no-progress: 15m04s >= 15m"
void PrintEvent(std::ostream& out, const api::Event& event, const Style& style);

}  // namespace muster::cli
