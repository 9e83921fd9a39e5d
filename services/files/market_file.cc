#include "services/files/market_file.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/spec_tree.h"
#include "services/files/whole_file.h"
#include "services/files/yaml_section.h"

namespace muster {
namespace {

using files::Section;
using files::Tree;
using Machine = MarketRecord::Machine;

constexpr std::string_view kMarket = "a recorded market";
constexpr std::string_view kVersion = "1";
constexpr std::size_t kBytesMax = 32u << 20;
constexpr std::string_view kUnit = "work";
constexpr std::int64_t kGpusMax = 64;

// What simulators can make happen to a machine.
const std::vector<std::string>& Failures() {
  static const auto* failures = new std::vector<std::string>{
      "stuck_boot", "stuck_setup", "stall", "fatal_error", "offline", "vanish"};
  return *failures;
}

StatusOr<absl::Time> ParseMoment(std::string_view text) {
  absl::Time time;
  std::string problem;
  if (!absl::ParseTime(absl::RFC3339_sec, ToAbsl(text), &time, &problem)) {
    return InvalidArgument("is no time; expected one such as 2026-11-21T03:14:07Z");
  }
  return time;
}

class Reader {
 public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  MarketRecord Read(const YAML::Node& document) {
    Section root(document, "", problems_);
    if (!ReadVersion(root)) return {};
    std::string provider;
    if (!root.Text("provider", &provider)) Missing(root, "provider", "where it was recorded");
    record_.provider = ProviderName(provider);
    ReadMoment(root, "from", &record_.from);
    ReadMoment(root, "to", &record_.to);
    if (record_.to < record_.from) {
      problems_.AddAt("to", "is before 'from'; expected the end of the recording");
    }
    for (Section& section : root.Maps("machines")) {
      record_.machines.push_back(ReadMachine(section));
    }
    root.Finish();
    return std::move(record_);
  }

 private:
  void Missing(const Section& section, std::string_view key, std::string_view expected) {
    problems_.Add(section.place(), section.PathOf(key), Cat("is missing; expected ", expected));
  }

  // What another version's keys mean nobody here knows, so nothing else is read then.
  bool ReadVersion(Section& root) {
    bool known = false;
    const bool there = root.Read(
        "muster_market", "the version of the format, 1",
        [](std::string_view text) -> StatusOr<bool> {
          if (text == kVersion) return true;
          return InvalidArgument("is a version that this muster does not read; expected 1");
        },
        [&](bool) { known = true; });
    if (!there && !root.Has("muster_market") && root.present()) {
      Missing(root, "muster_market", "the version of the format, 1");
    }
    return known;
  }

  void ReadMoment(Section& s, std::string_view key, absl::Time* out) {
    const bool read = s.Read(key, "a time such as 2026-11-21T03:14:07Z", ParseMoment,
                             [&](absl::Time time) { *out = time; });
    if (!read && !s.Has(key)) Missing(s, key, "a time such as 2026-11-21T03:14:07Z");
  }

  // When something happened, counted from the beginning.
  void ReadOffset(Section& s, std::string_view key, absl::Duration* out) {
    absl::Time time = record_.from;
    ReadMoment(s, key, &time);
    *out = time - record_.from;
    if (time < record_.from || time > record_.to + absl::Seconds(1)) {
      problems_.AddAt(s.PathOf(key), "lies outside the recording; expected 'from' to 'to'");
    }
  }

  void ReadSpan(Section& s, std::string_view key, absl::Duration* out) {
    s.Read(key, "a span such as 90s", ParseSpan,
           [&](std::int64_t seconds) { *out = absl::Seconds(seconds); });
  }

  void ReadCount(Section& s, std::string_view key, int* out) {
    s.Read(
        key, "a number of 1 or more",
        [](std::string_view text) -> StatusOr<std::int64_t> {
          MUSTER_ASSIGN_OR_RETURN(const std::int64_t count, ParseCount(text));
          if (count < 1 || count > kGpusMax) return InvalidArgument("expected 1 to 64");
          return count;
        },
        [&](std::int64_t count) { *out = static_cast<int>(count); });
  }

  Machine ReadMachine(Section& s) {
    Machine machine;
    std::string id, gpu;
    if (!s.Text("id", &id)) Missing(s, "id", "the provider's name of the machine");
    if (!s.Text("gpu", &gpu)) Missing(s, "gpu", "a GPU such as RTX 3070");
    machine.id = MachineId(id);
    machine.gpu = GpuName(gpu);
    s.Text("host", &machine.host);
    ReadCount(s, "gpus", &machine.gpus);
    ReadCount(s, "offers", &machine.offers);
    const auto store = [](double* to) { return [to](double value) { *to = value; }; };
    s.Read("reliability", "a share such as 98.5%", ParseRatio, store(&machine.reliability));
    s.Read("cuda", "a version such as 12.4", ParseNumber, store(&machine.cuda));
    s.Read("inet_down", "a bandwidth such as 500Mbps", ParseBandwidthMbps,
           store(&machine.inet_down_mbps));
    s.Read("inet_up", "a bandwidth such as 500Mbps", ParseBandwidthMbps,
           store(&machine.inet_up_mbps));
    s.Read("disk", "a size such as 500GB", ParseSizeGb,
           [&](std::int64_t gb) { machine.disk_gb = static_cast<double>(gb); });
    ReadSpan(s, "remaining", &machine.remaining);
    s.Text("location", &machine.location);
    for (Section& listing : s.Maps("listings")) ReadListing(listing, machine);
    for (Section& rental : s.Maps("rentals")) machine.rentals.push_back(ReadRental(rental));
    s.Finish();
    return machine;
  }

