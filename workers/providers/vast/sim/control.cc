#include "workers/providers/vast/sim/control.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

Json TimeJson(absl::Time time) {
  if (time == absl::InfiniteFuture()) return nullptr;
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

Json ToJson(const OfferView& v) {
  return {{"id", v.id},
          {"machine", v.machine},
          {"gpu", v.gpu},
          {"gpus", v.gpus},
          {"usd_per_hour", v.usd_per_hour},
          {"verified", v.verified},
          {"storage_usd_per_gb_month", v.storage_usd_per_gb_month}};
}

Json ToJson(const InstanceView& v) {
  return {{"id", v.id},
          {"label", v.label},
          {"machine", v.machine},
          {"offer", v.offer},
          {"gpu", v.gpu},
          {"gpus", v.gpus},
          {"actual", v.actual},
          {"intended", v.intended},
          {"status_message", v.status_message},
          {"usd_per_hour", v.usd_per_hour},
          {"created", TimeJson(v.created)},
          {"ended", TimeJson(v.ended)},
          {"end_cause", v.end_cause},
          {"batches", v.batches},
          {"bad_machine", v.bad_machine}};
}

Json ToJson(const LedgerLine& v) {
  return {{"instance", v.instance},
          {"label", v.label},
          {"machine", v.machine},
          {"created", TimeJson(v.created)},
          {"ended", TimeJson(v.ended)},
          {"gpu_micro_usd", v.gpu.micros},
          {"storage_micro_usd", v.storage.micros},
          {"total_micro_usd", v.total.micros}};
}

Json ToJson(const JournalEntry& v) {
  constexpr const char* kCuts[] = {"none", "reset_before_answer", "truncate", "hang"};
  return {{"at", TimeJson(v.at)},   {"method", v.method}, {"path", v.path},
          {"endpoint", v.endpoint}, {"status", v.status}, {"cut", kCuts[static_cast<int>(v.cut)]},
          {"traps", v.traps},       {"caller", v.caller}, {"instance", v.instance},
          {"offer", v.offer},       {"label", v.label},   {"key_in_url", v.key_in_url}};
}

template <class T>
SimReply ListReply(const char* name, const std::vector<T>& values) {
  Json rows = Json::array();
  for (const T& value : values) rows.push_back(ToJson(value));
  return JsonReply(200, {{name, std::move(rows)}});
}

SimReply Refused(const Status& status) {
  return ErrorReply(status.code() == StatusCode::kNotFound ? 404 : 400, "refused", Message(status));
}

SimReply Outcome(const Status& status) {
  return status.ok() ? JsonReply(200, {{"success", true}}) : Refused(status);
}

StatusOr<FailureSpec> ReadFailure(const Json& body) {
  const std::string how = TextOr(body, "how", "");
  const std::optional<Failure> failure = FailureFromName(how);
  if (!failure.has_value()) return InvalidArgument(Cat("how: no failure is called \"", how, "\""));
  FailureSpec spec{.how = *failure};
  spec.after = absl::Seconds(NumberOr(body, "after_s", 0));
  spec.span = absl::Seconds(NumberOr(body, "span_s", absl::ToDoubleSeconds(spec.span)));
  spec.text = TextOr(body, "text", "");
  return spec;
}

StatusOr<Fault> ReadFault(const Json& body) {
  const std::string name = TextOr(body, "trap", "");
  const std::optional<Trap> trap = TrapFromName(name);
  if (!trap.has_value()) return InvalidArgument(Cat("trap: none is called \"", name, "\""));
  return Fault{.trap = *trap,
               .endpoint = TextOr(body, "endpoint", ""),
               .instance = static_cast<std::int64_t>(NumberOr(body, "instance", 0)),
               .skip = static_cast<int>(NumberOr(body, "skip", 0)),
               .times = static_cast<int>(NumberOr(body, "times", -1)),
               .chance = NumberOr(body, "chance", 1),
               .value = NumberOr(body, "value", 0),
               .text = TextOr(body, "text", "")};
}

SimReply ShowState(const VastSim& sim) {
  return JsonReply(200, {{"now", TimeJson(sim.now())},
                         {"credit_usd", sim.credit_usd()},
                         {"spent_micro_usd", sim.Spent().micros},
                         {"offers", sim.Offers().size()},
                         {"instances", sim.Instances().size()},
                         {"keys_leaked", sim.KeysLeaked()}});
}

SimReply ShowCatalogue() {
  constexpr std::pair<const char*, const char*> kTraps[] = {
#define TRAP(name, wire, what) {wire, what},
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
  };
  constexpr std::pair<const char*, const char*> kFailures[] = {
#define FAILURE(name, wire, what) {wire, what},
#include "workers/providers/vast/sim/failures.def"
#undef FAILURE
  };
  Json traps = Json::object(), failures = Json::object();
  for (const auto& [name, what] : kTraps) traps[name] = what;
  for (const auto& [name, what] : kFailures) failures[name] = what;
  return JsonReply(200, {{"traps", std::move(traps)}, {"failures", std::move(failures)}});
}

SimReply Read(const VastSim& sim, const std::string& what) {
  if (what == "state") return ShowState(sim);
  if (what == "catalogue") return ShowCatalogue();
  if (what == "offers") return ListReply("offers", sim.Offers());
  if (what == "instances") return ListReply("instances", sim.Instances());
  if (what == "past") return ListReply("past", sim.PastInstances());
  if (what == "ledger") return ListReply("ledger", sim.Ledger());
  if (what == "journal") return ListReply("journal", sim.Journal());
  return ErrorReply(404, "refused", Cat("nothing to read at /control/", what));
}

SimReply SetCredit(VastSim& sim, const Json& body) {
  if (body.contains("usd")) sim.SetCredit(NumberOr(body, "usd", 0));
  if (body.contains("add_usd")) sim.AddCredit(NumberOr(body, "add_usd", 0));
  return JsonReply(200, {{"success", true}, {"credit_usd", sim.credit_usd()}});
}

SimReply AddForeign(VastSim& sim, const Json& body) {
  ForeignSpec spec;
  spec.label = TextOr(body, "label", "");
  spec.gpu = TextOr(body, "gpu", spec.gpu);
  spec.status = TextOr(body, "status", spec.status);
  spec.usd_per_hour = NumberOr(body, "usd_per_hour", spec.usd_per_hour);
  spec.age = absl::Seconds(NumberOr(body, "age_s", absl::ToDoubleSeconds(spec.age)));
  return JsonReply(200, {{"success", true}, {"instance", sim.AddForeign(spec)}});
}

// POST without an id in the path.
SimReply Post(VastSim& sim, const std::string& what, const Json& body) {
  if (what == "faults") {
    const StatusOr<Fault> fault = ReadFault(body);
    if (!fault.ok()) return Refused(fault.status());
    sim.SetFault(*fault);
    return JsonReply(200, {{"success", true}});
  }
  if (what == "credit") return SetCredit(sim, body);
  if (what == "instances") return AddForeign(sim, body);
  if (what == "clock") {
    sim.SkipTime(absl::Seconds(NumberOr(body, "skip_s", 0)));
    return ShowState(sim);
  }
  return ErrorReply(404, "refused", Cat("nothing to do at /control/", what));
}

// POST /control/KIND/ID/ACTION.
SimReply Act(VastSim& sim, const Call& call, const std::string& kind, const std::string& action,
             const Json& body) {
  if (action == "fail" && (kind == "instances" || kind == "machines")) {
    const StatusOr<FailureSpec> spec = ReadFailure(body);
    if (!spec.ok()) return Refused(spec.status());
    return Outcome(kind == "machines" ? sim.FailMachine(call.id, *spec)
                                      : sim.FailWorker(call.id, *spec));
  }
  if (action == "price") {
    const double usd = NumberOr(body, "usd_per_hour", 0);
    return Outcome(kind == "offers" ? sim.SetOfferPrice(call.id, usd) : sim.SetPrice(call.id, usd));
  }
  if (action == "log" && kind == "instances") {
    std::vector<std::string> lines;
    for (const Json& line : body.value("lines", Json::array())) {
      if (line.is_string()) lines.push_back(line.get<std::string>());
    }
    return Outcome(sim.ScriptLog(call.id, lines));
  }
  return ErrorReply(404, "refused", Cat("nothing to do at /control/", kind, "/N/", action));
}

}  // namespace

