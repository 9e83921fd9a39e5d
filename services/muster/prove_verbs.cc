// prove: what is billed and by whose wish; what may be spent if nobody acts any more.
#include <algorithm>

#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

std::string Intent(const api::BilledMachine& machine) {
  switch (machine.account()) {
    case api::BilledMachine::INTENT:
      return Cat("worker/", machine.worker(), ", ", machine.intent(), " at ", machine.position());
    case api::BilledMachine::LAUNCHING:
      return Cat("worker/", machine.worker(), ", asked for at ", machine.position(),
                 ", answer not in yet");
    case api::BilledMachine::ORPHAN:
      return Cat("NONE: ours by its mark (", machine.why(), "), no worker accounts for it");
    default:
      return "NONE: nothing in the log knows it";
  }
}

int Orphans(Session& s) {
  api::ProveOrphansRequest request;
  request.set_provider(s.args.Get("provider"));
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  api::ProveOrphansResponse answer;
  const auto context = s.StreamContext();  // long lists come at the provider's pace
  const grpc::Status status = s.audit().ProveOrphans(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  std::vector<std::string> names;
  for (const api::BilledMachine& machine : answer.machines()) names.push_back(machine.instance());
  if (!s.PrintStructured(answer, names)) {
    Table table({"INSTANCE", "PROVIDER", "GPU", ">$/H", ">AGE", ">BILLED", "LABEL", "INTENT"});
    for (const api::BilledMachine& machine : answer.machines()) {
      const bool aged = machine.has_started_at();
      table.Row({machine.instance(), machine.provider(), machine.gpu(),
                 UsdRate(machine.price_micro_usd_per_hour()),
                 aged ? FormatSpan(absl::Seconds(machine.age_s())) : "-",
                 aged ? Usd(machine.billed_micro_usd()) : "-", machine.label(), Intent(machine)});
    }
    if (!table.empty()) table.Print(s.env.out, s.Columns());
    if (!answer.servers().empty()) {
      ServerBillTable(answer.servers()).Print(s.env.out, s.Columns());
      s.env.out << "dedicated servers: " << answer.servers_size() << "; instances: ";
    }
    s.env.out << answer.machines_size() << " billed, "
              << FormatUsdPerHour(MicroUsdPerHour(answer.burn_micro_usd_per_hour())) << "; "
              << answer.unaccounted() << " without an intent, "
              << FormatUsdPerHour(MicroUsdPerHour(answer.unaccounted_micro_usd_per_hour()))
              << " (log " << answer.position() << ")\n";
    if (answer.proved()) s.env.out << "proved: every machine that is billed was asked for\n";
  }
  for (const std::string& note : answer.notes()) s.env.err << note << "\n";
  for (const std::string& unlisted : answer.unknown_providers()) {
    s.env.err << "not proved: " << unlisted << "\n";
  }
  const auto& servers = answer.servers();
  const bool strange = std::any_of(servers.begin(), servers.end(),
                                   [](const auto& bill) { return bill.intent().empty(); });
  if (strange) s.env.err << "next: ask whose server it is, or give it back at the provider\n";
  const auto& machines = answer.machines();
  const bool orphans = std::any_of(machines.begin(), machines.end(), [](const auto& machine) {
    return machine.account() != api::BilledMachine::INTENT &&
           machine.account() != api::BilledMachine::LAUNCHING;
  });
  if (orphans) {
    s.env.err << "next: muster adopt FLEET INSTANCE... takes one in; runbook orphan-found.md\n";
  }
  return answer.proved() ? kOk : kFailed;
}

std::string Moment(const google::protobuf::Timestamp& time) { return FormatUtc(FromProto(time)); }

void PrintExposure(Session& s, const api::ProveBudgetResponse& answer) {
  Table fleets({"FLEET", ">WORKERS", ">$/H", ">TODAY", ">BY MIDNIGHT", ">CAP/DAY", "PASSED AT"});
  for (const api::FleetExposure& fleet : answer.fleets()) {
    std::string passed = fleet.has_cap_day_at() ? Moment(fleet.cap_day_at()) : "";
    if (fleet.has_cap_total_at()) {
      passed += Cat(passed.empty() ? "" : "; ", "total ", Usd(fleet.cap_total_micro_usd()), " at ",
                    Moment(fleet.cap_total_at()));
    }
    fleets.Row({fleet.fleet(), Cat(fleet.workers()), UsdRate(fleet.burn_micro_usd_per_hour()),
                Usd(fleet.spent_today_micro_usd()), Usd(fleet.at_midnight_micro_usd()),
                fleet.cap_day_micro_usd() > 0 ? Usd(fleet.cap_day_micro_usd()) : "-",
                passed.empty() ? "-" : passed});
  }
  if (!fleets.empty()) fleets.Print(s.env.out, s.Columns());
  for (const api::AccountExposure& account : answer.accounts()) {
    s.env.out << "account " << account.provider() << ": "
              << FormatUsdPerHour(MicroUsdPerHour(account.burn_micro_usd_per_hour()));
    if (account.orphan_micro_usd_per_hour() > 0) {
      s.env.out << " (" << FormatUsdPerHour(MicroUsdPerHour(account.orphan_micro_usd_per_hour()))
                << " of it orphans)";
    }
    if (account.burn_micro_usd_per_hour() <= 0) {
      s.env.out << ", nothing runs\n";
    } else if (account.bounded()) {
      s.env.out << ", at most " << Usd(account.worst_micro_usd()) << ": the credit, used up at "
                << Moment(account.ends_at()) << "\n";
    } else {
      s.env.out << ", NOT BOUNDED: its credit was never seen\n";
    }
  }
  if (!answer.servers().empty()) {
    ServerBillTable(answer.servers()).Print(s.env.out, s.Columns());
    s.env.out << "Servers are billed until somebody gives them back, whether muster lives or not; "
                 "no sum below counts them\n";
  }
  s.env.out << "Worst case if muster dies now: "
            << (answer.bounded() ? Usd(answer.worst_micro_usd()) : std::string("not bounded"))
            << ", " << FormatUsdPerHour(MicroUsdPerHour(answer.burn_micro_usd_per_hour()))
            << " until the credit ends (log " << answer.position() << ")\n";
}

int Budget(Session& s) {
  api::ProveBudgetRequest request;
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  api::ProveBudgetResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.audit().ProveBudget(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  std::vector<std::string> names;
  for (const api::FleetExposure& fleet : answer.fleets()) names.push_back(fleet.fleet());
  if (!s.PrintStructured(answer, names)) PrintExposure(s, answer);
  if (!answer.bounded()) s.env.err << "a daemon that sees the account's credit bounds it\n";
  return answer.bounded() ? kOk : kFailed;
}

int Prove(Session& s) {
  const std::string& what = s.args.positional()[0];
  if (what == "orphans") return Orphans(s);
  if (what == "budget") return Budget(s);
  return s.Fail(kUsage, Cat("prove \"", what, "\": expected orphans or budget"));
}

}  // namespace

std::vector<Verb> ProveVerbs() {
  return {
      {{"prove",
        "orphans|budget",
        1,
        1,
        "That every machine billed was asked for; what is spent at worst if muster dies now.",
        {{"provider", 0, "NAME", "orphans: only there"}, AtFlag()},
        "orphans  lists what the providers bill now and maps each machine to the event that asked\n"
        "         for it; those without one first, with age and burn. Exit 1 unless all have one;\n"
        "         dedicated servers alike, each with its order\n"
        "budget   nothing is destroyed any more, budgets hold nothing: every machine runs until\n"
        "         its account's credit is used up. Launches in flight count as rented. Dedicated\n"
        "         servers are shown with their price; they are billed until they are given back\n"
        "With --at nobody is asked: both answer from what the log had at that moment. Machines "
        "are\n"
        "those of the newest complete list recorded by then; what the answer rests on is told\n"},
       Prove},
  };
}

}  // namespace muster::cli
