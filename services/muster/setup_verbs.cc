// init, doctor: from nothing to a daemon that can work.
#include <filesystem>
#include <fstream>

#include "absl/strings/str_format.h"
#include "services/muster/render.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

constexpr char kDaemonFile[] = R"(# What musterd needs to know. Every key: deploy/examples/README.md
store:
  path: %s

providers:
  vast:
    api_key: env:VAST_API_KEY    # a reference; the key itself never stands in a file of ours
)";

constexpr char kFleetFile[] = R"(# One fleet. Every key: deploy/examples/README.md
name: zeb
provider: vast
workers: 2
work_unit: games

market:
  price_max: $0.09/h             # with storage, per machine
  gpus:                          # what each is expected to do
    RTX 3060: 1.8 games/s
    RTX 3070: 2.4 games/s
    RTX 4070: 2.6 games/s

launch:
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  disk: 15GB
  label: "{fleet}-worker-vast-{index}"
  worker_name: worker-vast-{index}
  env:
    HF_TOKEN: env:HF_TOKEN       # resolved when a worker is rented, masked everywhere
  onstart: |
    echo "=== Setup started at $(date) ==="

fact_rules: zeb                  # how the worker's log is read

budget:
  per_day: $5/day
)";

constexpr char kServerDaemonFile[] =
    R"(# What musterd needs to know. Every key: deploy/examples/README.md
store:
  path: %s

providers:
  hetzner:
    user: "#ws+abcd1234"               # of the Robot web service (its settings; not your login)
    password: env:HETZNER_ROBOT_PASSWORD   # a reference; it never stands in a file of ours
)";

constexpr char kBuilderFile[] = R"(# One dedicated server. Every key: deploy/examples/README.md
name: builder-01
provider: hetzner

market:
  price_max: 100.00 EUR/month
  memory_min: 64GB
  gpu: any                         # any, ada or none; left out, it does not matter

access:
  authorized_keys:                 # public keys: the one that builds log in with, and yours
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGlNu8JxedkuMDBt/n3aKHcSX3cixXTGFsv0O49NLI5D replace@me

install:
  image: %s  # a tar archive of the root file system
  image_sha256: "0000000000000000000000000000000000000000000000000000000000000000"

nix:
  max_jobs: 8
  supported_features: [benchmark, big-parallel]
  mandatory_features: [cuda]       # only what asks for cuda is sent there
  ssh_key: /etc/nix/builder_ed25519
)";

// Writes `text` unless the file is there already; nothing of the user's is overwritten.
int WriteNew(Session& s, const std::filesystem::path& path, const std::string& text) {
  if (std::filesystem::exists(path)) {
    s.env.err << "kept " << path.string() << " (it exists)\n";
    return kOk;
  }
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return s.Fail(kFailed, Cat("cannot write ", path.string()));
  s.env.out << path.string() << "\n";
  return kOk;
}

int InitServers(Session& s, const std::filesystem::path& dir) {
  const std::string store = std::filesystem::absolute(dir / "store").lexically_normal().string();
  const std::string image =
      std::filesystem::absolute(dir / "nixos-builder.tar.zst").lexically_normal().string();
  int code = WriteNew(s, dir / "musterd.yaml", absl::StrFormat(kServerDaemonFile, store));
  if (code == kOk) code = WriteNew(s, dir / "builder.yaml", absl::StrFormat(kBuilderFile, image));
  if (code != kOk) return code;
  if (!s.env.getenv("HETZNER_ROBOT_PASSWORD").has_value()) {
    s.env.err << "next: export HETZNER_ROBOT_PASSWORD=...  (of the web service's user)\n";
  }
  s.env.err << "next: musterd --config " << (dir / "musterd.yaml").string() << "\n"
            << "next: muster doctor; muster server find -f " << (dir / "builder.yaml").string()
            << "\n";
  return kOk;
}

