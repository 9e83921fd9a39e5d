#include "tests/workers/servers/driver/server_stage.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "workers/providers/hetzner/hetzner_provider.h"
#include "workers/providers/hetzner/limits.h"

namespace muster {
namespace {

constexpr char kImage[] = "an image";
constexpr char kOperatorKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGlNu8JxedkuMDBt/n3aKHcSX3cixXTGFsv0O49NLI5D op@desk";

Task<StatusOr<std::string>> Next(std::shared_ptr<std::string> left) {
  co_return std::exchange(*left, "");
}
StatusOr<remote::RemoteInput> OpenImage(const std::string&) {
  const auto left = std::make_shared<std::string>(kImage);
  return remote::RemoteInput{[left] { return Next(left); }, sizeof(kImage) - 1};
}

std::string PublicHalf(const std::string& private_key) {
  const StatusOr<std::string> half = PublicKeyOf(private_key);
  return half.ok() ? *half : "";
}

specpb::ServerSpec Wanted() {
  specpb::ServerSpec spec;
  spec.set_name("builder-01");
  spec.set_provider("hetzner");
  spec.mutable_market()->set_channel(specpb::ServerMarket::AUCTION);
  spec.mutable_market()->set_currency("EUR");
  spec.mutable_market()->set_price_max_micros_per_month(300'000'000);
  spec.mutable_market()->set_ipv4(true);
  spec.mutable_access()->add_authorized_keys(kOperatorKey);
  spec.mutable_install()->set_recipe("image");
  spec.mutable_install()->set_image("/srv/image.tar");
  spec.mutable_install()->set_image_sha256(Sha256Hex(kImage));
  spec.mutable_install()->set_raid("auto");
  spec.mutable_install()->set_filesystem("ext4");
  spec.mutable_nix()->set_user("builder");
  spec.mutable_nix()->add_systems("x86_64-linux");
  spec.mutable_nix()->set_max_jobs(2);
  spec.mutable_nix()->set_speed_factor(1);
  spec.mutable_nix()->add_supported_features("muster-builder-01");
  spec.mutable_nix()->add_mandatory_features("cuda");
  spec.mutable_nix()->set_ssh_key("/etc/nix/key");
  return spec;
}

hetznersim::HetznerSimOptions Service(std::uint64_t seed) {
  hetznersim::HetznerSimOptions options;
  options.seed = seed;
  options.user = "#ws+planted";
  options.password = "planted_password";
  return options;
}

}  // namespace

StatusOr<SshKeyPair> StageKeys::GetOrMake(const std::string& name) {
  const auto [found, is_new] = keys.try_emplace(name);
  if (is_new) {
    const Sha256Digest seed = Sha256(name);
    found->second = MakeSshKeyPair(Bytes(seed), name);
  }
  return found->second;
}
StatusOr<SshKeyPair> StageKeys::Get(const std::string& name) {
  const auto found = keys.find(name);
  if (found == keys.end()) return NotFound(Cat("no key ", name));
  return found->second;
}
Status StageKeys::Forget(const std::string& name) {
  keys.erase(name);
  return {};
}

Task<StatusOr<ProgramResult>> StageNix::Run(ProgramCall call) {
  co_await rt_.SleepFor(absl::Seconds(2));
  co_return Answer(call);
}

ProgramResult StageNix::Answer(const ProgramCall& call) {
  const std::string& last = call.argv.back();
  const std::string store = last.substr(0, last.find_first_of("? "));
  const std::string address = store.substr(store.find('@') + 1);
  const bool serves =
      std::any_of(machines_.machines().begin(), machines_.machines().end(), [&](const auto& entry) {
        const VirtualMachines::Machine& machine = entry.second;
        return machine.on && !machine.rescue && machine.address == address && machine.root &&
               machine.host_public_key == machine.root->host_public_key &&
               !machine.host_public_key.empty() && rt_.Now() >= machine.up_at;
      });
  if (!serves) return {.exit_code = 1, .output = "ssh: connect to host: Connection refused\n"};
  if (call.argv[0].ends_with("/nix")) return {.output = "Store URL: x\nVersion: 2.8.0\n"};
  const std::string name = "muster-probe-";
  for (const std::string& word : call.argv) {
    const std::size_t at = word.find(name);
    if (at == std::string::npos) continue;
    const std::string nonce = word.substr(at + name.size(), word.find('"', at) - at - name.size());
    const std::string path = Cat("/nix/store/h-", name, nonce);
    files_.files[path] = Cat(nonce, " builder-01\n");
    return {.output = Cat("building '", path, ".drv' on '", store, "'...\n", path, "\n")};
  }
  return {.exit_code = 1, .output = "error: what is to be built?\n"};
}

struct ServerStage::Life {
  explicit Life(ServerStage& stage)
      : store(stage.rt_, stage.log_),
        http(stage.rt_, stage.sim_),
        limiter(MakeRateLimiter(stage.rt_, hetzner::DefaultRateLimits())),
        handler(stage.rt_, store) {
    HetznerOptions wire;
    wire.base_url = "http://robot.sim/";
    wire.user = "#ws+planted";
    wire.password_ref = "env:ROBOT";
    secrets.Set("env:ROBOT", "planted_password");
    provider = MakeHetznerProvider(wire, stage.rt_, http, *limiter, secrets);
    ServerOptions options;
    options.machines_file = "/var/lib/muster/machines";
    options.nix.folder = "/usr/bin";
    effects = std::make_unique<ServerEffects>(ServerPorts{.rt = stage.rt_,
                                                          .handler = handler,
                                                          .provider = *provider,
                                                          .ssh = stage.machines_,
                                                          .keys = stage.keys_,
                                                          .secrets = secrets,
                                                          .programs = stage.nix_,
                                                          .files = stage.files_,
                                                          .open_file = OpenImage},
                                              options);
  }
  MemoryEventStore store;
  SimHttpClient http;
  MapSecrets secrets;
  std::unique_ptr<RateLimiter> limiter;
  Handler handler;
  std::unique_ptr<ServerProvider> provider;
  std::unique_ptr<ServerEffects> effects;
  bool loaded = false;
};

ServerStage::ServerStage(std::uint64_t seed)
    : rt_(seed),
      machines_(rt_, {.public_key_of = PublicHalf, .boot_time = absl::Seconds(12)}),
      sim_(Service(seed), rt_.Now(), &machines_),
      nix_(rt_, machines_, files_) {}

ServerStage::~ServerStage() { Crash(); }

void ServerStage::Crash() {
  rt_.DestroyTasks();
  life_.reset();
}

void ServerStage::Live() {
  Crash();
  life_ = std::make_unique<Life>(*this);
  rt_.Spawn("operator", Operate());
}

Task<void> ServerStage::Operate() {
  const Status loaded = co_await life_->handler.Load();
  MUSTER_CHECK(loaded.ok());
  life_->loaded = true;
  life_->effects->Start();
  for (;;) {
    co_await rt_.SleepFor(absl::Seconds(5));
    co_await OperateOnce();
  }
}

const server::State* ServerStage::state() const {
  if (life_ == nullptr || !life_->loaded) return nullptr;
  return life_->handler.world().FindServerNamed("builder-01");
}

VirtualMachines::Machine* ServerStage::machine() {
  return state() == nullptr ? nullptr : machines_.Find(state()->number);
}

// What `muster server up` does, and a person who asks for the rescue system again where it stops.
Task<void> ServerStage::OperateOnce() {
  const server::State* now = state();
  const Origin origin{.actor = "operator:test"};
  ServerPlans& plans = life_->effects->plans();
  const bool no_order = now == nullptr || now->order_phase == server::OrderPhase::kRefused ||
                        now->order_phase == server::OrderPhase::kNotFound;
  if (no_order && giving_back_) co_return;
  if (no_order) {
    StatusOr<ServerPlan> plan = co_await plans.Order(Wanted());
    if (!plan.ok()) co_return;
    if (!plan->replaces.empty()) {
      server::SettleOrder settle{"ordered anew"};
      (void)co_await life_->handler.Server(plan->replaces, std::move(settle), origin);
    }
    if (auto* order = std::get_if<server::Order>(&plan->command)) {
      plan->server = ServerId(rt_.rng().Token(5));
      const SshKeyPair order_key = *keys_.GetOrMake(OrderKeyName(plan->server));
      const SshKeyPair host_key = *keys_.GetOrMake(HostKeyName(plan->server));
      order->planned.set_order_public_key(order_key.public_key);
      order->planned.set_order_key_md5(KeyMd5(order_key.public_key));
      order->planned.set_host_public_key(host_key.public_key);
      order->requested.set_key_md5(KeyMd5(order_key.public_key));
    }
    (void)co_await life_->handler.Server(plan->server, plan->command, origin);
    co_return;
  }
  const ServerId id = now->id;
  if (now->ended_already()) co_return;
  if (now->order_phase == server::OrderPhase::kInDoubt) {
    // A person looks at the account, and says so where there is nothing.
    ++interventions_;
    MUSTER_CHECK(Bought(now->order_key_md5) == 0);
    (void)co_await life_->handler.Server(id, server::SettleOrder{"looked"}, origin);
    co_return;
  }
  if (giving_back_) {
    if (now->Leaving()) co_return;
    StatusOr<ServerPlan> plan = co_await plans.Cancel(id, "now", "the test is over");
    if (!plan.ok()) co_return;
    std::get<server::RequestCancel>(plan->command).confirmed_name = "builder-01";
    (void)co_await life_->handler.Server(id, plan->command, origin);
    co_return;
  }
  if (now->running != eventpb::SERVER_STEP_UNSPECIFIED || now->InService()) co_return;
  if (now->order_phase != server::OrderPhase::kDelivered) co_return;
  server::Step step = server::NextStep(*now);
  if (server::NeedsOperator(*now) || step == eventpb::SERVER_STEP_UNSPECIFIED) {
    ++interventions_;
    step = eventpb::RESCUE;
  }
  co_await Step(id, step);
}

Task<void> ServerStage::Step(ServerId id, server::Step step) {
  StatusOr<ServerPlan> plan = co_await life_->effects->plans().Step(id, step);
  if (!plan.ok()) co_return;
  std::get<server::RequestStep>(plan->command).confirmed_name = "builder-01";
  (void)co_await life_->handler.Server(id, plan->command, Origin{.actor = "operator:test"});
}

bool ServerStage::RunUntilInService(absl::Duration span_max) {
  return rt_.RunUntil([this] { return state() != nullptr && state()->InService(); }, span_max);
}

bool ServerStage::RunCrashingUntilInService(std::uint64_t steps_max, int crashes) {
  for (; crashes > 0; --crashes) {
    rt_.RunSteps(1 + rt_.rng().Below(steps_max), absl::Hours(1));
    if (state() != nullptr && state()->InService()) return true;
    Live();
  }
  return RunUntilInService();
}

bool ServerStage::GiveBack() {
  giving_back_ = true;
  return rt_.RunUntil([this] { return state() != nullptr && state()->ended_already(); },
                      absl::Hours(2));
}

std::vector<eventpb::EventBody> ServerStage::Events() const {
  std::vector<eventpb::EventBody> bodies;
  const absl::MutexLock lock(&log_->mutex);
  for (const RecordedEvent& event : log_->events) {
    StatusOr<eventpb::EventBody> body = DecodeEvent(event.event.type, event.event.payload);
    MUSTER_CHECK(body.ok());
    bodies.push_back(*std::move(body));
  }
  return bodies;
}

int ServerStage::Bought(const std::string& key) const {
  int bought = 0;
  for (const hetznersim::OrderView& order : sim_.Orders()) {
    const bool ours = std::find(order.keys.begin(), order.keys.end(), key) != order.keys.end();
    if (ours && order.status != "cancelled") ++bought;
  }
  return bought;
}

std::string ServerStage::Violations() const {
  std::string wrong;
  std::set<std::string> agreed, known;
  for (const eventpb::EventBody& body : Events()) {
    if (body.has_server_step_requested()) {
      for (const auto& disk : body.server_step_requested().disks()) agreed.insert(disk.identity());
    }
    if (body.has_server_delivered()) known.insert(body.server_delivered().server());
    const std::string text = body.SerializeAsString();
    if (text.find("PRIVATE KEY") != std::string::npos ||
        text.find("planted_password") != std::string::npos) {
      wrong += "a secret is in the log\n";
    }
  }
  std::map<std::string, int> orders;  // by key, those that were not given up
  for (const hetznersim::OrderView& order : sim_.Orders()) {
    if (order.status == "cancelled") continue;
    for (const std::string& key : order.keys) ++orders[key];
  }
  for (const auto& [key, count] : orders) {
    if (count > 1) wrong += Cat(count, " servers were bought with the key of one order\n");
  }
  if (orders.size() > 1) wrong += Cat(orders.size(), " servers were bought for one builder\n");
  for (const auto& [server, machine] : machines_.machines()) {
    for (const std::string& deed : machine.journal) {
      const std::vector<std::string> words = absl::StrSplit(deed, ' ');
      if (words.size() > 2 && words[1] == "wipe" && agreed.count(words[2]) == 0) {
        wrong += Cat("a disk was wiped that was not in the plan: ", words[2], "\n");
      }
    }
  }
  if (state() != nullptr && state()->InService()) {
    const auto found = machines_.machines().find(state()->number.str());
    if (found == machines_.machines().end() || found->second.rescue ||
        found->second.host_public_key !=
            std::string(state()->host_public_key.substr(0, state()->host_public_key.rfind(' ')))) {
      wrong += "in service is not what was installed\n";
    }
  }
  return wrong;
}

}  // namespace muster
