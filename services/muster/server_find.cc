// server find: which dedicated servers could be ordered now, and which of them fit.
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/files/builder_file.h"
#include "services/files/human_units.h"
#include "services/muster/server_verbs.h"

namespace muster::cli {
namespace {

using Market = ::muster::spec::v1::ServerMarket;

Status Odd(const std::string& flag, const std::string& given, std::string_view expected) {
  return InvalidArgument(Cat("--", flag, " \"", given, "\": expected ", expected));
}

// Sets what the flag says; nothing when it is not there.
template <class Set>
Status Count(const Session& s, const std::string& flag, std::string_view expected, Set set) {
  if (!s.args.Has(flag)) return absl::OkStatus();
  const std::string text = s.args.Get(flag);
  std::int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 0 || number > 1'000'000) {
    return Odd(flag, text, expected);
  }
  set(number);
  return absl::OkStatus();
}

// "64" as well as "64GB".
Status Size(const Session& s, const std::string& flag,
            const std::function<void(std::int64_t)>& set) {
  if (!s.args.Has(flag)) return absl::OkStatus();
  const std::string text = s.args.Get(flag);
  std::int64_t plain = 0;
  const bool bare = absl::SimpleAtoi(text, &plain) && plain >= 0;
  const StatusOr<std::int64_t> gb = bare ? StatusOr<std::int64_t>(plain) : ParseSizeGb(text);
  if (!gb.ok()) return Odd(flag, text, "a size in GB, such as 64GB");
  set(*gb);
  return absl::OkStatus();
}

Status ReadGpu(const Session& s, Market& market) {
  if (!s.args.Has("gpu")) return absl::OkStatus();
  const std::string gpu = s.args.Get("gpu");
  if (gpu == "any") {
    market.set_gpu(Market::GPU_ANY);
  } else if (gpu == "ada") {
    market.set_gpu(Market::GPU_ADA);
  } else if (gpu == "none") {
    market.set_gpu(Market::GPU_NONE);
  } else {
    return Odd("gpu", gpu, "any, ada or none");
  }
  return absl::OkStatus();
}

Status ReadPrice(const Session& s, Market& market) {
  if (s.args.Has("rank")) {
    const std::string rank = s.args.Get("rank");
    if (rank != "price" && rank != "benchmark") return Odd("rank", rank, "price or benchmark");
    market.set_rank(rank == "price" ? Market::PRICE : Market::PRICE_PER_BENCHMARK);
  }
  if (!s.args.Has("max-price")) return absl::OkStatus();
  const std::string text = s.args.Get("max-price");
  std::string amount = text;
  if (amount.find_first_not_of("0123456789.") == std::string::npos) amount += " EUR/month";
  const StatusOr<AmountIn> price = ParseAmountIn(amount, "month");
  if (!price.ok()) return Odd("max-price", text, "a price such as \"150 EUR/month\"");
  market.set_price_max_micros_per_month(price->micros);
  market.set_currency(price->currency);
  return absl::OkStatus();
}

// What is wanted: of the file, or anything; and what the flags say instead.
Status ReadMarket(const Session& s, api::FindServersRequest& request) {
  request.set_provider("hetzner");
  Market& market = *request.mutable_market();
  if (s.args.Has("file")) {
    MUSTER_ASSIGN_OR_RETURN(const ::muster::spec::v1::ServerSpec spec,
                            LoadBuilderFile(s.args.Get("file")));
    request.set_provider(spec.provider());
    market = spec.market();
  } else {
    market.set_setup_max_micros(std::int64_t{1} << 50);  // shown, not limited
  }
  if (s.args.Has("standard")) market.set_channel(Market::STANDARD);
  if (s.args.Has("ipv4")) market.set_ipv4(true);
  if (s.args.Has("location")) {
    market.clear_locations();
    for (const auto& place : absl::StrSplit(s.args.Get("location"), ',', absl::SkipEmpty())) {
      market.add_locations(std::string(place));
    }
  }
  MUSTER_RETURN_IF_ERROR(ReadGpu(s, market));
  MUSTER_RETURN_IF_ERROR(ReadPrice(s, market));
  MUSTER_RETURN_IF_ERROR(Count(s, "cores", "a number of cores", [&](std::int64_t cores) {
    market.set_cores_min(static_cast<int>(cores));
  }));
  MUSTER_RETURN_IF_ERROR(Count(s, "benchmark", "a number of points", [&](std::int64_t points) {
    market.set_benchmark_min(static_cast<double>(points));
  }));
  MUSTER_RETURN_IF_ERROR(Count(s, "limit", "a number of offers", [&](std::int64_t limit) {
    request.set_limit(static_cast<int>(limit));
  }));
  MUSTER_RETURN_IF_ERROR(Size(s, "memory", [&](std::int64_t gb) { market.set_memory_gb_min(gb); }));
  return Size(s, "disk", [&](std::int64_t gb) { market.set_disk_gb_min(gb); });
}

std::string Amount(std::int64_t micros, int decimals) {
  return absl::StrFormat("%.*f", decimals, static_cast<double>(micros) / 1e6);
}

// "1h05m", when the price falls next; "-" when it does not.
std::string Falls(const api::ServerOffer& offer, absl::Time now) {
  if (!offer.has_next_reduction()) return "-";
  return Cat("in ",
             FormatSpan(std::max(FromProto(offer.next_reduction()) - now, absl::ZeroDuration())));
}

void PrintOffers(Session& s, const api::FindServersResponse& answer, bool with_refused) {
  std::vector<std::string> head = {"OFFER",  "NAME",    ">A MONTH", ">AN HOUR", "",
                                   ">SETUP", ">FOR 1K", "CPU",      ">CORES",   ">POINTS",
                                   ">GB",    "DISKS",   "WHERE",    "FALLS",    "GPU"};
  if (with_refused) head.emplace_back("WHY NOT");
  Table table(head);
  const absl::Time now = FromProto(answer.seen_at());
  for (const api::ServerOffer& o : answer.offers()) {
    std::vector<std::string> row = {
        o.offer(),
        o.name(),
        Amount(o.micros_per_month(), 2),
        o.micros_per_hour() > 0 ? Amount(o.micros_per_hour(), 4) : "-",
        o.currency(),
        Amount(o.setup_micros(), 2),
        o.micros_per_point() > 0
            ? Amount(static_cast<std::int64_t>(std::llround(o.micros_per_point() * 1000)), 2)
            : "-",
        o.cpu(),
        o.cores() > 0 ? Cat(o.cores()) : "?",
        o.benchmark() > 0 ? absl::StrFormat("%.0f", o.benchmark()) : "-",
        Cat(o.memory_gb()),
        o.disks() > 0 ? Cat(o.disks(), " x ", o.disk_gb(), " GB") : "-",
        o.location().empty() ? "-" : o.location(),
        Falls(o, now),
        o.gpu().empty() ? "-" : o.gpu()};
    if (with_refused) row.push_back(o.refused());
    table.Row(std::move(row));
  }
  table.Print(s.env.out, s.Columns());
  s.env.err << answer.offers_size() << " of " << answer.found()
            << " offers, best first; prices are net of taxes, FOR 1K is a month's price for a "
               "thousand benchmark points\n";
}

int Find(Session& s, const std::string& server) {
  if (!server.empty()) {
    return s.Fail(kUsage, Cat("server find takes no name; what is \"", server, "\"?"));
  }
  api::FindServersRequest request;
  const Status read = ReadMarket(s, request);
  if (!read.ok()) return s.Fail(kUsage, Message(read));
  request.set_include_refused(s.args.Has("refused"));
  api::FindServersResponse answer;
  const auto context = s.Context();
  const grpc::Status status =
      s.Patiently([&] { return s.queries().FindServers(context.get(), request, &answer); });
  if (!status.ok()) return s.Fail(status);
  std::vector<std::string> names;
  for (const api::ServerOffer& offer : answer.offers()) names.push_back(offer.offer());
  if (s.PrintStructured(answer, names)) return kOk;
  if (answer.offers().empty()) {
    s.env.err << "none of " << answer.found() << " offers fits";
    s.env.err << (answer.found() > 0 ? "; --refused says why\n" : "\n");
    return kOk;
  }
  PrintOffers(s, answer, request.include_refused());
  return kOk;
}

}  // namespace

std::vector<ServerWord> ServerFinds() {
  return {{"find", "what could be ordered now, best first", /*named=*/false, Find}};
}

std::vector<Flag> FindFlags() {
  return {
      {"gpu", 0, "any|ada|none", "find: with a GPU, with one of the Ada class, or without"},
      {"cores", 0, "N", "find: at least so many physical cores"},
      {"memory", 0, "GB", "find: at least so much memory"},
      {"disk", 0, "GB", "find: of each disk at least so much"},
      {"benchmark", 0, "POINTS", "find: at least so many of the provider's points"},
      {"location", 0, "PLACE,...", "find: FSN1, FSN1-DC22"},
      {"max-price", 0, "EUR", "find: a month, with the IPv4 address where --ipv4 is said"},
      {"rank", 0, "price|benchmark", "find: cheapest first (price), or cheapest for its points"},
      {"standard", 0, "", "find: the standard products instead of the auction"},
      {"ipv4", 0, "", "find: with an IPv4 address"},
      {"refused", 0, "", "find: also what does not fit, and why"},
      {"limit", 0, "N", "find: at most so many (20)"}};
}

}  // namespace muster::cli
