#include "workers/servers/nix/machine_line.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "muster/spec/v1/server.pb.h"
#include "re2/re2.h"

namespace muster::nix {
namespace {

constexpr int kColumns = 8;

bool Matches(std::string_view text, const RE2& pattern) {
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool IsIpv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

// Digits and colons only: what Nix and ssh take apart must not mean anything else to them.
bool IsAddress(std::string_view address) {
  static const RE2* const kAddress =
      new RE2(R"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)");
  return Matches(address, *kAddress);
}

// "ssh-ed25519 AAAA..." of a line that may have a comment; "" when it is no key.
std::string KeyText(std::string_view line) {
  static const RE2* const kKey =
      new RE2(R"(\s*((?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*)(?:\s.*)?\s*)");
  std::string key;
  return RE2::FullMatch(re2::StringPiece(line.data(), line.size()), *kKey, &key) ? key : "";
}

// A list as one column; "-" when it is empty. Nothing in it may look like another column.
template <class List>
StatusOr<std::string> Column(std::string_view what, const List& list) {
  static const RE2* const kWord = new RE2(R"([A-Za-z0-9][A-Za-z0-9._+-]*)");
  for (const std::string& word : list) {
    if (!Matches(word, *kWord)) {
      return FailedPrecondition(Cat(what, ": '", word, "' cannot stand in a machines file"));
    }
  }
  return list.empty() ? std::string("-") : absl::StrJoin(list, ",");
}

std::vector<std::string> List(const std::string& column) {
  if (column == "-") return {};
  return absl::StrSplit(column, ',');
}

Status NoLine(std::string_view why) {
  return InvalidArgument(Cat("no line of a machines file: ", why));
}

// The parts of "ssh-ng://USER@HOST[?...]".
bool SplitStore(Machine& machine) {
  static const RE2* const kStore =
      new RE2(R"(ssh-ng://([a-z_][a-z0-9_-]*)@(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?:\?\S*)?)");
  std::string v6, v4;
  if (!RE2::FullMatch(machine.store, *kStore, &machine.user, &v6, &v4)) return false;
  machine.host = v6.empty() ? v4 : v6;
  return true;
}

}  // namespace

StatusOr<std::string> MachineLine(const specpb::ServerSpec& spec, std::string_view address,
                                  int port, std::string_view host_public_key) {
  const specpb::NixBuilder& m = spec.nix();
  static const RE2* const kUser = new RE2(R"([a-z_][a-z0-9_-]*)");
  static const RE2* const kPath = new RE2(R"(~?(/[^\s,;#]+)+)");
  if (!Matches(m.user(), *kUser)) return FailedPrecondition(Cat("no user: '", m.user(), "'"));
  if (!IsAddress(address)) return FailedPrecondition(Cat("no address: '", address, "'"));
  if (port < 1 || port > 65'535) return FailedPrecondition(Cat("no port: ", port));
  if (!Matches(m.ssh_key(), *kPath)) {
    return FailedPrecondition(Cat("no path of a key: '", m.ssh_key(), "'"));
  }
  if (m.systems().empty()) return FailedPrecondition("no system that it builds for");
  if (m.max_jobs() < 1 || m.speed_factor() < 1) {
    return FailedPrecondition("jobs at once and speed have to be 1 or more");
  }
  const std::string key = KeyText(host_public_key);
  if (key.empty()) return FailedPrecondition("no host key to pin");
  MUSTER_ASSIGN_OR_RETURN(const std::string systems, Column("systems", m.systems()));
  MUSTER_ASSIGN_OR_RETURN(const std::string supported,
                          Column("supported features", m.supported_features()));
  MUSTER_ASSIGN_OR_RETURN(const std::string mandatory,
                          Column("mandatory features", m.mandatory_features()));
  const std::string host = IsIpv6(address) ? Cat("[", address, "]") : std::string(address);
  std::string line =
      Cat("ssh-ng://", m.user(), "@", host, " ", systems, " ", m.ssh_key(), " ", m.max_jobs(), " ",
          m.speed_factor(), " ", supported, " ", mandatory, " ", absl::Base64Escape(key));
  if (port != 22) line += Cat(" # port ", port, ": NIX_SSHOPTS='-p ", port, "'");
  return line;
}

std::string_view WithoutComment(std::string_view line) {
  return Trim(line.substr(0, line.find('#')));
}

StatusOr<Machine> ParseMachineLine(std::string_view line) {
  const std::string bare(WithoutComment(line));
  const std::vector<std::string> columns =
      absl::StrSplit(bare, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (columns.size() != kColumns) return NoLine(Cat(columns.size(), " columns of ", kColumns));
  Machine machine;
  machine.store = columns[0];
  if (!SplitStore(machine)) return NoLine("no store such as ssh-ng://USER@ADDRESS");
  machine.systems = List(columns[1]);
  machine.ssh_key = columns[2];
  if (!absl::SimpleAtoi(columns[3], &machine.max_jobs) ||
      !absl::SimpleAtoi(columns[4], &machine.speed_factor)) {
    return NoLine("jobs or speed are no numbers");
  }
  machine.supported = List(columns[5]);
  machine.mandatory = List(columns[6]);
  if (!absl::Base64Unescape(columns[7], &machine.host_key) || KeyText(machine.host_key).empty()) {
    return NoLine("no host key");
  }
  machine.host_key = KeyText(machine.host_key);
  if (machine.systems.empty()) return NoLine("no system");
  static const RE2* const kPort = new RE2(R"(# port ([0-9]{1,5}): )");
  RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *kPort, &machine.port);
  return machine;
}

StatusOr<std::vector<std::string>> ProvingFeatures(const Machine& machine) {
  std::vector<std::string> features = machine.mandatory;
  const auto own = std::find_if(machine.supported.begin(), machine.supported.end(),
                                [](const std::string& f) { return f.starts_with(kOwnFeature); });
  const bool mandatory_too =
      std::any_of(machine.mandatory.begin(), machine.mandatory.end(),
                  [](const std::string& f) { return f.starts_with(kOwnFeature); });
  if (own == machine.supported.end() && !mandatory_too) {
    return FailedPrecondition(
        Cat("the builder has no feature of its own (", kOwnFeature,
            "NAME among the supported ones): a probe could be built anywhere, and prove nothing"));
  }
  if (own != machine.supported.end() && !mandatory_too) features.push_back(*own);
  return features;
}

}  // namespace muster::nix
