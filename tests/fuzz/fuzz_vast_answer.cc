// Answers of the Vast.ai API. First byte: which call is answered; rest: the body.
#include <string_view>

#include "tests/fuzz/expect.h"
#include "workers/providers/vast/errors.h"
#include "workers/providers/vast/json.h"
#include "workers/providers/vast/wire.h"

namespace muster::vast {
namespace {

OfferQuery AnyOffer() {
  OfferQuery query;
  query.gpus = {GpuName("RTX 3070"), GpuName("RTX 4090")};
  query.price_max = MicroUsdPerHour(10'000'000);
  query.verified_only = false;
  return query;
}

// What is believed of an offer is fit to be compared and paid.
void Search(std::string_view body) {
  const auto page = ParseSearch(body, AnyOffer());
  if (!page.ok()) return;
  FUZZ_EXPECT(page->rows >= 0 && page->offers.size() <= static_cast<std::size_t>(page->rows));
  for (const Offer& offer : page->offers) {
    FUZZ_EXPECT(!offer.id.str().empty());
    FUZZ_EXPECT(offer.price.micros >= 0);
    FUZZ_EXPECT(offer.price.micros <= 10'000'000);
  }
}

// Nobody is absent by a list that was not understood, and nobody is in it twice without a name.
void List(std::string_view body) {
  const auto page = ParseList(body);
  if (!page.ok()) return;
  for (const Instance& instance : page->instances) FUZZ_EXPECT(!instance.id.str().empty());
}

void Show(std::string_view body) {
  const InstanceId asked("123");
  const auto shown = ParseShow(body, asked);
  if (shown.ok() && shown->has_value()) FUZZ_EXPECT((*shown)->id == asked);
}

void One(int call, std::string_view body) {
  switch (call % 6) {
    case 0:
      return Search(body);
    case 1:
      return List(body);
    case 2:
      return Show(body);
    case 3: {
      const auto created = ParseCreate(body);
      if (created.ok()) FUZZ_EXPECT(!created->instance.str().empty());
      return;
    }
    case 4: {
      const auto user = ParseUser(body);
      if (user.ok()) FUZZ_EXPECT(user->account.credit_usd == user->account.credit_usd);
      return;
    }
    default: {
      const auto url = ParseLogRequest(body);
      if (url.ok()) FUZZ_EXPECT(!url->empty());
      FUZZ_EXPECT(VerdictOf(body) == Verdict::kNoJson || ParseJson(body)->root().IsObject());
    }
  }
}

}  // namespace
}  // namespace muster::vast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  muster::vast::One(data[0] - '0',
                    std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
