// Real Nix builds on a real sshd: what goes there, what stays at home, and how each thing that can
// be set up wrong is told. Two stores in two folders of this machine; only loopback is talked to.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "muster/spec/v1/server.pb.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/os/real_sshd.h"
#include "workers/os/os_program.h"
#include "workers/os/os_text_files.h"
#include "workers/servers/nix/machine_line.h"
#include "workers/servers/nix/machines_file.h"
#include "workers/servers/nix/probe.h"

namespace muster::nix {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kSettings[] =
    "sandbox = false\nsubstituters =\nbuild-users-group =\n"
    "sandbox-paths = /bin /usr /lib /lib64\n";

class RealNix : public testing::Test {
 protected:
  void SetUp() override {
    if (!RealSshd::Missing().empty()) GTEST_SKIP() << RealSshd::Missing();
    if (!fs::exists("/usr/bin/nix-build")) GTEST_SKIP() << "nix-bin is not installed";
    if (geteuid() != 0) GTEST_SKIP() << "a store in a folder of its own needs root";
    std::string pattern = (fs::temp_directory_path() / "muster-nix-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    fs::create_directories(folder + "/home");
    RemoteFeatures("benchmark cuda muster-b1");
    sshd = std::make_unique<RealSshd>(rt, Cat("SetEnv NIX_CONF_DIR=", folder, "/remote-conf"));
    ports.nix.store = folder + "/client";
    ports.nix.environment = {
        Cat("HOME=", folder, "/home"),
        Cat("NIX_CONFIG=", kSettings, "experimental-features = nix-command flakes")};
  }
  void TearDown() override {
    rt.DestroyTasks();
    sshd.reset();
    if (folder.empty()) return;
    // A store is read-only, down to its folders; root does not mind.
    std::error_code gone;
    fs::remove_all(folder, gone);
    EXPECT_FALSE(fs::exists(folder)) << gone.message();
  }

  // What the builder's own nix.conf says; over there everything goes into a store of its own, since
  // two sides that share one wait for each other for ever.
  void RemoteFeatures(const std::string& features) {
    fs::create_directories(folder + "/remote-conf");
    std::ofstream(folder + "/remote-conf/nix.conf")
        << kSettings << "system-features = " << features << "\nstore = " << folder << "/remote\n";
  }
  // The builder's line.
  std::string Line(const std::vector<std::string>& mandatory = {"cuda"}, std::string key = "") {
    specpb::ServerSpec spec;
    specpb::NixBuilder& m = *spec.mutable_nix();
    m.set_user("root");
    m.add_systems("x86_64-linux");
    m.set_max_jobs(2);
    m.set_speed_factor(1);
    m.add_supported_features("benchmark");
    m.add_supported_features("muster-b1");
    for (const std::string& feature : mandatory) m.add_mandatory_features(feature);
    m.set_ssh_key(key.empty() ? sshd->identity_file() : key);
    auto line = MachineLine(spec, "127.0.0.1", sshd->port(), sshd->host_public_key());
    EXPECT_THAT(line, IsOk());
    return *line;
  }
  StatusOr<ProbeResult> Probe(const std::string& line, const std::string& nonce) {
    return rt.BlockOn(ProbeBuilder(ports, line, nonce, absl::Seconds(60)));
  }
  // Builds `expression` with the machines file and gives what Nix printed.
  std::string Build(const std::string& expression) {
    ProgramCall call;
    call.argv = {
        "/usr/bin/nix-build", "--store",       ports.nix.store, "--expr",
        expression,           "--no-out-link", "--builders",    Cat("@", folder, "/machines")};
    call.environment = ports.nix.environment;
    call.environment.push_back(
        Cat("NIX_SSHOPTS=-o BatchMode=yes -o IdentitiesOnly=yes -p ", sshd->port()));
    call.patience = absl::Seconds(60);
    call.output_bytes_max = 1u << 16;
    const auto ran = rt.BlockOn(programs.Run(std::move(call)));
    EXPECT_THAT(ran, IsOk());
    if (ran.ok()) EXPECT_EQ(ran->exit_code, 0) << ran->output;
    return ran.ok() ? ran->output : "";
  }

  OsRuntime rt;
  OsProgramRunner programs{rt};
  OsTextFiles files;
  ProbePorts ports{rt, programs, files, {}};
  std::string folder;
  std::unique_ptr<RealSshd> sshd;
};

TEST_F(RealNix, AFreshProbeIsBuiltOverThereAndComesBack) {
  const auto probe = Probe(Line(), "nonce00001");
  ASSERT_THAT(probe, IsOk());
  EXPECT_THAT(probe->required, ElementsAre("cuda", "muster-b1"));
  EXPECT_EQ(probe->built_on, "ssh-ng://root@127.0.0.1");
  EXPECT_NE(probe->host, "");
  EXPECT_NE(probe->version, "");
  EXPECT_TRUE(fs::exists(folder + "/client" + probe->output));
  EXPECT_TRUE(fs::exists(folder + "/remote" + probe->output));
}

TEST_F(RealNix, WithoutAMandatoryFeatureItIsStillProved) {
  const auto probe = Probe(Line({}), "nonce00002");
  ASSERT_THAT(probe, IsOk());
  EXPECT_THAT(probe->required, ElementsAre("muster-b1"));
}

TEST_F(RealNix, OnlyWhatAsksForTheMandatoryFeatureLeavesThisMachine) {
  ASSERT_THAT(WriteMachinesFile(files, folder + "/machines", {Line()}), IsOk());
  const auto derivation = [](const std::string& name, const std::string& more) {
    return Cat("derivation { name = \"", name,
               "\"; system = \"x86_64-linux\"; builder = ", "\"/bin/sh\"; args = [ \"-c\" \"echo ",
               name, " > $out\" ]; ", more, " }");
  };
  const std::string home = Build(derivation("cpu-only", ""));
  EXPECT_THAT(home, AllOf(HasSubstr("building '"), Not(HasSubstr("' on 'ssh-ng://"))));
  const std::string away = Build(derivation("on-gpu", "requiredSystemFeatures = [ \"cuda\" ];"));
  EXPECT_THAT(away, HasSubstr("' on 'ssh-ng://root@127.0.0.1"));
  // A step that needs the GPU after one that does not, in one build.
  const std::string both = Build(
      Cat("let first = ", derivation("first-step", ""), "; in ",
          derivation("second-step", "requiredSystemFeatures = [ \"cuda\" ]; input = first;")));
  EXPECT_THAT(both, AllOf(HasSubstr("second-step.drv' on 'ssh-ng://"),
                          Not(HasSubstr("first-step.drv' on 'ssh-ng://"))));
}

TEST_F(RealNix, FeaturesThatTheBuilderItselfDoesNotKnowAreNamed) {
  RemoteFeatures("benchmark cuda");
  EXPECT_THAT(Probe(Line(), "nonce00003"),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("system-features in the nix.conf of the builder lack muster-b1")));
}

TEST_F(RealNix, AnotherHostKeyIsRefusedBeforeAnythingIsBuilt) {
  const std::string line = Line();
  sshd = std::make_unique<RealSshd>(rt);  // with another host key
  EXPECT_THAT(Probe(Cat(line.substr(0, line.find(" # port")), " # port ", sshd->port(), ": x"),
                    "nonce00004"),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("another host key")));
}

TEST_F(RealNix, AKeyThatNobodyKnowsIsRefused) {
  const std::string key = folder + "/stranger";
  std::ofstream(key) << sshd->NewKey("-t ed25519 -N ''");
  fs::permissions(key, fs::perms::owner_read);
  EXPECT_THAT(Probe(Line({"cuda"}, key), "nonce00005"),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("refuses the key")));
  EXPECT_THAT(Probe(Line({"cuda"}, folder + "/absent"), "nonce00006"),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("cannot be read")));
}

TEST_F(RealNix, NobodyThereIsToldAsSuch) {
  const std::string line = Line();
  sshd.reset();
  EXPECT_THAT(Probe(line, "nonce00007"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("nobody answers")));
}

TEST_F(RealNix, AMachineThatHasTheFeaturesItselfIsFoundOut) {
  ports.nix.environment[1] += "\nsystem-features = cuda muster-b1";
  // No slot over there: Nix builds where it can, which is here.
  std::string line = Line();
  line.replace(line.find(" 2 1 "), 5, " 0 1 ");
  EXPECT_THAT(Probe(line, "nonce00008"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("built on this machine")));
}

}  // namespace
}  // namespace muster::nix
