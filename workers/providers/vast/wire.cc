#include "workers/providers/vast/wire.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "workers/providers/vast/errors.h"
#include "workers/providers/vast/json.h"

namespace muster::vast {
namespace {

using nlohmann::json;

constexpr std::size_t kStatusMessageBytesMax = 512;

std::string Encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

ActualStatus StatusFromWire(const Json& member, const std::string& raw) {
  if (member.IsNull() || raw.empty()) return ActualStatus::kNone;
  if (raw == "rebooting" || raw == "recycling" || raw == "restarting") {
    return ActualStatus::kTransient;
  }
  static constexpr ActualStatus kPlain[] = {ActualStatus::kCreated, ActualStatus::kLoading,
                                            ActualStatus::kRunning, ActualStatus::kExited,
                                            ActualStatus::kStopped, ActualStatus::kFrozen,
                                            ActualStatus::kUnknown, ActualStatus::kOffline};
  for (const ActualStatus status : kPlain) {
    if (ActualStatusName(status) == raw) return status;
  }
  return ActualStatus::kOther;
}

struct Endpoint {
  std::string host;
  int port = 0;
};

int Port(std::optional<double> number) {
  if (!number.has_value() || *number < 1 || *number > 65535) return 0;
  return static_cast<int>(*number);
}

// Straight to the machine when it has an open port, else through the provider's proxy.
Endpoint SshOf(const Json& row) {
  Endpoint direct{Text(row, "public_ipaddr"), 0};
  const std::vector<Json> mapped = Member(Member(row, "ports"), "22/tcp").Elements();
  if (!mapped.empty()) direct.port = Port(Number(mapped[0], "HostPort"));
  if (!direct.host.empty() && direct.port != 0) return direct;
  Endpoint proxy{Text(row, "ssh_host"), Port(Number(row, "ssh_port"))};
  // The proxy serves notebooks on the port itself and ssh on the one above it.
  if (proxy.port != 0 && absl::StrContains(Text(row, "image_runtype"), "jupyter")) ++proxy.port;
  if (proxy.host.empty() || proxy.port == 0) return {};
  return proxy;
}

std::optional<absl::Time> TimeOf(std::optional<double> epoch_s) {
  if (!epoch_s.has_value() || *epoch_s <= 0 || *epoch_s > 1e11) return std::nullopt;
  return absl::FromUnixMicros(static_cast<std::int64_t>(*epoch_s * 1e6));
}

int CountOf(std::optional<double> number, int otherwise) {
  if (!number.has_value() || *number < 0 || *number > 1e6) return otherwise;
  return static_cast<int>(*number);
}

std::optional<Instance> ReadInstance(const Json& row) {
  Instance instance;
  instance.id = InstanceId(IdText(row, "id"));
  if (instance.id.empty()) return std::nullopt;
  instance.label = Text(row, "label");
  instance.machine = MachineId(IdText(row, "machine_id"));
  instance.host = IdText(row, "host_id");
  instance.gpu = GpuName(Text(row, "gpu_name"));
  instance.gpus = CountOf(Number(row, "num_gpus"), 1);
  instance.actual_raw = Ellipsize(Text(row, "actual_status"), 64);
  instance.actual = StatusFromWire(Member(row, "actual_status"), instance.actual_raw);
  instance.intended_raw = Ellipsize(Text(row, "intended_status"), 64);
  instance.status_message = Ellipsize(Text(row, "status_msg"), kStatusMessageBytesMax);
  const std::optional<double> dph = Number(row, "dph_total");
  const auto micros = dph.has_value() ? MicrosFromDouble(*dph) : std::nullopt;
  if (micros.has_value() && *micros >= 0) {
    instance.price = MicroUsdPerHour(*micros);
    instance.price_known = true;
  }
  instance.started_at = TimeOf(Number(row, "start_date"));
  const Endpoint ssh = SshOf(row);
  instance.ssh_host = ssh.host;
  instance.ssh_port = ssh.port;
  instance.location = Text(row, "geolocation");
  return instance;
}

// The dearer of the price named and the price of the disk by the provider's own rule: a search
// that forgot the disk would otherwise rent what the cost guard kills at once.
std::optional<MicroUsdPerHour> PriceOf(const Json& row, std::int64_t disk_gb) {
  const std::optional<double> total = Number(row, "dph_total");
  if (!total.has_value()) return std::nullopt;
  double usd = *total;
  const std::optional<double> base = Number(row, "dph_base");
  const std::optional<double> storage = Number(row, "storage_cost");
  if (base.has_value() && storage.has_value()) {
    usd = std::max(usd, *base + *storage * static_cast<double>(disk_gb) / 720);
  }
  const auto micros = MicrosFromDouble(usd);
  if (!micros.has_value() || *micros <= 0) return std::nullopt;
  return MicroUsdPerHour(*micros);
}

// True unless the row says a number below `least`: the server was asked to filter, and a field it
// leaves out is no reason to refuse.
bool AtLeast(std::optional<double> value, double least) {
  return !value.has_value() || *value >= least;
}

bool InCountries(const std::string& location, const std::vector<std::string>& countries) {
  if (countries.empty()) return true;
  return std::any_of(countries.begin(), countries.end(), [&](const std::string& country) {
    return location == country || absl::EndsWith(location, Cat(" ", country)) ||
           absl::EndsWith(location, Cat(",", country));
  });
}

bool Meets(const Json& row, const Offer& offer, const OfferQuery& query) {
  if (std::find(query.gpus.begin(), query.gpus.end(), offer.gpu) == query.gpus.end()) return false;
  if (offer.gpus != query.gpus_per_machine || offer.price > query.price_max) return false;
  if (Flag(row, "rentable") == false || Flag(row, "rented") == true) return false;
  const std::string verification = Text(row, "verification");
  if (query.verified_only && !verification.empty() && verification != "verified") return false;
  std::optional<double> reliability = Number(row, "reliability2");
  if (!reliability.has_value()) reliability = Number(row, "reliability");
  return AtLeast(reliability, query.reliability_min) &&
         AtLeast(Number(row, "cuda_max_good"), query.cuda_min) &&
         AtLeast(Number(row, "inet_down"), query.inet_down_mbps_min) &&
         AtLeast(Number(row, "inet_up"), query.inet_up_mbps_min) &&
         AtLeast(Number(row, "disk_space"), static_cast<double>(query.disk_gb)) &&
         AtLeast(Number(row, "duration"), absl::ToDoubleSeconds(query.remaining_min)) &&
         InCountries(offer.location, query.countries);
}

std::optional<Offer> ReadOffer(const Json& row, const OfferQuery& query) {
  Offer offer;
  offer.id = OfferId(IdText(row, "id"));
  if (offer.id.empty()) offer.id = OfferId(IdText(row, "ask_contract_id"));
  offer.machine = MachineId(IdText(row, "machine_id"));
  const std::optional<MicroUsdPerHour> price = PriceOf(row, query.disk_gb);
  if (offer.id.empty() || offer.machine.empty() || !price.has_value()) return std::nullopt;
  offer.price = *price;
  offer.host = IdText(row, "host_id");
  offer.gpu = GpuName(Text(row, "gpu_name"));
  offer.gpus = CountOf(Number(row, "num_gpus"), query.gpus_per_machine);
  offer.reliability = Number(row, "reliability2").value_or(Number(row, "reliability").value_or(0));
  offer.cuda = Number(row, "cuda_max_good").value_or(0);
  offer.inet_down_mbps = Number(row, "inet_down").value_or(0);
  offer.inet_up_mbps = Number(row, "inet_up").value_or(0);
  offer.disk_free_gb = Number(row, "disk_space").value_or(0);
  const double remaining_s = Number(row, "duration").value_or(0);
  offer.remaining = absl::Seconds(std::clamp(remaining_s, 0.0, 1e9));
  offer.location = Ellipsize(Text(row, "geolocation"), 64);
  return offer;
}

json AtLeastOp(double value) { return {{"gte", value}}; }

}  // namespace

std::string SearchBody(const OfferQuery& query, std::optional<double> price_from) {
  json gpus = json::array();
  for (const GpuName& gpu : query.gpus) gpus.push_back(gpu.str());
  json price = {{"lte", query.price_max.usd()}};
  if (price_from.has_value()) price["gte"] = *price_from;
  json body = {{"gpu_name", {{"in", gpus}}},
               {"num_gpus", {{"eq", query.gpus_per_machine}}},
               {"dph_total", price},
               {"disk_space", AtLeastOp(static_cast<double>(query.disk_gb))},
               {"rentable", {{"eq", true}}},
               {"rented", {{"eq", false}}},
               {"external", {{"eq", false}}},
               {"order", json::array({json::array({"dph_total", "asc"})})},
               {"limit", kSearchRows},
               {"type", "on-demand"},
               {"allocated_storage", static_cast<double>(query.disk_gb)}};
  if (query.verified_only) body["verified"] = {{"eq", true}};
  if (query.reliability_min > 0) body["reliability2"] = AtLeastOp(query.reliability_min);
  if (query.cuda_min > 0) body["cuda_max_good"] = AtLeastOp(query.cuda_min);
  if (query.inet_down_mbps_min > 0) body["inet_down"] = AtLeastOp(query.inet_down_mbps_min);
  if (query.inet_up_mbps_min > 0) body["inet_up"] = AtLeastOp(query.inet_up_mbps_min);
  if (query.remaining_min > absl::ZeroDuration()) {
    body["duration"] = AtLeastOp(absl::ToDoubleSeconds(query.remaining_min));
  }
  if (!query.countries.empty()) body["geolocation"] = {{"in", query.countries}};
  return Dump(body);
}

StatusOr<SearchPage> ParseSearch(std::string_view body, const OfferQuery& query) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value()) return Nonsense("search: the answer is not JSON", body);
  const Json offers = Member(answer->root(), "offers");
  if (!offers.IsArray()) return Nonsense("search: the answer has no offers", body);
  const std::vector<Json> rows = offers.Elements();
  SearchPage page;
  page.rows = static_cast<int>(rows.size());
  for (const Json& row : rows) {
    page.price_last = std::max(page.price_last, Number(row, "dph_total").value_or(0));
    std::optional<Offer> offer = ReadOffer(row, query);
    if (offer.has_value() && Meets(row, *offer, query)) page.offers.push_back(*std::move(offer));
  }
  return page;
}

