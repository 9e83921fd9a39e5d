#include "services/files/builder_file.h"

#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "muster/spec/v1/server.pb.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/server_check.h"
#include "services/files/whole_file.h"
#include "services/files/yaml_section.h"

namespace muster {
namespace {

using files::PlaceOf;
using files::Section;

constexpr std::string_view kBuilder = "a builder file";

class BuilderReader {
 public:
  BuilderReader(Problems& problems, FileReader read_file)
      : problems_(problems), read_file_(std::move(read_file)) {}

  specpb::ServerSpec Read(const YAML::Node& document) {
    Section root(document, "", problems_);
    if (!root.Has("name")) {
      problems_.Add({1, 1}, "name",
                    "is missing; expected the server's name, such as name: builder-01");
    }
    root.Text("name", spec_.mutable_name());
    root.Text("provider", spec_.mutable_provider());
    ReadMarket(root.Map("market"));
    ReadAccess(root.Map("access"));
    ReadInstall(root.Map("install"));
    ReadNix(root.Map("nix"));
    ReadTimers(root.Map("timers"));
    root.Finish();
    FillServerDefaults(spec_);
    return spec_;
  }

 private:
  void ReadMarket(Section s);
  void ReadMoney(Section& s);
  void ReadAccess(Section s);
  void ReadKeyFile(Section& s);
  void ReadInstall(Section s);
  void ReadNix(Section s);
  void ReadTimers(Section s);

  void Count(Section& s, std::string_view key, const std::function<void(int)>& store) {
    s.Read(key, "a whole number", ParseCount, [&](auto n) { store(static_cast<int>(n)); });
  }
  template <class List>
  void Texts(Section& s, std::string_view key, List* list) {
    std::vector<std::string> texts;
    if (!s.Texts(key, &texts)) return;
    for (std::string& text : texts) list->Add(std::move(text));
  }

