// offers, hosts, stats, cost: what things cost and which machines are good.
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "services/files/whole_file.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

std::string PerUnit(std::int64_t micros) {
  return micros > 0 ? absl::StrFormat("$%.4f", static_cast<double>(micros) / 1e6) : "-";
}

int Offers(Session& s) {
  api::ListOffersRequest request;
  request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
  request.set_include_refused(s.args.Has("all"));
  int limit = 20;
  if (!absl::SimpleAtoi(s.args.Get("limit", "20"), &limit) || limit <= 0) {
    return s.Fail(kUsage,
                  Cat("--limit \"", s.args.Get("limit"), "\": expected a number of offers"));
  }
  request.set_limit(limit);
  api::ListOffersResponse answer;
  if (const int code = s.Ask(&Queries::ListOffers, request, answer)) return code;
  std::vector<std::string> names;
  for (const api::Offer& offer : answer.offers()) names.push_back(offer.id());
  if (s.PrintStructured(answer, names)) return kOk;
  Table table({"OFFER", "MACHINE", "GPU", ">$/H", ">RATE", "FROM", ">$/RATE", ">RELIAB", ">CUDA",
               ">MBIT", "WHERE", "WHY NOT"});
  for (const api::Offer& o : answer.offers()) {
    table.Row({o.id(), o.machine(), o.gpu(),
               absl::StrFormat("%.4f", static_cast<double>(o.price_micro_usd_per_hour()) / 1e6),
               Rate(o.expected_rate_per_s()), o.expected_from(),
               PerUnit(o.cost_per_unit_rate_micro_usd()), absl::StrFormat("%.3f", o.reliability()),
               absl::StrFormat("%.1f", o.cuda()), absl::StrFormat("%.0f", o.inet_down_mbps()),
               Place(o.location()), o.verdict()});
  }
  table.Print(s.env.out, s.Columns());
  s.env.err << answer.offers_size() << " of " << answer.found() << " offers, best first\n";
  if (answer.position() > 0) {
    const absl::Time seen = FromProto(answer.seen_at());
    s.env.err << "recorded at " << FormatUtc(seen) << ", "
              << FormatSpan(std::max(s.Clock() - seen, absl::ZeroDuration())) << " before (log "
              << answer.position() << "); nobody was asked\n";
  }
  return kOk;
}

}  // namespace

int ShowHosts(Session& s) {
  api::ListHostsRequest request;
  request.set_provider(s.args.Get("provider", "vast"));
  request.set_struck_only(!s.args.Has("all"));
  api::ListHostsResponse answer;
  if (const int code = s.Ask(&Queries::ListHosts, request, answer)) return code;
  std::vector<std::string> names;
  for (const api::Host& h : answer.hosts()) {
    names.push_back(Cat("host/", h.provider(), "/", h.machine()));
  }
  if (s.PrintStructured(answer, names)) return kOk;
  if (answer.hosts().empty()) {
    s.env.out << (request.struck_only() ? "no machine has a live strike\n"
                                        : "no machine was measured or struck yet\n");
    return kOk;
  }
  Table table({"HOST", "GPU", ">STRIKES", "STATE", ">LAUNCHES", ">CAME UP", ">RATE", "LAST CAUSE"});
  for (const api::Host& h : answer.hosts()) {
    table.Row({Cat(h.provider(), "/", h.machine()), h.gpu(),
               absl::StrFormat("%g", h.live_strikes()), h.blocked() ? "blocked" : "free",
               Cat(h.launches()), Cat(h.boots()), Rate(h.rate_mean_per_s()),
               h.strikes().empty() ? "-" : h.strikes(h.strikes_size() - 1).cause()});
  }
  table.Print(s.env.out, s.Columns());
  return kOk;
}