StatusOr<ListPage> ParseList(std::string_view body) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value()) return Nonsense("list: the answer is not JSON", body);
  const Json instances = Member(answer->root(), "instances");
  if (!instances.IsArray()) return Nonsense("list: the answer has no instances", body);
  const std::vector<Json> rows = instances.Elements();
  ListPage page;
  for (const Json& row : rows) {
    std::optional<Instance> instance = ReadInstance(row);
    if (!instance.has_value()) return Nonsense("list: a row has no id", body);
    page.instances.push_back(*std::move(instance));
  }
  const std::optional<double> found = Number(answer->root(), "instances_found");
  if (found.has_value() && *found != static_cast<double>(rows.size())) {
    return Nonsense("list: a page names another number of rows than it has", body);
  }
  const std::optional<double> total = Number(answer->root(), "total_instances");
  if (total.has_value()) page.total = CountOf(total, -1);
  page.next_token = Text(answer->root(), "next_token");
  if (page.next_token.empty()) page.next_token = IdText(answer->root(), "next_token");
  return page;
}

StatusOr<std::optional<Instance>> ParseShow(std::string_view body, const InstanceId& id) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value() || !answer->root().IsObject()) {
    return Nonsense("show: the answer is not a JSON object", body);
  }
  if (!HasMember(answer->root(), "instances")) {
    return Nonsense("show: the answer has no instance", body);
  }
  const Json member = Member(answer->root(), "instances");
  if (member.IsNull()) return std::optional<Instance>();
  std::optional<Instance> instance = ReadInstance(member);
  if (!instance.has_value() || instance->id != id) {
    return Nonsense("show: the answer is about something else", body);
  }
  return instance;
}

