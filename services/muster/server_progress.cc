// server: how far a running step is.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "services/muster/server_verbs.h"

namespace muster::cli {
namespace {

// Of less than this it is no news how far it is: keys, configuration files.
constexpr std::int64_t kWorthTelling = 64 << 10;

bool HasFarToGo(const api::ServerProgress& progress) {
  return progress.bytes_total() >= kWorthTelling;
}

std::int64_t Percent(const api::ServerProgress& progress) {
  const double share = static_cast<double>(progress.bytes_sent()) /
                       static_cast<double>(std::max<std::int64_t>(progress.bytes_total(), 1));
  return std::clamp(static_cast<std::int64_t>(100 * share), std::int64_t{0}, std::int64_t{100});
}

}  // namespace

std::string Bytes(double bytes) {
  const char* unit = "B";
  for (const char* larger : {"KB", "MB", "GB", "TB"}) {
    if (bytes < 1000) break;
    bytes /= 1000;
    unit = larger;
  }
  return absl::StrFormat("%.*f%s", bytes < 10 && *unit != 'B' ? 1 : 0, bytes, unit);
}

std::string ProgressText(const api::ServerProgress& progress) {
  std::string text = Cat(progress.command(), " of ", progress.commands(), ": ", progress.name());
  if (HasFarToGo(progress)) {
    text += Cat(", ", Percent(progress), "%, ", Bytes(static_cast<double>(progress.bytes_sent())),
                " of ", Bytes(static_cast<double>(progress.bytes_total())), ", ",
                Bytes(progress.bytes_per_s()), "/s");
  } else if (progress.bytes_sent() >= kWorthTelling) {
    text += Cat(", ", Bytes(static_cast<double>(progress.bytes_sent())), ", ",
                Bytes(progress.bytes_per_s()), "/s");
  }
  return Cat(text, ", for ", FormatSpan(absl::Seconds(progress.for_s())));
}

void ProgressLine::Show(const api::Server& server) {
  const api::ServerProgress& progress = server.progress();
  if (!server.has_progress()) return Clear();
  CliEnv& env = session_.env;
  if (env.err_is_terminal) {
    // A line that is broken by the terminal could not be drawn over.
    const auto room = static_cast<std::size_t>(std::max(env.columns - 1, 20));
    env.err << "\r\x1b[K" << Ellipsize(Cat("  ", ProgressText(progress)), room) << std::flush;
    drawn_ = true;
    return;
  }
  std::string what = Cat(progress.step(), " ", progress.command());
  if (HasFarToGo(progress)) what += Cat(" ", Percent(progress) / 10);
  if (what != said_) env.err << "    " << ProgressText(progress) << "\n" << std::flush;
  said_ = std::move(what);
}

void ProgressLine::Clear() {
  if (drawn_) session_.env.err << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace muster::cli
