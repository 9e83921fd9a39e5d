// audit: the log as evidence: checked here, by the bytes, not by what the daemon says of them.
#include <fstream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/audit/cloud_events.h"
#include "eventstore/audit/log_check.h"
#include "eventstore/audit/proof.h"
#include "eventstore/base/sha256.h"
#include "eventstore/record.h"
#include "services/files/whole_file.h"
#include "services/muster/log_source.h"

namespace muster::cli {
namespace {

// The last line that says anything: files of heads are appended to.
std::string LastLine(const std::string& text) {
  std::string last;
  for (const auto line : absl::StrSplit(text, '\n')) {
    if (!Trim(ToStd(line)).empty()) last = std::string(line);
  }
  return last;
}

// Says why on stderr and gives the exit code, or kOk.
int ReadKey(Session& s, std::string& hex) {
  if (!s.args.Has("key")) return kOk;
  const auto text = ReadWholeFile(s.args.Get("key"));
  if (!text.ok()) return s.Fail(kFailed, Cat("--key: ", Message(text.status())));
  const auto key = audit::PublicKeyIn(*text);
  if (!key.ok()) return s.Fail(kUsage, Cat(s.args.Get("key"), ": ", Message(key.status())));
  hex = *key;
  return kOk;
}

int ReadHeadFile(Session& s, std::optional<audit::SignedHead>& head) {
  if (!s.args.Has("head")) return kOk;
  std::string key;
  if (const int code = ReadKey(s, key); code != kOk) return code;
  const std::string path = s.args.Get("head");
  const auto text = ReadWholeFile(path);
  if (!text.ok()) return s.Fail(kFailed, Cat("--head: ", Message(text.status())));
  auto read = audit::ReadHead(LastLine(*text), key);
  if (!read.ok()) {
    const bool forged = read.status().code() == StatusCode::kPermissionDenied;
    return s.Fail(forged ? kFailed : kUsage, Cat(path, ": ", Message(read.status())));
  }
  if (key.empty()) {
    s.env.err << "note: the head vouches for itself; --key FILE takes the key you had before\n";
  }
  head = *std::move(read);
  return kOk;
}

// ---- verify -----------------------------------------------------------------------------------

void PrintVerdict(Session& s, const api::VerifyLogResponse& verdict,
                  const std::optional<audit::SignedHead>& head) {
  if (s.PrintStructured(verdict, {Cat(verdict.events())})) return;
  if (!verdict.whole()) {
    s.env.out << "NOT WHOLE  first bad position " << verdict.first_bad() << "\n  "
              << verdict.problem() << "\n  events up to " << verdict.first_bad() - 1
              << " are as they were written\n";
    return;
  }
  s.env.out << verdict.events() << " events, the chain is whole, hash " << verdict.hash() << "\n";
  if (verdict.redacted() > 0) {
    s.env.out << verdict.redacted() << " of them redacted: their payloads were taken out\n";
  }
  if (head.has_value()) {
    s.env.out << "it is the log of the head signed at " << FormatUtc(head->head.signed_at)
              << " (position " << head->head.position << ")\n";
  } else {
    s.env.err << "a cut tail or a rewritten log shows only against a head kept elsewhere: --head\n";
  }
}

int Verify(Session& s) {
  std::optional<audit::SignedHead> head;
  if (const int code = ReadHeadFile(s, head); code != kOk) return code;
  std::optional<audit::Head> stated;
  if (head.has_value()) stated = head->head;
  audit::LogCheck check(stated);
  Status damage;
  const int code = ReadLog(
      s,
      [&](const audit::ExportStart& start) {
        check = audit::LogCheck(stated, start.after, start.hash);
      },
      [&](std::string_view record) { return check.Take(record); }, damage);
  if (code != kOk) return code;
  Position bad = check.first_bad();
  if (damage.ok()) {
    damage = check.End();
    bad = check.first_bad();
  } else if (bad == 0) {  // the source itself ended in the middle
    bad = check.walk().position() + 1;
  }
  api::VerifyLogResponse verdict;
  verdict.set_whole(damage.ok());
  verdict.set_events(check.walk().position());
  verdict.set_first_bad(bad);
  verdict.set_problem(std::string(Message(damage)));
  verdict.set_hash(ToHex(check.walk().hash()));
  verdict.set_redacted(check.walk().redacted());
  PrintVerdict(s, verdict, head);
  return damage.ok() ? kOk : kFailed;
}

// ---- export -----------------------------------------------------------------------------------

int ExportRaw(Session& s, std::ostream& out) {
  for (const char* flag : {"since", "fleet", "worker"}) {
    if (s.args.Has(flag)) {
      return s.Fail(kUsage,
                    Cat("--raw: the chain holds over the whole log, so it takes no --", flag));
    }
  }
  Status damage;
  std::uint64_t records = 0;
  const int code = ReadLog(
      s, [&](const audit::ExportStart& start) { audit::BeginExport(out, start.after, start.hash); },
      [&](std::string_view record) -> Status {
        audit::ExportRecord(out, record);
        ++records;
        return {};
      },
      damage);
  if (code != kOk) return code;
  if (!damage.ok()) return s.Fail(damage);
  s.env.err << records << " records\nnext: deploy/audit/check_log.py FILE\n";
  return kOk;
}

// Twice over the log: what stands in the place of redacted payloads is told by later events.
int ExportOffline(Session& s, const audit::ExportFilter& filter, std::ostream& out) {
  audit::Replacements replacements;
  Status damage;
  RecordedEvent event;
  const auto nothing = [](const audit::ExportStart&) {};
  int code = ReadLog(
      s, nothing,
      [&](std::string_view record) -> Status {
        MUSTER_RETURN_IF_ERROR(DecodeRecord(record, event));
        replacements.See(event);
        return {};
      },
      damage);
  if (code != kOk) return code;
  if (!damage.ok()) return s.Fail(damage);
  audit::CloudEvents events(filter, std::move(replacements));
  code = ReadLog(
      s, nothing,
      [&](std::string_view record) -> Status {
        MUSTER_ASSIGN_OR_RETURN(const auto json, events.Take(record));
        if (json.has_value()) out << *json << "\n";
        return {};
      },
      damage);
  if (code != kOk) return code;
  return damage.ok() ? kOk : s.Fail(damage);
}

int ExportEvents(Session& s, std::ostream& out) {
  const auto since = s.AsOf("since");
  if (!since.ok()) return s.Fail(kUsage, Message(since.status()));
  const std::string fleet = WithoutKind(s.args.Get("fleet"), "fleet");
  const std::string worker = WithoutKind(s.args.Get("worker"), "worker");
  if (IsOffline(s)) {
    audit::ExportFilter filter{.since = since->position(), .fleet = fleet, .worker = worker};
    if (since->has_time()) filter.since_time = FromProto(since->time());
    if (since->moment_case() == api::AsOf::kSecondsAgo) {
      return s.Fail(kUsage,
                    "--since: a span counts from a daemon's clock; expected a time or a "
                    "position with --store and --file");
    }
    return ExportOffline(s, filter, out);
  }
  api::ExportEventsRequest request;
  *request.mutable_since() = *since;
  request.set_fleet(fleet);
  request.set_worker(worker);
  const auto context = s.StreamContext();
  const auto reader = s.audit().ExportEvents(context.get(), request);
  api::ExportedEvent event;
  while (reader->Read(&event)) out << event.json() << "\n";
  const grpc::Status status = reader->Finish();
  return status.ok() ? kOk : s.Fail(status);
}

// Writes what `write` makes to --out, or to stdout.
int WriteOut(Session& s, const std::function<int(std::ostream&)>& write) {
  if (!s.args.Has("out")) return write(s.env.out);
  const std::string path = s.args.Get("out");
  std::ofstream file(path, std::ios::binary);
  const int code = write(file);
  file.close();
  if (code == kOk && !file) return s.Fail(kFailed, Cat("--out: cannot write ", path));
  return code;
}

int Export(Session& s) {
  return WriteOut(s, [&](std::ostream& out) {
    return s.args.Has("raw") ? ExportRaw(s, out) : ExportEvents(s, out);
  });
}

// ---- heads and proofs -------------------------------------------------------------------------

int Key(Session& s) {
  api::AuditKey answer;
  const auto context = s.Context();
  const grpc::Status status = s.audit().GetAuditKey(context.get(), {}, &answer);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(answer, {answer.public_key()})) return kOk;
  s.env.out << answer.pem();
  s.env.err << "public key " << answer.public_key()
            << "\nkeep it where this machine cannot write\n";
  return kOk;
}

int HeadOfNow(Session& s) {
  api::SignedHead answer;
  const auto context = s.StreamContext();  // walks what is new of the log
  const grpc::Status status = s.audit().GetHead(context.get(), {}, &answer);
  if (!status.ok()) return s.Fail(status);
  return WriteOut(s, [&](std::ostream& out) {
    if (!s.PrintStructured(answer, {Cat(answer.position())})) out << answer.head() << "\n";
    return static_cast<int>(kOk);
  });
}

int ProveOffline(Session& s, Position position, const std::optional<audit::SignedHead>& head,
                 std::ostream& out) {
  if (!head.has_value()) {
    return s.Fail(kUsage, "prove: without a daemon there is nobody to sign a head; --head FILE");
  }
  auto maker = audit::ProofMaker::For(position, *head);
  if (!maker.ok()) return s.Fail(kUsage, Message(maker.status()));
  Status damage;
  const int code = ReadLog(
      s, [](const audit::ExportStart&) {},
      [&](std::string_view record) -> Status {
        return maker->done() ? Status() : maker->Take(record);
      },
      damage);
  if (code != kOk) return code;
  if (damage.ok() && !maker->done()) damage = DataLoss("the log ends before the head");
  if (!damage.ok()) return s.Fail(damage);
  out << maker->Proof() << "\n";
  return kOk;
}

int Prove(Session& s, const std::string& text) {
  std::uint64_t position = 0;
  if (!absl::SimpleAtoi(text, &position) || position == 0) {
    return s.Fail(kUsage, Cat("prove \"", text, "\": expected a position in the log"));
  }
  std::optional<audit::SignedHead> head;
  if (const int code = ReadHeadFile(s, head); code != kOk) return code;
  return WriteOut(s, [&](std::ostream& out) {
    if (IsOffline(s)) return ProveOffline(s, position, head, out);
    api::ProveEventRequest request;
    request.set_position(position);
    if (head.has_value()) request.set_head(head->text);
    api::EventProof answer;
    const auto context = s.StreamContext();
    const grpc::Status status = s.audit().ProveEvent(context.get(), request, &answer);
    if (!status.ok()) return s.Fail(status);
    out << answer.proof() << "\n";
    return static_cast<int>(kOk);
  });
}

int CheckProof(Session& s, const std::string& path) {
  std::string key;
  if (const int code = ReadKey(s, key); code != kOk) return code;
  const auto text = ReadWholeFile(path);
  if (!text.ok()) return s.Fail(text.status());
  const auto proved = audit::CheckProof(*text, key);
  if (!proved.ok()) return s.Fail(kFailed, Cat(path, ": ", Message(proved.status())));
  const RecordedEvent& event = proved->event;
  s.env.out << "proved: event " << event.position << ", " << event.event.type << " of "
            << event.stream.str() << ", recorded " << FormatUtc(event.recorded_at)
            << "\n  stands in the log of " << proved->head.head.installation
            << " that the head signed at " << FormatUtc(proved->head.head.signed_at)
            << " speaks of (position " << proved->head.head.position << ")\n  by the key "
            << proved->head.public_key << (key.empty() ? " (its own word; see --key)" : "") << "\n";
  if (proved->redacted) s.env.out << "  its payload was taken out later; its digest is proved\n";
  return kOk;
}

int Redact(Session& s, const std::string& text) {
  api::RedactPayloadRequest request;
  std::uint64_t position = 0;
  if (!absl::SimpleAtoi(text, &position) || position == 0) {
    return s.Fail(kUsage, Cat("redact \"", text, "\": expected a position in the log"));
  }
  request.set_position(position);
  request.set_reason(s.args.Get("reason"));
  for (const auto field :
       absl::StrSplit(s.args.Get("field"), absl::ByAnyChar(", "), absl::SkipEmpty())) {
    request.add_fields(std::string(field));
  }
  request.set_validate_only(true);
  api::RedactPayloadResponse answer;
  auto context = s.Context();
  grpc::Status status = s.commands().RedactPayload(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  std::string fields;
  for (const std::string& field : answer.fields()) fields += Cat(" ", field);
  const bool dry = s.args.Has("dry-run");
  if (!dry || !s.PrintStructured(answer, {Cat(position)})) {
    (dry ? s.env.out : s.env.err) << "event " << position << ", " << answer.type() << ": takes out"
                                  << fields << "\n";
  }
  if (dry) return kOk;
  if (!s.Confirm("Take this text out of the log for good?")) {
    return s.env.in_is_terminal ? kOk : kRefused;
  }
  request.set_validate_only(false);
  request.set_request_id(s.RequestId());
  context = s.StreamContext();  // rewrites files
  status = s.commands().RedactPayload(context.get(), request, &answer);
  if (!status.ok()) return s.Fail(status);
  if (!s.PrintStructured(answer, {Cat(answer.position())})) {
    s.env.out << "done; event " << answer.position() << " tells of it\n";
  }
  s.env.err
      << "musterd has it in memory until its next start; backups and exports made before, and "
         "the log tails beside the store, may still hold it\n";
  return kOk;
}

int Audit(Session& s) {
  const std::string& what = s.args.positional()[0];
  const bool has_more = s.args.positional().size() > 1;
  const bool takes_one = what == "prove" || what == "check-proof" || what == "redact";
  if (takes_one != has_more) {
    return s.Fail(kUsage, takes_one ? Cat("audit ", what, ": expected one more argument")
                                    : Cat("audit ", what, ": takes no more arguments"));
  }
  if (what == "verify") return Verify(s);
  if (what == "export") return Export(s);
  if (what == "key") return Key(s);
  if (what == "head") return HeadOfNow(s);
  if (what == "prove") return Prove(s, s.args.positional()[1]);
  if (what == "check-proof") return CheckProof(s, s.args.positional()[1]);
  if (what == "redact") return Redact(s, s.args.positional()[1]);
  const std::string near =
      Nearest(what, {"verify", "export", "key", "head", "prove", "check-proof", "redact"});
  return s.Fail(kUsage, Cat("audit \"", what,
                            "\": expected verify, export, key, head, prove, check-proof or redact",
                            near.empty() ? "" : Cat("; did you mean ", near, "?")));
}

}  // namespace

std::vector<Verb> AuditVerbs() {
  std::vector<Flag> flags = LogSourceFlags();
  const std::vector<Flag> more = {
      {"head", 0, "FILE", "a signed head kept elsewhere; of several lines the last"},
      {"key", 0, "FILE", "the public key you trust; else a head vouches for itself"},
      {"raw", 0, "", "export: the records byte for byte, for a checker"},
      {"since", 0, "TIME|POSITION", "export: from then on"},
      {"fleet", 0, "NAME", "export: of this fleet and its workers"},
      {"worker", 0, "ID", "export: of this worker"},
      {"out", 0, "FILE", "write there, not to stdout"},
      {"field", 0, "FIELD,...", "redact: free text such as line or launch_rejected.detail"},
      {"reason", 0, "TEXT", "redact: kept in the log"},
      DryRunFlag(),
      YesFlag(),
      RequestIdFlag()};
  flags.insert(flags.end(), more.begin(), more.end());
  return {
      {{"audit", "verify|export|key|head|prove POSITION|check-proof FILE|redact POSITION", 1, 2,
        "The log as evidence: checks its chain, exports it, proves and redacts single events.",
        std::move(flags),
        "verify       walks the hash chain, names the first bad position; exit 1 when there is "
        "one\n"
        "export       JSON Lines in the form of CloudEvents 1.0; --raw for a checker\n"
        "key          the public key of this installation, in PEM\n"
        "head         signs how far the log goes and what it hashes to: keep it elsewhere\n"
        "prove        that one event is in the log a head speaks of, in a kilobyte or two\n"
        "check-proof  says what a proof proves; needs no daemon\n"
        "redact       takes free text out of an event; its digest stays, and the chain holds\n"
        "Takes no --at: an event is named by its position, a moment by its signed head (--head)\n"
        "What all this promises and what not: deploy/audit/README.md\n"},
       Audit},
  };
}

}  // namespace muster::cli
