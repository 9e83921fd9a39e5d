#include "services/simulate/render.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/simulate/chart.h"

namespace muster::simulate {
namespace {

constexpr std::size_t kColumnsMax = 80;
constexpr int kTitle = 20;  // width of the left column

std::string Dollars(double usd) { return absl::StrFormat("$%.2f", usd); }
std::string Percent(double share) { return absl::StrFormat("%.1f%%", share * 100); }

std::string Amount(double number) {
  if (number >= 1e6) return absl::StrFormat("%.2fM", number / 1e6);
  if (number >= 1e4) return absl::StrFormat("%.1fk", number / 1e3);
  return absl::StrFormat("%.0f", number);
}

// `text` in lines of at most 80 columns; what follows the first is indented by `indent`.
std::string Wrapped(std::string first, std::string_view text, int indent) {
  std::string out, line = std::move(first);
  bool empty = true;
  for (const auto word : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty())) {
    if (!empty && line.size() + 1 + word.size() > kColumnsMax) {
      out += line + "\n";
      line = std::string(indent, ' ');
      empty = true;
    }
    if (!empty) line += ' ';
    line += std::string(word);
    empty = false;
  }
  return out + line + "\n";
}

std::string Line(std::string_view title, std::string_view text) {
  return Wrapped(absl::StrFormat("  %-*s ", kTitle, std::string(title)), text, kTitle + 3);
}

std::string Counts(const std::map<std::string, int>& counts) {
  std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tie(b.second, a.first) < std::tie(a.second, b.first);  // most first, then by name
  });
  std::vector<std::string> parts;
  int all = 0;
  for (const auto& [rule, count] : sorted) {
    parts.push_back(Cat(rule, " ", count));
    all += count;
  }
  return all == 0 ? "none" : Cat(all, ": ", absl::StrJoin(parts, ", "));
}

std::string Lower(std::string text) {
  for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  return text;
}

std::map<std::string, int> Lowered(const std::map<std::string, int>& counts) {
  std::map<std::string, int> out;
  for (const auto& [name, count] : counts) out[Lower(name)] = count;
  return out;
}

// "day 3 14:00"
std::string Moment(const Report& run, int hour) {
  return absl::StrFormat("day %d, %s", hour / 24 + 1,
                         FormatClock(run.start + absl::Hours(hour)).substr(0, 5));
}

std::string Length(absl::Duration span) {
  const auto days = absl::ToInt64Hours(span) / 24;
  if (span != absl::Hours(24) * days) return FormatSpan(span);
  return Cat(days, days == 1 ? " day" : " days");
}

std::string Unit(const Report& run) { return run.work_unit.empty() ? "units" : run.work_unit; }

std::string Days(const Report& run) {
  std::string out = absl::StrFormat("  %-9s %8s %8s %9s %9s %11s %10s\n", "", "AT WORK", "$/H",
                                    "SPENT", "TOTAL", "WORK", "$/1,000");
  double total = 0;
  for (std::size_t from = 0; from < run.hours.size(); from += 24) {
    double working = 0, spent = 0, units = 0, hours = 0;
    for (std::size_t h = from; h < std::min(from + 24, run.hours.size()); ++h) {
      const Report::Hour& hour = run.hours[h];
      const double length = absl::FDivDuration(hour.length, absl::Hours(1));
      working += hour.working * length;
      hours += length;
      spent += hour.spent.usd();
      units += hour.units;
    }
    if (hours <= 0) continue;
    total += spent;
    out += absl::StrFormat("  %-9s %8.1f %8.3f %9s %9s %11s %10s\n", Cat("day ", from / 24 + 1),
                           working / hours, spent / hours, Dollars(spent), Dollars(total),
                           Amount(units),
                           units > 0 ? absl::StrFormat("$%.4f", spent * 1000 / units) : "-");
  }
  return out;
}

std::string Filling(const Report& run) {
  if (run.to_full != absl::InfiniteDuration()) return FormatSpan(run.to_full);
  return absl::StrFormat(
      "never: at best %.1f of %d at work in any hour",
      std::max_element(run.hours.begin(), run.hours.end(),
                       [](const auto& a, const auto& b) { return a.working < b.working; })
          ->working,
      run.wanted);
}

std::string Waits(const Report& run) {
  std::string out;
  for (const auto& [kind, wait] : run.waits) {
    if (wait.total < absl::Minutes(1)) continue;
    out += Line(Cat("waited: ", Lower(kind)), Cat(FormatSpan(wait.total), "; last: ", wait.detail));
  }
  return out;
}

