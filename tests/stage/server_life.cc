#include "tests/stage/server_life.h"

#include <utility>

#include "eventstore/base/sha256.h"
#include "re2/re2.h"
#include "workers/providers/hetzner/hetzner_provider.h"
#include "workers/providers/hetzner/limits.h"
#include "workers/servers/server_plans.h"

namespace muster {
namespace {

constexpr char kOrigin[] = "http://robot.internal";
constexpr char kImage[] = "/images/nixos.tar";
constexpr char kImageText[] = "an image";

std::string PublicOf(const std::string& identity) {
  const StatusOr<std::string> key = PublicKeyOf(identity);
  return key.ok() ? *key : "";
}

// The words behind an option: what nix-build is told to build, and on which builders.
std::string After(const std::vector<std::string>& argv, std::string_view option) {
  for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
    if (argv[i] == option) return argv[i + 1];
  }
  return "";
}

// The image, a character at a time.
struct Image {
  Runtime& rt;
  absl::Duration pause;
  std::string left = kImageText;

  static Task<StatusOr<std::string>> Next(std::shared_ptr<Image> image) {
    if (image->left.empty()) co_return std::string();
    co_await image->rt.SleepFor(image->pause);
    const std::string piece = image->left.substr(0, 1);
    image->left.erase(0, 1);
    co_return piece;
  }
};

StatusOr<remote::RemoteInput> OpenImage(Runtime& rt, absl::Duration takes,
                                        const std::string& path) {
  if (path != kImage) return NotFound(Cat("cannot open ", path));
  constexpr int kPieces = sizeof(kImageText) - 1;
  auto image = std::make_shared<Image>(Image{rt, takes / kPieces});
  return remote::RemoteInput{[image] { return Image::Next(image); }, kPieces};
}

}  // namespace

StatusOr<SshKeyPair> MemoryKeyStore::GetOrMake(const std::string& name) {
  const auto found = keys.find(name);
  if (found != keys.end()) return found->second;
  const std::string digest = Sha256Hex(Cat("stage key ", ++made_));
  return keys[name] = MakeSshKeyPair(digest.substr(0, 32), name);
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

Task<StatusOr<ProgramResult>> StageNix::Run(ProgramCall call) {
  co_await rt_.SleepFor(absl::Seconds(1));
  if (!After(call.argv, "ping").empty()) co_return ProgramResult{0, "Version: 2.8.0\n"};
  if (!fault.empty()) co_return ProgramResult{1, fault};
  ++builds;
  std::string nonce;
  RE2::PartialMatch(After(call.argv, "--expr"), R"(muster-probe-([a-z0-9]+))", &nonce);
  const std::string builders = After(call.argv, "--builders");
  const std::string output = Cat("/nix/store/0000000000000000000000000000000-muster-probe-", nonce);
  files_.files[output] = Cat(nonce, " builder\n");
  co_return ProgramResult{0, Cat("building '/nix/store/r0-muster-probe-", nonce, ".drv' on '",
                                 builders.substr(0, builders.find(' ')), "'...\n", output, "\n")};
}

ServerOutside::ServerOutside(VirtualRuntime& rt, hetznersim::HetznerSimOptions options)
    : machines(rt, {.public_key_of = PublicOf}),
      sim(std::move(options), rt.Now(), &machines),
      log(std::make_shared<MemoryLog>()) {}

hetznersim::HetznerSimOptions ServerOutside::Calm() {
  hetznersim::HetznerSimOptions options;
  options.user = "#ws+stage";
  options.password = "stage_password";
  options.reduce_interval = absl::ZeroDuration();
  return options;
}

ServerLife::ServerLife(VirtualRuntime& rt, ServerOutside& outside)
    : rt_(rt),
      outside_(outside),
      store_(std::make_unique<MemoryEventStore>(rt, outside.log)),
      http_(rt, outside.sim),
      nix_(rt, outside.files),
      limiter_(MakeRateLimiter(rt, hetzner::DefaultRateLimits())) {
  secrets_.Set("env:ROBOT", "stage_password");
  HetznerOptions wire;
  wire.base_url = kOrigin;
  wire.user = "#ws+stage";
  wire.password_ref = "env:ROBOT";
  provider_ = MakeHetznerProvider(std::move(wire), rt, http_, *limiter_, secrets_);
  handler_ = std::make_unique<Handler>(rt, *store_);
  ServerOptions options;
  options.machines_file = "/machines";
  effects_ = std::make_unique<ServerEffects>(
      ServerPorts{
          .rt = rt,
          .handler = *handler_,
          .provider = *provider_,
          .ssh = outside.machines,
          .keys = outside.keys,
          .secrets = secrets_,
          .programs = nix_,
          .files = outside.files,
          .open_file = [&rt, &outside](
                           const auto& path) { return OpenImage(rt, outside.image_takes, path); }},
      std::move(options));
}

Task<Status> ServerLife::Start() {
  CO_RETURN_IF_ERROR(co_await handler_->Load());
  effects_->Start();
  co_return absl::OkStatus();
}

const server::State& ServerLife::At(std::string_view name) const {
  static const server::State none;
  const server::State* state = world().FindServerNamed(name);
  return state != nullptr ? *state : none;
}

Task<Status> ServerLife::Ask(ServerId id, server::Command command) {
  const StatusOr<Outcome> outcome =
      co_await handler_->Server(id, std::move(command), Origin{.actor = "operator:stage"});
  co_return outcome.status();
}

Task<Status> ServerLife::Order(specpb::ServerSpec spec) {
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Order(std::move(spec)));
  if (!plan.replaces.empty()) {
    server::SettleOrder settle{"ordered anew"};
    CO_RETURN_IF_ERROR(co_await Ask(plan.replaces, std::move(settle)));
  }
  if (auto* order = std::get_if<server::Order>(&plan.command)) {
    plan.server = ServerId(rt_.rng().Token(5));
    const SshKeyPair key = *outside_.keys.GetOrMake(OrderKeyName(plan.server));
    const SshKeyPair host = *outside_.keys.GetOrMake(HostKeyName(plan.server));
    order->planned.set_order_public_key(key.public_key);
    order->planned.set_order_key_md5(KeyMd5(key.public_key));
    order->planned.set_host_public_key(host.public_key);
    order->requested.set_key_md5(KeyMd5(key.public_key));
  }
  co_return co_await Ask(plan.server, std::move(plan.command));
}

Task<Status> ServerLife::Step(server::Step step) {
  const ServerId id = At().id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Step(id, step));
  std::get<server::RequestStep>(plan.command).confirmed_name = At().name.str();
  co_return co_await Ask(id, std::move(plan.command));
}

Task<Status> ServerLife::Cancel(std::string date) {
  const ServerId id = At().id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan,
                      co_await effects_->plans().Cancel(id, std::move(date), "done with it"));
  std::get<server::RequestCancel>(plan.command).confirmed_name = At().name.str();
  co_return co_await Ask(id, std::move(plan.command));
}

Task<Status> ServerLife::Revoke() {
  const ServerId id = At().id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Revoke(id));
  co_return co_await Ask(id, std::move(plan.command));
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
  return spec;
}

}  // namespace muster
