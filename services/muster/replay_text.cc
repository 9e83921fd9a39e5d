#include "services/muster/replay_text.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "services/muster/table.h"

namespace muster::cli {
namespace {

constexpr std::size_t kWidth = 80;
constexpr int kRulesShown = 8;

std::string Dollars(std::int64_t micros) {
  const std::string sign = micros < 0 ? "-" : "";
  return sign + FormatUsd(MicroUsd(std::abs(micros)));
}
std::string Signed(std::int64_t micros) { return (micros > 0 ? "+" : "") + Dollars(micros); }
std::string Signed(double value, int decimals) {
  return absl::StrFormat("%+.*f", decimals, value == 0 ? 0.0 : value);
}

std::string Count(std::int64_t count, std::string_view one) {
  return Cat(count, " ", one, count == 1 ? "" : "s");
}

// `text` in lines of the width, the first after `head`, the others as far in.
void Wrap(std::ostream& out, const std::string& head, const std::string& text) {
  const std::string indent(DisplayWidth(head), ' ');
  std::string line = head;
  bool empty = true;
  for (const auto word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const std::string next(word);
    if (!empty && DisplayWidth(line) + 1 + DisplayWidth(next) > kWidth) {
      out << line << "\n";
      line = indent;
      empty = true;
    }
    line += (empty ? "" : " ") + next;
    empty = false;
  }
  out << line << "\n";
}

std::string When(const google::protobuf::Timestamp& time) { return FormatUtc(FromProto(time)); }

void PrintAct(std::ostream& out, std::string_view side, const api::ReplayAct& act) {
  const std::string head =
      absl::StrFormat("  %-9s %7s  ", std::string(side), act.replayed() ? "" : Cat(act.position()));
  Wrap(out, head, act.text());
  if (act.why().empty()) return;
  Wrap(out, std::string(head.size(), ' '), Cat(act.rule(), ": ", act.why()));
}

void PrintHead(std::ostream& out, const api::ReplayResponse& answer, const ReplayAsked& asked) {
  out << "replay " << (answer.fleet().empty() ? "of all fleets" : Cat("fleet/", answer.fleet()))
      << "   " << When(answer.from().time()) << " to " << When(answer.to().time()) << "\n"
      << "  log " << answer.from().position() + 1 << " to " << answer.to().position() << ": "
      << Count(answer.events(), "event") << ", " << Count(answer.moments(), "moment")
      << " of deciding, " << Count(answer.decisions(), "decision") << "\n";
  if (!asked.policy.empty()) {
    out << "  policy " << asked.policy << ", instead of the one in force:\n";
    for (const std::string& change : answer.policy_changes()) Wrap(out, "    ", change);
    if (answer.policy_changes().empty()) out << "    the same\n";
  }
}

void PrintProof(std::ostream& out, const api::ReplayResponse& answer) {
  const std::int64_t looked = answer.reproduced() + answer.unreproduced_size();
  out << "\nthe log's own decisions, decided again by the policy in force\n"
      << "  " << answer.reproduced() << " of "
      << (answer.diverged() ? std::max(looked, answer.reproduced()) : answer.decisions())
      << " alike, " << answer.same_numbers() << " from the very same numbers and events"
      << (answer.diverged() ? " (up to the divergence)" : "") << "\n";
  for (const api::ReplayAct& act : answer.unreproduced()) PrintAct(out, "not alike", act);
  const bool same = answer.digest() == answer.digest_replayed();
  out << "  digest of the log       " << answer.digest() << "\n"
      << "  digest of the replay    " << answer.digest_replayed()
      << (same ? "   the same" : "   another") << "\n";
}

void PrintDivergence(std::ostream& out, const api::ReplayResponse& answer) {
  if (!answer.diverged()) {
    out << "\nno divergence: nothing is decided otherwise\n";
    return;
  }
  out << "\nfirst divergence at " << answer.first().position() << ", "
      << When(answer.first().time()) << "\n";
  for (const api::ReplayAct& act : answer.first_live()) PrintAct(out, "live", act);
  if (answer.first_live().empty()) out << "  live               nothing was decided\n";
  for (const api::ReplayAct& act : answer.first_replayed()) PrintAct(out, "replayed", act);
  if (answer.first_replayed().empty()) out << "  replayed           nothing\n";
}

void Row(std::ostream& out, std::string_view name, const std::string& live,
         const std::string& replayed, const std::string& difference) {
  out << absl::StrFormat("  %-24s %14s %14s %14s\n", std::string(name), live, replayed, difference);
}

void PrintSums(std::ostream& out, const api::ReplayResponse& answer) {
  const auto& a = answer.live();
  const auto& b = answer.replayed();
  out << "\n";
  Row(out, "", "live", "replayed", "difference");
  Row(out, "spent", Dollars(a.spent_micro_usd()), Dollars(b.spent_micro_usd()),
      Signed(answer.difference_micro_usd()));
  const double days =
      absl::ToDoubleHours(FromProto(answer.to().time()) - FromProto(answer.from().time())) / 24;
  if (days >= 1) {
    const auto daily = [&](std::int64_t micros) {
      return static_cast<std::int64_t>(static_cast<double>(micros) / days);
    };
    Row(out, "$ per day", Dollars(daily(a.spent_micro_usd())), Dollars(daily(b.spent_micro_usd())),
        Signed(daily(answer.difference_micro_usd())));
  }
  const auto count = [&](std::string_view name, std::int64_t x, std::int64_t y) {
    Row(out, name, Cat(x), Cat(y), x == y ? "0" : absl::StrFormat("%+d", y - x));
  };
  count("machines rented", a.launches(), b.launches());
  count("workers ended", a.ended(), b.ended());
  Row(out, "worker-hours paid", absl::StrFormat("%.1f", a.worker_hours()),
      absl::StrFormat("%.1f", b.worker_hours()), Signed(b.worker_hours() - a.worker_hours(), 1));
  const std::string unit = answer.work_unit().empty() ? "work" : answer.work_unit();
  Row(out, Cat(unit, ", estimated"), absl::StrFormat("%.0f", a.work()),
      absl::StrFormat("%.0f", b.work()), Signed(b.work() - a.work(), 0));
  if (a.work() > 0 && b.work() > 0) {
    const double x = static_cast<double>(a.spent_micro_usd()) / a.work();
    const double y = static_cast<double>(b.spent_micro_usd()) / b.work();
    Row(out, Cat("$ per million ", unit), absl::StrFormat("$%.2f", x), absl::StrFormat("$%.2f", y),
        Signed(y - x, 2));
  }
  count("running at the end", a.running_at_end(), b.running_at_end());
  Row(out, "$/h at the end", Dollars(a.burn_at_end_micro_usd_per_hour()),
      Dollars(b.burn_at_end_micro_usd_per_hour()),
      Signed(b.burn_at_end_micro_usd_per_hour() - a.burn_at_end_micro_usd_per_hour()));
}

void PrintRules(std::ostream& out, const api::ReplayResponse& answer) {
  out << "\ndecisions   " << answer.decided_by_both() << " by both, " << answer.live_only()
      << " live only, " << answer.replayed_only() << " replayed only\n";
  std::vector<api::ReplayResponse::RuleCount> rules(answer.rules().begin(), answer.rules().end());
  std::sort(rules.begin(), rules.end(), [](const auto& x, const auto& y) {
    const auto most = [](const auto& rule) { return std::max(rule.live(), rule.replayed()); };
    return most(x) != most(y) ? most(x) > most(y) : x.rule() < y.rule();
  });
  for (std::size_t i = 0; i < rules.size() && i < kRulesShown; ++i) {
    Row(out, rules[i].rule(), Cat(rules[i].live()), Cat(rules[i].replayed()),
        rules[i].live() == rules[i].replayed()
            ? "0"
            : absl::StrFormat("%+d", rules[i].replayed() - rules[i].live()));
  }
}

void PrintDifferences(std::ostream& out, const api::ReplayResponse& answer) {
  const std::int64_t all = answer.live_only() + answer.replayed_only();
  if (all == 0) return;
  out << "\nwhat differs, oldest first";
  if (all > answer.differences_size()) {
    out << " (" << answer.differences_size() << " of " << all << "; all by -o json)";
  }
  out << "\n";
  for (const api::ReplayAct& act : answer.differences()) {
    const std::string head =
        absl::StrFormat("  %s  %-9s ", FormatClock(FromProto(act.time())),
                        act.replayed() ? "replayed" : Cat("live ", act.position()));
    Wrap(out, head, Cat(act.text(), " (", act.rule(), ")"));
  }
}

void PrintLimits(std::ostream& out, const api::ReplayResponse& answer) {
  if (answer.diverged()) {
    out << "\n";
    Wrap(out, "exact      ",
         absl::StrFormat("%.0f%% of the span, to %s: one world for both, %s spent",
                         answer.exact_share() * 100, When(answer.first().time()),
                         Dollars(answer.exact_spent_micro_usd())));
    out << "modelled   the rest, and with it the whole difference in money:\n";
    for (const std::string& line : answer.model()) Wrap(out, "  - ", line);
  } else {
    out << "\nexact      the whole span: nothing is modelled\n";
  }
  if (answer.unknown().empty()) return;
  out << "not in the log\n";
  for (const std::string& line : answer.unknown()) Wrap(out, "  - ", line);
}

void PrintNext(std::ostream& out, const api::ReplayResponse& answer, const ReplayAsked& asked) {
  if (!answer.diverged()) {
    if (asked.policy.empty() && !asked.bundle) {
      out << "next: muster replay FLEET --policy new.yaml   what another policy would do\n";
    }
    return;
  }
  if (asked.bundle) return;
  const std::uint64_t position =
      answer.first_live().empty() ? answer.first().position() : answer.first_live(0).position();
  out << "next: muster explain " << position << "   why it was decided so\n"
      << "      muster bundle --around " << position << " -o FILE   to look at it elsewhere\n"
      << "      muster plan -f " << asked.policy << "   what applying it would do now\n";
}

}  // namespace

std::string ReplayText(const api::ReplayResponse& answer, const ReplayAsked& asked) {
  std::ostringstream out;
  PrintHead(out, answer, asked);
  PrintProof(out, answer);
  PrintDivergence(out, answer);
  if (answer.diverged()) {
    PrintSums(out, answer);
    PrintRules(out, answer);
    PrintDifferences(out, answer);
  } else {
    out << "  " << Dollars(answer.live().spent_micro_usd()) << " spent, "
        << Count(answer.live().launches(), "machine") << " rented, "
        << Count(answer.live().ended(), "worker") << " ended\n";
  }
  PrintLimits(out, answer);
  PrintNext(out, answer, asked);
  return out.str();
}

std::string BundleText(const event::v1::Bundle& bundle, const std::string& path,
                       std::size_t bytes) {
  std::ostringstream out;
  out << path << "   " << bytes << " bytes\n"
      << "  log " << bundle.before_first() + 1 << " to " << bundle.last() << ": "
      << Count(bundle.events_size(), "event") << ", " << Count(bundle.decisions(), "decision")
      << "\n"
      << "  digest of the log       " << bundle.digest() << "\n"
      << "  digest of the replay    " << bundle.digest_replayed()
      << (bundle.digest() == bundle.digest_replayed() ? "   the same" : "   another") << "\n"
      << "next: muster replay --bundle " << path << "   anywhere; it must give that digest\n";
  return out.str();
}

}  // namespace muster::cli