std::string Numbers(const Report& run) {
  std::string out = Line("time to full fleet", Filling(run));
  out += Line("availability",
              Cat("all ", run.wanted, " at work for ", Percent(run.availability), " of the time, ",
                  run.to_full < run.span ? Cat(Percent(run.availability_once_full), " once full; ")
                                         : std::string(),
                  absl::StrFormat("%.2f on average", run.working_mean)));
  out += Line("spend", Cat(Dollars(run.spent.usd()), " (the provider's book: ",
                           Dollars(run.charged.usd()), "); ", FormatUsdPerHour(run.burn_mean),
                           " on average, ", FormatUsdPerHour(run.burn_max),
                           " at most; dearest day ", Dollars(run.day_max.usd())));
  out += Line("work", run.units > 0 ? Cat(Amount(run.units), " ", Unit(run), ", ",
                                          absl::StrFormat("$%.4f per 1,000", run.UsdPerThousand()))
                                    : "none");
  out += Line("lost to bad hosts", Cat(Dollars(run.lost.usd()), " (", Percent(run.LostShare()),
                                       "), paid after the last work of machines that failed"));
  out += Line(
      "machines rented",
      Cat(run.launches,
          run.refused.empty() ? std::string() : Cat("; refused ", Counts(Lowered(run.refused)))));
  out += Line("workers replaced", Counts(run.replaced));
  if (!run.ended.empty()) out += Line("given up", Counts(run.ended));
  out += Line("credit waits", run.credit_waits == 0 ? "none"
                                                    : Cat(run.credit_waits, ", ",
                                                          FormatSpan(run.credit_wait), " in all"));
  out += Waits(run);
  if (run.worst_hour >= 0) {
    const Report::Hour& hour = run.hours[run.worst_hour];
    out += Line("worst hour", Cat(Moment(run, run.worst_hour), ": ",
                                  absl::StrFormat("%.1f of %d at work, %s spent", hour.working,
                                                  run.wanted, Dollars(hour.spent.usd()))));
  }
  return out;
}

std::string Shown(const Quantity& quantity, double value) {
  if (std::isinf(value)) return "never";
  if (quantity.unit == "s") return FormatSpan(absl::Seconds(value));
  if (quantity.unit == "%") return Percent(value);
  if (quantity.unit == "$") {
    return value != 0 && value < 1 ? absl::StrFormat("$%.4f", value) : Dollars(value);
  }
  return value == std::round(value) || value >= 1000 ? Amount(value)
                                                     : absl::StrFormat("%.1f", value);
}

std::string Spreads(const Study& study) {
  std::string out = absl::StrFormat("  %-24s %12s %12s %12s\n", "", "P10", "MEDIAN", "P90");
  for (const Quantity& quantity : Quantities()) {
    std::vector<double> values;
    values.reserve(study.runs.size());
    for (const Report& run : study.runs) values.push_back(quantity.of(run));
    const Spread spread = SpreadOf(std::move(values));
    out += absl::StrFormat("  %-24s %12s %12s %12s\n", quantity.name, Shown(quantity, spread.p10),
                           Shown(quantity, spread.median), Shown(quantity, spread.p90));
  }
  return out;
}

// The run in the middle by spend.
const Report& Middle(const Study& study) {
  std::vector<const Report*> runs;
  runs.reserve(study.runs.size());
  for (const Report& run : study.runs) runs.push_back(&run);
  std::sort(runs.begin(), runs.end(), [](const Report* a, const Report* b) {
    return std::tie(a->spent, a->seed) < std::tie(b->spent, b->seed);
  });
  return *runs[(runs.size() - 1) / 2];
}

std::string Footer(const Study& study) {
  std::string out = "\nA model, not a promise:\n";
  for (const std::string& line : study.assumptions) out += Wrapped("  ", line, 2);
  return out + Wrapped("  ", Cat("Digest ", study.digest, "."), 2);
}

}  // namespace

std::string ToText(const Request& request, const Study& study, Looks looks) {
  const Report& run = Middle(study);
  const bool several = study.runs.size() > 1;
  std::string out = Wrapped(
      "",
      Cat("simulate fleet/", run.fleet, ": ", run.wanted, " workers for ", Length(run.span), ", ",
          several ? Cat("seeds ", request.seed, " to ",
                        request.seed + static_cast<std::uint64_t>(request.seeds) - 1)
                  : Cat("seed ", request.seed),
          request.market == nullptr ? ", drawn market" : ", recorded market"),
      2);
  if (several) {
    out += Cat("\n", Spreads(study), "\nthe run in the middle by spend: seed ", run.seed, "\n");
  }
  out += Cat("\nworkers: # at work, . paid for and not at work\n", WorkersChart(run, looks.color));
  out += Cat("\n", Days(run), "\n", Numbers(run));
  return out + Footer(study);
}

}  // namespace muster::simulate
