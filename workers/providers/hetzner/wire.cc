#include "workers/providers/hetzner/wire.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "workers/providers/hetzner/errors.h"
#include "workers/providers/hetzner/json.h"

namespace muster::hetzner {
namespace {

constexpr std::size_t kMd5Bytes = 47;     // "15:28:..." of 16 bytes
constexpr std::size_t kSha256Bytes = 43;  // base64 of 32 bytes, without padding

std::string Encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

// The object inside {"kind":{...}}; a null value when there is none.
Json Unwrapped(std::string_view body, std::string_view kind) {
  std::optional<Json> answer = ParseJson(body);
  return answer.has_value() ? Member(*answer, kind) : Json();
}

// The objects of [{"kind":{...}},...]; nullopt unless every row is one.
std::optional<std::vector<Json>> UnwrappedRows(std::string_view body, std::string_view kind) {
  const std::optional<Json> list = ParseJson(body);
  if (!list.has_value() || !list->is_array()) return std::nullopt;
  std::vector<Json> rows;
  for (const Json& row : *list) {
    rows.push_back(Member(row, kind));
    if (!rows.back().is_object()) return std::nullopt;
  }
  return rows;
}

// The objects of a member [{"key":{...}},...]; what is no key is left out.
std::vector<Json> KeysIn(const Json& object, std::string_view member) {
  std::vector<Json> keys;
  const Json& list = Member(object, member);
  if (!list.is_array()) return keys;
  for (const Json& row : list) {
    const Json& key = Member(row, "key");
    if (key.is_object()) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> LoginFingerprints(const Json& object) {
  std::vector<std::string> fingerprints;
  for (const Json& key : KeysIn(object, "authorized_key")) {
    const std::string fingerprint = absl::AsciiStrToLower(Text(key, "fingerprint"));
    if (fingerprint.size() == kMd5Bytes) fingerprints.push_back(fingerprint);
  }
  return fingerprints;
}

// MD5 fingerprints are of no use: what a machine proves is compared by SHA-256 alone.
std::vector<HostKeyFingerprint> HostKeys(const Json& object) {
  std::vector<HostKeyFingerprint> keys;
  for (const Json& key : KeysIn(object, "host_key")) {
    const std::string text = Text(key, "fingerprint");
    const std::string_view bare = ToStd(absl::StripPrefix(text, "SHA256:"));
    const std::string_view sha256 = bare.substr(0, bare.find('='));
    if (sha256.size() != kSha256Bytes || absl::StrContains(ToAbsl(sha256), ":")) continue;
    keys.push_back({Text(key, "type"), std::string(sha256)});
  }
  return keys;
}

StatusOr<ServerOrder> ReadOrder(ServerChannel channel, const Json& row, std::string_view body) {
  ServerOrder order;
  order.id = OrderId(IdText(row, "id"));
  order.state_raw = Text(row, "status");
  if (order.id.empty() || order.state_raw.empty()) return Nonsense("no transaction", body);
  order.channel = channel;
  using State = ServerOrder::State;
  order.state = order.state_raw == "in process"  ? State::kInProcess
                : order.state_raw == "ready"     ? State::kReady
                : order.state_raw == "cancelled" ? State::kCancelled
                                                 : State::kOther;
  absl::Time ordered;
  if (absl::ParseTime(absl::RFC3339_full, Text(row, "date"), &ordered, nullptr)) {
    order.ordered_at = ordered;
  }
  const Json& product = Member(row, "product");
  const std::string location = channel == ServerChannel::kStandard ? Text(product, "location") : "";
  const std::string id = IdText(product, "id");
  order.offer = OfferId(location.empty() ? id : Cat(id, "@", location));
  order.key_fingerprints = LoginFingerprints(row);
  order.server = ServerNumber(IdText(row, "server_number"));
  order.ipv4 = Text(row, "server_ip");
  order.host_keys = HostKeys(row);
  return order;
}

StatusOr<Server> ReadServer(const Json& row, std::string_view body) {
  Server server;
  server.number = ServerNumber(IdText(row, "server_number"));
  if (server.number.empty()) return Nonsense("no server", body);
  server.name = Text(row, "server_name");
  server.product = Text(row, "product");
  server.location = Text(row, "dc");
  server.ipv4 = Text(row, "server_ip");
  server.ipv6_net = Text(row, "server_ipv6_net");
  server.state_raw = Text(row, "status");
  server.ready = server.state_raw == "ready";
  server.cancelled = Flag(row, "cancelled").value_or(false);
  server.paid_until = Text(row, "paid_until");
  server.rescue_offered = Flag(row, "rescue").value_or(true);
  return server;
}

// "ssh-ed25519 AAAA..." of "ssh-ed25519 AAAA... comment"; "" for anything else.
std::string KindAndBlob(std::string_view public_key) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(public_key), absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  return words.size() < 2 ? "" : Cat(words[0], " ", words[1]);
}

void CollectSecrets(const Json& value, std::vector<std::string>& secrets) {
  if (value.is_object()) {
    const std::string password = Text(value, "password");
    if (!password.empty()) secrets.push_back(password);
  }
  if (!value.is_structured()) return;
  for (const Json& member : value) CollectSecrets(member, secrets);
}

}  // namespace

std::string FormBody(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string body;
  for (const auto& [name, value] : fields) {
    body += Cat(body.empty() ? "" : "&", Encoded(name), "=", Encoded(value));
  }
  return body;
}

StatusOr<std::vector<std::pair<std::string, std::string>>> OrderForm(const ServerOrderSpec& spec) {
  MUSTER_ASSIGN_OR_RETURN(const OfferName offer, ReadOfferId(spec.channel, spec.offer));
  const std::string location = offer.location.empty() ? spec.location : offer.location;
  const bool standard = spec.channel == ServerChannel::kStandard;
  if (standard && location.empty()) {
    return MakeTrouble(Trouble::kRejected, "a standard product needs a location");
  }
  // No comment, ever: it would be read by a person before anything happens.
  std::vector<std::pair<std::string, std::string>> fields = {
      {"product_id", offer.product}, {"authorized_key[]", spec.key_fingerprint}};
  if (standard) fields.emplace_back("location", location);
  if (spec.ipv4) fields.emplace_back("addon[]", "primary_ipv4");
  fields.emplace_back("test", spec.test ? "true" : "false");
  return fields;
}

StatusOr<ServerOrder> ParseOrder(ServerChannel channel, std::string_view body) {
  return ReadOrder(channel, Unwrapped(body, "transaction"), body);
}

StatusOr<std::vector<ServerOrder>> ParseOrders(ServerChannel channel, std::string_view body) {
  const auto rows = UnwrappedRows(body, "transaction");
  if (!rows.has_value()) return Nonsense("no list of transactions", body);
  std::vector<ServerOrder> orders;
  for (const Json& row : *rows) {
    MUSTER_ASSIGN_OR_RETURN(ServerOrder order, ReadOrder(channel, row, body));
    orders.push_back(std::move(order));
  }
  return orders;
}

StatusOr<Server> ParseServer(std::string_view body) {
  return ReadServer(Unwrapped(body, "server"), body);
}

StatusOr<std::vector<Server>> ParseServers(std::string_view body) {
  const auto rows = UnwrappedRows(body, "server");
  if (!rows.has_value()) return Nonsense("no list of servers", body);
  std::vector<Server> servers;
  for (const Json& row : *rows) {
    MUSTER_ASSIGN_OR_RETURN(Server server, ReadServer(row, body));
    servers.push_back(std::move(server));
  }
  return servers;
}

StatusOr<RescueSetting> ParseRescue(std::string_view body) {
  const Json rescue = Unwrapped(body, "rescue");
  const std::optional<bool> active = Flag(rescue, "active");
  if (!active.has_value()) return Nonsense("no rescue setting", body);
  RescueSetting setting;
  setting.active = *active;
  if (setting.active) setting.key_fingerprints = LoginFingerprints(rescue);
  return setting;
}

StatusOr<RescueBoot> ParseLastRescue(std::string_view body) {
  const Json rescue = Unwrapped(body, "rescue");
  if (!rescue.is_object()) return Nonsense("no rescue boot", body);
  return RescueBoot{HostKeys(rescue), Text(rescue, "boot_time")};
}

StatusOr<std::vector<ResetKind>> ParseResetKinds(std::string_view body) {
  const Json reset = Unwrapped(body, "reset");
  if (!reset.is_object()) return Nonsense("no reset options", body);
  static constexpr std::array kKinds = {ResetKind::kSoftware, ResetKind::kHardware,
                                        ResetKind::kPower, ResetKind::kPowerLong,
                                        ResetKind::kManual};
  std::vector<ResetKind> kinds;
  for (const std::string& name : Texts(reset, "type")) {
    for (const ResetKind kind : kKinds) {
      if (ResetKindName(kind) == name) kinds.push_back(kind);
    }
  }
  return kinds;
}

StatusOr<Cancellation> ParseCancellation(std::string_view body) {
  const Json row = Unwrapped(body, "cancellation");
  const std::optional<bool> cancelled = Flag(row, "cancelled");
  if (!cancelled.has_value()) return Nonsense("no cancellation", body);
  Cancellation cancellation;
  cancellation.cancelled = *cancelled;
  cancellation.date = Text(row, "cancellation_date");
  cancellation.earliest_date = Text(row, "earliest_cancellation_date");
  cancellation.reserve_asked = Flag(row, "reservation_possible").value_or(false);
  // A list of choices until one was made.
  if (cancellation.cancelled) cancellation.reason = Text(row, "cancellation_reason");
  return cancellation;
}

StatusOr<bool> ListHoldsKey(std::string_view body, std::string_view public_key) {
  const auto rows = UnwrappedRows(body, "key");
  if (!rows.has_value()) return Nonsense("no list of keys", body);
  const std::string wanted = KindAndBlob(public_key);
  return !wanted.empty() && std::any_of(rows->begin(), rows->end(), [&](const Json& row) {
    return KindAndBlob(Text(row, "data")) == wanted;
  });
}

bool IsWrapped(std::string_view body, std::string_view kind) {
  return Unwrapped(body, kind).is_object();
}

std::vector<std::string> SecretsIn(std::string_view body) {
  std::vector<std::string> secrets;
  const std::optional<Json> answer = ParseJson(body);
  if (answer.has_value()) CollectSecrets(*answer, secrets);
  return secrets;
}

}  // namespace muster::hetzner
