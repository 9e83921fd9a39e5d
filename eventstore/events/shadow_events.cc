#include "eventstore/events/shadow_events.h"

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"

namespace muster {
namespace {

using Kind = eventpb::ShadowDisagreed;

std::string OfferText(const eventpb::OfferTaken& offer) {
  return Cat("rent", offer.gpu().empty() ? "" : " ", offer.gpu(), ", offer ", offer.offer(), " at ",
             FormatUsdPerHour(MicroUsdPerHour(offer.price_micro_usd_per_hour())));
}
// " (replenish: 3 of 8 workers)": of a longer summary the first clause, which says why.
std::string Because(const eventpb::Evidence& evidence) {
  if (evidence.rule().empty()) return "";
  const std::string why = evidence.summary().substr(0, evidence.summary().find("; "));
  return Cat(" (", evidence.rule(), why.empty() ? "" : ": ", why, ")");
}
std::string Reason(const std::string& why_not) {
  return why_not.empty() ? "" : Cat(" (", why_not, ")");
}

}  // namespace

std::string TellDisagreement(const eventpb::ShadowDisagreed& e) {
  const eventpb::Evidence& live = e.live_evidence();
  const eventpb::Evidence& rent = e.would_launch().evidence();
  switch (e.kind()) {
    case Kind::WOULD_RENT:
      return Cat("live: no launch", Reason(e.why_not()), "; candidate would ",
                 OfferText(e.would_launch().offer()), Because(rent));
    case Kind::WOULD_NOT_RENT:
      return Cat("live: ", OfferText(e.live_offer()), Because(live), "; candidate would not",
                 Reason(e.why_not()));
    case Kind::WOULD_RENT_OTHER:
      return Cat("live: ", OfferText(e.live_offer()), Because(live), "; candidate would ",
                 OfferText(e.would_launch().offer()), Because(rent));
    case Kind::WOULD_END:
      return Cat("live: keep worker ", e.worker(), "; candidate would end it",
                 Because(e.would_condemn().evidence()));
    case Kind::WOULD_KEEP:
      return Cat("live: end worker ", e.worker(), Because(live), "; candidate would keep it");
    default:
      return "the candidate would decide otherwise";  // a kind of a newer writer
  }
}

const eventpb::Evidence* EvidenceOf(const eventpb::ShadowDisagreed& e) {
  if (e.would_condemn().has_evidence()) return &e.would_condemn().evidence();
  if (e.kind() != Kind::WOULD_KEEP && e.would_launch().has_evidence()) {
    return &e.would_launch().evidence();
  }
  return e.has_live_evidence() ? &e.live_evidence() : nullptr;
}

}  // namespace muster