int Init(Session& s) {
  const std::string provider = s.args.positional()[0];
  if (provider != "vast" && provider != "hetzner") {
    return s.Fail(kUsage, Cat("\"", provider, "\" is no provider; expected vast or hetzner"));
  }
  const std::filesystem::path dir = s.args.Get("dir", ".");
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return s.Fail(kFailed, Cat("cannot make ", dir.string(), ": ", error.message()));
  if (provider == "hetzner") return InitServers(s, dir);
  const std::string store = std::filesystem::absolute(dir / "store").lexically_normal().string();
  int code = WriteNew(s, dir / "musterd.yaml", absl::StrFormat(kDaemonFile, store));
  if (code == kOk) code = WriteNew(s, dir / "fleet.yaml", kFleetFile);
  if (code != kOk) return code;
  if (!s.env.getenv("VAST_API_KEY").has_value()) {
    s.env.err << "next: export VAST_API_KEY=...  (from the console of Vast.ai)\n";
  }
  s.env.err << "next: musterd --config " << (dir / "musterd.yaml").string() << "\n"
            << "next: muster plan -f " << (dir / "fleet.yaml").string() << "\n";
  return kOk;
}

int Doctor(Session& s) {
  api::DiagnoseResponse answer;
  const auto context = s.Context();
  const grpc::Status status =
      s.Patiently([&] { return s.queries().Diagnose(context.get(), {}, &answer); });
  if (!status.ok()) return s.Fail(status);
  bool failed = false;
  for (const api::Check& check : answer.checks()) {
    failed = failed || check.result() == api::Check::FAILED;
  }
  if (!s.PrintStructured(answer, {})) {
    s.env.out << "musterd " << answer.version() << ", installation " << answer.installation()
              << ", log " << answer.position() << ", up "
              << FormatSpan(absl::Seconds(answer.uptime_s())) << "\n";
    for (const api::Check& check : answer.checks()) {
      const char* mark = check.result() == api::Check::OK        ? "ok  "
                         : check.result() == api::Check::WARNING ? "warn"
                                                                 : "FAIL";
      s.env.out << "  " << mark << "  " << absl::StrFormat("%-22s %s", check.name(), check.detail())
                << "\n";
      if (check.result() != api::Check::OK && !check.next().empty()) {
        s.env.out << "        next: " << check.next() << "\n";
      }
    }
  }
  return failed ? kFailed : kOk;
}

int Backup(Session& s) {
  api::BackupStoreResponse answer;
  const auto context = s.StreamContext();  // takes as long as copying takes
  const grpc::Status status = s.commands().BackupStore(context.get(), {}, &answer);
  if (!status.ok()) return s.Fail(status);
  if (s.PrintStructured(answer, {answer.folder()})) return kOk;
  s.env.out << "events up to " << answer.position() << " are in " << answer.folder() << "\n";
  s.env.err << "next: musterd --config FILE --restore " << answer.folder()
            << "  makes a store of it\n"
               "not in it: the private keys of the store (audit.key, keys/); copy them apart\n";
  return kOk;
}

}  // namespace

std::vector<Verb> SetupVerbs() {
  return {
      {{"init",
        "vast|hetzner",
        1,
        1,
        "Writes a first musterd.yaml and fleet.yaml or builder.yaml; overwrites nothing.",
        {{"dir", 'd', "DIR", "where; the current folder"}}},
       Init,
       Manner::kLocal},
      {{"doctor",
        "",
        0,
        0,
        "Checks the daemon, its store, keys, accounts and clocks.",
        {},
        "Takes no --at: it asks providers and looks at the store as they are now. What troubled "
        "an\n"
        "account then: muster describe account/PROVIDER --at\n"},
       Doctor,
       Manner::kNameless},
      {{"backup", "", 0, 0, "Adds a backup of the log beside the store while musterd goes on.", {}},
       Backup},
  };
}

}  // namespace muster::cli
