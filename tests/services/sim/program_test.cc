// The program itself: its first line, its signals, its exit codes.
#include "tests/services/sim/child.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kProgram = BinDir() + "/muster-sim";

TEST(MusterSimProgram, SaysItsUrlFirstAndEndsCleanlyOnEitherSignal) {
  for (const int signal_number : {SIGTERM, SIGINT}) {
    Child sim({kProgram, "vast", "--listen", "127.0.0.1:0", "--speed", "60"});
    EXPECT_THAT(sim.ReadLine(), StartsWith("http://127.0.0.1:"));
    sim.Signal(signal_number);
    EXPECT_EQ(sim.Wait(), 0);
  }
}

TEST(MusterSimProgram, ExplainsItself) {
  Child sim({kProgram, "--help"});
  EXPECT_THAT(sim.ReadAll(), HasSubstr("--listen HOST:PORT"));
  EXPECT_EQ(sim.Wait(), 0);
}

TEST(MusterSimProgram, TellsUsageErrorsFromAPortThatIsTaken) {
  EXPECT_EQ(Child({kProgram, "nimbus"}).Wait(), 64);
  EXPECT_EQ(Child({kProgram, "vast", "--set", "no=such"}).Wait(), 64);
  EXPECT_EQ(Child({kProgram, "vast", "--listen", "0.0.0.0:0"}).Wait(), 64);
  Child first({kProgram, "vast"});
  const std::string url = first.ReadLine();
  EXPECT_EQ(Child({kProgram, "vast", "--listen", url.substr(7)}).Wait(), 1);
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait(), 0);
}

TEST(MusterSimProgram, RefusesMachinesThatItCannotHave) {
  for (const char* setting : {"qemu=/nowhere", "qemu_disks=floppy:1G", "qemu_firmware=uefi",
                              "qemu_accel=fast", "qemu_net=bridge"}) {
    EXPECT_EQ(Child({kProgram, "hetzner", "--set", "qemu=/nowhere", "--set", setting}).Wait(), 1)
        << setting;
  }
}

}  // namespace
}  // namespace muster