  Problems& problems_;
  FileReader read_file_;
  specpb::ServerSpec spec_;
};

// Both amounts are in one currency, the one of whichever comes first.
void BuilderReader::ReadMoney(Section& s) {
  specpb::ServerMarket& m = *spec_.mutable_market();
  const auto amount = [&](std::string_view per) {
    return [&m, per](std::string_view text) -> StatusOr<std::int64_t> {
      MUSTER_ASSIGN_OR_RETURN(const AmountIn read, ParseAmountIn(text, per));
      if (!m.currency().empty() && m.currency() != read.currency) {
        return InvalidArgument(
            Cat("is in another currency than the amount above; expected ", m.currency()));
      }
      m.set_currency(read.currency);
      return read.micros;
    };
  };
  s.Read("price_max", "an amount such as 200.00 EUR/month", amount("month"),
         [&](auto v) { m.set_price_max_micros_per_month(v); });
  s.Read("setup_max", "an amount such as 59.00 EUR", amount(""),
         [&](auto v) { m.set_setup_max_micros(v); });
}

void BuilderReader::ReadMarket(Section s) {
  specpb::ServerMarket& m = *spec_.mutable_market();
  static const std::vector<std::string> kChannels = {"auction", "standard"};
  static const std::vector<std::string> kGpus = {"none", "any", "ada"};
  static const std::vector<std::string> kRanks = {"price", "price_per_benchmark"};
  int choice = 0;
  if (s.Choice("channel", kChannels, &choice)) {
    m.set_channel(static_cast<specpb::ServerMarket::Channel>(choice + 1));
  }
  s.Text("offer", m.mutable_offer());
  ReadMoney(s);
  Count(s, "cores_min", [&](int n) { m.set_cores_min(n); });
  s.Read("memory_min", "a size such as 64GB", ParseSizeGb, [&](auto v) { m.set_memory_gb_min(v); });
  s.Read("disk_min", "a size such as 960GB", ParseSizeGb, [&](auto v) { m.set_disk_gb_min(v); });
  Count(s, "disks_min", [&](int n) { m.set_disks_min(n); });
  s.Read("benchmark_min", "a number", ParseNumber, [&](double v) { m.set_benchmark_min(v); });
  Texts(s, "locations", m.mutable_locations());
  if (s.Choice("gpu", kGpus, &choice)) {
    m.set_gpu(static_cast<specpb::ServerMarket::Gpu>(choice + 1));
  }
  if (s.Choice("rank", kRanks, &choice)) {
    m.set_rank(static_cast<specpb::ServerMarket::Rank>(choice + 1));
  }
  s.Read("ipv4", "true or false", ParseYesNo, [&](bool v) { m.set_ipv4(v); });
  s.Text("location", m.mutable_location());
  s.Finish();
}

// A line each, as in ~/.ssh/authorized_keys; what is wrong with one is blamed on the file's name.
void BuilderReader::ReadKeyFile(Section& s) {
  std::string name;
  if (!s.Text("authorized_keys_file", &name)) return;
  const StatusOr<std::string> text = read_file_(name);
  if (!text.ok()) return problems_.AddAt(s.PathOf("authorized_keys_file"), Message(text.status()));
  specpb::ServerAccess& m = *spec_.mutable_access();
  for (const auto& piece : absl::StrSplit(*text, '\n')) {
    const std::string line(Trim(ToStd(piece)));
    if (line.empty() || line[0] == '#') continue;
    problems_.Note(Cat("access.authorized_keys[", m.authorized_keys_size(), "]"),
                   PlaceOf(s.Take("authorized_keys_file")));
    m.add_authorized_keys(line);
  }
}

void BuilderReader::ReadAccess(Section s) {
  Texts(s, "authorized_keys", spec_.mutable_access()->mutable_authorized_keys());
  ReadKeyFile(s);
  s.Finish();
}

void BuilderReader::ReadInstall(Section s) {
  specpb::Install& m = *spec_.mutable_install();
  s.Text("recipe", m.mutable_recipe());
  s.Text("image", m.mutable_image());
  s.Text("image_sha256", m.mutable_image_sha256());
  s.Text("raid", m.mutable_raid());
  s.Text("filesystem", m.mutable_filesystem());
  for (Section& entry : s.Maps("steps")) {
    specpb::InstallStep& step = *m.add_steps();
    entry.Text("name", step.mutable_name());
    entry.Text("command", step.mutable_command());
    entry.Read("timeout", "a time span such as 10m", ParseSpan,
               [&](auto v) { step.set_timeout_s(v); });
    entry.Finish();
  }
  Section listed = s.Map("files");
  for (const std::string& path : listed.TakeKeys()) {
    // A text may hold a secret by mistake, so it is never echoed here.
    std::string text;
    if (files::ScalarText(listed.Take(path), listed.PathOf(path), "the file's text", problems_,
                          &text)) {
      (*m.mutable_files())[path] = std::move(text);
    }
  }
  s.Finish();
}

void BuilderReader::ReadNix(Section s) {
  specpb::NixBuilder& m = *spec_.mutable_nix();
  s.Text("user", m.mutable_user());
  Texts(s, "systems", m.mutable_systems());
  Count(s, "max_jobs", [&](int n) { m.set_max_jobs(n); });
  Count(s, "speed_factor", [&](int n) { m.set_speed_factor(n); });
  Texts(s, "supported_features", m.mutable_supported_features());
  Texts(s, "mandatory_features", m.mutable_mandatory_features());
  s.Text("ssh_key", m.mutable_ssh_key());
  s.Finish();
}

void BuilderReader::ReadTimers(Section s) {
  specpb::ServerTimers& m = *spec_.mutable_timers();
  const auto span = [&](std::string_view key, const std::function<void(std::int64_t)>& store) {
    s.Read(key, "a time span such as 10m", ParseSpan, store);
  };
  span("delivery_warn", [&](auto v) { m.set_delivery_warn_s(v); });
  span("delivery_operator", [&](auto v) { m.set_delivery_operator_s(v); });
  span("rescue", [&](auto v) { m.set_rescue_s(v); });
  span("boot", [&](auto v) { m.set_boot_s(v); });
  span("poll", [&](auto v) { m.set_poll_s(v); });
  span("vitals", [&](auto v) { m.set_vitals_s(v); });
  span("order_settle", [&](auto v) { m.set_order_settle_s(v); });
  span("probe", [&](auto v) { m.set_probe_s(v); });
  s.Finish();
}

StatusOr<specpb::ServerSpec> Parse(std::string_view text, std::string_view file_name,
                                   FileReader read_file) {
  Problems problems(file_name);
  specpb::ServerSpec spec;
  try {
    const YAML::Node document = files::LoadDocument(text, kBuilder, problems);
    if (document.IsDefined()) {
      spec = BuilderReader(problems, std::move(read_file)).Read(document);
      for (const Violation& violation : ValidateServerSpec(spec)) {
        problems.AddAt(ServerFilePathOf(violation.field), violation.description);
      }
    }
  } catch (const std::exception& e) {  // yaml-cpp throws; nothing else here does
    problems.Add({}, "", Cat("is not YAML: ", e.what(), "; expected ", kBuilder));
  }
  MUSTER_RETURN_IF_ERROR(problems.ToStatus());
  return spec;
}

}  // namespace

StatusOr<specpb::ServerSpec> LoadBuilderFile(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  return Parse(text, path, ReaderBeside(path));
}

StatusOr<specpb::ServerSpec> ParseBuilderFile(std::string_view text, std::string_view file_name) {
  return Parse(text, file_name, NoReader("authorized_keys with the keys themselves"));
}

}  // namespace muster
