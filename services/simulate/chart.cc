#include "services/simulate/chart.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_format.h"
#include "eventstore/base/strings.h"

namespace muster::simulate {
namespace {

constexpr int kColumns = 72;
constexpr int kRowsMax = 12;
constexpr char kWorking = '#', kIdle = '.';

// Means over the hours that a column stands for.
struct Column {
  double working = 0;
  double rented = 0;
};

std::vector<Column> ColumnsOf(const Report& run) {
  const int hours = static_cast<int>(run.hours.size());
  const int columns = hours < kColumns ? kColumns / hours * hours : kColumns;
  std::vector<Column> out(columns);
  for (int i = 0; i < columns; ++i) {
    const int from = i * hours / columns;
    const int to = std::max((i + 1) * hours / columns, from + 1);
    for (int h = from; h < to; ++h) {
      out[i].working += run.hours[h].working / (to - from);
      out[i].rented += run.hours[h].rented / (to - from);
    }
  }
  return out;
}

std::string Painted(std::string row, bool color) {
  while (!row.empty() && row.back() == ' ') row.pop_back();
  if (!color) return row;
  std::string out;
  char last = ' ';
  for (const char c : row) {
    if (c != last) out += c == kWorking ? "\033[32m" : c == kIdle ? "\033[33m" : "\033[0m";
    out += c;
    last = c;
  }
  return out + "\033[0m";
}

// A mark below the first column of each day, named where there is room.
std::string DayLine(const Report& run, int columns) {
  std::string line(columns, ' ');
  const int hours = static_cast<int>(run.hours.size());
  for (int day = 0; day * 24 < hours; ++day) {
    const std::size_t at = static_cast<std::size_t>(day) * 24 * columns / hours;
    const std::string name = Cat("|day ", day + 1);
    const bool room = at + name.size() < line.size() && (at == 0 || line[at - 1] == ' ');
    if (!room) continue;
    line.replace(at, name.size(), name);
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

std::string WorkersChart(const Report& run, bool color) {
  const std::vector<Column> columns = ColumnsOf(run);
  double most = std::max(run.wanted, 1);
  for (const Column& column : columns) most = std::max(most, column.rented);
  const int top = static_cast<int>(std::ceil(most - 1e-9));
  const int step = (top + kRowsMax - 1) / kRowsMax;
  std::string out;
  for (int level = (top + step - 1) / step * step; level > 0; level -= step) {
    std::string row;
    for (const Column& column : columns) {
      // A row is filled from its middle on.
      const double line = level - step / 2.0;
      row += column.working >= line ? kWorking : column.rented >= line ? kIdle : ' ';
    }
    out += absl::StrFormat("%4d |%s\n", level, Painted(row, color));
  }
  out += absl::StrFormat("   0 +%s\n", std::string(columns.size(), '-'));
  out += Cat("      ", DayLine(run, static_cast<int>(columns.size())), "\n");
  return out;
}

}  // namespace muster::simulate