namespace {

int Pardon(Session& s) {
  if (s.args.positional().size() != 2) return s.Fail(kUsage, "muster hosts pardon MACHINE");
  api::PardonHostRequest request;
  request.set_provider(s.args.Get("provider", "vast"));
  request.set_machine(s.args.positional()[1]);
  request.set_reason(s.args.Get("reason"));
  request.set_validate_only(s.args.Has("dry-run"));
  if (!request.validate_only()) {
    if (!s.Confirm(Cat("Clear all strikes of ", request.machine(), "?"))) return kRefused;
    request.set_request_id(s.RequestId());
  }
  api::PardonHostResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.commands().PardonHost(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(answer, {Cat("host/", request.provider(), "/", request.machine())})) {
    return kOk;
  }
  s.env.out << answer.strikes_cleared() << " strike(s) "
            << (request.validate_only() ? "would be cleared\n" : "cleared\n");
  return kOk;
}

int Export(Session& s) {
  api::ExportBadHostsRequest request;
  request.set_provider(s.args.Get("provider", "vast"));
  api::ExportBadHostsResponse answer;
  if (const int code = s.Ask(&Queries::ExportBadHosts, request, answer)) return code;
  if (s.args.positional().size() < 2) {
    s.env.out << answer.content();
    return kOk;
  }
  std::ofstream file(s.args.positional()[1], std::ios::binary | std::ios::trunc);
  file << answer.content();
  file.close();
  if (!file) return s.Fail(kFailed, Cat("cannot write ", s.args.positional()[1]));
  return kOk;
}

int Import(Session& s) {
  if (s.args.positional().size() != 2) return s.Fail(kUsage, "muster hosts import bad-hosts.txt");
  const std::string& path = s.args.positional()[1];
  StatusOr<std::string> text = ReadWholeFile(path);
  if (!text.ok()) return s.Fail(kFailed, Message(text.status()));
  api::ImportBadHostsRequest request;
  request.set_provider(s.args.Get("provider", "vast"));
  request.set_file_name(path.substr(path.rfind('/') + 1));
  request.set_content(*std::move(text));
  request.set_validate_only(s.args.Has("dry-run"));
  if (!request.validate_only()) request.set_request_id(s.RequestId());
  api::ImportBadHostsResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.commands().ImportBadHosts(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  for (const std::string& problem : answer.problems()) s.env.err << path << ": " << problem << "\n";
  if (s.PrintStructured(answer, {})) return kOk;
  s.env.out << answer.strikes() << " strike(s) on " << answer.machines() << " machine(s) "
            << (request.validate_only() ? "would be imported\n" : "imported\n");
  return answer.problems().empty() ? kOk : kPartlyDone;
}

int Hosts(Session& s) {
  const std::string what = s.args.positional().empty() ? "list" : s.args.positional()[0];
  if (s.args.Has("at") && (what == "pardon" || what == "import")) {
    return s.Fail(kUsage, Cat("hosts ", what, " changes what is now: it takes no --at"));
  }
  if (what == "list") return Repeat(s, [&s] { return ShowHosts(s); });
  if (what == "pardon") return Pardon(s);
  if (what == "export") return Export(s);
  if (what == "import") return Import(s);
  return s.Fail(kUsage, Cat("\"", what,
                            "\": expected list, pardon MACHINE, import FILE or "
                            "export [FILE]"));
}

struct Titles {
  std::string key;
  bool with_gpu = false;  // a worker has one; a fleet has many
};

void PrintEfficiency(std::ostream& out, const Titles& titles,
                     const google::protobuf::RepeatedPtrField<api::EfficiencyRow>& rows,
                     const std::string& unit, int columns, bool& first) {
  if (rows.empty()) return;
  if (!first) out << "\n";
  first = false;
  std::vector<std::string> head = {titles.key};
  head.push_back(titles.with_gpu ? "GPU" : ">N");
  for (const std::string& each :
       {Cat(">", unit, "/S"), std::string(">MEAN"), std::string(">EXPECTED"), std::string(">$/H"),
        Cat(">$ PER ", unit, "/S"), std::string(">WORK"), std::string(">SPENT")}) {
    head.push_back(each);
  }
  Table table(head);
  for (const api::EfficiencyRow& row : rows) {
    table.Row({row.key(), titles.with_gpu ? row.gpu() : Cat(row.workers()), Rate(row.rate_per_s()),
               Rate(row.rate_mean_per_s()), Rate(row.expected_rate_per_s()),
               UsdRate(row.price_micro_usd_per_hour()), PerUnit(row.cost_per_unit_rate_micro_usd()),
               absl::StrFormat("%.0f", row.total_units()), Usd(row.spent_micro_usd())});
  }
  table.Print(out, columns);
}

int Stats(Session& s) {
  return Repeat(s, [&s] {
    api::GetEfficiencyRequest request;
    if (!s.args.positional().empty()) {
      request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
    }
    api::GetEfficiencyResponse answer;
    if (const int code = s.Ask(&Queries::GetEfficiency, request, answer)) return code;
    if (s.PrintStructured(answer, {})) return static_cast<int>(kOk);
    std::string unit = answer.work_unit().empty() ? "work" : answer.work_unit();
    for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (answer.workers().empty() && answer.gpus().empty() && answer.fleets().empty()) {
      s.env.out << "no work was seen yet\n";
    }
    bool first = true;
    PrintEfficiency(s.env.out, {"WORKER", true}, answer.workers(), unit, s.Columns(), first);
    PrintEfficiency(s.env.out, {"GPU TYPE"}, answer.gpus(), unit, s.Columns(), first);
    PrintEfficiency(s.env.out, {"FLEET"}, answer.fleets(), unit, s.Columns(), first);
    return static_cast<int>(kOk);
  });
}

void PrintCost(std::ostream& out, const char* title,
               const google::protobuf::RepeatedPtrField<api::CostRow>& rows, int columns,
               bool& first) {
  if (rows.empty()) return;
  if (!first) out << "\n";
  first = false;
  Table table({title, ">$/H", ">TODAY", ">TOTAL", ">LOST"});
  for (const api::CostRow& row : rows) {
    table.Row({row.key(), UsdRate(row.burn_micro_usd_per_hour()), Usd(row.today_micro_usd()),
               Usd(row.total_micro_usd()), Usd(row.lost_micro_usd())});
  }
  table.Print(out, columns);
}

// What each day cost; a rate belongs to the moment, not to a day.
void PrintDays(std::ostream& out, const google::protobuf::RepeatedPtrField<api::CostRow>& rows,
               int columns, bool& first) {
  if (rows.empty()) return;
  if (!first) out << "\n";
  first = false;
  Table table({"DAY (UTC)", ">SPENT", ">LOST"});
  for (const api::CostRow& row : rows) {
    table.Row({row.key(), Usd(row.total_micro_usd()), Usd(row.lost_micro_usd())});
  }
  table.Print(out, columns);
}

int CostVerb(Session& s) {
  return Repeat(s, [&s] {
    api::GetCostRequest request;
    if (!s.args.positional().empty()) {
      request.set_fleet(WithoutKind(s.args.positional()[0], "fleet"));
    }
    api::GetCostResponse answer;
    if (const int code = s.Ask(&Queries::GetCost, request, answer)) return code;
    if (s.PrintStructured(answer, {})) return static_cast<int>(kOk);
    if (answer.fleets().empty()) s.env.out << "nothing was spent yet\n";
    bool first = true;
    PrintCost(s.env.out, "FLEET", answer.fleets(), s.Columns(), first);
    PrintCost(s.env.out, "GPU", answer.gpus(), s.Columns(), first);
    if (s.Wide()) PrintCost(s.env.out, "WORKER", answer.workers(), s.Columns(), first);
    PrintDays(s.env.out, answer.days(), s.Columns(), first);
    return static_cast<int>(kOk);
  });
}

}  // namespace

std::vector<Verb> MoneyVerbs() {
  return {
      {{"offers",
        "FLEET",
        1,
        1,
        "Searches the market now, best value first, and says why not.",
        {{"limit", 0, "N", "at most so many; 20"},
         {"all", 'a', "", "refused offers too, with the reason"},
         AtFlag()},
        "With --at nobody is asked: the offers that the log had then, judged by the fleet's file,\n"
        "strikes and measurements of then, as the policy judged them. The log keeps the 32 "
        "cheapest\n"
        "of each GPU, and writes a market that stays the same down every few minutes only\n"},
       Offers},
      {{"hosts",
        "[list | pardon MACHINE | import FILE | export [FILE]]",
        0,
        2,
        "Strikes and blocked machines; import and export in the form of bad-hosts.txt.",
        {{"all", 'a', "", "machines without a live strike too"},
         {"provider", 0, "NAME", "vast"},
         {"reason", 0, "TEXT", "kept in the log"},
         YesFlag(),
         DryRunFlag(),
         RequestIdFlag(),
         WatchFlag(),
         AtFlag()}},
       Hosts},
      {{"stats",
        "[FLEET]",
        0,
        1,
        "Work and money per unit of work, by worker, GPU and fleet.",
        {WatchFlag(), AtFlag()}},
       Stats,
       Manner::kNameless},
      {{"cost",
        "[FLEET]",
        0,
        1,
        "Spend now, today and in total; what was lost on bad machines.",
        {WatchFlag(), AtFlag()},
        "Counted is the listed price of each machine, disk included, from the provider's answer "
        "to\n"
        "the launch (found by a look-up: from the request) until its end is confirmed. Against "
        "the\n"
        "provider's bill, per machine and so in all:\n"
        "  never more than   that price for all that time: boots, stops and outages count in "
        "full,\n"
        "                    though the provider may bill the disk alone meanwhile\n"
        "  never less than   the bill, but for the time between rental and answer\n"
        "                    (timers.launch_timeout at most), and a raised price until the next\n"
        "                    complete list (timers.list_poll); not counted are traffic and a\n"
        "                    rental that was gone again before any list or answer told of it\n"},
       CostVerb,
       Manner::kNameless},
  };
}

}  // namespace muster::cli