SimReply HandleControl(VastSim& sim, const std::string& method, const std::string& path,
                       const std::string& body) {
  const Json json =
      body.empty() ? Json::object() : Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return ErrorReply(400, "refused", "the body is not a JSON object");
  const std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  Call call;
  if (parts.size() == 2 && method == "GET") return Read(sim, parts[1]);
  if (parts.size() == 2 && method == "POST") return Post(sim, parts[1], json);
  if (parts.size() == 4 && method == "POST" && absl::SimpleAtoi(parts[2], &call.id)) {
    return Act(sim, call, parts[1], parts[3], json);
  }
  if (method == "DELETE" && parts.size() >= 2) {
    if (parts[1] == "faults" && parts.size() == 2) {
      return JsonReply(200, {{"success", true}, {"cleared", sim.ClearFaults()}});
    }
    if (parts[1] == "faults" && parts.size() == 3) {
      const std::optional<Trap> trap = TrapFromName(parts[2]);
      if (!trap.has_value()) return ErrorReply(404, "refused", "no such trap");
      return JsonReply(200, {{"success", true}, {"cleared", sim.ClearFaults(trap)}});
    }
    if (parts[1] == "journal" && parts.size() == 2) {
      sim.ClearJournal();
      return JsonReply(200, {{"success", true}});
    }
    if (parts[1] == "offers" && parts.size() == 3 && absl::SimpleAtoi(parts[2], &call.id)) {
      return Outcome(sim.RemoveOffer(call.id));
    }
  }
  return ErrorReply(404, "refused", Cat("no control at ", method, " ", path));
}

}  // namespace muster::vastsim
