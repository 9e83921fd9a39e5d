// Limits: the quotas of the service, one for each row of its table, and the block of an address
// after three refused logins.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster::hetznersim {

struct QuotaRow {
  std::string name;  // "server"
  int calls = 0;
  absl::Duration window;
};
// The row that an endpoint ("POST reset/{id}") counts in; nullopt = in none.
std::optional<QuotaRow> QuotaOf(const std::string& endpoint);

class Limits {
 public:
  explicit Limits(const HetznerSimOptions& options) : options_(options) {}

  // nullopt = may pass (and is counted); otherwise the row that is used up.
  std::optional<QuotaRow> Refuse(const std::string& endpoint, absl::Time now);

  bool Blocked(absl::Time now) const { return now < blocked_until_; }
  void LoginFailed(absl::Time now);
  void LoginPassed() { in_a_row_ = 0; }
  int bad_logins() const { return bad_logins_; }

 private:
  struct Window {
    absl::Time begin = absl::InfinitePast();
    int used = 0;
  };
  const HetznerSimOptions& options_;
  std::map<std::string, Window> windows_;
  int in_a_row_ = 0;
  int bad_logins_ = 0;
  absl::Time blocked_until_ = absl::InfinitePast();
};

}  // namespace muster::hetznersim
