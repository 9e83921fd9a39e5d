// get, describe: one thing or a list of things, by kind and name.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "services/files/fleet_file.h"
#include "services/files/problems.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

using absl::StartsWith;

constexpr char kExpected[] =
    "fleets, workers, hosts, accounts, fleet/NAME, WORKER, host/PROVIDER/MACHINE or "
    "account/PROVIDER";

int GetWorkers(Session& s, const std::string& fleet) {
  api::ListWorkersResponse all;
  api::ListWorkersRequest request;
  request.set_fleet(fleet);
  request.set_include_ended(s.args.Has("all"));
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  do {
    api::ListWorkersResponse page;
    const auto context = s.Context();
    const grpc::Status status = s.queries().ListWorkers(context.get(), request, &page);
    if (!status.ok()) return s.Fail(status);
    all.mutable_workers()->MergeFrom(page.workers());
    *all.mutable_now() = page.now();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::string> names;
  for (const api::Worker& worker : all.workers()) names.push_back("worker/" + worker.id());
  if (s.PrintStructured(all, names)) return kOk;
  if (all.workers().empty()) {
    s.env.out << "no workers\n";
    return kOk;
  }
  WorkerTable(all.workers(), FromProto(all.now()), s.Wide()).Print(s.env.out, s.Columns());
  return kOk;
}

int GetOneFleet(Session& s, const std::string& name, bool describe) {
  api::GetFleetRequest request;
  request.set_fleet(name);
  api::Fleet fleet;
  if (const int code = s.Ask(&Queries::GetFleet, request, fleet)) return code;
  if (s.Output() == "yaml" && !describe) {  // a fleet file that can be applied again
    s.env.out << FormatFleetFile(fleet.spec());
    return kOk;
  }
  if (s.PrintStructured(fleet, {"fleet/" + fleet.name()})) return kOk;
  const absl::Time now = s.Clock();
  if (describe) {
    DescribeFleet(s.env.out, fleet, now);
  } else {
    FleetTable(std::vector<api::Fleet>{fleet}, now).Print(s.env.out, s.Columns());
  }
  return kOk;
}

int GetOneWorker(Session& s, const std::string& name, bool describe) {
  api::GetWorkerRequest request;
  request.set_worker(name);
  api::Worker worker;
  if (const int code = s.Ask(&Queries::GetWorker, request, worker)) return code;
  if (s.PrintStructured(worker, {"worker/" + worker.id()})) return kOk;
  const absl::Time now = s.Clock();
  if (describe) {
    DescribeWorker(s.env.out, worker, now);
  } else {
    WorkerTable(std::vector<api::Worker>{worker}, now, s.Wide()).Print(s.env.out, s.Columns());
  }
  return kOk;
}

int DescribeOneHost(Session& s, const std::string& name) {
  api::ListHostsRequest request;
  const std::size_t slash = name.find('/');
  request.set_provider(slash == std::string::npos ? "vast" : name.substr(0, slash));
  request.set_machine(slash == std::string::npos ? name : name.substr(slash + 1));
  api::ListHostsResponse answer;
  if (const int code = s.Ask(&Queries::ListHosts, request, answer)) return code;
  if (answer.hosts().empty()) return s.Fail(kNotFound, Cat("nothing is known of host ", name));
  if (s.PrintStructured(answer, {"host/" + name})) return kOk;
  for (const api::Host& host : answer.hosts()) {
    DescribeHost(s.env.out, host, FromProto(answer.now()));
  }
  return kOk;
}

// All accounts, or the one of `provider`.
int GetAccounts(Session& s, const std::string& provider, bool describe) {
  api::ListFleetsRequest request;
  api::ListFleetsResponse answer;
  if (const int code = s.Ask(&Queries::ListFleets, request, answer)) return code;
  api::ListAccountsResponse kept;
  std::vector<std::string> names, known;
  for (const api::Account& account : answer.accounts()) {
    known.push_back(account.provider());
    if (!provider.empty() && account.provider() != provider) continue;
    *kept.add_accounts() = account;
    names.push_back("account/" + account.provider());
  }
  if (kept.accounts().empty() && !provider.empty()) {
    return s.Fail(kNotFound,
                  Cat("no account of \"", provider, "\" was seen",
                      known.empty() ? "" : Cat("; there is ", absl::StrJoin(known, ", "))));
  }
  const bool one = !provider.empty();
  if (one ? s.PrintStructured(kept.accounts(0), names) : s.PrintStructured(kept, names)) return kOk;
  const absl::Time now = FromProto(answer.now());
  if (kept.accounts().empty()) s.env.out << "no account was seen yet\n";
  if (describe) {
    DescribeAccount(s.env.out, kept.accounts(0), now);
  } else {
    PrintAccounts(s.env.out, kept.accounts(), now);
  }
  return kOk;
}

// Nobody is called `what`: says what can be asked for, and what was probably meant.
int NothingCalled(Session& s, const std::string& what) {
  std::vector<std::string> names = {"fleets", "workers", "hosts", "accounts"};
  api::ListFleetsResponse fleets;
  const auto fleets_context = s.Context();
  (void)s.queries().ListFleets(fleets_context.get(), {}, &fleets);
  for (const api::Fleet& fleet : fleets.fleets()) {
    names.push_back(fleet.name());
    names.push_back("fleet/" + fleet.name());
  }
  api::ListWorkersResponse workers;
  const auto workers_context = s.Context();
  (void)s.queries().ListWorkers(workers_context.get(), {}, &workers);
  for (const api::Worker& worker : workers.workers()) {
    names.push_back(worker.id());
    names.push_back(worker.label());
  }
  const std::string near = NearestWord(what, names);
  return s.Fail(kNotFound, Cat("nothing is called \"", what, "\"",
                               near.empty() ? "" : Cat("; did you mean ", near, "?"),
                               "\n  expected ", kExpected));
}

// A name without a kind: a worker's, else a fleet's.
int GetCalled(Session& s, const std::string& what, bool describe) {
  const std::string name = WithoutKind(what, "worker");
  api::GetWorkerRequest request;
  request.set_worker(name);
  const auto moment = s.AsOf();
  if (!moment.ok()) return s.Fail(kUsage, Message(moment.status()));
  *request.mutable_as_of() = *moment;
  api::Worker worker;
  const auto context = s.Context();
  const grpc::Status status = s.queries().GetWorker(context.get(), request, &worker);
  if (status.error_code() != grpc::StatusCode::NOT_FOUND) return GetOneWorker(s, name, describe);
  api::GetFleetRequest fleet_request;
  fleet_request.set_fleet(what);
  *fleet_request.mutable_as_of() = *moment;
  api::Fleet fleet;
  const auto fleet_context = s.Context();
  if (s.queries().GetFleet(fleet_context.get(), fleet_request, &fleet).ok()) {
    return GetOneFleet(s, what, describe);
  }
  return NothingCalled(s, what);
}

int One(Session& s, const std::string& what, bool describe) {
  if (StartsWith(what, "fleet/")) return GetOneFleet(s, what.substr(6), describe);
  if (StartsWith(what, "host/")) return DescribeOneHost(s, what.substr(5));
  if (StartsWith(what, "account/")) return GetAccounts(s, what.substr(8), describe);
  return GetCalled(s, what, describe);
}

int Get(Session& s) {
  const std::string what = s.args.positional().empty() ? "workers" : s.args.positional()[0];
  return Repeat(s, [&] {
    if (what == "fleets" || what == "fleet") return ShowFleets(s, "", /*with_accounts=*/false);
    if (what == "workers" || what == "worker") {
      return GetWorkers(s, WithoutKind(s.args.Get("fleet"), "fleet"));
    }
    if (what == "hosts" || what == "host") return ShowHosts(s);
    if (what == "accounts" || what == "account") return GetAccounts(s, "", /*describe=*/false);
    return One(s, what, /*describe=*/false);
  });
}

int Describe(Session& s) { return One(s, s.args.positional()[0], /*describe=*/true); }

}  // namespace

std::vector<Verb> LookVerbs() {
  return {
      {{"get",
        "[fleets|workers|hosts|accounts|fleet/NAME|WORKER|...]",
        0,
        1,
        "Lists workers or fleets, or shows one; 'get fleet/NAME -o yaml' gives its file back.",
        {{"fleet", 0, "NAME", "only this fleet's workers"},
         {"all", 'a', "", "ended ones too"},
         WatchFlag(),
         AtFlag()}},
       Get},
      {{"describe",
        "WORKER|fleet/NAME|host/PROVIDER/MACHINE|account/PROVIDER",
        1,
        1,
        "Shows everything known about one thing.",
        {AtFlag()}},
       Describe},
  };
}

}  // namespace muster::cli
