// Step: credit. The wait begins when the provider says that credit lacks, and ends on proof alone:
// a probe that was accepted, or credit seen that pays for an hour.
#include <algorithm>

#include "commands/fleet/plan/pass.h"
#include "commands/rules.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

std::string AccountActor(const ProviderName& provider) { return Cat("policy:", provider.str()); }

void Add(Pass& pass, const ProviderName& provider, std::string rule, account::Command command) {
  pass.credit_moved.insert(provider);
  pass.decisions.push_back(
      {std::move(rule), AccountActor(provider), ForAccount{provider, std::move(command)}});
}

// The newest launch that was refused for lack of credit.
Stamp NewestRefusal(const Pass& pass, const ProviderName& provider) {
  Stamp newest;
  for (const auto& [name, fleet] : pass.board.fleets()) {
    if (fleet.provider != provider) continue;
    for (const auto& [id, departure] : fleet.departures) {
      if (departure.kind == Departure::Kind::kRejected &&
          departure.reason == eventpb::LaunchRejected::NO_CREDIT &&
          departure.at.position > newest.position) {
        newest = departure.at;
      }
    }
  }
  return newest;
}

void MayBegin(Pass& pass, const account::State& account) {
  const Stamp refusal = NewestRefusal(pass, account.provider);
  const bool positive = account.credit && account.credit->micros > 0;
  const std::uint64_t settled =
      std::max({account.credit_wait_since.position, account.last_probe.position,
                positive ? account.credit_seen.position : std::uint64_t{0}});
  if (refusal.position > settled) {
    Add(pass, account.provider, rules::kCreditWait,
        account::BeginCreditWait{
            "a launch was refused for lack of credit",
            EvidenceOf(rules::kCreditWait, "a launch was refused for lack of credit",
                       account.provider.str(), {}, {refusal.position})});
  } else if (account.credit && !positive) {
    const std::string detail = Cat("credit ", FormatUsd(*account.credit));
    Add(pass, account.provider, rules::kCreditWait,
        account::BeginCreditWait{detail,
                                 EvidenceOf(rules::kCreditWait, detail, account.provider.str(),
                                            {{"credit", account.credit->usd(), 0, "usd"}},
                                            {account.credit_seen.position})});
  }
}

void FinishWait(Pass& pass, const account::State& account, std::string why,
                const std::vector<Compared>& compared, std::uint64_t position) {
  Add(pass, account.provider, rules::kCreditBack,
      account::EndCreditWait{EvidenceOf(rules::kCreditBack, std::move(why), account.provider.str(),
                                        compared, {position})});
}

// What came of the newest probe, if it is settled and not yet written down. True when it brought
// credit to light.
bool NoteProbe(Pass& pass, const account::State& account) {
  for (const auto& [name, fleet] : pass.board.fleets()) {
    if (fleet.provider != account.provider) continue;
    for (const auto& [id, card] : fleet.cards) {
      const std::uint64_t known =
          std::max(account.last_probe.position, account.credit_wait_since.position);
      if (!card.probe || card.begun.position <= known) continue;
      if (card.part == Card::Part::kLaunching) continue;
      const auto departed = fleet.departures.find(id);
      const bool refused = departed != fleet.departures.end() &&
                           departed->second.kind != Departure::Kind::kCondemned &&
                           departed->second.kind != Departure::Kind::kVanished;
      if (!refused || MUSTER_CANARY("credit-probe-misread")) {
        Add(pass, account.provider, rules::kCreditProbe,
            account::RecordProbe{true, "the probe was accepted"});
        FinishWait(pass, account, "the probe was accepted", {}, card.begun.position);
        return true;
      }
      const bool lacking = departed->second.reason == eventpb::LaunchRejected::NO_CREDIT;
      Add(pass, account.provider, rules::kCreditProbe,
          account::RecordProbe{false,
                               lacking ? "still no credit" : "ended without a word about credit"});
    }
  }
  return false;
}

// What an hour of the dearest machine may cost: less than that is no credit to resume on.
MicroUsd HourOfOne(const Pass& pass, const ProviderName& provider) {
  std::int64_t dearest = 10'000;
  for (const auto& [name, fleet] : pass.world.fleets) {
    if (fleet.spec.provider() != provider.str() || !fleet.active()) continue;
    dearest = std::max(dearest, fleet.spec.market().price_max_micro_usd_per_hour());
  }
  return MicroUsd(dearest);
}

absl::Duration ProbeInterval(const Pass& pass, const ProviderName& provider) {
  absl::Duration least = absl::InfiniteDuration();
  for (const auto& [name, fleet] : pass.world.fleets) {
    if (fleet.spec.provider() != provider.str()) continue;
    least = std::min(least, worker::ClocksOf(fleet.spec.timers()).credit_probe);
  }
  return least == absl::InfiniteDuration() ? absl::Minutes(5) : least;
}

}  // namespace

void StepCredit(Pass& pass, const ProviderName& provider) {
  const account::State* account = pass.world.FindAccount(provider);
  if (account == nullptr) return;
  if (!account->credit_wait) return MayBegin(pass, *account);
  if (NoteProbe(pass, *account)) return;
  const MicroUsd least = HourOfOne(pass, provider);
  const absl::Time look =
      OverAt(account->credit_wait_since.at, ProbeInterval(pass, provider), pass.now);
  pass.Due(look);
  if (account->credit && *account->credit >= least && pass.now >= look &&
      account->credit_seen.position > account->credit_wait_since.position) {
    const std::string why = Cat("credit ", FormatUsd(*account->credit), " >= ", FormatUsd(least));
    FinishWait(pass, *account, why, {{"credit", account->credit->usd(), least.usd(), "usd"}},
               account->credit_seen.position);
  }
}

}  // namespace muster::fleet
