#include "queries/timeline/describe_server.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/server.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

std::string Tail(const std::string& text) {
  return text.empty() ? "" : Cat(": ", WithoutPage(text));
}

std::string Step(eventpb::ServerStep step) {
  return std::string(absl::AsciiStrToLower(eventpb::ServerStep_Name(step)));
}

// "148.00 EUR a month (0.2372 EUR/h), setup 0.00 EUR"
std::string Price(const eventpb::ServerPriceTaken& price) {
  std::string text = Cat(FormatMoney({price.micros_per_month(), price.currency()}), " a month");
  if (price.micros_per_hour() > 0) {
    text += Cat(" (", FormatMoney({price.micros_per_hour(), price.currency()}), " an hour)");
  }
  if (price.setup_micros() > 0) {
    text += Cat(", setup ", FormatMoney({price.setup_micros(), price.currency()}));
  }
  return text;
}

std::string Disk(const eventpb::DiskSeen& disk) {
  return absl::StrFormat("%s (%s, %.0f GB)",
                         disk.identity().empty() ? disk.path() : disk.identity(), disk.model(),
                         static_cast<double>(disk.bytes()) / 1e9);
}

std::string Next(const std::string& next) { return next.empty() ? "" : Cat("; next: ", next); }

}  // namespace

std::string ServerDescriber::operator()(const eventpb::ServerPlanned& e) {
  return Cat("server ", e.spec().name(), " planned at ", e.spec().provider());
}
std::string ServerDescriber::operator()(const eventpb::ServerOrderRequested& e) {
  return Cat("order of offer ", e.offer().offer(), " (", e.offer().name(), ", ", e.offer().cpu(),
             ") at ", Price(e.offer().price()), "; order ", e.orders_today(), " of the day (plan ",
             e.plan_id(), ")");
}
std::string ServerDescriber::operator()(const eventpb::ServerOrderAccepted& e) {
  const bool looked_up = e.how() == eventpb::ServerOrderAccepted::LOOKUP;
  return Cat("order ", e.order(), looked_up ? " found by its key" : " accepted");
}
std::string ServerDescriber::operator()(const eventpb::ServerOrderRefused& e) {
  using R = eventpb::ServerOrderRefused;
  const std::string_view why = e.reason() == R::OFFER_GONE    ? "the offer is gone"
                               : e.reason() == R::PRICE_ROSE  ? "its price rose"
                               : e.reason() == R::QUOTA       ? "no more orders today"
                               : e.reason() == R::FORBIDDEN   ? "the account may not order"
                               : e.reason() == R::REJECTED    ? "the provider calls it wrong"
                               : e.reason() == R::UNAVAILABLE ? "the provider cannot be reached"
                               : e.reason() == R::CANCELLED   ? "the provider gave it up"
                                                              : "refused";
  return Cat("not ordered, ", why, Tail(e.detail()));
}
std::string ServerDescriber::operator()(const eventpb::ServerOrderUnclear& e) {
  return Cat("nobody knows whether it was ordered", Tail(e.detail()),
             "; the orders are searched for its key");
}
std::string ServerDescriber::operator()(const eventpb::ServerOrderNotFound& e) {
  return Cat("no order bears its key (", e.lookups(), " complete lists in ",
             ShortSpan(absl::Seconds(e.waited_s())), "), and the offer is ",
             e.still_offered() ? "still there: it was not ordered"
                               : "gone: a person must look at the account");
}
std::string ServerDescriber::operator()(const eventpb::ServerDelivered& e) {
  return Cat("delivered as server ", e.server(), " at ", e.ipv4().empty() ? e.ipv6_net() : e.ipv4(),
             e.host_keys().empty() ? std::string("; no host keys were published")
                                   : Cat("; ", e.host_keys_size(),
                                         e.host_keys_size() == 1 ? " host key" : " host keys",
                                         " of its rescue system pinned"));
}
std::string ServerDescriber::operator()(const eventpb::ServerOverdue& e) {
  return Cat(e.what(), " takes long, ", ShortSpan(absl::Seconds(e.waited_s())),
             e.needs_operator() ? ": a person must decide" : "", Next(e.next()));
}
std::string ServerDescriber::operator()(const eventpb::ServerStepRequested& e) {
  std::string text = Cat(Step(e.step()), " asked for");
  if (e.attempt() > 1) text += Cat(", attempt ", e.attempt());
  text += Cat(" (plan ", e.plan_id(), ")");
  if (e.disks().empty()) return text;
  text += "; all data is lost on";
  for (int i = 0; i < e.disks_size(); ++i) text += Cat(i == 0 ? " " : ", ", Disk(e.disks(i)));
  return text;
}
std::string ServerDescriber::operator()(const eventpb::ServerResetRequested& e) {
  return Cat("reset (", e.kind(), ") for ", Step(e.step()));
}
std::string ServerDescriber::operator()(const eventpb::ServerBuildRequested& e) {
  return Cat("build ", e.build(), " asked for: ", e.derivation(), " for ", e.system(), ", only on ",
             e.store(), ", which alone has ", absl::StrJoin(e.features(), ", "));
}
std::string ServerDescriber::operator()(const eventpb::ServerStepDone& e) {
  return Cat(Step(e.step()), " done", Tail(e.text()),
             e.has_build() ? Cat("; build ", e.build().build()) : "");
}
std::string ServerDescriber::operator()(const eventpb::ServerStepFailed& e) {
  return Cat(Step(e.step()), " failed", Tail(e.detail()),
             e.build().empty() ? "" : Cat("; build ", e.build()), Next(e.next()));
}
std::string ServerDescriber::operator()(const eventpb::ServerObserved& e) {
  if (!e.listed()) return "not in a complete list of the servers";
  return Cat("the provider lists it as ", e.state(), e.cancelled() ? ", cancelled" : "",
             e.paid_until().empty() ? "" : Cat(", paid until ", e.paid_until()));
}
std::string ServerDescriber::operator()(const eventpb::BuilderObserved& e) {
  if (!e.reached()) return Cat("does not answer", Tail(e.detail()));
  const auto gib = [](std::int64_t kb) { return static_cast<double>(kb) / (1 << 20); };
  return absl::StrFormat("load %.2f, memory %.0f of %.0f GiB free, disk %.0f GB free, %d builds",
                         e.load1(), gib(e.memory_available_kb()), gib(e.memory_total_kb()),
                         static_cast<double>(e.disk_free_bytes()) / 1e9, e.build_processes());
}
std::string ServerDescriber::operator()(const eventpb::ServerCancelRequested& e) {
  return Cat("to be given back ", e.date() == "now" ? "now" : Cat("on ", e.date()),
             Tail(e.reason()), " (plan ", e.plan_id(), ")");
}
std::string ServerDescriber::operator()(const eventpb::ServerCancelSet& e) {
  return Cat("cancelled for ", e.date(), ", as the provider says");
}
std::string ServerDescriber::operator()(const eventpb::ServerCancelFailed& e) {
  return Cat(e.revoke() ? "not revoked" : "not cancelled", Tail(e.detail()), Next(e.next()));
}
std::string ServerDescriber::operator()(const eventpb::ServerRevokeRequested&) {
  return "the cancellation is to be revoked";
}
std::string ServerDescriber::operator()(const eventpb::ServerRevoked&) {
  return "the cancellation is revoked: it stays";
}
std::string ServerDescriber::operator()(const eventpb::ServerEnded& e) {
  using E = eventpb::ServerEnded;
  const std::string_view how = e.how() == E::GIVEN_BACK ? "given back"
                               : e.how() == E::VANISHED ? "taken away by the provider"
                                                        : "never ordered";
  return Cat(how, e.confirmed_by().empty() ? "" : Cat(" (", e.confirmed_by(), ")"), ", cost ",
             FormatMoney({e.spent_micros(), e.currency()}));
}
std::string ServerDescriber::operator()(const eventpb::StrayServerFound& e) {
  return Cat("server ", e.server(), " (", e.name().empty() ? "no name" : e.name(), ", ",
             e.product(), ") is billed, and no order of ours explains it");
}

}  // namespace muster::queries
