#!/usr/bin/env python3
"""builder_test.py bios|efi [DISKS [user|tap]]: from an order to a Nix builder on a machine with firmware, disks
and kernels: the simulated web service, a virtual machine behind it, the real daemon and command, and
a real Nix that builds over there. The daemon is killed in the middle of PREPARE and goes on. Then the
machine is looked at from the inside, and started without its first disk.

With "tap" the machine has IPv6 alone, at its own address in a network name space of this test's.

Only with MUSTER_METAL=1; README.md of this folder says what it takes.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
import harness  # noqa: E402
from builders import LOGIN, NAME, PORT, BuilderStage  # noqa: E402

SKIPPED = 77
NEEDED = {"/usr/bin/qemu-system-x86_64": "qemu-system-x86", "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
          "/usr/bin/ssh": "openssh-client", "/usr/bin/nix": "nix-bin"}
IMAGES = pathlib.Path(os.environ.get("MUSTER_METAL_DIR") or harness.SOURCE / "build/metal")
ACCEL = os.environ.get("MUSTER_METAL_ACCEL")
NUMBER = 3100001
# Of the installed system, where it has nothing else.
IPV6 = f"2001:db8:{NUMBER >> 16:x}:{NUMBER & 0xffff:x}::1"


def missing():
    if os.environ.get("MUSTER_METAL") != "1":
        return "it takes minutes and gigabytes: MUSTER_METAL=1 asks for it"
    if os.geteuid() != 0:
        return "it must be root"
    for path, package in NEEDED.items():
        if not os.path.exists(path):
            return f"{package} is not installed"
    for part in ("rescue/initrd", "root.tar.zst"):
        if not (IMAGES / part).exists():
            return f"there is no {IMAGES / part}: tests/metal/make_images {IMAGES} makes it"
    return ""


def loopback():
    place = NUMBER % (254 * 254)
    return f"127.1.{place // 254 + 1}.{place % 254 + 1}"


class MetalStage(BuilderStage):
    """A web service with one machine to sell, and a daemon."""

    def __init__(self, firmware, disks, net="user"):
        super().__init__(22 if net == "tap" else PORT)
        self.firmware, self.disks, self.net, self.began = firmware, disks, net, time.monotonic()
        self.address = IPV6 if net == "tap" else loopback()
        self.told = set()

    def say(self, what):
        print(f"{time.monotonic() - self.began:6.1f} s  {what}", flush=True)

    def __enter__(self):
        self.start_web_service(
            products=1, qemu=IMAGES / "rescue", qemu_net=self.net, qemu_firmware=self.firmware,
            qemu_disks=self.disks, **({"qemu_accel": ACCEL} if ACCEL else {}))
        self.write_files(
            IMAGES / "root.tar.zst", span="5m", ipv4=self.net == "user",
            provider_more=f"ssh_host: {self.address}" if self.net == "user" else "")
        self.up_daemon()
        return self

    # ---- the machine --------------------------------------------------------------------------

    def box(self):
        return next(self.folder.glob(f"muster-machines-*/{NUMBER}"))

    def console(self):
        try:
            text = (self.box() / "console").read_bytes().decode(errors="replace")
        except StopIteration:
            return "no machine"
        return "".join(c for c in text[-4000:] if c.isprintable() or c == "\n")

    def ssh(self, command, seconds=60):
        """What the installed system says; the host key must be the one that muster pinned."""
        line = next(l for l in (self.folder / "machines").read_text().splitlines() if "://" in l)
        pinned = base64.b64decode(line.split()[7]).decode().strip()
        place = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        known = self.write("known_hosts", f"{place} {' '.join(pinned.split()[:2])}\n")
        done = subprocess.run(
            ["ssh", "-F", "none", "-p", str(self.port), "-i", self.folder / "nix_key", "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
             "-o", "ConnectTimeout=5", f"root@{self.address}", command],
            capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.console()}"
        return done.stdout.strip()

    def awake(self):
        try:
            return self.ssh("true", 20) == ""
        except (AssertionError, subprocess.TimeoutExpired):
            return False

    def reset(self):
        """The reset button, pressed through the web service."""
        token = base64.b64encode(":".join(LOGIN).encode()).decode()
        request = urllib.request.Request(
            f"{self.sim_url}/reset/{NUMBER}", data=urllib.parse.urlencode({"type": "hw"}).encode(),
            headers={"Authorization": f"Basic {token}"}, method="POST")
        urllib.request.urlopen(request, timeout=20).close()

    def restart_without(self, *disks):
        before = self.ssh("cat /proc/sys/kernel/random/boot_id")
        (self.box() / "unplugged").write_text(" ".join(map(str, disks)))
        self.reset()

        def new():
            self.control("state")  # the simulated world goes on when it is asked
            return self.awake() and self.ssh("cat /proc/sys/kernel/random/boot_id") != before
        try:
            self.until(f"it boots without the disks {disks}", new, seconds=180)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console()}")


def follow(stage, up):
    """Says what is done until `up` ends; its exit code."""
    def ended():
        for event in stage.all_events():
            if event["position"] not in stage.told and "step" in event["type"]:
                stage.told.add(event["position"])
                stage.say(f"{event['type']}: {event.get('text') or event.get('summary') or ''}"[:150])
        return up.process.poll() is not None
    stage.until("it serves", ended, seconds=900, daemon=stage.daemon)
    return up.process.returncode


def bring_up(stage):
    """From the order to a builder in service; the daemon is killed while the image arrives."""
    up = stage.start_up()

    def reached(kind):
        return lambda: up.process.poll() is not None or kind in stage.kinds()
    stage.until("it is delivered", reached("server.delivered"), seconds=60, daemon=stage.daemon)
    stage.say("delivered")

    def preparing():
        return up.process.poll() is not None or any(
            event["type"] == "server.step_requested" and "PREPARE" in json.dumps(event)
            for event in stage.all_events())
    stage.until("PREPARE has begun", preparing, seconds=300, daemon=stage.daemon)
    stage.say("preparing")
    assert up.process.poll() is None, (up.said(), stage.console())
    time.sleep(float(os.environ.get("MUSTER_METAL_KILL_AFTER", "45")))
    stage.daemon.kill()
    stage.say("killed")
    stage.up_daemon()
    if follow(stage, up) != 0:  # it lost the daemon
        up = stage.start_up()
        assert follow(stage, up) == 0, (up.said(), stage.daemon.said()[-3000:], stage.console())
    stage.say("in service")


def look_inside(stage, disks):
    source = stage.ssh("findmnt -no SOURCE /")
    expected = "/dev/md" if len(disks) != len(set(disks)) else "/dev/"
    assert source.startswith(expected), source
    efi = stage.ssh("test -d /sys/firmware/efi && echo efi || echo bios")
    assert efi == stage.firmware, efi
    assert stage.ssh("hostname") == NAME
    if expected == "/dev/md":
        members = stage.ssh("cat /proc/mdstat")
        assert "[UU]" in members or "recovery" in members or "resync" in members, members
    assert stage.ssh("cat /etc/nix/nix.conf").count("cuda") == 1
    assert stage.ssh("systemctl --failed --no-legend") == "", stage.ssh("systemctl --failed")
    stage.check_serves(str(time.monotonic_ns()))
    stage.say(f"root on {source}, started by {efi}")


def install_anew(stage):
    """Over its own remains, which a rescue system puts together as soon as it sees them: a mirror, one
    half of which is behind the other."""
    (stage.box() / "unplugged").unlink()
    before = len([k for k in stage.kinds() if k == "server.step_done"])
    stage.muster("server", "rescue", NAME, "--yes", "--confirm", NAME, check=True)
    stage.until("the rescue system runs",
                lambda: len([k for k in stage.kinds() if k == "server.step_done"]) > before,
                seconds=300, daemon=stage.daemon)
    up = stage.start_up()
    assert follow(stage, up) == 0, (up.said(), stage.daemon.said()[-3000:], stage.console())
    stage.say("in service again")


def whole_way(firmware, text, net):
    disks = text.split(",")
    with MetalStage(firmware, text, net) as stage:
        try:
            bring_up(stage)
            look_inside(stage, disks)
            if len(disks) == 2 and disks[0] == disks[1]:
                wait = "mdadm --wait /dev/md* >/dev/null 2>&1; cat /proc/mdstat"
                assert "[UU]" in stage.ssh(wait, 300)
                stage.restart_without(0)
                assert "[U_]" in stage.ssh("cat /proc/mdstat") or "[_U]" in stage.ssh("cat /proc/mdstat")
                stage.say("boots from the second disk alone")
                install_anew(stage)
                look_inside(stage, disks)
            stage.give_back()
            stage.say("cancelled")
        except BaseException:
            if os.environ.get("MUSTER_METAL_KEEP"):
                shutil.copytree(stage.folder, os.environ["MUSTER_METAL_KEEP"], dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns("disk*", "*.sock", "control", "client"))
                stage.say(stage.console())
            raise


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("bios", "efi"):
        print(__doc__.splitlines()[0])
        return 64
    why = missing()
    if why:
        print(f"skipped: {why}")
        return SKIPPED
    disks = sys.argv[2] if len(sys.argv) > 2 else "nvme:4G,nvme:4G"
    net = sys.argv[3] if len(sys.argv) > 3 else "user"
    if net == "tap" and not os.environ.get("MUSTER_METAL_INSIDE"):
        os.environ["MUSTER_METAL_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    if net == "tap":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    whole_way(sys.argv[1], disks, net)
    print("ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
