// shadow: a candidate spec beside the live one, without hands: what it would have decided.
#include "services/files/fleet_file.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

std::string StateWord(api::Shadow::State state) {
  switch (state) {
    case api::Shadow::RUNNING:
      return "runs";
    case api::Shadow::PROMOTED:
      return "promoted";
    case api::Shadow::FLEET_GONE:
      return "ended with its fleet";
    default:
      return "stopped";
  }
}

// "+$0.12", "-$0.03": what the candidate would have spent beyond the live fleet.
std::string Beyond(std::int64_t micros) {
  return Cat(micros < 0 ? "-" : "+", Usd(micros < 0 ? -micros : micros));
}

void PrintHead(std::ostream& out, const api::Shadow& shadow) {
  const absl::Time since = FromProto(shadow.since());
  const bool runs = shadow.state() == api::Shadow::RUNNING;
  const absl::Time until = FromProto(runs ? shadow.now() : shadow.until());
  out << "shadow/" << shadow.fleet() << "   " << StateWord(shadow.state()) << ", since "
      << FormatUtc(since) << " (" << FormatSpan(until - since) << ", position " << shadow.position()
      << ")" << (shadow.reason().empty() ? "" : ": ") << shadow.reason() << "\n";
  for (const std::string& line : shadow.differences()) out << "  ~ " << line << "\n";
  if (shadow.differences().empty()) out << "  the candidate is the live spec\n";
}

void PrintSpend(std::ostream& out, const api::Shadow& shadow) {
  const std::int64_t live = shadow.live_spent_micro_usd();
  const std::int64_t would_be = shadow.would_be_spent_micro_usd();
  out << "spent: live " << Usd(live) << ", candidate would have " << Usd(would_be) << " ("
      << Beyond(would_be - live) << ")\n";
  if (shadow.state() != api::Shadow::RUNNING) return;
  out << "now:   live " << shadow.live_workers() << " workers at $"
      << UsdRate(shadow.live_micro_usd_per_hour()) << "/h, candidate would have "
      << shadow.would_be_workers() << " at $" << UsdRate(shadow.would_be_micro_usd_per_hour())
      << "/h (" << shadow.modelled_workers() << " of them only in the book)\n";
}

void PrintReport(Session& s, const api::Shadow& shadow) {
  std::ostream& out = s.env.out;
  PrintHead(out, shadow);
  out << shadow.moments() << " moments compared: " << shadow.agreements() << " decisions agreed, "
      << shadow.disagreements() << " not (" << shadow.open() << " open)";
  if (shadow.unrecorded() > 0) out << "; " << shadow.unrecorded() << " more only counted";
  out << "\n";
  PrintSpend(out, shadow);
  if (!shadow.rules().empty()) {
    out << "\n";
    Table table({"RULE", ">COUNT", ">OPEN", ">POSITION", "NEWEST"});
    for (const api::ShadowRule& rule : shadow.rules()) {
      std::string name = rule.rule(), count = Cat(rule.disagreements()), open = Cat(rule.open());
      for (const api::ShadowExample& example : rule.examples()) {
        table.Row({std::exchange(name, ""), std::exchange(count, ""), std::exchange(open, ""),
                   Cat(example.position()), example.text()});
      }
    }
    table.Print(out, s.Columns());
  }
  out << "\n";
  for (const std::string& line : shadow.exact()) out << "exact:    " << line << "\n";
  for (const std::string& line : shadow.modelled()) out << "modelled: " << line << "\n";
}

std::string NameOf(const api::Shadow& shadow) { return Cat("shadow/", shadow.fleet()); }

StatusOr<specpb::FleetSpec> Candidate(Session& s, const std::string& fleet) {
  MUSTER_ASSIGN_OR_RETURN(specpb::FleetSpec spec, LoadFleetFile(s.args.Get("file")));
  if (spec.name() != fleet) {
    return InvalidArgument(Cat(s.args.Get("file"), " is of fleet ", spec.name(), ", not ", fleet));
  }
  return spec;
}

int Start(Session& s, const std::string& fleet) {
  if (fleet.empty() || s.args.Get("file").empty()) {
    return s.Fail(kUsage, "muster shadow start FLEET -f CANDIDATE.yaml");
  }
  const auto spec = Candidate(s, fleet);
  if (!spec.ok()) return s.Fail(spec.status());
  api::StartShadowRequest request;
  *request.mutable_spec() = *spec;
  request.set_validate_only(s.args.Has("dry-run"));
  if (!request.validate_only()) request.set_request_id(s.RequestId());
  api::Shadow answer;
  const auto context = s.Context();
  const grpc::Status status = s.commands().StartShadow(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(answer, {NameOf(answer)})) return kOk;
  for (const std::string& line : answer.differences()) s.env.out << "  ~ " << line << "\n";
  s.env.out << (request.validate_only() ? "the candidate could run beside fleet/"
                                        : "the candidate runs beside fleet/")
            << fleet << "; nothing of what it decides is done\n";
  if (!request.validate_only()) s.env.err << "next: muster shadow report " << fleet << "\n";
  return kOk;
}