StatusOr<User> ParseUser(std::string_view body) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value()) return Nonsense("user: the answer is not JSON", body);
  const std::optional<double> credit = Number(answer->root(), "credit");
  if (!credit.has_value()) return Nonsense("user: the answer names no credit", body);
  User user;
  user.account.credit_usd = *credit;
  user.account.balance_usd = Number(answer->root(), "balance").value_or(0);
  user.account.id = IdText(answer->root(), "id");
  user.api_key = Text(answer->root(), "api_key");
  return user;
}

StatusOr<std::string> ParseLogRequest(std::string_view body) {
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value()) return Nonsense("logs: the answer is not JSON", body);
  std::string url = Text(answer->root(), "result_url");
  if (url.empty()) return Nonsense("logs: the answer has no result_url", body);
  return url;
}

Verdict VerdictOf(std::string_view body) {
  // Log text is long, and often begins like an array.
  if (!WithoutMark(Trim(body)).starts_with('{')) return Verdict::kNoJson;
  const std::optional<JsonDocument> answer = ParseJson(body);
  if (!answer.has_value() || !answer->root().IsObject()) return Verdict::kNoJson;
  return Flag(answer->root(), "success") == false ? Verdict::kFailure : Verdict::kSuccess;
}

std::string ListQuery(std::string_view label, std::string_view after_token) {
  const json order = json::array({{{"col", "id"}, {"dir", "asc"}}});
  json filters = json::object();
  if (!label.empty()) filters["label"] = {{"eq", label}};
  std::string query = Cat("?limit=", kPageRows, "&order_by=", Encode(Dump(order)),
                          "&select_filters=", Encode(Dump(filters)));
  if (!after_token.empty()) query += Cat("&after_token=", Encode(after_token));
  return query;
}

}  // namespace muster::vast
