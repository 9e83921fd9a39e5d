// server: what only looks: list, describe, watch, wait, ssh, machines, check.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/server.h"
#include "services/muster/render.h"
#include "services/muster/server_verbs.h"

namespace muster::cli {
namespace {

constexpr absl::Duration kLookAgain = absl::Seconds(2);

std::string Amount(const api::Server& server, std::int64_t micros) {
  return FormatMoney({micros, server.offer().currency()});
}
std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }
// What is run on it, or else why it stands where it stands.
std::string Doing(const api::Server& server) {
  return server.has_progress() ? ProgressText(server.progress()) : server.detail();
}
std::string Share(double part, double whole) {
  return whole > 0 ? absl::StrFormat("%.0f%%", 100 * part / whole) : "-";
}

// ---- list and describe ----

Table ServerTable(const api::ListServersResponse& list, bool wide) {
  std::vector<std::string> head = {"SERVER", "STATE",  "NUMBER", "PRODUCT",
                                   "PLACE",  ">MONTH", ">SPENT", "SINCE"};
  if (wide) head.insert(head.end(), {"ID", "ADDRESS", "PAID UNTIL", "GPU"});
  head.emplace_back("NEXT");
  Table table(head);
  const absl::Time now = FromProto(list.now());
  for (const api::Server& server : list.servers()) {
    const api::ServerOffer& offer = server.offer();
    std::vector<std::string> row = {server.name(),
                                    Cat(server.state(), server.needs_operator() ? " (!)" : ""),
                                    OrDash(server.number()),
                                    OrDash(offer.name()),
                                    OrDash(offer.location()),
                                    Amount(server, offer.micros_per_month()),
                                    Amount(server, server.spent_micros()),
                                    Ago(server.state_since(), now)};
    if (wide) {
      row.insert(row.end(), {server.id(), OrDash(server.address()), OrDash(server.paid_until()),
                             OrDash(offer.gpu())});
    }
    row.push_back(server.next().empty() ? OrDash(Doing(server)) : server.next());
    table.Row(std::move(row));
  }
  return table;
}

int FetchList(Session& s, api::ListServersResponse& list) {
  api::ListServersRequest request;
  request.set_include_ended(s.args.Has("all"));
  return s.Ask(&Queries::ListServers, request, list);
}

int List(Session& s, const std::string&) {
  return Repeat(s, [&] {
    api::ListServersResponse list;
    if (const int code = FetchList(s, list)) return code;
    std::vector<std::string> names;
    for (const api::Server& server : list.servers()) names.push_back("server/" + server.name());
    if (s.PrintStructured(list, names)) return static_cast<int>(kOk);
    if (list.servers().empty()) {
      s.env.out << "no servers\n";
      s.env.err << "next: muster server find, then muster server up -f builder.yaml\n";
      return static_cast<int>(kOk);
    }
    ServerTable(list, s.Wide()).Print(s.env.out, s.Columns());
    return static_cast<int>(kOk);
  });
}

void Line(std::ostream& out, std::string_view what, const std::string& value) {
  if (!value.empty()) out << absl::StrFormat("%-13s %s\n", std::string(what) + ":", value);
}

void DescribeOffer(std::ostream& out, const api::Server& server) {
  const api::ServerOffer& offer = server.offer();
  std::string hardware = OrDash(offer.cpu());
  if (offer.cores() > 0) hardware += Cat(", ", offer.cores(), " cores");
  hardware += Cat(", ", offer.memory_gb(), " GB, ", offer.disks(), " x ", offer.disk_gb(), " GB");
  Line(out, "product",
       Cat(OrDash(offer.name()), " (", offer.channel(), " ", offer.offer(), "), ",
           OrDash(offer.location())));
  Line(out, "hardware", hardware);
  Line(out, "gpu", offer.gpu());
  std::string price = Cat(Amount(server, offer.micros_per_month()), " a month");
  if (offer.micros_per_hour() > 0) {
    price += Cat(", ", Amount(server, offer.micros_per_hour()), " an hour");
  }
  if (offer.setup_micros() > 0) price += Cat(", ", Amount(server, offer.setup_micros()), " once");
  Line(out, "price", Cat(price, " (net)"));
  Line(out, "spent", Amount(server, server.spent_micros()));
}

void DescribeVitals(std::ostream& out, const api::BuilderVitals& vitals, absl::Time now) {
  const std::string seen = Ago(vitals.seen_at(), now);
  if (!vitals.reached())
    return Line(out, "vitals", Cat("not reached ", seen, ": ", vitals.detail()));
  std::string text = absl::StrFormat("load %.2f", vitals.load1());
  const double memory = static_cast<double>(vitals.memory_total_kb());
  const double free_memory = static_cast<double>(vitals.memory_available_kb());
  if (memory > 0) {
    text += Cat(", memory ", Share(memory - free_memory, memory), " of ", Bytes(memory * 1024));
  }
  const double disk = static_cast<double>(vitals.disk_total_bytes());
  const double free_disk = static_cast<double>(vitals.disk_free_bytes());
  if (disk > 0) text += Cat(", disk ", Share(disk - free_disk, disk), " of ", Bytes(disk));
  text += Cat(", ", vitals.build_processes(), " build processes");
  Line(out, "vitals", Cat(text, " (", seen, ")"));
  for (const api::GpuUse& gpu : vitals.gpus()) {
    Line(out, "gpu now",
         absl::StrFormat("%s: %.0f%%, %d of %d MiB", gpu.name(), gpu.utilization_percent(),
                         gpu.memory_used_mib(), gpu.memory_total_mib()));
  }
}

void DescribeServer(std::ostream& out, const api::Server& server, absl::Time now) {
  out << "server/" << server.name() << "  " << server.state() << " since "
      << Ago(server.state_since(), now) << (server.needs_operator() ? "  (needs you)" : "") << "\n";
  Line(out, "detail", server.detail());
  if (server.has_progress()) Line(out, "doing", ProgressText(server.progress()));
  Line(out, "next", server.next());
  Line(out, "id", Cat(server.id(), " at ", server.provider()));
  Line(out, "number", server.number());
  Line(out, "order", server.order());
  DescribeOffer(out, server);
  if (server.has_ordered_at()) Line(out, "ordered", Ago(server.ordered_at(), now));
  if (server.has_delivered_at()) Line(out, "delivered", Ago(server.delivered_at(), now));
  if (server.has_ended_at()) Line(out, "ended", Ago(server.ended_at(), now));
  Line(out, "paid until", server.paid_until());
  Line(out, "cancelled for", server.cancelled_for());
  Line(out, "IPv4", server.ipv4());
  Line(out, "IPv6", server.ipv6());
  if (!server.address().empty()) {
    Line(out, "sshd", Cat(server.address(), " port ", server.ssh_port()));
  }
  for (const std::string& key : server.host_keys()) Line(out, "host key", key);
  Line(out, "host key", server.host_public_key());
  for (const api::ServerDisk& disk : server.disks()) {
    Line(out, "disk",
         Cat(disk.identity(), "  ", disk.model(), "  ", Bytes(static_cast<double>(disk.bytes())),
             "  ", disk.path(), disk.holds().empty() ? "" : Cat("  (", disk.holds(), ")")));
  }
  for (const std::string& gpu : server.gpus()) Line(out, "gpu found", gpu);
  if (server.has_vitals()) DescribeVitals(out, server.vitals(), now);
  Line(out, "machine line", server.machine_line());
  if (!server.last_build().empty()) {
    Line(out, "last build",
         Cat(server.last_build(), "  (muster explain build/", server.last_build(), ")"));
  }
}

int Describe(Session& s, const std::string& name) {
  api::Server server;
  if (const int code = FetchServer(s, name, server)) return code;
  if (s.PrintStructured(server, {"server/" + server.name()})) return kOk;
  DescribeServer(s.env.out, server, s.Clock());
  return kOk;
}

// ---- watch and wait ----

Table VitalsTable(const api::ListServersResponse& list, const std::string& only) {
  Table table({"SERVER", "STATE", ">LOAD", ">MEMORY", ">DISK", ">BUILDS", ">GPU", ">GPU MEMORY",
               "SEEN", "DETAIL"});
  const absl::Time now = FromProto(list.now());
  for (const api::Server& server : list.servers()) {
    if (!only.empty() && server.name() != only && server.id() != only) continue;
    const api::BuilderVitals& v = server.vitals();
    double busy = 0;
    double used = 0, total = 0;
    for (const api::GpuUse& gpu : v.gpus()) {
      busy = std::max(busy, gpu.utilization_percent());
      used += static_cast<double>(gpu.memory_used_mib());
      total += static_cast<double>(gpu.memory_total_mib());
    }
    const bool reached = server.has_vitals() && v.reached();
    const auto share = [](std::int64_t total_of, std::int64_t free_of) {
      return Share(static_cast<double>(total_of - free_of), static_cast<double>(total_of));
    };
    table.Row({server.name(), server.state(), reached ? absl::StrFormat("%.2f", v.load1()) : "-",
               reached ? share(v.memory_total_kb(), v.memory_available_kb()) : "-",
               reached ? share(v.disk_total_bytes(), v.disk_free_bytes()) : "-",
               reached ? Cat(v.build_processes()) : "-",
               reached && total > 0 ? absl::StrFormat("%.0f%%", busy) : "-", Share(used, total),
               Ago(v.seen_at(), now), OrDash(v.detail().empty() ? Doing(server) : v.detail())});
  }
  return table;
}

StatusOr<absl::Duration> SpanOf(Session& s, const std::string& flag, absl::Duration otherwise) {
  if (!s.args.Has(flag)) return otherwise;
  absl::Duration span;
  if (absl::ParseDuration(s.args.Get(flag), &span) && span > absl::ZeroDuration()) return span;
  return InvalidArgument(
      Cat("--", flag, " ", s.args.Get(flag), ": expected a span such as 10s or 2m"));
}

// How builders do, again and again; once where the output is no terminal and --interval is not
// given.
int Watch(Session& s, const std::string& name) {
  const auto interval = SpanOf(s, "interval", kLookAgain);
  if (!interval.ok()) return s.Fail(kUsage, Message(interval.status()));
  const bool once = !s.env.out_is_terminal && !s.args.Has("interval");
  api::Server known;
  if (!name.empty()) {
    if (const int code = FetchServer(s, name, known)) return code;
  }
  while (true) {
    api::ListServersResponse list;
    if (const int code = FetchList(s, list)) return code;
    if (s.env.out_is_terminal) s.env.out << "\x1b[H\x1b[2J";
    if (!s.PrintStructured(list, {})) {
      VitalsTable(list, known.id()).Print(s.env.out, s.Columns());
    }
    s.env.out << std::flush;
    if (once) return kOk;
    if (!s.env.pause(*interval)) return kInterrupted;
  }
}

// Until the server is in the state of --for ("in service"); says each state it goes through.
int Wait(Session& s, const std::string& name) {
  const std::string wanted = s.args.Get("for", "in service");
  const auto patience = SpanOf(s, "timeout", absl::InfiniteDuration());
  if (!patience.ok()) return s.Fail(kUsage, Message(patience.status()));
  absl::Duration waited;
  std::string last;
  ProgressLine progress(s);
  while (true) {
    api::Server server;
    progress.Clear();
    if (const int code = FetchServer(s, name, server)) return code;
    if (server.state() != last) {
      s.env.err << server.state() << (server.detail().empty() ? "" : ": ") << server.detail()
                << "\n";
      last = server.state();
    }
    progress.Show(server);
    if (server.state() == wanted) {
      (void)s.PrintStructured(server, {"server/" + server.name()});
      return kOk;
    }
    if (server.state() == "ended") return s.Fail(kFailed, "it has ended");
    if (server.needs_operator()) {
      return s.Fail(kFailed, Cat("it needs you\nnext: ", server.next()));
    }
    if (waited >= *patience) {
      return s.Fail(kTimedOut, Cat("still ", server.state(), ", not ", wanted, ", after --timeout ",
                                   s.args.Get("timeout")));
    }
    if (!s.env.pause(kLookAgain)) return kInterrupted;
    waited += kLookAgain;
  }
}

// ---- ssh ----

// Never asks whether to trust a key: the log knows which one it is.
int Ssh(Session& s, const std::string& name) {
  api::Server server;
  if (const int code = FetchServer(s, name, server)) return code;
  if (server.address().empty()) {
    return s.Fail(kRefused, Cat("server/", server.name(), " has no system to log in to (",
                                server.state(), ")"));
  }
  if (server.host_public_key().empty()) {
    return s.Fail(kRefused, Cat("server/", server.name(), " runs its rescue system at ",
                                server.address(), ", which lets in nobody but musterd\nit proves ",
                                absl::StrJoin(server.host_keys(), " or "),
                                "\nnext: musterd keeps the key beside its log, as keys/",
                                server.id(), ".order"));
  }
  const std::string host = server.ssh_port() == 22
                               ? server.address()
                               : Cat("[", server.address(), "]:", server.ssh_port());
  // The first two words: a comment would be read as more arguments.
  const std::string& key = server.host_public_key();
  const std::string pin = key.substr(0, key.find(' ', key.find(' ') + 1));
  std::vector<std::string> command = {"ssh",
                                      "-p",
                                      Cat(server.ssh_port()),
                                      "-o",
                                      "StrictHostKeyChecking=yes",
                                      "-o",
                                      "UserKnownHostsFile=/dev/null",
                                      "-o",
                                      "GlobalKnownHostsFile=/dev/null",
                                      "-o",
                                      "HostKeyAlgorithms=ssh-ed25519",
                                      "-o",
                                      Cat("KnownHostsCommand=/bin/echo ", host, " ", pin),
                                      Cat(s.args.Get("user", "root"), "@", server.address())};
  const auto& words = s.args.positional();
  for (std::size_t i = 2; i < words.size(); ++i) command.push_back(words[i]);
  if (!s.args.Has("print") && s.env.out_is_terminal && s.env.exec) return s.env.exec(command);
  for (std::string& word : command) {
    if (word.find(' ') != std::string::npos) word = Cat("'", word, "'");
  }
  s.env.out << absl::StrJoin(command, " ") << "\n";
  return kOk;
}

// ---- machines and check ----

int Machines(Session& s, const std::string&) {
  api::ExportMachinesResponse answer;
  if (const int code = s.Ask(&Queries::ExportMachines, api::ExportMachinesRequest(), answer)) {
    return code;
  }
  if (!s.PrintStructured(answer, {})) s.env.out << answer.text();
  return kOk;
}

int Check(Session& s, const std::string& name) {
  api::CheckBuildersRequest request;
  request.set_server(name);
  api::CheckBuildersResponse answer;
  const auto context = s.Context();
  const grpc::Status status =
      s.Patiently([&] { return s.queries().CheckBuilders(context.get(), request, &answer); });
  if (!status.ok()) return s.Fail(status);
  const bool structured = s.PrintStructured(answer, {});
  int failed = 0;
  std::vector<std::string> next;
  Table table({"CHECK", "RESULT", "DETAIL"});
  for (const api::Check& check : answer.checks()) {
    const bool bad = check.result() == api::Check::FAILED;
    failed += bad ? 1 : 0;
    table.Row({check.name(),
               bad                                     ? "FAILED"
               : check.result() == api::Check::WARNING ? "warning"
                                                       : "ok",
               check.detail()});
    if (check.next().empty() || std::find(next.begin(), next.end(), check.next()) != next.end()) {
      continue;
    }
    next.push_back(check.next());
  }
  if (!structured) {
    table.Print(s.env.out, s.Columns());
    for (std::size_t i = 0; i < std::min<std::size_t>(next.size(), 3); ++i) {
      s.env.err << "next: " << next[i] << "\n";
    }
  }
  return failed == 0 ? kOk : kFailed;
}

}  // namespace

std::vector<ServerWord> ServerLooks() {
  return {
      {"list", "all of them: state, price, what comes next; --all: ended ones too", false, List},
      {"describe", "everything known about one", true, Describe},
      {"watch", "how builders do: load, memory, disk, GPU; --interval 10s", false, Watch},
      {"wait", "until it is in service, or --for STATE; 6 when --timeout was not enough", true,
       Wait},
      {"ssh", "logs in to the installed system, its key pinned; a command may follow", true, Ssh},
      {"machines", "the lines of all builders, for nix build --builders @FILE", false, Machines},
      {"check", "state check: log, lines, machines file and old files; 1 when something is wrong",
       false, Check},
  };
}

}  // namespace muster::cli
