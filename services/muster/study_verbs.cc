// simulate, market: what a policy would do, in a market that is drawn or recorded.
#include <algorithm>
#include <fstream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/files/fleet_file.h"
#include "services/files/market_file.h"
#include "services/muster/render.h"
#include "services/muster/session.h"
#include "services/simulate/model.h"
#include "services/simulate/render.h"

namespace muster::cli {
namespace {

constexpr int kDaysMax = 366;
constexpr int kSeedsMax = 1000;

// A whole number within bounds, or why not.
template <class T>
StatusOr<T> WholeNumber(Session& s, const std::string& flag, T otherwise, T least, T most) {
  T number = otherwise;
  const bool read = !s.args.Has(flag) || absl::SimpleAtoi(s.args.Get(flag), &number);
  if (!read || number < least || number > most) {
    return InvalidArgument(Cat("--", flag, " \"", s.args.Get(flag), "\": expected a whole number, ",
                               least, " to ", most));
  }
  return number;
}

// "failures_per_hour=0.05,boot_max=6m"
StatusOr<std::map<std::string, std::string>> SettingsOf(const std::string& text) {
  std::map<std::string, std::string> settings;
  for (const auto piece : absl::StrSplit(ToAbsl(text), ',', absl::SkipEmpty())) {
    const std::vector<std::string> pair = absl::StrSplit(piece, absl::MaxSplits('=', 1));
    if (pair.size() != 2) {
      return InvalidArgument(Cat("--set \"", std::string(piece), "\": expected NAME=VALUE"));
    }
    settings[pair[0]] = pair[1];
  }
  return settings;
}

StatusOr<simulate::Request> RequestOf(Session& s) {
  simulate::Request request;
  MUSTER_ASSIGN_OR_RETURN(const int days, WholeNumber<int>(s, "days", 7, 1, kDaysMax));
  MUSTER_ASSIGN_OR_RETURN(request.seed,
                          WholeNumber<std::uint64_t>(s, "seed", 1, 0, std::uint64_t{1} << 62));
  MUSTER_ASSIGN_OR_RETURN(request.seeds, WholeNumber<int>(s, "seeds", 1, 1, kSeedsMax));
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  MUSTER_ASSIGN_OR_RETURN(request.jobs, WholeNumber<int>(s, "jobs", cores, 1, 256));
  MUSTER_ASSIGN_OR_RETURN(request.settings, SettingsOf(s.args.Get("set")));
  request.span = absl::Hours(24) * days;
  return request;
}

// "simulating 12 % (2 of 20 seeds done)" on a terminal, over itself.
std::function<void(double)> ProgressOn(Session& s) {
  if (!s.env.err_is_terminal) return nullptr;
  return [&err = s.env.err, shown = -1](double share) mutable {
    const int percent = static_cast<int>(share * 100);
    if (std::exchange(shown, percent) == percent) return;
    err << absl::StrFormat("\rsimulating %3d %%", percent) << std::flush;
  };
}

int Simulate(Session& s) {
  if (s.args.Has("model")) {
    for (const simulate::Setting& each : simulate::Settings()) {
      s.env.out << absl::StrFormat("%-18s %-8s %s\n", each.name, each.otherwise, each.what);
    }
    return kOk;
  }
  if (!s.args.Has("file")) return s.Fail(kUsage, "-f FILE is needed: the fleet to simulate");
  StatusOr<simulate::Request> request = RequestOf(s);
  if (!request.ok()) return s.Fail(kUsage, Message(request.status()));
  auto fleet = LoadFleetFile(s.args.Get("file"));
  if (!fleet.ok()) return s.Fail(fleet.status());
  request->fleet = *std::move(fleet);
  if (s.args.Has("market")) {
    auto market = LoadMarketFile(s.args.Get("market"));
    if (!market.ok()) return s.Fail(market.status());
    request->market = std::make_shared<const MarketRecord>(*std::move(market));
  }
  request->progress = ProgressOn(s);
  const StatusOr<simulate::Study> study = simulate::Simulate(*request);
  if (request->progress != nullptr) s.env.err << "\r                 \r" << std::flush;
  if (!study.ok()) return s.Fail(study.status());
  s.env.out << (s.args.Get("output", "text") == "json"
                    ? simulate::ToJson(*request, *study)
                    : simulate::ToText(*request, *study, {.color = s.Color()}));
  return kOk;
}

int Market(Session& s) {
  if (s.args.positional()[0] != "export") {
    return s.Fail(kUsage, Cat("\"", s.args.positional()[0], "\": expected export"));
  }
  const std::string form = s.Output();
  if (form != "table" && form != "yaml" && form != "json") {
    return s.Fail(kUsage, Cat("-o ", form, ": a market is written as yaml or json"));
  }
  const auto since = s.AsOf("since");
  const auto until = s.AsOf("to");
  for (const auto* moment : {&since, &until}) {
    if (!moment->ok()) return s.Fail(kUsage, Message(moment->status()));
  }
  api::ExportMarketRequest request;
  request.set_provider(s.args.Get("provider", "vast"));
  *request.mutable_since() = *since;
  *request.mutable_until() = *until;
  request.set_form(form == "json" ? api::ExportMarketRequest::JSON
                                  : api::ExportMarketRequest::YAML);
  api::ExportMarketResponse answer;
  const auto context = s.Context();
  const grpc::Status status = s.queries().ExportMarket(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  s.env.out << answer.content() << std::flush;
  s.env.err << answer.machines() << " machine(s), " << answer.rentals() << " rental(s), "
            << FormatUtc(FromProto(answer.from())) << " to " << FormatUtc(FromProto(answer.to()))
            << "\nnext: muster simulate -f fleet.yaml --market FILE\n";
  return kOk;
}

}  // namespace

std::vector<Verb> StudyVerbs() {
  return {
      {{"simulate",
        "-f FILE",
        0,
        0,
        "What this policy would do: the daemon's own code in virtual time, in a simulated market.\n"
        "Needs no daemon, rents nothing. Shows text or, with -o json, all numbers.",
        {{"file", 'f', "FILE", "the fleet"},
         {"days", 0, "N", "for so long; 7"},
         {"market", 0, "FILE", "a market recorded by 'muster market export'; else one is drawn"},
         {"seed", 0, "N", "what chance starts from; 1"},
         {"seeds", 0, "N", "so many runs: median, p10 and p90; 1"},
         {"jobs", 0, "N", "runs at once; one per core"},
         {"set", 0, "NAME=VALUE,...", "what the model assumes; --model lists it"},
         {"model", 0, "", "list the settings of the model with their defaults, and stop"}}},
       Simulate,
       Manner::kStudy},
      {{"market",
        "export",
        1,
        1,
        "Writes the market as the log saw it, for 'muster simulate --market FILE'.\n"
        "What was offered when, and what became of workers there. YAML, or JSON with -o json.",
        {{"since", 0, "TIME|POSITION", "from then on: 2026-11-14T00:00:00Z, 7d (ago), 48211"},
         {"to", 0, "TIME|POSITION", "until then; now"},
         {"provider", 0, "NAME", "vast"}}},
       Market},
  };
}

}  // namespace muster::cli
