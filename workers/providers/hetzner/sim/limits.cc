#include "workers/providers/hetzner/sim/limits.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace muster::hetznersim {

namespace {

constexpr int kBadLoginsMax = 3;
constexpr absl::Duration kBlock = absl::Minutes(10);

}  // namespace

std::optional<QuotaRow> QuotaOf(const std::string& endpoint) {
  const std::string method = endpoint.substr(0, endpoint.find(' '));
  const std::string path = endpoint.substr(std::min(endpoint.size(), method.size() + 1));
  const std::string area = path.substr(0, path.find('/'));
  const bool get = method == "GET";
  if (area == "server") return QuotaRow{"server", 200, absl::Hours(1)};
  if (area == "ip") return QuotaRow{"ip", 5000, absl::Hours(1)};
  if (area == "boot" || (get && (area == "reset" || area == "wol" || area == "key"))) {
    return QuotaRow{"read", 500, absl::Hours(1)};
  }
  if (area == "reset") return QuotaRow{"reset", 50, absl::Hours(1)};
  if (area == "wol") return QuotaRow{"wol", 10, absl::Hours(1)};
  if (area == "key") return QuotaRow{"key", 200, absl::Hours(1)};
  if (area == "order") {
    if (get) return QuotaRow{"read", 500, absl::Hours(1)};
    return QuotaRow{path, 20, absl::Hours(24)};
  }
  return std::nullopt;
}

std::optional<QuotaRow> Limits::Refuse(const std::string& endpoint, absl::Time now) {
  std::optional<QuotaRow> row = QuotaOf(endpoint);
  if (!options_.quotas || !row.has_value()) return std::nullopt;
  row->calls = std::max(1, row->calls * options_.quota_percent / 100);
  Window& window = windows_[row->name];
  if (now >= window.begin + row->window) window = {now, 0};
  if (window.used >= row->calls) return row;
  ++window.used;
  return std::nullopt;
}

void Limits::LoginFailed(absl::Time now) {
  ++bad_logins_;
  if (++in_a_row_ < kBadLoginsMax || !options_.login_block) return;
  in_a_row_ = 0;
  blocked_until_ = now + kBlock;
}

}  // namespace muster::hetznersim
