// The state check: every violation is found and named, and nothing else is.
#include "workers/servers/nix/check.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/servers/nix/machine_line.h"
#include "workers/servers/nix/machines_file.h"
#include "workers/virtual/memory_text_files.h"

namespace muster::nix {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kPath[] = "/var/lib/muster/machines";
constexpr char kKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H";
constexpr char kOtherKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H";

KnownBuilder Builder(const std::string& name, const std::string& address) {
  KnownBuilder builder;
  builder.name = name;
  specpb::NixBuilder& nix = *builder.spec.mutable_nix();
  nix.set_user("builder");
  nix.add_systems("x86_64-linux");
  nix.set_max_jobs(4);
  nix.set_speed_factor(1);
  nix.add_supported_features(Cat("muster-", name));
  nix.add_mandatory_features("cuda");
  nix.set_ssh_key("/etc/nix/key");
  builder.number = "3100001";
  builder.address = address;
  builder.host_public_key = Cat(kKey, " muster\n");
  builder.line = *MachineLine(builder.spec, address, 22, kKey);
  builder.in_file = true;
  return builder;
}

class Check : public testing::Test {
 protected:
  Check() {
    builders = {Builder("b1", "192.0.2.7"), Builder("b2", "2001:db8::1")};
    Regenerate();
  }
  void Regenerate() {
    std::vector<std::string> lines;
    for (const KnownBuilder& b : builders) {
      if (b.in_file) lines.push_back(b.line);
    }
    files.files[kPath] = MachinesText(lines);
  }
  // "SUBJECT: DETAIL" of what is not OK.
  std::vector<std::string> Wrong() {
    std::vector<std::string> out;
    for (const Finding& finding : CheckBuilders(builders, files, kPath)) {
      if (finding.kind == Finding::Kind::kOk) continue;
      EXPECT_NE(finding.next, "") << finding.subject;
      out.push_back(Cat(finding.kind == Finding::Kind::kWarning ? "(warning) " : "",
                        finding.subject, ": ", finding.detail));
    }
    return out;
  }

  std::vector<KnownBuilder> builders;
  MemoryTextFiles files;
};

TEST_F(Check, WhereAllIsAsItShouldBeNothingIsFound) {
  EXPECT_THAT(Wrong(), IsEmpty());
  EXPECT_GE(CheckBuilders(builders, files, kPath).size(), 10u) << "and it says what it looked at";
}

TEST_F(Check, NoBuildersAndNoFileIsFine) {
  builders.clear();
  files.files.clear();
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(Check, ALineThatIsNotTheStateIsFoundPartByPart) {
  builders[0].address = "192.0.2.8";
  builders[0].host_public_key = kOtherKey;
  builders[0].spec.mutable_nix()->set_ssh_key("/etc/nix/other");
  builders[0].spec.mutable_nix()->set_user("nix");
  EXPECT_THAT(Wrong(),
              ElementsAre("b1: address: its line says 192.0.2.7:22, the log 192.0.2.8:22",
                          "b1: login: its line says builder, the log nix",
                          "b1: key file: its line says /etc/nix/key, the log /etc/nix/other",
                          "b1: host key: its line pins another one than the log"));
}

TEST_F(Check, AnotherPortIsFound) {
  builders[0].port = 2222;
  EXPECT_THAT(Wrong(), ElementsAre(HasSubstr("b1: address: its line says 192.0.2.7:22, the log "
                                             "192.0.2.7:2222")));
}

TEST_F(Check, FeaturesBeyondTheFileAreFound) {
  builders[0].spec.mutable_nix()->clear_mandatory_features();
  EXPECT_THAT(Wrong(), ElementsAre("b1: features: its line promises cuda, its file does not"));
}

TEST_F(Check, ALineWithoutAFeatureOfItsOwnIsFound) {
  builders[0].spec.mutable_nix()->set_supported_features(0, "kvm");
  builders[0].line = *MachineLine(builders[0].spec, "192.0.2.7", 22, kKey);
  Regenerate();
  EXPECT_THAT(Wrong(), ElementsAre(HasSubstr("b1: features: its line has no feature of its own")));
}

TEST_F(Check, AnIncompleteStateIsFound) {
  builders[0].number = "";
  EXPECT_THAT(Wrong(), ElementsAre("b1: state: registered without the provider's number"));
}

TEST_F(Check, ALineThatIsNoneIsFound) {
  builders[0].line = "nonsense";
  Regenerate();
  EXPECT_THAT(Wrong(), ElementsAre(HasSubstr("b1: line: no line of a machines file")));
}

TEST_F(Check, AFileThatLagsBehindIsFound) {
  files.files[kPath] = MachinesText({builders[0].line});
  EXPECT_THAT(Wrong(), ElementsAre(Cat("machines file: ", kPath, " lacks the line of b2")));
  builders[1].in_file = false;
  files.files[kPath] = MachinesText({builders[0].line, builders[1].line});
  EXPECT_THAT(Wrong(), ElementsAre(Cat("machines file: ", kPath, " still has the line of b2")));
  files.files.clear();
  EXPECT_THAT(Wrong(), ElementsAre(Cat("machines file: ", kPath, " is not there")));
}

TEST_F(Check, AHandsWorkIsFound) {
  const std::string right = files.files[kPath];
  files.files[kPath] = right + "ssh://me@192.0.2.66 x86_64-linux\n";
  EXPECT_THAT(Wrong(), ElementsAre(HasSubstr("has a line that the log does not: ssh://me@")));
  files.files[kPath] = "# mine\n" + right;
  EXPECT_THAT(Wrong(), ElementsAre(Cat("machines file: ", kPath, " was changed by hand")));
}

TEST_F(Check, WhatIsLeftOverFromBeforeIsFound) {
  files.files["/etc/nix/machines"] = Cat("@", kPath, "\nssh://old@192.0.2.66 x86_64-linux\n");
  files.files["/var/lib/muster/builder-remote.conf"] = "x";
  files.files["/etc/nix/nix.conf"] = "sandbox = true\nmax-jobs = 0 # all of it away\n";
  EXPECT_THAT(Wrong(),
              ElementsAre(HasSubstr("/etc/nix/machines has a line of its own: ssh://old@"),
                          HasSubstr("/var/lib/muster/builder-remote.conf is of the old scripts"),
                          HasSubstr("(warning) Nix here: /etc/nix/nix.conf says max-jobs = 0")));
  files.files["/etc/nix/nix.conf"] = "max-jobs = 08\n";
  files.files.erase("/var/lib/muster/builder-remote.conf");
  files.files["/etc/nix/machines"] = Cat("# ours\n@", kPath, "\n");
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(Check, WithoutAFileItIsSaid) {
  const auto found = CheckBuilders(builders, files, "");
  EXPECT_THAT(found, Contains(testing::Field(&Finding::detail, HasSubstr("none is kept"))));
}

}  // namespace
}  // namespace muster::nix