int Stop(Session& s, const std::string& fleet) {
  if (fleet.empty()) return s.Fail(kUsage, "muster shadow stop FLEET");
  api::StopShadowRequest request;
  request.set_fleet(fleet);
  request.set_reason(s.args.Get("reason"));
  request.set_validate_only(s.args.Has("dry-run"));
  if (!request.validate_only()) request.set_request_id(s.RequestId());
  api::Shadow answer;
  const auto context = s.Context();
  const grpc::Status status = s.commands().StopShadow(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(answer, {NameOf(answer)})) PrintReport(s, answer);
  return kOk;
}

int Promote(Session& s, const std::string& fleet) {
  if (fleet.empty()) return s.Fail(kUsage, "muster shadow promote FLEET");
  api::PromoteShadowRequest request;
  request.set_fleet(fleet);
  return PlanAskDo(
      s,
      [&](grpc::ClientContext* context, const Attempt& attempt, api::Operation* answer) {
        request.set_validate_only(attempt.validate_only);
        request.set_request_id(attempt.request_id);
        request.set_plan_id(attempt.validate_only ? "" : s.args.Get("plan"));
        return s.commands().PromoteShadow(context, request, answer);
      },
      Cat("Apply the candidate to fleet/", fleet, "?"));
}

int Report(Session& s, const std::string& fleet) {
  return Repeat(s, [&s, &fleet] {
    api::ListShadowsRequest request;
    request.set_fleet(fleet);
    api::ListShadowsResponse answer;
    if (const int code = s.Ask(&Queries::ListShadows, request, answer)) return code;
    std::vector<std::string> names;
    for (const api::Shadow& shadow : answer.shadows()) names.push_back(NameOf(shadow));
    if (s.PrintStructured(answer, names)) return static_cast<int>(kOk);
    if (answer.shadows().empty()) {
      s.env.err << "no shadow was ever started"
                << (fleet.empty() ? "" : Cat(" beside fleet/", fleet))
                << "\nnext: muster shadow start FLEET -f candidate.yaml\n";
    }
    bool first = true;
    for (const api::Shadow& shadow : answer.shadows()) {
      if (!std::exchange(first, false)) s.env.out << "\n";
      PrintReport(s, shadow);
    }
    return static_cast<int>(kOk);
  });
}

int Shadow(Session& s) {
  const auto& words = s.args.positional();
  const std::string& what = words[0];
  const std::string fleet = words.size() < 2 ? "" : WithoutKind(words[1], "fleet");
  if (s.args.Has("at") && (what == "start" || what == "promote" || what == "stop")) {
    return s.Fail(kUsage, Cat("shadow ", what, " changes what is now: it takes no --at"));
  }
  if (what == "start") return Start(s, fleet);
  if (what == "report") return Report(s, fleet);
  if (what == "promote") return Promote(s, fleet);
  if (what == "stop") return Stop(s, fleet);
  return s.Fail(kUsage, Cat("shadow \"", what, "\": expected start, report, promote or stop"));
}

}  // namespace

std::vector<Verb> ShadowVerbs() {
  return {
      {{"shadow",
        "start|report|promote|stop [FLEET]",
        1,
        2,
        "Runs a candidate spec beside the live one, without hands, and reports where they differ.",
        {{"file", 'f', "FLEET.yaml", "start: the candidate"},
         {"plan", 0, "ID", "promote: only if the plan is still this one"},
         {"reason", 0, "TEXT", "stop: kept in the log"},
         YesFlag(),
         DryRunFlag(),
         DetailedFlag(),
         WaitFlag(),
         RequestIdFlag(),
         WatchFlag(),
         AtFlag()},
        "start    from now on the candidate is asked what it would decide at each look of the "
        "live\n"
        "         policy at the fleet. Disagreements and would-be spend are recorded, nothing "
        "else\n"
        "         is done: no provider is called, no worker, fleet or host is touched\n"
        "report   since when, agreements, disagreements by rule with the newest ones (muster\n"
        "         explain POSITION tells what they were drawn from), both spends, and which part "
        "is\n"
        "         exact and which is modelled. Without FLEET: of all\n"
        "promote  applies the candidate as muster apply would, after showing the plan, then ends\n"
        "         the shadow\n"
        "stop     ends it. It ends by itself when the fleet is taken down\n"},
       Shadow},
  };
}

}  // namespace muster::cli