  void ReadListing(Section& s, Machine& machine) {
    MarketRecord::Listing listing;
    ReadOffset(s, "seen", &listing.seen);
    ReadOffset(s, "gone", &listing.gone);
    if (!s.Read("price", "a price such as $0.09/h", ParsePrice,
                [&](std::int64_t price) { listing.price = MicroUsdPerHour(price); }) &&
        !s.Has("price")) {
      Missing(s, "price", "a price such as $0.09/h");
    }
    const bool overlaps = !machine.listings.empty() && listing.seen < machine.listings.back().gone;
    if (listing.gone <= listing.seen) {
      problems_.AddAt(s.PathOf("gone"), "is not after 'seen'; expected when it was gone");
    } else if (overlaps) {
      problems_.AddAt(s.PathOf("seen"),
                      "is before the end of the listing above; expected them in order");
    }
    s.Finish();
    machine.listings.push_back(listing);
  }

  MarketRecord::Rental ReadRental(Section& s) {
    MarketRecord::Rental rental;
    ReadSpan(s, "boot", &rental.boot);
    ReadSpan(s, "ran", &rental.ran);
    s.Read(
        "rate", "a rate such as 2.4/s",
        [](std::string_view text) { return ParseRate(text, kUnit); },
        [&](double rate) { rental.rate_per_s = rate; });
    int failure = -1;
    if (s.Choice("failed", Failures(), &failure)) rental.failed = Failures()[failure];
    s.Finish();
    return rental;
  }

  Problems& problems_;
  MarketRecord record_;
};

void PutMachine(const MarketRecord& record, const Machine& machine, Tree& tree) {
  tree.Put("id", machine.id.str());
  if (!machine.host.empty()) tree.Put("host", machine.host);
  tree.Put("gpu", machine.gpu.str());
  tree.Put("gpus", Cat(machine.gpus));
  tree.Put("offers", Cat(machine.offers));
  tree.Put("reliability", RatioText(machine.reliability));
  tree.Put("cuda", NumberText(machine.cuda));
  tree.Put("inet_down", BandwidthText(machine.inet_down_mbps));
  tree.Put("inet_up", BandwidthText(machine.inet_up_mbps));
  tree.Put("disk", SizeGbText(static_cast<std::int64_t>(machine.disk_gb)));
  tree.Put("remaining", SpanText(absl::ToInt64Seconds(machine.remaining)));
  if (!machine.location.empty()) tree.Put("location", machine.location);
  Tree& listings = tree.List("listings");
  for (const MarketRecord::Listing& listing : machine.listings) {
    Tree& item = listings.Item();
    item.Put("seen", FormatUtc(record.from + listing.seen));
    item.Put("gone", FormatUtc(record.from + listing.gone));
    item.Put("price", PriceText(listing.price.micros));
  }
  if (machine.rentals.empty()) return;
  Tree& rentals = tree.List("rentals");
  for (const MarketRecord::Rental& rental : machine.rentals) {
    Tree& item = rentals.Item();
    item.Put("boot", SpanText(absl::ToInt64Seconds(rental.boot)));
    item.Put("ran", SpanText(absl::ToInt64Seconds(rental.ran)));
    if (rental.rate_per_s > 0) item.Put("rate", Cat(NumberText(rental.rate_per_s), "/s"));
    if (!rental.failed.empty()) item.Put("failed", rental.failed);
  }
}

Tree TreeOf(const MarketRecord& record) {
  Tree root;
  root.Put("muster_market", kVersion);
  root.Put("provider", record.provider.str());
  root.Put("from", FormatUtc(record.from));
  root.Put("to", FormatUtc(record.to));
  Tree& machines = root.List("machines");
  for (const Machine& machine : record.machines) PutMachine(record, machine, machines.Item());
  return root;
}

std::string JsonText(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += absl::StrFormat("\\u%04x", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// All scalars are texts: what reads the YAML reads this.
void WriteJson(const Tree& tree, std::string& out) {
  if (tree.kind == Tree::Kind::kScalar) {
    out += JsonText(tree.text);
    return;
  }
  const bool list = tree.kind == Tree::Kind::kList;
  out += list ? '[' : '{';
  for (std::size_t i = 0; i < tree.children.size(); ++i) {
    if (i > 0) out += ", ";
    if (list) out += "\n";
    if (!list) out += JsonText(tree.children[i].key) + ": ";
    WriteJson(tree.children[i], out);
  }
  out += list ? ']' : '}';
}

}  // namespace

StatusOr<MarketRecord> ParseMarketFile(std::string_view text, std::string_view file_name) {
  Problems problems(file_name);
  const YAML::Node document = files::LoadDocument(text, kMarket, problems, kBytesMax);
  MarketRecord record;
  if (problems.empty()) record = Reader(problems).Read(document);
  MUSTER_RETURN_IF_ERROR(problems.ToStatus());
  return record;
}

StatusOr<MarketRecord> LoadMarketFile(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path, kMarket));
  return ParseMarketFile(text, path);
}

std::string FormatMarketFile(const MarketRecord& record, MarketForm form) {
  const Tree tree = TreeOf(record);
  if (form == MarketForm::kYaml) return files::WriteYaml(tree);
  std::string out;
  WriteJson(tree, out);
  return out + "\n";
}

}  // namespace muster
