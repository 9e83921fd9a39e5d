#include "workers/servers/nix/check.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "re2/re2.h"
#include "workers/servers/nix/machine_line.h"
#include "workers/servers/nix/machines_file.h"

namespace muster::nix {
namespace {

using Kind = Finding::Kind;

class Checker {
 public:
  Checker(const std::vector<KnownBuilder>& builders, TextFiles& files, std::string machines_file,
          LegacyPlaces legacy)
      : builders_(builders),
        files_(files),
        machines_file_(std::move(machines_file)),
        legacy_(std::move(legacy)) {}

  std::vector<Finding> Run() {
    for (const KnownBuilder& builder : builders_) CheckBuilder(builder);
    CheckFile();
    CheckLegacy();
    return std::move(found_);
  }

 private:
  void Ok(std::string_view subject, std::string_view detail) {
    found_.push_back({Kind::kOk, std::string(subject), std::string(detail), ""});
  }
  void Warn(std::string_view subject, std::string_view detail, std::string_view next) {
    found_.push_back(
        {Kind::kWarning, std::string(subject), std::string(detail), std::string(next)});
  }
  void Fail(std::string_view subject, std::string_view detail, std::string_view next) {
    found_.push_back({Kind::kFailed, std::string(subject), std::string(detail), std::string(next)});
  }

  void CheckBuilder(const KnownBuilder& builder);
  void CheckParts(const KnownBuilder& builder, const Machine& machine);
  void CheckFeatures(const KnownBuilder& builder, const Machine& machine);
  void CheckFile();
  void CheckLegacy();
  void CheckNixMachines();

