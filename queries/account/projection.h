// AccountProjection: credit, troubles, strays and the newest list of each account.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "queries/account/model.h"
#include "queries/projection.h"

namespace muster::queries {

class AccountProjection final : public Projection {
 public:
  std::string_view name() const override { return "account"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  // By provider. `burn` is that of the orphans alone and `runway` is not set: what our workers
  // cost is the cost model's to say.
  std::vector<AccountStatus> Accounts() const;

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.accounts_);
  }

 private:
  struct Orphan {
    std::string label, machine, gpu, fleet, why;
    std::int64_t price = 0;
    absl::Time found = absl::InfinitePast();
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.label, s.machine, s.gpu, s.fleet, s.why, s.price, s.found);
    }
  };
  struct Trouble {
    std::string detail;
    absl::Time since = absl::InfinitePast();
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.detail, s.since);
    }
  };
  struct Account {
    std::optional<std::int64_t> credit;
    absl::Time credit_at = absl::InfinitePast();
    bool waiting = false;
    std::string wait_detail;
    absl::Time wait_since = absl::InfinitePast();
    std::map<std::pair<int, std::string>, Trouble> troubles;  // by kind and endpoint
    std::map<std::string, Orphan> orphans;                    // by instance
    int instances = -1;
    absl::Time list_at = absl::InfinitePast();
    absl::Time offers_at = absl::InfinitePast();
    int offers_found = 0;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.credit, s.credit_at, s.waiting, s.wait_detail, s.wait_since, s.troubles, s.orphans,
        s.instances, s.list_at, s.offers_at, s.offers_found);
    }
  };
  static AccountStatus Show(const std::string& provider, const Account& account);

  std::map<std::string, Account> accounts_;
};

}  // namespace muster::queries
