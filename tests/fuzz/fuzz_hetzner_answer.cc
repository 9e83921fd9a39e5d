// Answers of the Robot web service. First byte: which call is answered; rest: the body.
#include <string_view>

#include "tests/fuzz/expect.h"
#include "workers/providers/hetzner/errors.h"
#include "workers/providers/hetzner/hardware.h"
#include "workers/providers/hetzner/wire.h"

namespace muster::hetzner {
namespace {

const MarketTerms kTerms{"EUR", absl::FromUnixSeconds(1'790'000'000)};

// What is believed of an offer is fit to be compared, paid and asked for.
void Market(ServerChannel channel, std::string_view body) {
  const auto offers = ParseProducts(channel, body, kTerms);
  if (!offers.ok()) return;
  for (const ServerOffer& offer : *offers) {
    FUZZ_EXPECT(!offer.id.empty());
    FUZZ_EXPECT(offer.price.month.micros >= 0);
    FUZZ_EXPECT(offer.price.month.micros < 2'000'000'000'000'000);
    FUZZ_EXPECT(offer.disks >= 0 && offer.cores >= 0);
    FUZZ_EXPECT(!offer.next_reduction.has_value() || *offer.next_reduction > kTerms.now);
  }
}

void Orders(ServerChannel channel, std::string_view body) {
  const auto orders = ParseOrders(channel, body);
  if (!orders.ok()) return;
  for (const ServerOrder& order : *orders) {
    FUZZ_EXPECT(!order.id.empty());
    for (const std::string& key : order.key_fingerprints) FUZZ_EXPECT(key.size() == 47);
    for (const HostKeyFingerprint& key : order.host_keys) FUZZ_EXPECT(key.sha256.size() == 43);
  }
}

void Servers(std::string_view body) {
  const auto servers = ParseServers(body);
  if (!servers.ok()) return;
  for (const Server& server : *servers) FUZZ_EXPECT(!server.number.empty());
}

// A refusal is never taken for a success, and names no more than it may.
void Error(std::string_view body) {
  HttpResponse response;
  response.status = body.empty() ? 400 : 300 + static_cast<unsigned char>(body[0]);
  response.body = std::string(body.substr(body.empty() ? 0 : 1));
  for (const CallKind kind : {CallKind::kRead, CallKind::kWrite, CallKind::kOrder}) {
    const Status error = ErrorFromAnswer(kind, response);
    FUZZ_EXPECT(!error.ok());
    FUZZ_EXPECT(Message(error).size() <= 310);
    if (kind == CallKind::kRead) FUZZ_EXPECT(TroubleOf(error) != Trouble::kUnclear);
    FUZZ_EXPECT(RetryAfter(error) <= absl::Hours(24));
  }
}

void One(int call, std::string_view body) {
  switch (call % 8) {
    case 0:
      return Market(ServerChannel::kAuction, body);
    case 1:
      return Market(ServerChannel::kStandard, body);
    case 2:
      return Orders(ServerChannel::kAuction, body);
    case 3:
      return Servers(body);
    case 4: {
      static_cast<void>(ParseRescue(body).ok());
      static_cast<void>(ParseLastRescue(body).ok());
      static_cast<void>(ParseResetKinds(body).ok());
      for (const std::string& secret : SecretsIn(body)) FUZZ_EXPECT(!secret.empty());
      return;
    }
    case 5: {
      static_cast<void>(ParseCancellation(body).ok());
      static_cast<void>(ListHoldsKey(body, "ssh-ed25519 AAAA").ok());
      const auto currency = ParseCurrency(body);
      if (currency.ok()) FUZZ_EXPECT(currency->size() == 3);
      return;
    }
    case 6:
      return Error(body);
    default: {
      const std::vector<std::string> lines = {std::string(body)};
      const Hardware hardware = ReadDescription(lines);
      FUZZ_EXPECT(hardware.memory_gb >= 0 && hardware.disk_gb >= 0 && hardware.disks >= 0);
      FUZZ_EXPECT(FindGpu(lines).line.empty() || FindGpu(lines).line == lines[0]);
      FUZZ_EXPECT(CoresOf(body) >= 0);
    }
  }
}

}  // namespace
}  // namespace muster::hetzner

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  muster::hetzner::One(data[0] - '0',
                       std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
