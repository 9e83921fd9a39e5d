#include "tests/stage/server_outside.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/sha256.h"

namespace muster {
namespace {

constexpr char kImage[] = "/images/nixos.tar";
constexpr char kImageText[] = "an image";

std::string PublicOf(const std::string& identity) {
  const StatusOr<std::string> key = PublicKeyOf(identity);
  return key.ok() ? *key : "";
}

// The image, a character at a time.
struct Image {
  Runtime& rt;
  absl::Duration pause;
  std::string left = kImageText;

  static Task<StatusOr<std::string>> Next(std::shared_ptr<Image> image) {
    if (image->left.empty()) co_return std::string();
    if (image->pause > absl::ZeroDuration()) co_await image->rt.SleepFor(image->pause);
    const std::string piece = image->left.substr(0, 1);
    image->left.erase(0, 1);
    co_return piece;
  }
};

}  // namespace

StatusOr<SshKeyPair> MemoryKeyStore::GetOrMake(const std::string& name) {
  const auto [found, is_new] = keys.try_emplace(name);
  if (is_new) found->second = MakeSshKeyPair(Bytes(Sha256(name)), name);
  return found->second;
}
StatusOr<SshKeyPair> MemoryKeyStore::Get(const std::string& name) {
  const auto found = keys.find(name);
  if (found == keys.end()) return NotFound(Cat("there is no key ", name));
  return found->second;
}
Status MemoryKeyStore::Forget(const std::string& name) {
  keys.erase(name);
  return {};
}

bool StageNix::Serves(const std::string& address) const {
  const auto& all = machines_.machines();
  return std::any_of(all.begin(), all.end(), [&](const auto& entry) {
    const VirtualMachines::Machine& machine = entry.second;
    return machine.address == address && machine.on && !machine.rescue && machine.root &&
           !machine.host_public_key.empty() &&
           machine.host_public_key == machine.root->host_public_key &&
           rt_.Steady() >= machine.up_at;
  });
}

// The last word is the machine's line, or its store.
Task<StatusOr<ProgramResult>> StageNix::Run(ProgramCall call) {
  co_await rt_.SleepFor(absl::Seconds(2));
  const std::string& last = call.argv.back();
  const std::string store = last.substr(0, last.find_first_of("? "));
  if (!Serves(store.substr(store.find('@') + 1))) {
    co_return ProgramResult{1, "ssh: connect to host: Connection refused\n"};
  }
  if (call.argv[0].ends_with("/nix")) co_return ProgramResult{0, "Version: 2.8.0\n"};
  if (!fault.empty()) co_return ProgramResult{1, fault};
  const std::string name = "muster-probe-";
  for (const std::string& word : call.argv) {
    const std::size_t at = word.find(name);
    if (at == std::string::npos) continue;
    const std::string nonce = word.substr(at + name.size(), word.find('"', at) - at - name.size());
    const std::string path = Cat("/nix/store/h-", name, nonce);
    files_.files[path] = Cat(nonce, " builder\n");
    co_return ProgramResult{0, Cat("building '", path, ".drv' on '", store, "'...\n", path, "\n")};
  }
  co_return ProgramResult{1, "error: what is to be built?\n"};
}

ServerOutside::ServerOutside(VirtualRuntime& runtime, hetznersim::HetznerSimOptions options,
                             absl::Duration boot_time)
    : rt(runtime),
      machines(rt, {.public_key_of = PublicOf, .boot_time = boot_time}),
      sim(std::move(options), rt.TrueNow(), &machines),
      service(rt, sim),
      nix(rt, machines, files) {}

hetznersim::HetznerSimOptions ServerOutside::Calm() {
  hetznersim::HetznerSimOptions options;
  options.user = "#ws+stage";
  options.password = kRobotPassword;
  options.reduce_interval = absl::ZeroDuration();
  return options;
}

StatusOr<remote::RemoteInput> ServerOutside::OpenImage(const std::string& path) {
  if (path != kImage) return NotFound(Cat("cannot open ", path));
  constexpr int kPieces = sizeof(kImageText) - 1;
  auto image = std::make_shared<Image>(Image{rt, image_takes / kPieces});
  return remote::RemoteInput{[image] { return Image::Next(image); }, kPieces};
}

int ServerOutside::Bought(const std::string& key_md5) const {
  const std::vector<hetznersim::OrderView> orders = sim.Orders();
  return static_cast<int>(std::count_if(orders.begin(), orders.end(), [&](const auto& order) {
    const bool ours = std::find(order.keys.begin(), order.keys.end(), key_md5) != order.keys.end();
    return ours && order.status != "cancelled";
  }));
}

specpb::ServerSpec ABuilder(std::string_view name) {
  specpb::ServerSpec spec;
  spec.set_name(std::string(name));
  spec.set_provider("hetzner");
  spec.mutable_market()->set_ipv4(true);
  spec.mutable_access()->add_authorized_keys(MakeSshKeyPair(std::string(32, 'o'), "op").public_key);
  spec.mutable_install()->set_recipe("image");
  spec.mutable_install()->set_image(kImage);
  spec.mutable_install()->set_image_sha256(Sha256Hex(kImageText));
  spec.mutable_nix()->set_user("builder");
  spec.mutable_nix()->add_systems("x86_64-linux");
  spec.mutable_nix()->set_max_jobs(4);
  spec.mutable_nix()->set_speed_factor(1);
  spec.mutable_nix()->set_ssh_key("/etc/nix/key");
  spec.mutable_nix()->add_supported_features(Cat("muster-", name));
  spec.mutable_nix()->add_mandatory_features("cuda");
  return spec;
}

}  // namespace muster