  const std::vector<KnownBuilder>& builders_;
  TextFiles& files_;
  const std::string machines_file_;
  const LegacyPlaces legacy_;
  std::vector<Finding> found_;
};

// Every feature of the line is one that the file promised.
void Checker::CheckFeatures(const KnownBuilder& builder, const Machine& machine) {
  const std::string subject = Cat(builder.name, ": features");
  const specpb::NixBuilder& nix = builder.spec.nix();
  std::vector<std::string> beyond;
  for (const auto* listed : {&machine.supported, &machine.mandatory}) {
    for (const std::string& feature : *listed) {
      const auto has = [&](const auto& list) {
        return std::find(list.begin(), list.end(), feature) != list.end();
      };
      if (!has(nix.supported_features()) && !has(nix.mandatory_features())) {
        beyond.push_back(feature);
      }
    }
  }
  if (!beyond.empty()) {
    Fail(subject, Cat("its line promises ", absl::StrJoin(beyond, " "), ", its file does not"),
         Cat("muster server register ", builder.name));
  } else if (!ProvingFeatures(machine).ok()) {
    Fail(subject, "its line has no feature of its own, so no probe can prove it",
         Cat("muster server register ", builder.name));
  } else {
    Ok(subject, "the line promises what its file says");
  }
}

void Checker::CheckParts(const KnownBuilder& builder, const Machine& machine) {
  const std::string again = Cat("muster server register ", builder.name);
  const auto compare = [&](std::string_view what, std::string_view line, std::string_view state) {
    const std::string subject = Cat(builder.name, ": ", what);
    if (line == state) return Ok(subject, line);
    Fail(subject, Cat("its line says ", line, ", the log ", state), again);
  };
  compare("address", Cat(machine.host, ":", machine.port), Cat(builder.address, ":", builder.port));
  compare("login", machine.user, builder.spec.nix().user());
  compare("key file", machine.ssh_key, builder.spec.nix().ssh_key());
  const std::string pinned = builder.host_public_key;
  const bool same =
      pinned.starts_with(machine.host_key) &&
      (pinned.size() == machine.host_key.size() || pinned[machine.host_key.size()] == ' ' ||
       pinned[machine.host_key.size()] == '\n');
  if (same) {
    Ok(Cat(builder.name, ": host key"), "the pinned one");
  } else {
    Fail(Cat(builder.name, ": host key"), "its line pins another one than the log", again);
  }
}

void Checker::CheckBuilder(const KnownBuilder& builder) {
  if (builder.line.empty()) return;
  const std::string subject = Cat(builder.name, ": state");
  std::vector<std::string> lacking;
  if (builder.number.empty()) lacking.emplace_back("the provider's number");
  if (builder.address.empty()) lacking.emplace_back("an address");
  if (builder.host_public_key.empty()) lacking.emplace_back("a host key");
  if (lacking.empty()) {
    Ok(subject, "complete");
  } else {
    Fail(subject, Cat("registered without ", absl::StrJoin(lacking, " and ")),
         Cat("muster server describe ", builder.name));
  }
  const StatusOr<Machine> machine = ParseMachineLine(builder.line);
  if (!machine.ok()) {
    return Fail(Cat(builder.name, ": line"), Message(machine.status()),
                Cat("muster server register ", builder.name));
  }
  CheckParts(builder, *machine);
  CheckFeatures(builder, *machine);
}

void Checker::CheckFile() {
  constexpr std::string_view kSubject = "machines file";
  const std::string again = Cat("muster server machines > ", machines_file_);
  if (machines_file_.empty()) {
    return Warn(kSubject, "none is kept: nix.machines_file is off",
                "muster server machines > FILE");
  }
  std::vector<std::string> wanted;
  for (const KnownBuilder& builder : builders_) {
    if (builder.in_file) wanted.push_back(builder.line);
  }
  const StatusOr<std::string> text = files_.Read(machines_file_);
  if (!text.ok() && wanted.empty() && text.status().code() == StatusCode::kNotFound) {
    return Ok(kSubject, "no builder is registered, and none is there");
  }
  if (!text.ok()) return Fail(kSubject, Message(text.status()), again);
  const std::vector<std::string> there = EntriesOf(*text);
  bool right = true;
  for (const KnownBuilder& builder : builders_) {
    const std::string line(WithoutComment(builder.line));
    const bool has = std::find(there.begin(), there.end(), line) != there.end();
    if (has == builder.in_file || line.empty()) continue;
    right = false;
    Fail(kSubject,
         Cat(machines_file_, has ? " still has the line of " : " lacks the line of ", builder.name),
         again);
  }
  for (const std::string& entry : there) {
    const bool ours = std::any_of(builders_.begin(), builders_.end(), [&](const KnownBuilder& b) {
      return WithoutComment(b.line) == entry;
    });
    if (ours) continue;
    right = false;
    Fail(kSubject, Cat(machines_file_, " has a line that the log does not: ", Ellipsize(entry, 80)),
         again);
  }
  if (!right) return;
  if (ChangedByHand(*text)) {
    return Fail(kSubject, Cat(machines_file_, " was changed by hand"), again);
  }
  Ok(kSubject, Cat(machines_file_, " says what the log says: ", there.size(),
                   there.size() == 1 ? " builder" : " builders"));
}

// What Nix reads by itself: entries that are not ours send builds where nobody looks after them.
void Checker::CheckNixMachines() {
  const StatusOr<std::string> text = files_.Read(legacy_.nix_machines);
  if (!text.ok() || legacy_.nix_machines == machines_file_) return;
  for (const std::string& entry : EntriesOf(*text)) {
    if (entry == Cat("@", machines_file_)) continue;
    Fail("legacy files",
         Cat(legacy_.nix_machines, " has a line of its own: ", Ellipsize(entry, 80)),
         Cat("keep nothing in it but @", machines_file_));
  }
}

void Checker::CheckLegacy() {
  const std::size_t before = found_.size();
  CheckNixMachines();
  std::vector<std::string> places = legacy_.remote_confs;
  const std::size_t slash = machines_file_.rfind('/');
  if (slash != std::string::npos) {
    places.push_back(Cat(machines_file_.substr(0, slash), "/builder-remote.conf"));
  }
  for (const std::string& place : places) {
    const StatusOr<std::string> text = files_.Read(place);
    if (!text.ok() && text.status().code() == StatusCode::kNotFound) continue;
    Fail("legacy files", Cat(place, " is of the old scripts: its builder is nobody's"),
         Cat("remove it: rm ", place));
  }
  const StatusOr<std::string> conf = files_.Read(legacy_.nix_conf);
  static const RE2* const kNoJobs = new RE2(R"((?m)^\s*max-jobs\s*=\s*0\s*(?:#.*)?$)");
  if (conf.ok() && RE2::PartialMatch(*conf, *kNoJobs)) {
    Warn("Nix here",
         Cat(legacy_.nix_conf, " says max-jobs = 0: every build, CPU-only ones too, ",
             "is sent to the builders, and what they may not take fails"),
         "leave it out: mandatory features keep the rest at home");
  }
  if (found_.size() == before) Ok("legacy files", "none");
}

}  // namespace

std::vector<Finding> CheckBuilders(const std::vector<KnownBuilder>& builders, TextFiles& files,
                                   const std::string& machines_file, const LegacyPlaces& legacy) {
  return Checker(builders, files, machines_file, legacy).Run();
}

}  // namespace muster::nix
